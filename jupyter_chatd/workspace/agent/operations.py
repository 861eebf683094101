r"""What may be asked of an agent over HTTP: one operation per method of `WorkspaceAgent`, with its JSON.

POST {prefix}/read_file   {"path": "/w/f", "offset": 1, "limit": 20}
200  {"content": "1\thello", "file_size": 6, "total_lines": 2, "lines_read": 1}
422  {"error": "FileMissingError", "message": "/w/f does not exist. …", "path": "/w/f"}
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Generic, TypeVar

from pydantic import Base64Bytes

from ...wire.values import adapter_of
from ..edits import EditError
from ..file_errors import FileMissingError
from ..guard import ProtectedPathError
from ..kernels.protocol import KernelBusyError, KernelStartError, NoKernelError
from ..piped import PipedError
from ..protocol import (
    FileBytes,
    FileEdits,
    FileLines,
    FoundFiles,
    InstructionFile,
    ProcessInfo,
    ProcessNotFoundError,
    ProcessNotRunningError,
    ProcessOutput,
    ProcessSignal,
    ProcessSpec,
    WorkspaceAgent,
    WorkspaceError,
    WorkspaceFacts,
    WorkspaceUnavailableError,
)
from ..sandbox import SandboxError
from .answers import MIB, USUAL_BYTES

PREFIX = "/api/experimental/chats/agent"
VERSION_HEADER = "X-Chatd-Agent-Protocol"
HELLO = "hello"
FOLLOW = "follow_process"
SHUTDOWN = "shutdown"
REFUSED = 422
"""The status of what the agent refuses: a `WorkspaceError`."""
NOT_YET = 503
"""The status while the agent starts or ends: nothing was done."""

Q = TypeVar("Q")
R = TypeVar("R")


class Lifecycle(StrEnum):
    """How far an agent is with what its template wants to be run at the start."""

    STARTING = "starting"
    READY = "ready"
    START_ERROR = "start_error"
    """The script ended with another code than 0; the agent can be used."""
    START_TIMEOUT = "start_timeout"
    SHUTTING_DOWN = "shutting_down"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hello:
    """What an agent says of itself, whatever its version."""

    protocol_version: int
    release: str
    lifecycle: Lifecycle = Lifecycle.READY
    features: tuple[str, ...] = ()
    """What it can do besides what all agents of its version can."""


# Arguments; a process is started with a `ProcessSpec`.


@dataclass(frozen=True, slots=True, kw_only=True)
class Nothing:
    """No arguments, or no answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadFile:
    """Of `read_file`."""

    path: str
    offset: int
    limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadBytes:
    """Of `read_bytes`."""

    path: str
    limit_bytes: int
    inside: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FindFiles:
    """Of `find_files`."""

    folder: str
    name: str | None
    depth: int
    limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteFile:
    """Of `write_file`."""

    path: str
    content: str
    unlinked_in: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EditFiles:
    """Of `edit_files`."""

    files: Sequence[FileEdits]
    unlinked_in: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OfChat:
    """What is asked of all processes of a chat."""

    chat_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OfProcess:
    """What is asked of one process."""

    chat_id: str
    process_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitProcess:
    """Of `wait_process`."""

    chat_id: str
    process_id: str
    timeout_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalProcess:
    """Of `signal_process`."""

    chat_id: str
    process_id: str
    signal: ProcessSignal


# Answers that the protocol has in another shape.


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodedBytes:
    """`FileBytes` in base64."""

    data: Base64Bytes
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """Of `start_process`."""

    process_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation(Generic[Q, R]):
    """One method: how its arguments and its answer look, and how it is called."""

    name: str
    question: type[Q]
    answer: Any
    """A type that pydantic knows."""
    call: Callable[[WorkspaceAgent, Q], Awaitable[R]]
    is_safe: bool = False
    """Changes nothing, so it may be asked again when the answer was lost."""
    is_activity: bool = True
    """Whether it keeps a server from being taken for idle."""
    answer_bytes: Callable[[Q], int] = lambda _question: USUAL_BYTES
    """How long the JSON of the answer can be. A longer one is not read."""

    def parse_question(self, body: bytes) -> Q:
        """Return the arguments.

        Raises:
            ValidationError: they are malformed.
        """
        return adapter_of(self.question).validate_json(body)

    def dump_answer(self, answer: R) -> bytes:
        """Return the answer as JSON."""
        return adapter_of(self.answer).dump_json(answer)

    def dump_question(self, question: Q) -> bytes:
        """Return the arguments as JSON.

        Raises:
            ValueError: a text is not valid Unicode.
        """
        return adapter_of(self.question).dump_json(question)

    def parse_answer(self, body: bytes) -> R:
        """Return the answer.

        Raises:
            ValidationError: it is none.
        """
        return adapter_of(self.answer).validate_json(body)


async def _facts(agent: WorkspaceAgent, _: Nothing) -> WorkspaceFacts:
    return await agent.facts()


async def _instructions(agent: WorkspaceAgent, _: Nothing) -> Sequence[InstructionFile]:
    return await agent.instructions()


async def _read_file(agent: WorkspaceAgent, q: ReadFile) -> FileLines:
    return await agent.read_file(q.path, offset=q.offset, limit=q.limit)


