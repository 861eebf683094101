"""`Chat`: a chat with the agent as an object of a notebook or a script."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable, Coroutine, Generator, Mapping, Sequence
from concurrent import futures
from contextlib import suppress
from datetime import date
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar

from ..events import ChildState
from ..hits import Hit
from ..messages import Chat as ChatRow
from ..messages import QueuedMessage, Role
from . import display
from .approvals import Allowed, ApprovalList, AskedCall
from .background import BackgroundLoop, background
from .caller import CallerThread
from .calls import ToolCalls, tool_calls
from .client import AsyncClient, Busy, Content, Effort
from .desktop import Desktop
from .discovery import find_own_server
from .errors import ClientError
from .files import Attachment, ChatFile
from .frames import MessageList
from .functions import function_tools
from .live import RENEWAL_LIMIT, LiveChat, can_show_widgets, is_kernel, show, show_widget
from .pieces import EventStream, TextStream
from .server import Server
from .session import ChatSession
from .text import last_answer
from .tree import ChatTree
from .usage import UsageReport, dollars
from .view import ChatView

if TYPE_CHECKING:
    from .. import widgets

T = TypeVar("T")

_clients: dict[tuple[BackgroundLoop, Server], AsyncClient] = {}


class Chat:
    """A chat with the agent of this notebook's Jupyter server.

        chat = Chat("Which files here are larger than 1 MB?")
        for piece in chat.stream():
            print(piece, end="")

    Creating one sends the text, and the agent begins at once. The chat lives on the server: it goes on when
    this object, the kernel or the browser is gone, and `Chat.open` finds it again.

    Args:
        text: The first message.
        files: Paths of files that go with it: images, PDFs, texts.
        model: `provider:model`; the server's default when not given.
        effort: How hard the model thinks in the first turn: `none`, `minimal`, `low`, `medium`, `high`,
            `xhigh` or `max`, as far as it has a choice.
        tools: Functions of this process that the agent may call. Their names, signatures and docstrings are
            what the model sees. Plain functions run in the thread that waits (`wait`, `stream`), and in a
            thread of their own while none does; `async` ones in the client's own event loop.
        title: Shown in lists; by default the first words of the text.
        labels: Words by name to find it by: `Chat.list(labels=…)`.
        approvals: `ask` lets the agent wait for `allow` before calls that change something, `auto` does not;
            the server's default when not given.
        plan: Let the agent only plan, until you `allow` its plan.
        url: Address of the server, when it is not this notebook's own.
        token: Its token.

    Raises:
        NoServerError: no server was found; the text names what was tried.
        RefusedError: the server does not take it, because there is no such model, for example.
        UnreachableError: the server does not answer.
    """

    dropped: tuple[QueuedMessage, ...] = ()  # out of the queue, by the last edit

    def __init__(
        self,
        text: Content,
        *,
        files: Sequence[Attachment] = (),
        model: str | None = None,
        effort: Effort | None = None,
        tools: Sequence[Callable[..., Any]] = (),
        title: str | None = None,
        labels: Mapping[str, str] | None = None,
        approvals: Literal["ask", "auto"] | None = None,
        plan: bool = False,
        url: str | None = None,
        token: str | None = None,
    ) -> None:
        declared = [tool.declaration for tool in function_tools(tools).values()]
        client = _client(url, token)
        begun = client.create(
            text,
            files=files,
            model=model,
            reasoning_effort=effort,
            title=title,
            labels=labels,
            client_tools=declared,
            approval_mode=approvals,
            plan_mode="plan" if plan else None,
        )
        chat = background().run(begun)
        self._bind(client, chat, tools)
        self._call(_start(self._session))

    @classmethod
    def open(
        cls,
        chat_id: str,
        *,
        tools: Sequence[Callable[..., Any]] = (),
        url: str | None = None,
        token: str | None = None,
    ) -> Self:
        """Return a chat that exists; with *tools*, the agent may call these from now on, no earlier ones.

        Raises:
            RefusedError: there is no such chat.
        """
        client = _client(url, token)
        return cls._of(client, background().run(_open(client, chat_id, tools)), tools)

    @classmethod
    def list(
        cls,
        limit: int = 20,
        *,
        text: str | None = None,
        labels: Mapping[str, str] | None = None,
        archived: bool = False,
        url: str | None = None,
        token: str | None = None,
    ) -> ChatList:
        """Return the chats that changed last, at most *limit* (1-200).

        With *text* those whose title or messages have these words, with *labels* those that have all of them.
        """
        client = _client(url, token)
        chats = background().run(client.list(limit=limit, text=text, labels=labels, archived=archived))
        return ChatList(cls._of(client, chat) for chat in chats)

    @classmethod
    def search(
        cls, text: str, limit: int = 20, *, url: str | None = None, token: str | None = None
    ) -> HitList:
        """Return the messages that have all these words, best match first, at most *limit* (1-100)."""
        return HitList(background().run(_client(url, token).search(text, limit=limit)))

    @classmethod
    def all_usage(
        cls,
        first: date | None = None,
        last: date | None = None,
        *,
        url: str | None = None,
        token: str | None = None,
    ) -> UsageReport:
        """Return what all chats used on the UTC days from *first* to *last*, by default the last 30."""
        return background().run(_client(url, token).usage(first, last))

    @classmethod
    def _of(cls, client: AsyncClient, chat: ChatRow, tools: Sequence[Callable[..., Any]] = ()) -> Self:
        self = cls.__new__(cls)
        self._bind(client, chat, tools)
        if tools:
            self._call(_start(self._session))
        return self

    def _bind(self, client: AsyncClient, chat: ChatRow, tools: Sequence[Callable[..., Any]]) -> None:
        self._row = chat
        self._parent: Chat | None = None
        self._widget: widgets.Chat | None = None
        self._renewal: futures.Future[None] | None = None
        self._desktop: Desktop | None = None
        self._caller = CallerThread()
        self._session = ChatSession(
            client, chat.id, tools=function_tools(tools), run_sync=self._caller.run_sync
        )
        weakref.finalize(self, _close, background(), self._session).atexit = False

    # Conversing

    def send(
        self,
        text: Content,
        *,
        files: Sequence[Attachment] = (),
        busy: Busy = "queue",
        model: str | None = None,
        effort: Effort | None = None,
    ) -> Self:
        """Send a message. While the agent works it waits in the queue; `busy="interrupt"` stops that work.

        *files* are paths of images, PDFs or texts; *model* and *effort* are for this message's turn only.
        """
        self._call(self._session.send(text, files=files, busy=busy, model=model, reasoning_effort=effort))
        return self

    def edit(self, which: int, text: Content) -> Self:
        """Replace a message of the user and go on from there; what followed it is gone.

        *which* is the message's id, or counts the user's: 0 the first, -1 the last. `dropped` has the queue.
        """
        self.dropped = self._call(self._session.edit(self._user_message(which), text)).dropped
        return self

    def interrupt(self) -> Self:
        """Stop what the agent does now. What it said so far is kept; a queued message comes next."""
        self._call(self._session.interrupt())
        return self

    def compact(self) -> Self:
        """Let the model summarise what was said, and return when it has: it goes on from the summary.

        Raises:
            RefusedError: the agent works just now, or there is nothing to summarise.
            ChatFailedError: the model could not do it.
        """
        self._call(self._session.compact())
        return self

    def clear(self) -> Self:
        """Let the model forget what was said; the messages stay to be read.

        Raises:
            RefusedError: the agent works just now.
        """
        self._call(self._session.clear())
        return self

    def allow(self, call: AskedCall | None = None, *, scope: Allowed | None = None) -> Self:
        """Allow a call that waits for an approval, or a plan; the agent goes on.

        Args:
            call: One of `approvals`; may be left out where only one waits.
            scope: `once` for this call alone, `chat` for all of its tool in this chat; else as the rule that
                asked says.

        Raises:
            ClientError: none waits, or several do and *call* was left out.
            RefusedError: it was decided otherwise.
        """
        self._call(self._decide(call, allow=True, scope=scope))
        return self

    def deny(self, call: AskedCall | None = None) -> Self:
        """Deny a call that waits for an approval; the agent reads that. Raises as `allow`."""
        self._call(self._decide(call, allow=False))
        return self

    async def _decide(self, call: AskedCall | None, *, allow: bool, scope: Allowed | None = None) -> None:
        if call is None:
            call = (await self._session.client.approvals(self.id)).the_pending()
        await self._session.decide(call.key, allow=allow, scope=scope)

    def promote(self, queued_id: int) -> Self:
        """Let a queued message be next, and stop what runs."""
        self._call(self._session.promote(queued_id))
        return self

    def unqueue(self, queued_id: int) -> Self:
        """Take a message out of the queue."""
        self._call(self._session.client.delete_queued(self.id, queued_id))
        return self

    def update(
        self, *, title: str | None = None, labels: Mapping[str, str] | None = None, pin: int | None = None
    ) -> Self:
        """Change what is given. *labels* replace all that it had.

        *pin* is the place among the pinned chats, from 1; 0 takes it out of them.
        """
        self._call(self._session.client.update(self.id, title=title, labels=labels, pin_order=pin))
        self._row = self._call(self._session.client.get(self.id))
        return self

    def regenerate_title(self) -> Self:
        """Let a model write a title for all that was said; `RefusedError` where none can."""
        self._row = self._call(self._session.client.regenerate_title(self.id))
        return self

    def archive(self) -> Self:
        """Put the chat and its subagents away; what runs is stopped first.

        `Chat.list(archived=True)` finds it.
        """
        self._call(self._session.client.update(self.id, archived=True))
        return self

    def unarchive(self) -> Self:
        """Take the chat and its subagents back out of the archive."""
        self._call(self._session.client.update(self.id, archived=False))
        return self

    # Waiting

    def wait(self, timeout: float | None = None) -> Self:
        """Block until the agent is done with all that was sent; return the chat, which then shows itself.

        Interrupting the cell interrupts the agent too.

        Args:
            timeout: Seconds; the agent goes on when they have passed.

        Raises:
            ChatFailedError: the turn ended in an error.
            TimeoutError: it took longer.
        """
        try:
            self._serve(self._session.settled(), timeout)
        except TimeoutError:
            raise TimeoutError(f"The agent was not done within {timeout:g} seconds; it goes on.") from None
        if self._renewal is not None:
            futures.wait([self._renewal], timeout=RENEWAL_LIMIT)
        return self

    def __await__(self) -> Generator[Any, None, Self]:
        """`await chat` is `wait` for code that must not block."""
        yield from asyncio.wrap_future(background().start(self._session.settled())).__await__()
        return self

    def stream(self) -> TextStream:
        """Return the pieces of the agent's answer, from the beginning of the present turn to its end.

        For `for` and `async for`. Raises as `wait` does, at its end.
        """
        return TextStream(self._session.said(), self._serve)

    def events(self) -> EventStream:
        """Return all that the stream tells, from now until the agent is done: `jupyter_chatd.events`.

        For `for` and `async for`. A `ChildrenEvent` tells how the subagents stand. Raises as `wait` does, at
        its end.
        """
        return EventStream(self._session.events(), self._serve)

    # Looking

    @property
    def id(self) -> str:
        """The chat's id, which `Chat.open` and `jupyter chatd show` take."""
        return self._row.id

    @property
    def title(self) -> str:
        """The title, as it was when the object was made."""
        return self._row.title

    @property
    def model(self) -> str:
        """The model of the chat, `provider:model`."""
        return self._row.model

    @property
    def status(self) -> str:
        """`waiting` (for a message), `pending`, `running`, `interrupting`, `requires_action` or `error`."""
        return self._view().status

    @property
    def last_status(self) -> str:
        """The status as it was last heard of, without asking the server; of a child, by its parent too."""
        told = self.state
        return self._session.view.status or (told.status if told else self._row.status.value)

    @property
    def state(self) -> ChildState | None:
        """How a chat of `children` stands as its parent's stream told last; `None` for other chats."""
        found = self._parent._session.view.children if self._parent else ()
        return next((child for child in found if child.id == self.id), None)

    @property
    def text(self) -> str:
        """The agent's last answer, as far as it has come; empty when there is none since the last message."""
        return last_answer(self._view())

    @property
    def messages(self) -> MessageList:
        """All messages, oldest first."""
        return MessageList(self._view().messages)

    @property
    def tool_calls(self) -> ToolCalls:
        """All tool calls with their results, oldest first."""
        return tool_calls(self._view())

    @property
    def approvals(self) -> ApprovalList:
        """The calls that wait for an approval, or did, with who decided; oldest first."""
        return self._call(self._session.client.approvals(self.id))

    @property
    def queue(self) -> tuple[QueuedMessage, ...]:
        """Messages that wait for the agent, next one first."""
        return self._view().queue

    @property
    def labels(self) -> Mapping[str, str]:
        """The labels, as they were when the object was made or last updated."""
        return self._row.labels

    @property
    def has_unread(self) -> bool:
        """Whether an answer came after anybody last followed the chat, as it was when the object was made."""
        return self._row.has_unread

    @property
    def files(self) -> tuple[ChatFile, ...]:
        """The files that messages and tools brought into the chat, oldest first."""
        return self._call(self._session.client.files(self.id))

    def download(self, file: ChatFile | str) -> bytes:
        """Return the bytes of a file of the chat; a `str` is its id."""
        file_id = file.id if isinstance(file, ChatFile) else file
        return self._call(self._session.client.download(file_id))

    @property
    def children(self) -> ChildList:
        """The chat's own subagents, in the order in which they were made.

        Each keeps up with how it stands (`last_status`, `state`) by the stream of this chat alone.
        """
        self._view()
        client = self._session.client
        return ChildList(self._child(client, row) for row in self._call(client.children(self.id)))

    def tree(self) -> ChatTree:
        """Return the chat with its subagents as they are now; printing it shows how each stands."""
        return self._call(self._session.client.tree(self.id))

    @property
    def usage(self) -> UsageReport:
        """What the chat and its subagents used and cost so far."""
        return self._call(self._session.client.chat_usage(self.id))

    @property
    def desktop(self) -> Desktop:
        """The desktop of the chat and its subagents, the same object each time; in a cell a live view."""
        if self._desktop is None:
            self._desktop = Desktop(self.live)
        return self._desktop

    def __repr__(self) -> str:
        return f"<Chat {self.id} {self.title!r} {self.last_status}>"

    @property
    def live(self) -> LiveChat:
        """What a view of the chat follows."""
        return LiveChat(self._row, self._session)

    @property
    def widget(self) -> widgets.Chat:
        """The chat as an ipywidget, the same one each time, for boxes and layouts.

        `status`, `title` and `text` are traits of it, for `observe` here and for links to other widgets.

        Raises:
            ClientError: anywidget is not installed.
        """
        if self._widget is None:
            self._widget = _widget_class()(self)
        return self._widget

    def observe(self, handler: Callable[[Any], object], names: str | Sequence[str] = "status") -> None:
        """Call *handler* when `status`, `title` or `text` changes, with what traitlets tells of a change.

        It runs in a thread of its own, also while a cell waits. Raises as `widget`.
        """
        self.widget.observe(handler, names=names)

    def unobserve(self, handler: Callable[[Any], object], names: str | Sequence[str] = "status") -> None:
        """Call *handler* no longer."""
        self.widget.unobserve(handler, names=names)

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        live = self.live
        live.load()
        return dict(live.picture())

    def _ipython_display_(self) -> None:
        self.live.load()
        if is_kernel() and can_show_widgets():
            self._renewal = show_widget(self.live, self.widget.output)
        else:
            show(self.live)

    # Inside

    def _child(self, client: AsyncClient, row: ChatRow) -> Chat:
        child = Chat._of(client, row)
        child._parent = self
        return child

    def _view(self) -> ChatView:
        """What is known now: at least what this object has sent, and all that was there before."""
        return self._call(self._session.current())

    def _user_message(self, which: int) -> int:
        ids = [message.id for message in self.messages if message.role is Role.USER]
        if which in ids:
            return which
        try:
            return ids[which]
        except IndexError:
            raise IndexError(
                f"Expected the id of a user message, or a number from 0 to {len(ids) - 1}, came {which}."
            ) from None

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        return background().run(work)

    def _serve(self, work: Coroutine[Any, Any, T], timeout: float | None = None) -> T:
        try:
            return self._caller.serve(background().start(work), timeout)
        except KeyboardInterrupt:
            with suppress(ClientError):  # the cell ends either way
                self._call(self._session.client.interrupt(self.id))
            raise


