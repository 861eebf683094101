"""What all widgets share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol

import traitlets

from .._version import __version__
from ..client.background import background
from ..client.chat import Chat
from ..client.live import LiveChat
from ..client.text import last_answer
from ..client.view import ChatView
from .boxes import SAVED, remember_boxes
from .bundle import bundle_path, find_built, loader
from .relay import Relay

if TYPE_CHECKING:

    class _AnyWidget(traitlets.HasTraits):
        """What is used of it: its own types are not whole."""

        comm: Any
        model_id: str

        def on_msg(self, callback: Callable[..., None]) -> None: ...
        def send(self, content: Mapping[str, Any], buffers: Sequence[bytes]) -> None: ...
        def close(self) -> None: ...
        def _repr_mimebundle_(self, **_: Any) -> Any: ...

else:
    from anywidget import AnyWidget as _AnyWidget

Route = Literal["auto", "comm"]


class Viewed(Protocol):
    """What is shown: a chat, or something of it."""

    @property
    def id(self) -> str:
        """That of the chat."""
        ...

    @property
    def live(self) -> LiveChat:
        """What a view of the chat follows."""
        ...


class AgentWidget(_AnyWidget):
    """A view of a chat in a cell. Its state is small and holds no secret: it may be saved with the notebook.

    The page draws it with a bundle of the server extension and asks that server itself. Where it cannot, in
    VS Code for example, the kernel sends the bundle and makes the requests.

    `status`, `title` and `text` follow the chat for as long as its `Chat` object does: they may be observed
    and linked as those of any other widget. Observers run in a thread of their own, so that they are heard
    while a cell waits for the agent.

    Args:
        chat: The chat, or its id.
        route: `comm` lets the page ask only the kernel.
    """

    _esm = traitlets.Unicode().tag(sync=True)
    _bundle = traitlets.Unicode().tag(sync=True)
    _version = traitlets.Unicode(__version__).tag(sync=True)
    _view = traitlets.Unicode().tag(sync=True)
    """Which of the bundle's views to draw; a subclass has its own default."""
    _chat_id = traitlets.Unicode().tag(sync=True)
    _route = traitlets.Unicode("auto").tag(sync=True)

    status = traitlets.Unicode()
    """`waiting` (for a message), `pending`, `running`, `interrupting`, `requires_action` or `error`."""
    title = traitlets.Unicode()
    text = traitlets.Unicode()
    """The agent's last answer, as far as it has come."""

    def __init__(self, chat: Viewed | str, *, route: Route = "auto", **traits: Any) -> None:
        chat = Chat.open(chat) if isinstance(chat, str) else chat
        super().__init__(_esm=loader(), _bundle=bundle_path().name, _chat_id=chat.id, _route=route, **traits)
        self.chat_id = chat.id
        self._live = chat.live
        self._relay: Relay | None = None
        self.on_msg(self._receive)
        remember_boxes()
        self._take(self._live.session.view)
        self._following = background().start(self._follow())

    @property
    def static_copy(self) -> Mapping[str, str]:
        """What stays in the file, and is seen where no widget can be, by MIME type."""
        return self._live.small_picture()

    def output(self) -> dict[str, Any]:
        """Return what to display: the widget, and its static copy as it is now."""
        shown: Any = super()._repr_mimebundle_()
        return {
            **(shown[0] if shown else {}),
            SAVED: {"model_id": self.model_id, **self.saved_state()},
            **self.static_copy,
        }

    def saved_state(self) -> dict[str, str]:
        """Return what draws the widget without a kernel."""
        return {name: getattr(self, name) for name in ("_bundle", "_view", "_chat_id", "_version")}

    def load(self) -> None:
        """Wait for what the server knows now, so that the static copy has it."""
        self._live.load()

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        self.load()
        return self.output()

    def close(self) -> None:
        """Take the view off all pages, and end what they asked for."""
        self._following.cancel()
        if self._relay is not None:
            relay, self._relay = self._relay, None
            background().start(_close(relay))
        super().close()

    async def _follow(self) -> None:
        session = self._live.session
        session.start()
        async with session.updates() as updates:
            while await updates.get() is not None:
                while not updates.empty():  # only the newest view counts
                    updates.get_nowait()
                if session.view.is_complete:
                    await asyncio.to_thread(self._take, session.view)  # observers may block, the loop may not

    def _take(self, view: ChatView) -> None:
        with self.hold_trait_notifications():
            self.status = view.status or self._live.row.status.value
            self.title = self._live.row.title
            self.text = last_answer(view)

    def _receive(self, _: object, message: Mapping[str, Any], buffers: Sequence[memoryview]) -> None:
        if message.get("type") == "bundle":
            self._send_built(str(message.get("name")))
            return
        if self._relay is None:
            self._relay = Relay(self._live.session.client, self._tell)
        background().start(_pass_on(self._relay, message, [bytes(part) for part in buffers]))

    def _send_built(self, name: str) -> None:
        if path := find_built(name):
            self.send({"type": "bundle", "name": name}, [path.read_bytes()])

    def _tell(self, message: Mapping[str, Any], buffers: Sequence[bytes]) -> None:
        if self.comm is not None:
            self.send(dict(message), list(buffers))


async def _pass_on(relay: Relay, message: Mapping[str, Any], buffers: Sequence[bytes]) -> None:
    relay.receive(message, buffers)


async def _close(relay: Relay) -> None:
    relay.close()
