"""The agent of a workspace: files, processes and kernels, wherever they are.

Tools cannot tell an in-process agent from one behind HTTP. Every path is absolute.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from .desktops import AgentDesktops
    from .kernels.protocol import Kernels
    from .piped import PipedPrograms

PROTOCOL_VERSION = 1


class WorkspaceError(Exception):
    """A request failed for a reason that the model can act on; the text says what to try."""


class WorkspaceUnavailableError(WorkspaceError):
    """The chat has no running workspace."""


class ProcessNotFoundError(WorkspaceError):
    """No process of this chat has that id (they are forgotten 5 minutes after they exit)."""


class ProcessNotRunningError(WorkspaceError):
    """The process has already exited."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileLines:
    """Some lines of a file, numbered."""

    content: str
    """`<number><TAB><text>` joined with newlines."""
    file_size: int
    """Bytes."""
    total_lines: int
    lines_read: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FileBytes:
    """The beginning of a file."""

    data: bytes
    size: int
    """Of the whole file, in bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundFile:
    """A file that a search found."""

    path: str
    """Relative to the folder that was searched."""
    size: int
    """Bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundFiles:
    """What a search found, sorted by path."""

    files: tuple[FoundFile, ...] = ()
    is_cut: bool = False
    """There is more than the search may tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """Replace `search` by `replace` in one file."""

    search: str
    replace: str
    replace_all: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FileEdits:
    """The edits of one file, applied in order, each on the result of the one before."""

    path: str
    edits: Sequence[Edit]


class ProcessSignal(StrEnum):
    """What may be sent to a process group."""

    TERMINATE = "terminate"
    KILL = "kill"


@dataclass(frozen=True, slots=True, kw_only=True)
class Truncation:
    """What the output buffer left out."""

    original_bytes: int
    retained_bytes: int
    omitted_bytes: int
    strategy: str = "head_tail"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessOutput:
    """A process's merged output so far, and how it stands."""

    output: str
    running: bool
    exit_code: int | None = None
    """`None` while it runs; -1 when it ended for another reason than exiting."""
    truncated: Truncation | None = None
    lingering: bool = False
    """It has exited, but processes that it started still run in its group; signals reach them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessInfo:
    """One process of a chat."""

    id: str
    command: str
    work_dir: str
    background: bool
    running: bool
    started_at: float
    """UTC seconds."""
    exit_code: int | None = None
    exited_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessSpec:
    """What to start."""

    command: str
    """Given to `sh -c`."""
    chat_id: str
    work_dir: str | None = None
    """`None` means the workspace's own folder."""
    background: bool = False
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    """Added to the allow-listed environment."""
    read_only: bool = False
    """Where there is a sandbox: nothing can be written but an empty /tmp."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InstructionFile:
    """An AGENTS.md."""

    path: str
    content: str
    truncated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkspaceFacts:
    """Where the agent is."""

    os: str
    directory: str
    """The folder that commands start in."""
    home: str
    protocol_version: int = PROTOCOL_VERSION
    confined: str | None = None
    """The sandbox in force, `None` for unconfined."""
    refused: str | None = None
    """Why no command is run: it must be confined and cannot be. `None` where commands run."""


class CommandState(StrEnum):
    """What becomes of a workspace's commands."""

    CONFINED = "confined"
    UNCONFINED = "unconfined"
    """They may do whatever the user may."""
    REFUSED = "refused"
    """They must be confined, and cannot be: none is run."""


def command_state(facts: WorkspaceFacts) -> CommandState:
    """Return what becomes of commands."""
    if facts.confined is not None:
        return CommandState.CONFINED
    return CommandState.UNCONFINED if facts.refused is None else CommandState.REFUSED


class WorkspaceAgent(Protocol):
    """Files, processes, kernels of one workspace. What the model may correct is a `WorkspaceError`."""

    async def facts(self) -> WorkspaceFacts:
        """Where this agent is."""
        ...

    @property
    def kernels(self) -> Kernels:
        """What runs code that keeps its variables."""
        ...

    @property
    def piped(self) -> PipedPrograms:
        """What runs programs that are spoken with over their pipes."""
        ...

    @property
    def desktops(self) -> AgentDesktops:
        """What starts and stops desktops that show the workspace."""
        ...

    async def instructions(self) -> Sequence[InstructionFile]:
        """AGENTS.md of the user's config folder and of the working folder, if any, up to 64 KiB each."""
        ...

    async def read_file(self, path: str, *, offset: int = 1, limit: int = 2000) -> FileLines:
        """Lines *offset* (from 1) to *offset+limit-1*; all or nothing."""
        ...

    async def read_bytes(self, path: str, *, limit_bytes: int, inside: str | None = None) -> FileBytes:
        """The first *limit_bytes* of a regular file, which must lie in *inside* after links are resolved."""
        ...

    async def find_files(
        self, folder: str, *, name: str | None = None, depth: int = 8, limit: int = 1000
    ) -> FoundFiles:
        """Regular files up to *depth* levels below *folder*, with that *name* if given, at most *limit*.

        Links below *folder* are not followed. A folder that does not exist holds no files.
        """
        ...

    async def write_file(self, path: str, content: str, *, unlinked_in: str | None = None) -> None:
        """Replace the file atomically; parents are made, the mode is kept, links are followed.

        Args:
            unlinked_in: A folder in which the file must lie with no link on the way; `None` for anywhere.
        """
        ...

    async def edit_files(self, files: Sequence[FileEdits], *, unlinked_in: str | None = None) -> None:
        """Apply all edits or none; every problem is reported together.

        Args:
            unlinked_in: As of `write_file`.
        """
        ...

    async def start_process(self, spec: ProcessSpec) -> str:
        """Start a process in a group of its own and return its id."""
        ...

    async def wait_process(self, chat_id: str, process_id: str, *, timeout_s: float) -> ProcessOutput:
        """Wait until it exits, at most *timeout_s*, and return what there is."""
        ...

    def follow_process(self, chat_id: str, process_id: str) -> AsyncGenerator[str, None]:
        """Live output from the start, in pieces, until it exits. Close it (`aclosing`) when you stop early.

        A reader that falls behind loses pieces and is told how much; `wait_process` has what is kept.
        """
        ...

    async def list_processes(self, chat_id: str) -> Sequence[ProcessInfo]:
        """The chat's processes, oldest first."""
        ...

    async def signal_process(self, chat_id: str, process_id: str, signal: ProcessSignal) -> None:
        """Signal the whole process group."""
        ...

    async def kill_process(self, chat_id: str, process_id: str) -> None:
        """End the whole group now and wait until it is gone, at most 5 s. Unknown ids are fine."""
        ...

    async def aclose(self) -> None:
        """Kill everything it started. May be called twice."""
        ...
