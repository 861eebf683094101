"""Recordings of desktops as chats have them: filmed under the chat's id, kept among a chat's files."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from .desktop.desktops import Desktops
from .desktop.errors import DesktopError, RecordingError
from .errors import ChatdError
from .files import FileLibrary
from .messages import Chat
from .store.files import StoredFile

if TYPE_CHECKING:  # what is large is loaded with the first desktop
    from .desktop.recording.recordings import Recorded

KEEP_LIMIT = 90.0  # seconds to end a recording and store it
MOST_AT_ONCE = 25  # recordings that are stored at the same time

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A recording that is a file of a chat now."""

    video: StoredFile
    thumbnail: StoredFile | None
    seconds: float

    @property
    def file_ids(self) -> dict[str, str]:
        """What results of tools and routes tell of it."""
        ids = {"recording_file_id": self.video.id}
        return ids | ({"thumbnail_file_id": self.thumbnail.id} if self.thumbnail else {})


class ChatRecordings:
    """Films the desktop of a chat's family. Lives as long as the server."""

    def __init__(self, desktops: Desktops, files: FileLibrary) -> None:
        self._desktops = desktops
        self._files = files
        self._starting: dict[str, asyncio.Task[None]] = {}
        self._keeping: set[asyncio.Task[Kept | None]] = set()
        self._room = asyncio.Semaphore(MOST_AT_ONCE)

    def missing(self) -> str | None:
        """Return what has to be installed before anything can be recorded, `None` when it can."""
        return self._desktops.manager.recordings.missing()

    def is_running(self, chat: Chat) -> bool:
        """Whether the desktop is filmed for this chat."""
        return self._desktops.manager.recordings.is_running(chat.id)

    async def start(self, chat: Chat) -> None:
        """Begin to film the chat's desktop, which starts when it does not run; one that is filmed goes on.

        Raises:
            DesktopError: it cannot be filmed, or did not start.
        """
        await self._desktops.manager.recordings.start(chat.id, self._desktops.get(chat.family_id))

    def start_soon(self, chat: Chat) -> None:
        """Begin to film without waiting; what does not work is only logged."""
        if chat.id in self._starting:
            return
        task = asyncio.create_task(self._try_start(chat), name="chatd-recording-start")
        self._starting[chat.id] = task
        task.add_done_callback(lambda _: self._starting.pop(chat.id, None))

    async def keep(self, chat: Chat, *, into: str) -> Kept | None:
        """End the recording and give it to a chat; `None` when there is none. Cancelling does not lose it.

        Args:
            chat: Whose desktop was filmed.
            into: The id of the chat that gets the files.

        Raises:
            RecordingError: it is of no use, or took too long.
            ChatdError: the chat takes no file, or it could not be stored.
        """
        task = asyncio.create_task(self._keep(chat, into), name="chatd-recording-keep")
        self._keeping.add(task)
        task.add_done_callback(self._forget)
        return await asyncio.shield(task)

    async def find_kept(self, chat: Chat, *, into: str) -> Kept | None:
        """End the recording as `keep` does; `None` also when that does not work, which is logged."""
        try:
            return await self.keep(chat, into=into)
        except ChatdError:
            return None

    async def discard(self, chat: Chat) -> None:
        """End the recording, if there is one, and forget it."""
        await self._started(chat)
        if self._desktops.is_in_use:
            await self._desktops.manager.recordings.discard(chat.id)

    async def close(self) -> None:
        """Wait for what is being stored. May be called twice; the desktops must not be closed before."""
        for task in tuple(self._starting.values()):
            task.cancel()
        await asyncio.gather(*self._starting.values(), *self._keeping, return_exceptions=True)

    async def _try_start(self, chat: Chat) -> None:
        try:
            await self.start(chat)
        except DesktopError as error:
            log.info("The desktop of chat %s is not recorded: %s", chat.id, error)

    async def _started(self, chat: Chat) -> None:
        if task := self._starting.get(chat.id):
            await asyncio.wait([task])

    async def _keep(self, chat: Chat, into: str) -> Kept | None:
        try:
            async with asyncio.timeout(KEEP_LIMIT), self._room:
                await self._started(chat)
                if not self._desktops.is_in_use:
                    return None
                recorded = await self._desktops.manager.recordings.finish(chat.id)
                return await self._store(recorded, into) if recorded else None
        except TimeoutError:
            raise RecordingError(f"It was not stored within {KEEP_LIMIT:g} s.") from None

    async def _store(self, recorded: Recorded, into: str) -> Kept:
        name = datetime.now(UTC).strftime("desktop-%Y-%m-%d-%H-%M-%S")
        limit = len(recorded.video)  # the recording's own limit has held
        video = await self._files.attach(into, name=f"{name}.mp4", data=recorded.video, limit_bytes=limit)
        thumbnail = None
        if recorded.thumbnail is not None:
            thumbnail = await self._files.attach(into, name=f"{name}.jpg", data=recorded.thumbnail)
        return Kept(video=video, thumbnail=thumbnail, seconds=recorded.seconds)

    def _forget(self, task: asyncio.Task[Kept | None]) -> None:
        self._keeping.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.warning("A recording was not kept: %s", error)
