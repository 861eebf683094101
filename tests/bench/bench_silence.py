"""How often a wait for a child that says nothing asks the database."""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Sequence
from pathlib import Path

from jupyter_chatd.loop.prompt_settings import PromptSettings
from jupyter_chatd.loop.service import ChatService, NewChat
from jupyter_chatd.messages import CallKey, Chat
from jupyter_chatd.store import Claim, Store
from jupyter_chatd.store.work import Acquire
from jupyter_chatd.subagents.catalog import Catalog
from jupyter_chatd.subagents.manager import SubagentError, SubagentManager
from jupyter_chatd.tools.protocol import Caller

from . import engine
from .harness import Bench, Measured, Plan, at_most
from .machine import scratch

SILENCE = 60  # seconds


class CountingStore(Store):
    """A store that counts the statements of its readers, as SQLite runs them."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.statements = 0

    def _reader(self) -> sqlite3.Connection:
        connection = super()._reader()
        connection.set_trace_callback(self._count)
        return connection

    def _count(self, _statement: str) -> None:
        self.statements += 1


async def running_chat(store: Store, service: ChatService) -> Chat:
    """A chat whose turn has begun, as a worker would have it. Nobody drives it."""
    new = NewChat(owner_id=engine.OWNER, parts=engine.said("go"), model=engine.MODEL)
    await service.create(new)
    (chat,) = await store.apply(Acquire(worker_id="bench", runner_ids=(uuid.uuid4().hex,)))
    return chat


async def statements_of_wait(path: Path, *, silence_s: float) -> int:
    """Let a parent wait for a child that does nothing; return how many statements that took."""
    store = CountingStore(path)
    async with store:
        service = ChatService(store, prompts=PromptSettings(store, include_default=False))
        manager = SubagentManager(service, catalog=Catalog())
        try:
            parent = await running_chat(store, service)
            child = await _spawn(manager, parent)
            before = store.statements
            await _wait_in_vain(manager, parent, child, silence_s=silence_s)
            return store.statements - before
        finally:
            manager.close()


async def _spawn(manager: SubagentManager, parent: Chat) -> Chat:
    claim = Claim(chat_id=parent.id, runner_id=parent.runner_id or "", history_version=parent.history_version)
    caller = Caller(chat=parent, claim=claim, model=engine.MODEL)
    key = CallKey(message_id=1, index=0)
    return await manager.spawn(caller, key, type_name="general", prompt="Say nothing.", title=None)


async def _wait_in_vain(manager: SubagentManager, parent: Chat, child: Chat, *, silence_s: float) -> None:
    try:
        await manager.wait(parent, child.id, timeout_s=silence_s)
    except SubagentError:
        return
    raise RuntimeError("The child was to say nothing, and ended.")


async def measure(plan: Plan) -> Sequence[Measured]:
    """Measure once: what is counted does not wander."""
    silence_s = plan.size(SILENCE, 1)
    with scratch() as folder:
        count = await statements_of_wait(folder / "chats.db", silence_s=silence_s)
    return [
        Measured(
            what=f"SQL statements in {silence_s} s",
            values=(float(count),),
            unit="",
            goal=at_most(15),
        )
    ]


BENCH = Bench(
    title=f"Queries made by waiting {SILENCE} s for a silent child",
    method=f"""
        A parent waits for a child that runs and does nothing, {SILENCE} s of real time, once. Counted are the
        statements that SQLite runs on the connections for reading, where nobody else reads. Apart from
        them the writer asks for the file's `data_version` five times a second, whether anybody waits or
        not.
    """,
    run=measure,
)
