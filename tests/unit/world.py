"""A running agent for tests: real store, real worker, real tools in a temporary folder, a scripted model."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

from jupyter_chatd.desktop.manager import DesktopManager
from jupyter_chatd.events import Change, StreamEvent
from jupyter_chatd.loop.elsewhere import Elsewhere
from jupyter_chatd.loop.retry import RetryPolicy
from jupyter_chatd.loop.service import NewChat
from jupyter_chatd.mcp.source import McpSource
from jupyter_chatd.messages import (
    CallKey,
    Chat,
    ChatStatus,
    ClientTool,
    JsonValue,
    Message,
    Part,
    Role,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    ToolRun,
    TurnOptions,
)
from jupyter_chatd.model_settings import CompactionChoice
from jupyter_chatd.providers.protocol import Model, ToolDefinition
from jupyter_chatd.providers.scripted import Answer, ScriptedModel
from jupyter_chatd.runtime import DATABASE, Options, Runtime
from jupyter_chatd.skills.library import SkillLibrary
from jupyter_chatd.store import Store, reads
from jupyter_chatd.store.conversation import BusyBehavior, Edited, Interrupted, Sent
from jupyter_chatd.store.transaction import visible_messages
from jupyter_chatd.stream import Cursor
from jupyter_chatd.tools.protocol import Tool, ToolContext, ToolOutput
from jupyter_chatd.tools.registry import Toolbox, builtin_tools
from jupyter_chatd.workspace.limits import AgentLimits, ProcessLimits
from jupyter_chatd.workspace.server import ServerAgent
from jupyter_chatd.workspaces.provisioner import Provisioner

PATIENCE = 45.0  # seconds until a test that waits has failed
OWNER = "local"
MODEL = "scripted:model"


def script(*answers: Answer) -> ScriptedModel:
    """A model with one answer after the other."""
    return ScriptedModel(answers)


class OneModel:
    """Resolves every name to the same model, but for those that a test names."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.asked: list[str] = []
        self.error: Exception | None = None
        self.others: dict[str, Model] = {}
        self.choice = CompactionChoice()
        self.for_titles: Sequence[tuple[str, str | None]] = ()

    async def title_models(
        self, model: str, model_config_id: str | None = None
    ) -> Sequence[tuple[str, str | None]]:
        return self.for_titles

    async def compaction(self, model: str, model_config_id: str | None = None) -> CompactionChoice:
        return self.choice

    async def resolve(self, model: str, model_config_id: str | None = None) -> Model:
        self.asked.append(model)
        if self.error is not None:
            raise self.error
        return self.others.get(model, self.model)


class FunctionTool:
    """A tool made of a function, for what no built-in tool does."""

    def __init__(
        self,
        name: str,
        run: Callable[[Mapping[str, Any], ToolContext], Awaitable[JsonValue | ToolOutput]],
        *,
        repeatable: bool = False,
        key: str | None = None,
    ) -> None:
        self.definition = ToolDefinition(name=name, description=f"The tool {name}.")
        self.repeatable = repeatable
        self._run = run
        self._key = key

    def serial_key(self, args: Mapping[str, Any], context: ToolContext) -> str | None:
        return self._key

    async def run(self, args: Any, context: ToolContext) -> ToolOutput:
        output = await self._run(args, context)
        return output if isinstance(output, ToolOutput) else ToolOutput(result=output)


