"""The engine without a web server: real store, worker and tools, and a model that costs nothing."""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from jupyter_chatd.events import Change
from jupyter_chatd.loop.decide import Limits
from jupyter_chatd.loop.service import NewChat
from jupyter_chatd.messages import (
    Chat,
    ChatStatus,
    NewMessage,
    Part,
    Role,
    StopReason,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    TurnOptions,
)
from jupyter_chatd.model_settings import CompactionChoice
from jupyter_chatd.providers.protocol import (
    Finished,
    Model,
    ModelCall,
    ModelEvent,
    PartDone,
    TextDelta,
    ToolDefinition,
)
from jupyter_chatd.providers.scripted import ScriptedModel
from jupyter_chatd.runtime import Options, Runtime
from jupyter_chatd.store import Store
from jupyter_chatd.store.conversation import BusyBehavior, ImportChat
from jupyter_chatd.tools.protocol import Tool, ToolContext, ToolOutput
from jupyter_chatd.tools.registry import Toolbox
from jupyter_chatd.workspace.server import ServerAgent

OWNER = "local"
MODEL = "bench:instant"
TEXT = "x" * 200
"""What the model says in a step, and what its tool gives back."""
STEP_LIMIT = 100_000


class InstantModel(ScriptedModel):
    """Answers at once: *calls* calls of `tool` in each of *steps* steps, then a text. Notes the times."""

    def __init__(self, *, steps: int, calls: int = 1) -> None:
        super().__init__([], ref=MODEL)
        self.called: list[float] = []
        self.answered: list[float] = []
        self._steps = steps
        self._count = calls

    async def stream(self, call: ModelCall) -> AsyncIterator[ModelEvent]:
        step = len(self.called)
        self.called.append(time.perf_counter())
        yield TextDelta(block=0, text=TEXT)
        yield PartDone(block=0, part=TextPart(text=TEXT))
        count = self._count if step < self._steps else 0
        for block in range(1, count + 1):
            part = ToolCallPart(tool_call_id=f"call_{step}_{block}", tool_name="tool", args={})
            yield PartDone(block=block, part=part)
        yield Finished(stop_reason=StopReason.TOOL_CALLS if count else StopReason.END)
        self.answered.append(time.perf_counter())

    @property
    def between(self) -> float:
        """Seconds from the end of the first answer to the second call: the tools and all around them."""
        return self.called[1] - self.answered[0]


class FunctionTool:
    """The tool `tool`, which awaits *run*."""

    definition = ToolDefinition(name="tool", description="Does it.")
    repeatable = False

    def __init__(self, run: Callable[[], Awaitable[None]]) -> None:
        self._run = run

    def serial_key(self, args: Mapping[str, Any], context: ToolContext) -> str | None:
        return None

    async def run(self, args: Any, context: ToolContext) -> ToolOutput:
        await self._run()
        return ToolOutput(result={"output": TEXT})


class OneModel:
    """Finds the same model whatever is asked for."""

    def __init__(self) -> None:
        self.model: Model = InstantModel(steps=0)

    async def title_models(self, model: str, model_config_id: str | None = None) -> tuple[Any, ...]:
        return ()

    async def compaction(self, model: str, model_config_id: str | None = None) -> CompactionChoice:
        return CompactionChoice()

    async def resolve(self, model: str, model_config_id: str | None = None) -> Model:
        return self.model


class Engine:
    """A running agent that runs one turn at a time."""

    def __init__(self, runtime: Runtime, models: OneModel) -> None:
        self.runtime = runtime
        self._models = models

    async def create(self, model: Model) -> str:
        """Run one turn of a new chat and return the chat's id."""
        self._models.model = model
        new = NewChat(owner_id=OWNER, parts=said("go"), model=MODEL)
        return (await self._until_idle(self.runtime.service.create(new))).id

    async def send(self, chat_id: str, model: Model) -> None:
        """Run one turn of a chat that is idle."""
        self._models.model = model
        sent = self.runtime.service.send(
            chat_id, said("go"), created_by=OWNER, busy=BusyBehavior.QUEUE, options=TurnOptions()
        )
        await self._until_idle(sent)

    async def _until_idle(self, begin: Awaitable[object]) -> Chat:
        """Begin the only turn that runs, but for those of its children; return its chat as it is at its end.

        Raises:
            RuntimeError: the turn ended in an error.
        """
        idle: asyncio.Future[Chat] = asyncio.get_running_loop().create_future()

        def hear(change: Change) -> None:
            is_root = change.chat.parent_chat_id is None
            if is_root and change.chat.status in (ChatStatus.WAITING, ChatStatus.ERROR) and not idle.done():
                idle.set_result(change.chat)

        unlisten = self.runtime.store.listen(hear)
        try:
            await begin
            chat = await idle
        finally:
            unlisten()
        if chat.last_error is not None:
            raise RuntimeError(f"The turn failed: {chat.last_error.message}")
        return chat


@contextlib.asynccontextmanager
async def running(folder: Path, *, tools: Sequence[Tool] = ()) -> AsyncGenerator[Engine, None]:
    """An engine on *folder*, with compaction off and no limit of steps that a bench would reach."""
    agent = ServerAgent(directory=folder, home=folder, state_folder=folder / "processes")
    options = Options(
        folder=folder / "data",
        limits=Limits(steps=STEP_LIMIT),
        compaction_threshold=100,
        system_prompt="Go.",
        include_default_system_prompt=False,
    )
    models = OneModel()
    runtime = Runtime(options, models=models, tools=Toolbox(tools), workspace=agent)
    try:
        await runtime.start()
        yield Engine(runtime, models)
    finally:
        await runtime.stop()
        await agent.aclose()


def said(text: str) -> tuple[Part, ...]:
    """A message of one text."""
    return (TextPart(text=text),)


# Histories


def new_chat(*, model: str = MODEL) -> Chat:
    """An idle chat that is to be stored."""
    return Chat(
        id=str(uuid.uuid4()),
        owner_id=OWNER,
        title="bench",
        status=ChatStatus.WAITING,
        archived=False,
        model=model,
        created_at=0.0,
        updated_at=0.0,
    )


async def import_chat(store: Store, *, messages: int, model: str = MODEL) -> str:
    """Store an idle chat with that many messages and return its id.

    After the user's first message come steps: text and one call, then its result, 200 characters each.
    """
    chat = new_chat(model=model)
    await store.apply(ImportChat(chat=chat, rows=tuple(_row(number) for number in range(messages))))
    return chat.id


def _row(number: int) -> NewMessage:
    if number == 0:
        return NewMessage(role=Role.USER, parts=said("go"), created_by=OWNER)
    call_id = f"call_{(number + 1) // 2}"
    if number % 2 == 1:
        call = ToolCallPart(tool_call_id=call_id, tool_name="tool", args={"command": TEXT})
        return NewMessage(role=Role.ASSISTANT, parts=(TextPart(text=TEXT), call))
    result = ToolResultPart(tool_call_id=call_id, tool_name="tool", result={"output": TEXT})
    return NewMessage(role=Role.TOOL, parts=(result,))
