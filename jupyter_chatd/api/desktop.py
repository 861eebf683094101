"""`chats/{id}/desktop`: how the desktop stands, a live view of it, pictures, actions, start and stop.

Everything is checked before the WebSocket is accepted, so that a refusal can be read as JSON.
"""

from __future__ import annotations

import asyncio
import base64
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_server.utils import ensure_async

from ..capabilities import Capability
from ..desktop.desktops import Desktops
from ..desktop.errors import ActionError, DesktopStartError
from ..desktop.geometry import LARGEST
from ..desktop.status import State, Status
from ..errors import ConflictError, InvalidInputError
from ..messages import Chat
from ..workspace.protocol import WorkspaceUnavailableError
from . import requests
from .activity import NAME
from .base import CHAT, ChatdHandler, permission

if TYPE_CHECKING:  # what is large is loaded with the first use
    from ..desktop.actions import Action
    from ..desktop.desktop import Desktop
    from ..desktop.driver import Done
    from ..desktop.viewers.gates import Gate
    from .desktop_socket import DesktopSocket

START_LIMIT = 30.0  # seconds that a viewer waits for a desktop to start

DESKTOP = CHAT + r"/desktop"


class ChatDesktopHandler(ChatdHandler):
    """What routes about a chat's desktop share."""

    @property
    def desktops(self) -> Desktops:
        """All desktops of the server."""
        return self.extension.runtime.desktops

    async def find_user(self, chat_id: str) -> Chat:
        """Return the caller's chat when it can have a desktop.

        Raises:
            ChatNotFoundError: no such chat.
            InvalidInputError: it is archived, or its workspace does not run.
        """
        chat = await self.find_chat(chat_id)
        if chat.archived:
            raise InvalidInputError("This chat is archived, so it has no desktop. Unarchive it first.")
        if chat.workspace_id is not None:
            try:
                await self.extension.runtime.lookup.connect(chat.workspace_id)
            except WorkspaceUnavailableError as error:
                raise InvalidInputError(
                    "The workspace of this chat does not run.", detail=str(error)
                ) from error
        return chat

    async def reply_status(self, chat: Chat) -> None:
        """Answer how the chat's desktop stands."""
        status = await self.desktops.status(chat.family_id)
        if reason := self.extension.runtime.capabilities.now.why_not(Capability.DESKTOP):
            status = replace(status, problem=f"Not possible here: {reason}.")
        desktop = self.desktops.find(chat.family_id)
        self.reply(
            status_json(
                status,
                can_control=await self.may_control(),
                controlled_by=desktop.control.holder if desktop else None,
                agent_at_work=await self.service.is_at_desktop(chat.family_id),
            )
        )

    async def may_control(self) -> bool:
        """Whether the caller may do more than look: who may click in a terminal may run code."""
        user, authorizer = self.current_user, self.authorizer
        return bool(await ensure_async(authorizer.is_authorized(self, user, "execute", "desktops")))


class DesktopHandler(ChatDesktopHandler):
    """`/chats/{id}/desktop`."""

    @permission("read", "desktops")
    async def get(self, chat_id: str) -> None:
        """Return how the desktop stands; to who asks for a WebSocket, show it."""
        chat = await self.find_user(chat_id)
        start, view_only = self._flag("start", default=True), self._flag("view_only", default=False)
        if self.request.headers.get("Upgrade", "").lower() == "websocket":
            await self._show(chat, start=start, view_only=view_only)
        else:
            await self.reply_status(chat)

    async def _show(self, chat: Chat, *, start: bool, view_only: bool) -> None:
        """Serve a viewer until it goes."""
        self.require(Capability.DESKTOP)
        may_control = await self.may_control()
        desktop = self._desktop_for(chat, may_start=may_control and start)
        is_viewer = not may_control or view_only
        path = await self._socket_of(desktop)
        socket_class = await asyncio.to_thread(load_socket)
        gate = self._gate(chat, desktop, is_viewer=is_viewer)
        socket = socket_class(
            self.application, self.request, path=path, gate=gate, sockets=self.extension.sockets
        )
        await socket.connect()
        self._auto_finish = False  # the socket answers
        await socket.serve()

    def _desktop_for(self, chat: Chat, *, may_start: bool) -> Desktop:
        desktop = self.desktops.find(chat.family_id)
        is_there = desktop is not None and desktop.status.state in (State.STARTING, State.RUNNING)
        if not (is_there or may_start):
            raise ConflictError(
                "The desktop does not run. It starts when it is used, or by POST …/desktop/start.",
                state=State.STOPPED.value,
                transition="look",
            )
        return self.desktops.get(chat.family_id)

    async def _socket_of(self, desktop: Desktop) -> Path:
        try:
            async with asyncio.timeout(START_LIMIT):
                return await desktop.socket()
        except TimeoutError:
            raise DesktopStartError(f"The desktop did not start within {START_LIMIT:g} s.") from None

    def _gate(self, chat: Chat, desktop: Desktop, *, is_viewer: bool) -> Gate:
        from ..desktop.viewers.gates import ControlGate, ViewGate

        def note_input() -> None:
            self.desktops.touch(chat.family_id)
            self.settings["last_activity_times"][NAME] = datetime.now(UTC)

        if is_viewer:
            return ViewGate()
        return ControlGate(on_input=note_input, on_pointer=desktop.note_pointer)

    def _flag(self, name: str, *, default: bool) -> bool:
        word = self.get_query_argument(name, "true" if default else "false")
        if word not in ("true", "false"):
            raise InvalidInputError(
                "Invalid query.", detail=f"{name}: expected true or false, came {word[:80]!r}"
            )
        return word == "true"


