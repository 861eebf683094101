"""One chat as a program drives it: followed live, its client-side tools answered."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Any, Self

from ..errors import ChatdError
from ..events import StreamEvent
from ..messages import CallKey, Chat, ChatStatus, ErrorDetail
from .approvals import Allowed
from .client import AsyncClient, Busy, Content, Edited, Effort, Interrupted, Page, Sent
from .errors import ChatFailedError, ClientError, UnreachableError
from .files import Attachment
from .functions import FunctionTool, RunSync
from .stream import GIVE_UP, Update
from .text import TextGrowth, last_user_id, said_since
from .toolwork import ToolWork
from .view import SETTLED, ChatView

CONFIRM_PAUSE = 0.05  # seconds between looks at what is stored
GONE_PAUSE = 0.5  # seconds between looks for a server that is gone


async def run_in_thread(call: Callable[[], Any]) -> Any:
    """Run a function in a worker thread."""
    return await asyncio.to_thread(call)


class ChatSession:
    """Follows one chat from `start` to `close`, in one event loop.

    Args:
        client: Lives longer than the session.
        chat_id: The chat.
        tools: Functions to run when the agent calls them, by name.
        run_sync: Runs those of them that are not async; by default in a worker thread.
        give_up_s: Seconds that the server may be gone.
    """

    def __init__(
        self,
        client: AsyncClient,
        chat_id: str,
        *,
        tools: Mapping[str, FunctionTool] | None = None,
        run_sync: RunSync = run_in_thread,
        give_up_s: float | None = GIVE_UP,
    ) -> None:
        self.client = client
        self.chat_id = chat_id
        self.view = ChatView(chat_id=chat_id)
        self._give_up_s = give_up_s
        self._work = ToolWork(client, chat_id, tools or {}, run_sync, name=f"client-{uuid.uuid4()}")
        self._changed = asyncio.Condition()
        self._listeners: set[asyncio.Queue[Update | None]] = set()
        self._task: asyncio.Task[None] | None = None
        self._failure: ChatdError | None = None
        self._sent_id = 0
        """The newest message that was sent here: what came before it is old news."""
        self._queued_ids: set[int] = set()
        """Messages sent here that went into the queue and may be there still."""
        self._is_unsure = False
        """What was done from here may not be in the view yet, and no message tells when it is."""
        self._unseen_ids: set[int] = set()
        """Those of them that no view has shown yet."""

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def start(self) -> None:
        """Follow the chat; nothing happens when it is followed already, and one that failed begins again."""
        if self._task is None or self._task.done():
            self._failure = None
            self._task = asyncio.create_task(self._follow(), name=f"chatd-session-{self.chat_id}")

    async def close(self) -> None:
        """Stop following. The chat goes on. May be called twice."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._failure = ClientError("The chat is no longer followed.")
        async with self._changed:
            self._changed.notify_all()
        await self._work.close()

    # What was sent decides what is awaited

    async def send(
        self,
        content: Content,
        *,
        files: Sequence[Attachment] = (),
        busy: Busy = "queue",
        model: str | None = None,
        reasoning_effort: Effort | None = None,
    ) -> Sent:
        """Send a message; see `AsyncClient.send`."""
        sent = await self.client.send(
            self.chat_id, content, files=files, busy=busy, model=model, reasoning_effort=reasoning_effort
        )
        self.note_sent(sent)
        return sent

    async def edit(self, message_id: int, content: Content) -> Edited:
        """Replace a user message; see `AsyncClient.edit`."""
        edited = await self.client.edit(self.chat_id, message_id, content)
        self._sent_id = edited.message.id
        return edited

    async def promote(self, queued_id: int) -> Sent:
        """Make a queued message the next one; see `AsyncClient.promote`."""
        sent = await self.client.promote(self.chat_id, queued_id)
        self.note_sent(sent)
        return sent

    async def interrupt(self) -> Interrupted:
        """Stop what runs, and return once the chat has stopped or goes on with its queue."""
        done = await self.client.interrupt(self.chat_id)
        self.start()
        while not await self._has_stopped():
            await self._pause()
        return done

    async def decide(self, key: CallKey, *, allow: bool, scope: Allowed | None = None) -> Chat:
        """Allow or deny a call, or approve a plan; see `AsyncClient.decide`."""
        chat = await self.client.decide(self.chat_id, key, allow=allow, scope=scope)
        self._is_unsure = True
        return chat

    async def compact(self) -> ChatView:
        """Let the history be summarised, and return once that is done; see `AsyncClient.compact`.

        Raises:
            ChatFailedError: it could not be summarised.
        """
        await self.client.compact(self.chat_id)
        self._is_unsure = True
        return await self.settled()

    async def clear(self) -> ChatView:
        """Let the model forget what was said; see `AsyncClient.clear`."""
        await self.client.clear(self.chat_id)
        self._is_unsure = True
        return await self.settled()

    def note_sent(self, sent: Sent) -> None:
        """Let `settled` wait for what a message starts."""
        if sent.message is None and sent.queued_message is None:
            self._is_unsure = True  # it was an answer to a question, or a command
        if sent.message is not None:
            self._sent_id = max(self._sent_id, sent.message.id)
        if sent.queued_message is not None:
            self._queued_ids.add(sent.queued_message.id)
            self._unseen_ids |= {sent.queued_message.id} - {queued.id for queued in self.view.queue}

    # Waiting

    async def until(self, test: Callable[[ChatView], bool]) -> ChatView:
        """Return the view once it passes *test*.

        Raises:
            ClientError: the chat can no longer be followed; see `stream.follow`.
        """
        async with self._changed:
            await self._changed.wait_for(lambda: self._failure is not None or test(self.view))
        if self._failure is not None and not test(self.view):
            raise self._failure
        return self.view

    async def current(self) -> ChatView:
        """Return the view once all that was there, and all that was sent from here, has come."""
        self.start()
        await self.until(self._is_current)
        while self._unseen_ids:
            _, page = await self._look()
            self._unseen_ids &= {queued.id for queued in page.queue}  # else it came and went
            await self._pause()
        return self.view

    async def settled(self) -> ChatView:
        """Return the view once all that was sent has been dealt with and nothing runs.

        Also when the chat waits for what no tool of ours can do: an approval, an answer.

        Raises:
            ChatFailedError: the turn ended in an error.
            ClientError: the chat can no longer be followed.
        """
        self.start()
        view = await self.until(self._seems_settled)
        while (self._queued_ids or self._is_unsure) and not await self._confirm():
            await self._pause()
            view = await self.until(self._seems_settled)
        if view.status == "error":
            raise ChatFailedError(self.chat_id, view.error or ErrorDetail(message="The turn failed."))
        return view

    def _is_current(self, view: ChatView) -> bool:
        return view.is_complete and view.last_id >= self._sent_id

    def _seems_settled(self, view: ChatView) -> bool:
        if not self._is_current(view):
            return False
        return view.status in SETTLED or (view.status == "requires_action" and self._work.needs_someone(view))

    async def _confirm(self) -> bool:
        """Whether what was queued has left the queue and all that followed from it has been seen.

        The stream alone cannot tell: before it brings our message it looks just as idle as after it.
        """
        chat, page = await self._look()
        if self.view.last_id < _newest(page) or not self._shows(chat):
            return False
        self._is_unsure = False
        if chat.status in (ChatStatus.ERROR, ChatStatus.REQUIRES_ACTION):
            return True  # it stays in the queue until somebody acts
        if chat.status is not ChatStatus.WAITING or self._queued_ids & {queued.id for queued in page.queue}:
            return False
        self._queued_ids.clear()
        return True

    def _shows(self, chat: Chat) -> bool:
        """Whether the view has the chat's status, and it is one of rest."""
        return chat.status.value == self.view.status and (
            self.view.status in SETTLED or self.view.status == "requires_action"
        )

    async def _has_stopped(self) -> bool:
        """Whether an interruption is over, and has been seen to be."""
        chat, page = await self._look()
        if chat.status is ChatStatus.INTERRUPTING or self.view.last_id < _newest(page):
            return False
        return chat.status is ChatStatus.RUNNING or self.view.status == chat.status.value

    async def _pause(self) -> None:
        """Wait for something to happen, or a moment."""
        with suppress(TimeoutError):
            async with asyncio.timeout(CONFIRM_PAUSE), self._changed:
                await self._changed.wait()

    async def _look(self) -> tuple[Chat, Page]:
        """Return the chat as it is stored now, with its newest message and its queue.

        While the server is gone, it is asked again for as long as it is followed.
        """
        while self._failure is None:
            try:
                chat = await self.client.get(self.chat_id)
                return chat, await self.client.messages(self.chat_id, limit=1)
            except UnreachableError:
                await asyncio.sleep(GONE_PAUSE)
        raise self._failure

    async def views(self) -> AsyncGenerator[ChatView, None]:
        """Yield the chat as it changes, from now until it settles; what was sent from here is always in it.

        Raises:
            As `settled`, after the last view.
        """
        async with self.updates() as updates:
            settled = asyncio.ensure_future(self.settled())
            try:
                is_over = False
                while not is_over:
                    is_over = await _either(settled, updates)
                    if self._is_current(self.view):
                        yield self.view
                await settled
            finally:
                settled.cancel()

    async def said(self) -> AsyncGenerator[str, None]:
        """Yield what the model says in the present turn, from its beginning, until the chat settles.

        The pieces join to the text; see `text.TextGrowth` for a model call that fails midway.

        Raises:
            As `settled`, after the last piece.
        """
        growth, since = TextGrowth(), None
        async with aclosing(self.views()) as views:
            async for view in views:
                since = last_user_id(view) if since is None else since
                if piece := growth.next(said_since(view, since)):
                    yield piece

    async def events(self) -> AsyncGenerator[StreamEvent, None]:
        """Yield what happens in the chat and how its subagents stand, from now until the chat settles.

        Raises:
            As `settled`, after the last event.
        """
        async with self.updates() as updates:
            settled = asyncio.ensure_future(self.settled())
            settled.add_done_callback(lambda _: updates.put_nowait(None))
            try:
                while (update := await updates.get()) is not None:
                    for event in update.events:
                        yield event
                await settled
            finally:
                settled.cancel()

    @asynccontextmanager
    async def updates(self) -> AsyncGenerator[asyncio.Queue[Update | None], None]:
        """Give a queue of all updates from now on; `None` in it says that there will be no more."""
        queue: asyncio.Queue[Update | None] = asyncio.Queue()
        self._listeners.add(queue)
        try:
            yield queue
        finally:
            self._listeners.discard(queue)

    # Following

    async def _follow(self) -> None:
        try:
            updates = self.client.follow(self.chat_id, view=self.view, give_up_s=self._give_up_s)
            async with aclosing(updates):
                async for update in updates:
                    await self._take(update)
        except ChatdError as error:
            self._failure = error
        finally:
            self._tell(None)
            async with self._changed:
                self._changed.notify_all()

    async def _take(self, update: Update) -> None:
        self.view = update.view
        self._unseen_ids -= {queued.id for queued in update.view.queue}
        self._work.look(update.view)
        self._tell(update)
        async with self._changed:
            self._changed.notify_all()

    def _tell(self, update: Update | None) -> None:
        for listener in self._listeners:
            listener.put_nowait(update)


async def _either(task: asyncio.Future[Any], updates: asyncio.Queue[Update | None]) -> bool:
    """Wait for the end of *task* or for updates; return whether the task has ended."""
    getter = asyncio.ensure_future(updates.get())
    await asyncio.wait({task, getter}, return_when=asyncio.FIRST_COMPLETED)
    getter.cancel()
    while not updates.empty():  # only the newest view counts
        updates.get_nowait()
    return task.done()


def _newest(page: Page) -> int:
    return max((message.id for message in page.messages), default=0)