class World:
    """One server's agent over a folder. Several may share the folder, as several servers do."""

    def __init__(
        self,
        folder: Path,
        model: Model,
        *,
        tools: Sequence[Tool] = (),
        mcp: McpSource | None = None,
        desktops: DesktopManager | None = None,
        provisioners: Mapping[str, Provisioner] | None = None,
        **options: Any,
    ) -> None:
        self.folder = folder
        self.work = folder / "work"
        self.work.mkdir(parents=True, exist_ok=True)
        self.models = OneModel(model)
        self._listening: list[asyncio.Task[None]] = []
        self.agent = ServerAgent(
            directory=self.work,
            home=folder,
            state_folder=folder / f"state-{uuid.uuid4().hex}",
            limits=AgentLimits(processes=ProcessLimits(term_grace_s=0.2)),
        )
        options = {"acquire_tick_s": 0.2, "retry": RetryPolicy(first_s=0.01, longest_s=0.02)} | options
        self.runtime = Runtime(
            replace(
                Options(
                    folder=folder / "data", system_prompt="Be helpful.", include_default_system_prompt=False
                ),
                **options,
            ),
            models=self.models,
            tools=Toolbox([*builtin_tools(), *tools]),
            workspace=self.agent,
            provisioners=provisioners,
            elsewhere=(lambda find: Elsewhere(mcp, SkillLibrary(), workspace=find)) if mcp else None,
            desktops=(lambda: desktops) if desktops else None,
        )

    async def __aenter__(self) -> World:
        await self.runtime.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def stop(self) -> None:
        """Stop gracefully; twice is fine."""
        await self.runtime.stop()
        await self.agent.aclose()
        await asyncio.gather(*self._listening)

    @property
    def model(self) -> Any:
        """The scripted model."""
        return self.models.model

    # Acting

    async def create(
        self, text: str = "Begin.", *, tools: Sequence[ClientTool] = (), workspace_id: str | None = None
    ) -> str:
        """Create a chat and return its id."""
        chat = await self.runtime.service.create(
            NewChat(
                owner_id=OWNER,
                parts=said(text),
                model=MODEL,
                created_by=OWNER,
                client_tools=tuple(tools),
                workspace_id=workspace_id,
            )
        )
        return chat.id

    async def send(self, chat_id: str, text: str, *, busy: BusyBehavior = BusyBehavior.QUEUE) -> Sent:
        """Send a message."""
        return await self.runtime.service.send(
            chat_id, said(text), created_by=OWNER, busy=busy, options=TurnOptions()
        )

    async def edit(self, chat_id: str, message_id: int, text: str) -> Edited:
        """Edit a user message."""
        return await self.runtime.service.edit(chat_id, message_id, said(text), created_by=OWNER)

    async def interrupt(self, chat_id: str, *, drop: bool = False) -> Interrupted:
        """Press stop."""
        return await self.runtime.service.interrupt(chat_id, drop_queue=drop)

    def fail_commits(self, probe: Callable[[str], None]) -> None:
        """Call *probe* before every commit: it may raise what the disk would."""
        self.runtime.store._open_writer().probe = probe

    # Looking

    async def chat(self, chat_id: str) -> Chat:
        """The chat as it is stored."""
        return await self.runtime.store.read(lambda conn: reads.get_chat(conn, chat_id))

    async def rows(self, chat_id: str) -> list[Message]:
        """What is said in the chat, for any eyes, without the system's rows."""
        found = await self.runtime.store.read(lambda conn: visible_messages(conn, chat_id))
        return [row for row in found if row.role is not Role.SYSTEM]

    async def rows_of_stopped(self, chat_id: str) -> list[Message]:
        """What is said in the chat, after the world has stopped."""
        async with Store(self.runtime.store.path) as store:
            found = await store.read(lambda conn: visible_messages(conn, chat_id))
        return [row for row in found if row.role is not Role.SYSTEM]

    async def journal(self, chat_id: str) -> dict[CallKey, ToolRun]:
        """The journal of the newest assistant row."""
        runs = await self.runtime.store.read(lambda conn: reads.journal(conn, chat_id))
        return {run.key: run for run in runs}

    async def listen_in(self, chat_id: str, cursor: Cursor | None = None) -> list[StreamEvent]:
        """Return a list that grows with what a subscriber is told, until the world stops."""
        events: list[StreamEvent] = []
        subscription = await self.runtime.feeds.subscribe(chat_id, cursor or Cursor())

        async def collect() -> None:
            async for frame in subscription:
                events.extend(frame.events)

        self._listening.append(asyncio.create_task(collect()))
        return events

    async def settled(self, chat_id: str, status: ChatStatus = ChatStatus.WAITING) -> Chat:
        """Wait until the chat has that status."""
        return await self.when(chat_id, lambda change: change.chat.status is status)

    async def when(self, chat_id: str, is_so: Callable[[Change], bool]) -> Chat:
        """Wait for a change of the chat, the present state included."""
        found: asyncio.Future[Chat] = asyncio.get_running_loop().create_future()

        def listener(change: Change) -> None:
            if change.chat.id == chat_id and not found.done() and is_so(change):
                found.set_result(change.chat)

        stop = self.runtime.store.listen(listener)
        try:
            listener(Change(chat=await self.chat(chat_id)))
            async with asyncio.timeout(PATIENCE):
                return await found
        finally:
            stop()


def said(text: str) -> tuple[Part, ...]:
    """The parts of a plain message."""
    return (TextPart(text=text),)


def results(rows: Sequence[Message]) -> list[ToolResultPart]:
    """The tool results of some rows, in order."""
    return [part for row in rows for part in row.parts if isinstance(part, ToolResultPart)]


def outline(rows: Sequence[Message]) -> list[str]:
    """Rows in short: the role, and the text or the tools."""
    return [f"{row.role.value}: {_short(row)}" for row in rows]


def _short(row: Message) -> str:
    names = [part.tool_name for part in row.parts if isinstance(part, ToolCallPart | ToolResultPart)]
    return " ".join([text for text in (row.text,) if text] + [f"<{name}>" for name in names])


async def eventually(is_so: Callable[[], Any]) -> None:
    """Wait until something that nobody announces is so."""
    async with asyncio.timeout(PATIENCE):
        while not is_so():  # noqa: ASYNC110 - nobody announces it
            await asyncio.sleep(0.01)


def crash_image(folder: Path, copy: Path) -> Path:
    """Copy what is on disk at this moment, as a crash would leave it; the workers' locks are free there."""
    (copy / "data" / "workers").mkdir(parents=True)
    source = sqlite3.connect(folder / "data" / DATABASE)
    target = sqlite3.connect(copy / "data" / DATABASE)
    with source, target:
        source.backup(target)
    source.close()
    target.close()
    for lock in (folder / "data" / "workers").glob("*.lock"):
        shutil.copy(lock, copy / "data" / "workers")
    os.symlink(folder / "work", copy / "work")
    return copy
