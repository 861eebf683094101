"""What may be asked of an agent's piped programs over HTTP: one operation per method, with its JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..child import MESSAGE_BYTES
from ..piped import PipedLine, PipedSpec
from ..protocol import WorkspaceAgent
from .answers import USUAL_BYTES
from .operations import Nothing, Operation


@dataclass(frozen=True, slots=True, kw_only=True)
class PipedStarted:
    """The answer of `start_piped`."""

    program_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OfPiped:
    """What is asked of one program."""

    program_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WritePiped:
    """Of `write_piped`."""

    program_id: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadPiped:
    """Of `read_piped`."""

    program_id: str
    after: int
    timeout_s: float


async def _start(agent: WorkspaceAgent, q: PipedSpec) -> PipedStarted:
    return PipedStarted(program_id=await agent.piped.start(q))


async def _write(agent: WorkspaceAgent, q: WritePiped) -> Nothing:
    await agent.piped.write(q.program_id, q.text)
    return Nothing()


async def _read(agent: WorkspaceAgent, q: ReadPiped) -> PipedLine:
    return await agent.piped.read(q.program_id, after=q.after, timeout_s=q.timeout_s)


async def _end(agent: WorkspaceAgent, q: OfPiped) -> Nothing:
    await agent.piped.end(q.program_id)
    return Nothing()


START_PIPED = Operation(name="start_piped", question=PipedSpec, answer=PipedStarted, call=_start)
WRITE_PIPED = Operation(name="write_piped", question=WritePiped, answer=Nothing, call=_write)
READ_PIPED = Operation(
    name="read_piped",
    question=ReadPiped,
    answer=PipedLine,
    call=_read,
    is_safe=True,
    answer_bytes=lambda _: USUAL_BYTES + 3 * MESSAGE_BYTES,  # quotes are escaped, broken UTF-8 replaced
)
END_PIPED = Operation(name="end_piped", question=OfPiped, answer=Nothing, call=_end, is_safe=True)

PIPED_OPERATIONS: dict[str, Operation[Any, Any]] = {
    operation.name: operation for operation in (START_PIPED, WRITE_PIPED, READ_PIPED, END_PIPED)
}
