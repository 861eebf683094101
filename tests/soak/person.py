"""Someone who uses the agent: one chat after another, at random, and a close look at each when it is over."""

from __future__ import annotations

import asyncio
import collections
import itertools
import random
import time
import traceback
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from jupyter_chatd.client import (
    AsyncClient,
    ChatFailedError,
    ChatSession,
    RefusedError,
    Server,
    UnreachableError,
)
from jupyter_chatd.client.functions import FunctionTool, function_tools
from jupyter_chatd.messages import Chat, Message, QueuedMessage, Role

from .attic import Attic
from .plan import Plan, random_plan
from .record import Record, calls_of, markers_of, problems
from .tally import Tally

T = TypeVar("T")

MODELS = ("openai:gpt-soak", "anthropic:claude-soak")
SETTLE_TIMEOUT = 120.0  # seconds that a chat has to come to rest
PACE = 5.0  # seconds from one chat of a person to the next, so that the load is the same all the time
RETRY_PAUSE = 0.25  # seconds until a server that is gone is asked again
LATE_PAUSE = 0.5  # seconds for a request that was cut off to arrive all the same
RACES = (400, 404, 409, 429)  # refusals that another change of the chat explains

_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where people are."""

    server: Server
    """The one that they talk to."""
    attic: Attic
    """Where chats go when they are over."""
    work: Path
    """The folder in which commands run."""


class Person:
    """Uses the agent, one chat at a time."""

    def __init__(self, place: Place, tally: Tally, *, seed: int) -> None:
        self._place = place
        self._tally = tally
        self._chance = random.Random(seed)

    async def chat_until(self, over_at: float) -> None:
        """Have one chat after another until a moment of the monotonic clock; the last comes to its end."""
        while (began := time.monotonic()) < over_at:
            marker = f"c{next(_numbers)}"
            try:
                async with Conversation(self._place, self._tally, self._chance, marker) as conversation:
                    await conversation.hold()
            except Exception as error:  # noqa: BLE001 - the others go on, and the soak fails in the end
                self._tally.problems.append(f"chat {marker}: {''.join(traceback.format_exception(error))}")
            await asyncio.sleep(max(0.0, min(began + PACE, over_at) - time.monotonic()))


class Conversation:
    """One chat from its first message to its archiving."""

    def __init__(self, place: Place, tally: Tally, chance: random.Random, marker: str) -> None:
        self._place = place
        self._tally = tally
        self._chance = chance
        self._record = Record(chat=marker)
        self._count = itertools.count(1)
        self._queued: dict[int, str] = {}
        """Markers of messages that went into the queue."""
        self._notes: collections.Counter[str] = collections.Counter()
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Conversation:
        self._client = await self._stack.enter_async_context(AsyncClient(self._place.server))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def hold(self) -> None:
        """Begin, talk, come to rest, judge, put it away."""
        chat = await self._begin()
        self._chat_id = chat.id
        self._session = self._open_session()
        for _ in range(self._chance.randint(1, 6)):
            await self._act()
        async with asyncio.timeout(SETTLE_TIMEOUT):
            history = await self._rest()
        self._judge(history)
        await self._session.close()
        await self._archive()
        await self._place.attic.keep(chat.id, history)

    # Talking

    async def _begin(self) -> Chat:
        """Create the chat; when nobody answers, look whether it is there before trying again."""
        plan, labels = self._plan(), {"soak": self._record.chat}
        tools = [tool.declaration for tool in self._tools().values()]
        model = self._chance.choice(MODELS)
        while True:
            with suppress(UnreachableError):
                if found := await self._find():
                    self._record.acknowledge(plan.marker)
                    return found
                chat = await self._client.create(plan.text, model=model, labels=labels, client_tools=tools)
                self._record.acknowledge(plan.marker)
                return chat
            self._tally.cut += 1
            await asyncio.sleep(LATE_PAUSE)

    async def _find(self) -> Chat | None:
        chats = await self._client.list(limit=100)
        return next((chat for chat in chats if chat.labels.get("soak") == self._record.chat), None)

    def _open_session(self) -> ChatSession:
        session = ChatSession(self._client, self._chat_id, tools=self._tools(), give_up_s=None)
        session.start()
        self._stack.push_async_callback(session.close)
        return session

    def _plan(self) -> Plan:
        return random_plan(f"{self._record.chat}.{next(self._count)}", self._chance)

    def _tools(self) -> dict[str, FunctionTool]:
        def note(line: str) -> dict[str, str]:
            """Take a note."""
            self._notes[line] += 1
            return {"noted": line}

        def refuse(line: str) -> None:
            """Fail."""
            raise RuntimeError(f"refused {line}")

        return dict(function_tools([note, refuse]))

    async def _act(self) -> None:
        actions: dict[Callable[[], Awaitable[Any]], float] = {
            self._send: 4,
            self._wait: 3,
            self._interrupt: 1.5,
            self._edit: 1,
            self._promote: 0.5,
            self._take_back: 0.5,
            self._look_again: 1,
        }
        await self._chance.choices(list(actions), list(actions.values()))[0]()

    async def _wait(self) -> None:
        await asyncio.sleep(self._chance.uniform(0.0, 1.5))

    async def _send(self) -> None:
        plan = self._plan()
        busy = "interrupt" if self._chance.random() < 0.25 else "queue"
        sent = await self._try(self._session.send(plan.text, busy=busy), in_doubt=[plan.marker])
        if sent is None:
            return
        self._record.acknowledge(plan.marker)
        if sent.queued_message is not None:
            self._queued[sent.queued_message.id] = plan.marker

    async def _interrupt(self) -> None:
        queue = self._chance.choice(("keep", "drop"))
        in_doubt = self._queued.values() if queue == "drop" else ()
        done = await self._try(self._client.interrupt(self._chat_id, queue=queue), in_doubt=in_doubt)
        if done is not None:
            self._tally.interrupts += 1
            self._give_back(done.dropped)

    async def _edit(self) -> None:
        """Replace a message; what came after it may go, and what had been queued comes back."""
        users = [row for row in self._session.view.messages if row.role is Role.USER and Plan.find(row.text)]
        if not users:
            return
        row, plan = self._chance.choice(users), self._plan()
        before = markers_of(user for user in users if user.id < row.id)
        lost = self._record.acknowledged - set(before)
        edited = await self._try(self._session.edit(row.id, plan.text), in_doubt=[*lost, plan.marker])
        self._record.is_rewritten = True
        if edited is not None:
            self._tally.edits += 1
            self._record.doubt(lost)
            self._record.give_back(markers_of([row]))
            self._record.acknowledge(plan.marker)
            self._give_back(edited.dropped)

    async def _promote(self) -> None:
        if self._queued:
            await self._try(self._session.promote(self._chance.choice(list(self._queued))))

    async def _take_back(self) -> None:
        """Delete a queued message; when it is in the history already, nothing happens."""
        if self._queued:
            queued_id = self._chance.choice(list(self._queued))
            self._record.doubt([self._queued[queued_id]])
            await self._try(self._client.delete_queued(self._chat_id, queued_id))

    async def _look_again(self) -> None:
        """Follow the chat anew, as a page does that is loaded again."""
        await self._session.close()
        self._session = self._open_session()

    def _give_back(self, dropped: Iterable[QueuedMessage]) -> None:
        ids = {queued.id for queued in dropped}
        self._record.give_back(marker for queued_id, marker in self._queued.items() if queued_id in ids)

    async def _try(self, request: Awaitable[T], *, in_doubt: Iterable[str] = ()) -> T | None:
        """Return the reply; `None` when the request came too late, or nobody answered.

        Raises:
            RefusedError: for a reason that nobody can explain.
        """
        try:
            return await request
        except RefusedError as error:
            if error.status not in RACES and error.status != 503:  # a server that starts or stops
                raise
            self._tally.late += 1
        except UnreachableError:
            self._tally.cut += 1
            self._record.doubt(list(in_doubt))
            await asyncio.sleep(LATE_PAUSE)
        return None

    # The end

    async def _rest(self) -> tuple[Message, ...]:
        """Bring the chat to rest with nothing queued, and return its history once all of it was told."""
        while True:
            try:
                await self._session.settled()
            except ChatFailedError:
                self._tally.failed += 1
            chat = await self._insist(lambda: self._client.get(self._chat_id))
            page = await self._insist(lambda: self._client.messages(self._chat_id, limit=1))
            if chat.status == "waiting" and not page.queue:
                history = await self._insist(lambda: self._client.history(self._chat_id))
                newest = history[-1].id
                await self._session.until(lambda view, last=newest: view.is_settled and view.last_id >= last)
                return history
            plan = Plan(marker=f"{self._record.chat}.{next(self._count)}")
            if await self._try(self._session.send(plan.text), in_doubt=[plan.marker]):
                self._record.acknowledge(plan.marker)

    def _judge(self, history: tuple[Message, ...]) -> None:
        file = self._place.work / "lines" / self._record.chat
        lines = collections.Counter(file.read_text().split() if file.exists() else ())
        seen = self._session.view.messages
        self._tally.problems += problems(self._record, history, seen, lines + self._notes)
        self._tally.chats += 1
        self._tally.messages += len(markers_of(history))
        self._tally.compactions += sum(row.compressed and row.role is Role.ASSISTANT for row in history)
        calls = list(calls_of(history))
        self._tally.calls += len(calls)
        self._tally.unknown += sum(call.is_reported_as_unknown for call in calls)
        file.unlink(missing_ok=True)

    async def _archive(self) -> None:
        try:
            await self._insist(lambda: self._client.update(self._chat_id, archived=True))
        except RefusedError as error:
            if error.status != 400:  # it is archived, but the reply was lost
                raise

    async def _insist(self, request: Callable[[], Awaitable[T]]) -> T:
        """Repeat a request until somebody answers."""
        while True:
            try:
                return await request()
            except UnreachableError:
                await asyncio.sleep(RETRY_PAUSE)
            except RefusedError as error:
                if error.status != 503:
                    raise
                await asyncio.sleep(RETRY_PAUSE)