class ChildList(tuple[Chat, ...]):
    """Subagents, oldest first. In a notebook it shows itself as a table."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        rows = [
            (
                chat.title,
                chat.state.type if chat.state else "",
                chat.last_status,
                "new" if chat.state and chat.state.has_unread else "",
                dollars(chat.state.usage.total_cost_micros) if chat.state else "",
                chat.id,
            )
            for chat in self
        ]
        return display.table(("title", "type", "status", "", "cost", "id"), rows)


class ChatList(tuple[Chat, ...]):
    """Chats, newest change first. In a notebook it shows itself as a table."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        rows = [
            (chat.title, "new" if chat.has_unread else "", chat.last_status, chat.model, chat.id)
            for chat in self
        ]
        return display.table(("title", "", "status", "model", "id"), rows)


class HitList(tuple[Hit, ...]):
    """Messages that were found. In a notebook it shows itself as a table."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        rows = [(hit.chat_title, hit.role.value, hit.text, hit.chat_id) for hit in self]
        return display.table(("chat", "who", "message", "id"), rows)


def _client(url: str | None, token: str | None) -> AsyncClient:
    """Return this process's client of a server."""
    key = (background(), find_own_server(url, token))
    if key not in _clients:
        _clients[key] = AsyncClient(key[1])
    return _clients[key]


async def _open(client: AsyncClient, chat_id: str, tools: Sequence[Callable[..., Any]]) -> ChatRow:
    chat = await client.get(chat_id)
    if tools:
        declared = [tool.declaration for tool in function_tools(tools).values()]
        await client.update(chat_id, client_tools=declared)
    return chat


async def _start(session: ChatSession) -> None:
    session.start()


def _widget_class() -> type[widgets.Chat]:
    """The widgets load ipywidgets: only who shows one waits for that."""
    if not can_show_widgets():
        raise ClientError('A widget needs anywidget: pip install "jupyter_chatd[widgets]" brings it.')
    from ..widgets import Chat as ChatWidget

    return ChatWidget


def _close(loop: BackgroundLoop, session: ChatSession) -> None:
    loop.start(session.close())
