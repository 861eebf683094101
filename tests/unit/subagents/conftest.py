"""A store with a parent that runs, and a manager. The test plays the worker: nothing runs by itself."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from jupyter_chatd.loop.prompt_settings import PromptSettings
from jupyter_chatd.loop.service import ChatService, NewChat
from jupyter_chatd.messages import CallKey, Chat, ErrorDetail, NewMessage, Role, TextPart
from jupyter_chatd.store import Claim, Store, reads
from jupyter_chatd.store.work import Acquire, CommitStep, FinishError, FinishTurn
from jupyter_chatd.subagents.catalog import Catalog
from jupyter_chatd.subagents.manager import SUBAGENTS, SubagentManager
from jupyter_chatd.tools.protocol import Caller

OWNER = "ada"
WORKER = "worker"


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """A running root chat and what acts for it."""

    store: Store
    service: ChatService
    manager: SubagentManager
    caller: Caller

    async def spawn(
        self, prompt: str = "Count the files.", *, index: int = 0, type_name: str = "general", title: str = ""
    ) -> Chat:
        """Make a child by the call at *index* of the parent's row 1."""
        key = CallKey(message_id=1, index=index)
        return await self.manager.spawn(self.caller, key, type_name=type_name, prompt=prompt, title=title)

    async def chat(self, chat_id: str) -> Chat:
        return await self.store.read(lambda conn: reads.get_chat(conn, chat_id))

    async def say(self, chat_id: str, text: str) -> None:
        """Let a child say something, and go on."""
        chat = await acquired(self.store, await self.chat(chat_id))
        row = NewMessage(role=Role.ASSISTANT, parts=(TextPart(text=text),))
        await self.store.apply(CommitStep(claim=claim_of(chat), rows=(row,)))

    async def finish(self, chat_id: str, report: str) -> None:
        """Let a child end its turn with *report*."""
        await self.say(chat_id, report)
        await self.store.apply(FinishTurn(claim=claim_of(await self.chat(chat_id))))

    async def fail(self, chat_id: str, message: str) -> None:
        """Let a child end in an error."""
        chat = await acquired(self.store, await self.chat(chat_id))
        await self.store.apply(FinishError(claim=claim_of(chat), error=ErrorDetail(message=message)))


def claim_of(chat: Chat) -> Claim:
    assert chat.runner_id is not None
    return Claim(
        chat_id=chat.id, runner_id=chat.runner_id, history_version=chat.history_version, status=chat.status
    )


async def acquired(store: Store, chat: Chat) -> Chat:
    """Return the chat with a runner of ours; all others that need one get one as well."""
    if chat.runner_id is None:
        runners = tuple(str(uuid.uuid4()) for _ in range(50))
        await store.apply(Acquire(worker_id=WORKER, runner_ids=runners))
    return await store.read(lambda conn: reads.get_chat(conn, chat.id))


MakeFamily = Callable[..., Awaitable[Family]]


@pytest.fixture
async def make_family(tmp_path: Path, anyio_backend: str) -> AsyncIterator[MakeFamily]:
    async with Store(tmp_path / "data" / "chats.db") as store:
        service = ChatService(
            store, prompts=PromptSettings(store, configured="Be helpful.", include_default=False)
        )
        managers: list[SubagentManager] = []

        async def make(
            catalog: Catalog | None = None,
            *,
            limit: int = SUBAGENTS,
            servers: tuple[str, ...] = (),
            **values: object,
        ) -> Family:
            new = NewChat(owner_id=OWNER, parts=(TextPart(text="Begin."),), model="scripted:parent")
            chat = await acquired(store, await service.create(replace(new, **values)))

            async def find_servers(_chat: Chat) -> tuple[str, ...]:
                return servers

            manager = SubagentManager(
                service, catalog=catalog or Catalog(), limit=limit, find_servers=find_servers
            )
            managers.append(manager)
            caller = Caller(
                chat=chat, claim=claim_of(chat), model="scripted:of-the-turn", model_config_id=None
            )
            return Family(store=store, service=service, manager=manager, caller=caller)

        yield make
        for manager in managers:
            manager.close()


@pytest.fixture
async def family(make_family: MakeFamily) -> Family:
    return await make_family()