class ScreenshotHandler(ChatDesktopHandler):
    """`/chats/{id}/desktop/screenshot`."""

    @permission("read", "desktops")
    async def get(self, chat_id: str) -> None:
        """Send a picture of the desktop as it is now; looking neither starts it nor keeps it."""
        chat = await self.find_user(chat_id)
        width = self.number("width", default=LARGEST, least=1, most=LARGEST)
        desktop = self.desktops.find(chat.family_id)
        picture = await desktop.glance(width=width) if desktop else None
        if picture is None:
            raise ConflictError("The desktop does not run.", state=State.STOPPED.value, transition="look")
        self.set_header("Content-Type", "image/png")
        self.set_header("Cache-Control", "no-store")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.finish(picture.png, set_content_type="image/png")


class ActionHandler(ChatDesktopHandler):
    """`/chats/{id}/desktop/action`."""

    _acting: asyncio.Task[list[Done]] | None = None

    @permission("execute", "desktops")
    async def post(self, chat_id: str) -> None:
        """Do actions in order; the desktop starts when it does not run."""
        body = self.body(requests.DesktopActions)
        chat = await self.find_user(chat_id)
        self.require(Capability.DESKTOP)
        actions = [_read_action(number, value) for number, value in enumerate(body.actions)]
        desktop = self.desktops.get(chat.family_id)
        self._acting = asyncio.create_task(desktop.act(actions), name="chatd-desktop-actions")
        await asyncio.wait([self._acting])
        if not self._acting.cancelled():
            self.reply({"results": [_done_json(done) for done in self._acting.result()]})

    def on_connection_close(self) -> None:
        """Who asked has gone: keys that are held are let go."""
        super().on_connection_close()
        if self._acting is not None:
            self._acting.cancel()


class StartHandler(ChatDesktopHandler):
    """`/chats/{id}/desktop/start`."""

    @permission("execute", "desktops")
    async def post(self, chat_id: str) -> None:
        """Start the desktop unless it runs."""
        self.body(requests.NoFields)
        chat = await self.find_user(chat_id)
        self.require(Capability.DESKTOP)
        await self.desktops.get(chat.family_id).socket()
        self.desktops.touch(chat.family_id)
        await self.reply_status(chat)


class StopHandler(ChatDesktopHandler):
    """`/chats/{id}/desktop/stop`."""

    @permission("execute", "desktops")
    async def post(self, chat_id: str) -> None:
        """Stop the desktop and all programs on it; nothing happens when it does not run."""
        self.body(requests.NoFields)
        chat = await self.find_user(chat_id)
        await self.desktops.stop(chat.family_id)
        await self.reply_status(chat)


class TakeHandler(ChatDesktopHandler):
    """`/chats/{id}/desktop/take`."""

    @permission("execute", "desktops")
    async def post(self, chat_id: str) -> None:
        """Make the model wait until the desktop is given back; the desktop starts when it does not run."""
        self.body(requests.NoFields)
        chat = await self.find_user(chat_id)
        self.require(Capability.DESKTOP)
        desktop = self.desktops.get(chat.family_id)
        await desktop.socket()
        desktop.control.take(self.owner_id)
        await desktop.release()
        await self.reply_status(chat)


class ReleaseHandler(ChatDesktopHandler):
    """`/chats/{id}/desktop/release`."""

    @permission("execute", "desktops")
    async def post(self, chat_id: str) -> None:
        """Let the model go on; nothing happens when nobody took the desktop."""
        self.body(requests.NoFields)
        chat = await self.find_user(chat_id)
        if desktop := self.desktops.find(chat.family_id):
            desktop.control.give_back()
        await self.reply_status(chat)


def status_json(
    status: Status, *, can_control: bool, controlled_by: str | None, agent_at_work: bool
) -> dict[str, object]:
    """Return how a desktop stands as clients see it.

    Args:
        status: What is known of it.
        can_control: Whether whoever asks may use it.
        controlled_by: Who made the model wait.
        agent_at_work: Whether one works on it, or waits for somebody.
    """
    return {
        "state": status.state.value,
        "launcher": status.launcher,
        "width": status.size.width,
        "height": status.size.height,
        "problem": status.problem,
        "can_control": can_control,
        "controlled_by": controlled_by,
        "agent_at_work": agent_at_work,
    }


def load_socket() -> type[DesktopSocket]:
    """Return what serves viewers; takes a moment the first time."""
    from .desktop_socket import DesktopSocket

    return DesktopSocket


def _read_action(number: int, value: Any) -> Action:
    from ..desktop.dialects import parse_neutral

    try:
        return parse_neutral(value)
    except ActionError as error:
        raise InvalidInputError("Invalid action.", detail=f"actions[{number}]: {error}") from error


def _done_json(done: Done) -> dict[str, object]:
    """Return what an action gave: nothing, a picture, or where the pointer is."""
    if done.picture is not None:
        size, data = done.picture.size, base64.b64encode(done.picture.png).decode("ascii")
        return {"screenshot": {"data": data, "width": size.width, "height": size.height}}
    return {"cursor": [done.cursor.x, done.cursor.y]} if done.cursor is not None else {}


ROUTES = [
    (DESKTOP, DesktopHandler),
    (DESKTOP + r"/screenshot", ScreenshotHandler),
    (DESKTOP + r"/action", ActionHandler),
    (DESKTOP + r"/start", StartHandler),
    (DESKTOP + r"/stop", StopHandler),
    (DESKTOP + r"/take", TakeHandler),
    (DESKTOP + r"/release", ReleaseHandler),
]
