"""What may be asked of an agent's kernels over HTTP: one operation per method of `Kernels`, with its JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..kernels.protocol import CodeOutput, CodeSpec, CodeStarted, Variables
from ..protocol import WorkspaceAgent
from .answers import MIB
from .operations import Nothing, OfChat, Operation

FOLLOW_CODE = "follow_code"
_OUTPUT_BYTES = 16 * MIB  # four pictures of 2 MiB, and text


@dataclass(frozen=True, slots=True, kw_only=True)
class OfCode:
    """What is asked of one run of code."""

    chat_id: str
    execution_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitCode:
    """Of `wait_code`."""

    chat_id: str
    execution_id: str | None
    timeout_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Restart:
    """Of `restart`."""

    chat_id: str
    kernel: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Restarted:
    """The answer of `restart`."""

    kernel: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspect:
    """Of `inspect`."""

    chat_id: str
    names: Sequence[str]


async def _run_code(agent: WorkspaceAgent, q: CodeSpec) -> CodeStarted:
    return await agent.kernels.run_code(q)


async def _wait_code(agent: WorkspaceAgent, q: WaitCode) -> CodeOutput:
    return await agent.kernels.wait_code(q.chat_id, execution_id=q.execution_id, timeout_s=q.timeout_s)


async def _interrupt(agent: WorkspaceAgent, q: OfChat) -> CodeOutput:
    return await agent.kernels.interrupt(q.chat_id)


async def _stop_code(agent: WorkspaceAgent, q: OfCode) -> Nothing:
    await agent.kernels.stop_code(q.chat_id, q.execution_id)
    return Nothing()


async def _restart(agent: WorkspaceAgent, q: Restart) -> Restarted:
    return Restarted(kernel=await agent.kernels.restart(q.chat_id, kernel=q.kernel))


async def _end(agent: WorkspaceAgent, q: OfChat) -> Nothing:
    await agent.kernels.end(q.chat_id)
    return Nothing()


async def _inspect(agent: WorkspaceAgent, q: Inspect) -> Variables:
    return await agent.kernels.inspect(q.chat_id, names=q.names)


RUN_CODE = Operation(name="run_code", question=CodeSpec, answer=CodeStarted, call=_run_code)
WAIT_CODE = Operation(
    name="wait_code",
    question=WaitCode,
    answer=CodeOutput,
    call=_wait_code,
    is_safe=True,
    answer_bytes=lambda _: _OUTPUT_BYTES,
)
INTERRUPT = Operation(
    name="interrupt_kernel",
    question=OfChat,
    answer=CodeOutput,
    call=_interrupt,
    answer_bytes=lambda _: _OUTPUT_BYTES,
)
STOP_CODE = Operation(name="stop_code", question=OfCode, answer=Nothing, call=_stop_code, is_safe=True)
RESTART = Operation(name="restart_kernel", question=Restart, answer=Restarted, call=_restart)
END = Operation(name="end_kernel", question=OfChat, answer=Nothing, call=_end, is_safe=True)
INSPECT = Operation(
    name="inspect_variables",
    question=Inspect,
    answer=Variables,
    call=_inspect,
    is_safe=True,
    answer_bytes=lambda _: 4 * MIB,
)

KERNEL_OPERATIONS: dict[str, Operation[Any, Any]] = {
    operation.name: operation
    for operation in (RUN_CODE, WAIT_CODE, INTERRUPT, STOP_CODE, RESTART, END, INSPECT)
}
