"""`chats/{id}/desktop/recording`: film the desktop, and keep that among the chat's files.

A recording belongs to the chat in the path; those that `wait_agent` makes belong to the subagent.
"""

from __future__ import annotations

from ..capabilities import Capability
from ..errors import ConflictError
from ..messages import Chat
from ..recordings import ChatRecordings, Kept
from . import requests
from .base import permission
from .desktop import DESKTOP, ChatDesktopHandler
from .files import file_json


class _RecordingHandler(ChatDesktopHandler):
    @property
    def recordings(self) -> ChatRecordings:
        """All recordings of the server."""
        return self.extension.runtime.recordings

    def reply_recording(self, chat: Chat) -> None:
        """Answer whether the desktop is filmed for the chat."""
        missing = self.recordings.missing()
        problem = f"A recording needs {missing}." if missing else None
        self.reply({"recording": self.recordings.is_running(chat), "problem": problem})


class RecordingHandler(_RecordingHandler):
    """`/chats/{id}/desktop/recording`."""

    @permission("read", "desktops")
    async def get(self, chat_id: str) -> None:
        """Return whether the desktop is filmed for this chat, and whether it could be."""
        self.reply_recording(await self.find_user(chat_id))


class StartRecordingHandler(_RecordingHandler):
    """`/chats/{id}/desktop/recording/start`."""

    @permission("execute", "desktops")
    async def post(self, chat_id: str) -> None:
        """Film the desktop, which starts when it does not run; one that is filmed goes on."""
        self.body(requests.NoFields)
        chat = await self.find_user(chat_id)
        self.require(Capability.DESKTOP)
        await self.recordings.start(chat)
        self.reply_recording(chat)


class StopRecordingHandler(_RecordingHandler):
    """`/chats/{id}/desktop/recording/stop`."""

    @permission("execute", "desktops")
    async def post(self, chat_id: str) -> None:
        """End the recording, also one that has ended by itself; make it a file of the chat, or forget it."""
        body = self.body(requests.StopRecording)
        chat = await self.find_user(chat_id)
        if not body.keep:
            await self.recordings.discard(chat)
            self.reply(_kept_json(None))
            return
        kept = await self.recordings.keep(chat, into=chat.id)
        if kept is None:
            raise ConflictError("The desktop is not filmed for this chat.", state="none", transition="stop")
        self.reply(_kept_json(kept))


def _kept_json(kept: Kept | None) -> dict[str, object]:
    """Return a recording that was kept as clients see it; all is null when it was not."""
    return {
        "video": file_json(kept.video) if kept else None,
        "thumbnail": file_json(kept.thumbnail) if kept and kept.thumbnail else None,
        "seconds": kept.seconds if kept else None,
    }


ROUTES = [
    (DESKTOP + r"/recording", RecordingHandler),
    (DESKTOP + r"/recording/start", StartRecordingHandler),
    (DESKTOP + r"/recording/stop", StopRecordingHandler),
]
