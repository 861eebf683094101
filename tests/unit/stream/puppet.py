"""A chat whose every change a test makes itself: it plays the user, the worker and the model."""

from __future__ import annotations

import uuid

from jupyter_chatd.events import Episode
from jupyter_chatd.messages import Chat, ChatStatus, ErrorDetail, NewMessage, Part, Role, TextPart
from jupyter_chatd.store import Claim, Store, reads
from jupyter_chatd.store.conversation import CreateChat, EditMessage, InterruptChat, SendMessage
from jupyter_chatd.store.work import (
    Acquire,
    BeginAttempt,
    CommitStep,
    FinishError,
    FinishInterruption,
    FinishTurn,
)
from jupyter_chatd.stream import Feeds, LiveEpisode

WORKER = "worker"


def user(text: str) -> NewMessage:
    """A user's message."""
    return NewMessage(role=Role.USER, parts=(TextPart(text=text),), created_by="local")


class Puppet:
    """One chat in one store. Every move is one commit, or one live part."""

    def __init__(self, store: Store, feeds: Feeds) -> None:
        self.store = store
        self.feeds = feeds
        self.id = str(uuid.uuid4())
        self.live: LiveEpisode | None = None
        self.said: dict[int, str | Part] = {}
        """What the running episode consists of, by block."""

    async def create(self) -> None:
        """Create the chat; its first turn waits for a worker."""
        chat = Chat(
            id=self.id,
            owner_id="local",
            title="A chat",
            status=ChatStatus.RUNNING,
            archived=False,
            model="scripted:model",
            created_at=0.0,
            updated_at=0.0,
        )
        await self.store.apply(CreateChat(chat=chat, rows=(user("Begin."),)))

    async def chat(self) -> Chat:
        """The chat as it is stored."""
        return await self.store.read(lambda conn: reads.get_chat(conn, self.id))

    async def claim(self) -> Claim:
        """What the worker works for now; the chat is taken if it must be."""
        chat = await self.chat()
        if chat.runner_id is None:
            runners = tuple(uuid.uuid4().hex for _ in range(100))  # for all chats: the oldest come first
            await self.store.apply(Acquire(worker_id=WORKER, runner_ids=runners))
            chat = await self.chat()
        assert chat.runner_id is not None
        return Claim(
            chat_id=self.id,
            runner_id=chat.runner_id,
            history_version=chat.history_version,
            status=chat.status,
        )

    # The worker

    async def begin(self) -> None:
        """Begin a model call."""
        chat = await self.store.apply(BeginAttempt(claim=await self.claim()))
        self.said = {}
        self.live = self.feeds.begin_episode(
            self.id, Episode(history_version=chat.history_version, attempt=chat.generation_attempt)
        )

    def publish(self, part: Part, index: int) -> None:
        """Tell a part of the answer."""
        if self.live is not None:
            self.live.publish(Role.ASSISTANT, part, index)

    def break_off(self) -> None:
        """End the episode without a commit."""
        if self.live is not None:
            self.live.end()
        self.live, self.said = None, {}

    async def commit(self, text: str = "So.") -> None:
        """Commit an answer."""
        row = NewMessage(role=Role.ASSISTANT, parts=(TextPart(text=text),))
        await self.store.apply(CommitStep(claim=await self.claim(), rows=(row,)))
        self.live, self.said = None, {}

    async def finish(self) -> None:
        """End the turn, or close its interruption."""
        claim = await self.claim()
        interrupted = claim.status is ChatStatus.INTERRUPTING
        await self.store.apply(FinishInterruption(claim=claim) if interrupted else FinishTurn(claim=claim))
        self.break_off()

    async def fail(self) -> None:
        """End the turn with an error."""
        error = ErrorDetail(message="It failed.")
        await self.store.apply(FinishError(claim=await self.claim(), error=error))
        self.break_off()

    # The user, in this process or another

    async def send(self, text: str, *, store: Store | None = None) -> None:
        """Send a message."""
        await (store or self.store).apply(SendMessage(chat_id=self.id, message=user(text), queue_limit=1000))

    async def edit(self, *, store: Store | None = None, newest: bool = True) -> None:
        """Edit the newest or the first user message."""
        rows = await self.store.read(lambda conn: reads.client_messages(conn, self.id))
        users = [row for row in rows if row.role is Role.USER]
        target = users[-1 if newest else 0]
        await (store or self.store).apply(
            EditMessage(chat_id=self.id, message_id=target.id, message=user("Better."))
        )
        if store is None:
            self.publish(TextPart(text="Too late."), 0)
        self.live, self.said = None, {}

    async def interrupt(self, *, store: Store | None = None) -> None:
        """Press stop."""
        await (store or self.store).apply(InterruptChat(chat_id=self.id))