async def _read_bytes(agent: WorkspaceAgent, q: ReadBytes) -> EncodedBytes:
    found: FileBytes = await agent.read_bytes(q.path, limit_bytes=q.limit_bytes, inside=q.inside)
    return EncodedBytes(data=found.data, size=found.size)


async def _find_files(agent: WorkspaceAgent, q: FindFiles) -> FoundFiles:
    return await agent.find_files(q.folder, name=q.name, depth=q.depth, limit=q.limit)


async def _write_file(agent: WorkspaceAgent, q: WriteFile) -> Nothing:
    await agent.write_file(q.path, q.content, unlinked_in=q.unlinked_in)
    return Nothing()


async def _edit_files(agent: WorkspaceAgent, q: EditFiles) -> Nothing:
    await agent.edit_files(q.files, unlinked_in=q.unlinked_in)
    return Nothing()


async def _start_process(agent: WorkspaceAgent, q: ProcessSpec) -> Started:
    return Started(process_id=await agent.start_process(q))


async def _wait_process(agent: WorkspaceAgent, q: WaitProcess) -> ProcessOutput:
    return await agent.wait_process(q.chat_id, q.process_id, timeout_s=q.timeout_s)


async def _list_processes(agent: WorkspaceAgent, q: OfChat) -> Sequence[ProcessInfo]:
    return await agent.list_processes(q.chat_id)


async def _signal_process(agent: WorkspaceAgent, q: SignalProcess) -> Nothing:
    await agent.signal_process(q.chat_id, q.process_id, q.signal)
    return Nothing()


async def _kill_process(agent: WorkspaceAgent, q: OfProcess) -> Nothing:
    await agent.kill_process(q.chat_id, q.process_id)
    return Nothing()


FACTS = Operation(name="facts", question=Nothing, answer=WorkspaceFacts, call=_facts, is_safe=True)
INSTRUCTIONS = Operation(
    name="instructions",
    question=Nothing,
    answer=list[InstructionFile],
    call=_instructions,
    is_safe=True,
    answer_bytes=lambda _: 4 * MIB,  # 64 KiB each, with all escapes
)
READ_FILE = Operation(name="read_file", question=ReadFile, answer=FileLines, call=_read_file, is_safe=True)
READ_BYTES = Operation(
    name="read_bytes",
    question=ReadBytes,
    answer=EncodedBytes,
    call=_read_bytes,
    is_safe=True,
    answer_bytes=lambda question: USUAL_BYTES + question.limit_bytes * 4 // 3,  # of base64
)
FIND_FILES = Operation(
    name="find_files",
    question=FindFiles,
    answer=FoundFiles,
    call=_find_files,
    is_safe=True,
    answer_bytes=lambda question: USUAL_BYTES + question.limit * 8 * 1024,  # a path has 4 KiB at most
)
WRITE_FILE = Operation(name="write_file", question=WriteFile, answer=Nothing, call=_write_file)
EDIT_FILES = Operation(name="edit_files", question=EditFiles, answer=Nothing, call=_edit_files)
START_PROCESS = Operation(name="start_process", question=ProcessSpec, answer=Started, call=_start_process)
WAIT_PROCESS = Operation(
    name="wait_process", question=WaitProcess, answer=ProcessOutput, call=_wait_process, is_safe=True
)
LIST_PROCESSES = Operation(
    name="list_processes",
    question=OfChat,
    answer=list[ProcessInfo],
    call=_list_processes,
    is_safe=True,
    answer_bytes=lambda _: 16 * MIB,  # a command line of any length each
)
SIGNAL_PROCESS = Operation(
    name="signal_process", question=SignalProcess, answer=Nothing, call=_signal_process
)
KILL_PROCESS = Operation(
    name="kill_process", question=OfProcess, answer=Nothing, call=_kill_process, is_safe=True
)

OPERATIONS: dict[str, Operation[Any, Any]] = {
    operation.name: operation
    for operation in (
        FACTS,
        INSTRUCTIONS,
        READ_FILE,
        READ_BYTES,
        FIND_FILES,
        WRITE_FILE,
        EDIT_FILES,
        START_PROCESS,
        WAIT_PROCESS,
        LIST_PROCESSES,
        SIGNAL_PROCESS,
        KILL_PROCESS,
    )
}


# Refusals


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A `WorkspaceError` on its way."""

    error: str
    message: str
    path: str | None = None


_PLAIN: dict[str, type[WorkspaceError]] = {
    cls.__name__: cls
    for cls in (
        WorkspaceUnavailableError,
        ProcessNotFoundError,
        ProcessNotRunningError,
        EditError,
        SandboxError,
        KernelBusyError,
        KernelStartError,
        NoKernelError,
        PipedError,
    )
}
_OF_PATH: dict[str, type[FileMissingError] | type[ProtectedPathError]] = {
    cls.__name__: cls for cls in (FileMissingError, ProtectedPathError)
}


def refusal_of(error: WorkspaceError) -> Refusal:
    """Return what is sent for *error*."""
    path = error.path if isinstance(error, FileMissingError | ProtectedPathError) else None
    return Refusal(error=type(error).__name__, message=str(error), path=path)


def error_of(refusal: Refusal) -> WorkspaceError:
    """Return the error that was sent; one that this release does not know is a plain `WorkspaceError`."""
    if refusal.path is not None and refusal.error in _OF_PATH:
        return _OF_PATH[refusal.error](refusal.path)
    return _PLAIN.get(refusal.error, WorkspaceError)(refusal.message)
