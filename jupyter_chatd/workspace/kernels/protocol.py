"""What may be asked of a workspace's kernels. Nobody can tell those of this process from others'."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from ..protocol import Truncation, WorkspaceError


class KernelBusyError(WorkspaceError):
    """The chat's kernel runs other code."""


class NoKernelError(WorkspaceError):
    """The chat has no kernel, or has run no such code in it."""


class KernelStartError(WorkspaceError):
    """A kernel could not be started; the text says why."""


class CodeState(StrEnum):
    """How code stands."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    """It raised an error."""
    INTERRUPTED = "interrupted"
    DIED = "died"
    """The kernel ended before the code did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeSpec:
    """What to run."""

    execution_id: str
    """Made by the caller, who can so stop what he has no answer about yet."""
    chat_id: str
    code: str
    kernel: str | None = None
    """Name of the kernelspec; `None` for what the chat has, else the default."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeStarted:
    """Code runs."""

    kernel: str
    """Name of its kernelspec."""
    lost: str | None = None
    """Why an earlier kernel of the chat, with all its variables, is gone; told once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """An image that code has shown."""

    data: str
    """Base64."""
    media_type: str
    """`image/png`, `image/jpeg`, `image/gif` or `image/webp`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeError:
    """What code raised."""

    name: str
    message: str
    traceback: str
    """Plain text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeOutput:
    """What code has given so far, and how it stands."""

    execution_id: str
    state: CodeState
    output: str
    """Streams and results in the order in which they came; tables are Markdown."""
    truncated: Truncation | None = None
    pictures: Sequence[Picture] = ()
    """The last ones that were shown, oldest first."""
    pictures_left_out: int = 0
    error: CodeError | None = None
    reason: str | None = None
    """Why the kernel ended."""

    @property
    def is_running(self) -> bool:
        """Whether more may come."""
        return self.state is CodeState.RUNNING


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """A variable of the kernel's session."""

    name: str
    type: str
    shape: str | None = None
    """Of arrays and tables, such as `(3, 2)`."""
    length: int | None = None
    size_bytes: int | None = None
    """As far as the object tells it."""
    columns: str | None = None
    """Of a table: names and types."""
    value: str | None = None
    """The beginning of it; `None` when its name looks like a secret."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Variables:
    """What a kernel's session holds, sorted by name."""

    variables: Sequence[Variable] = ()
    left_out: int = 0
    """There are more than may be told."""
    is_busy: bool = False
    """Other code runs meanwhile, and may change them."""


class Kernels(Protocol):
    """The kernels of one workspace, one per chat. What the model may correct is a `WorkspaceError`."""

    async def run_code(self, spec: CodeSpec) -> CodeStarted:
        """Run code, starting a kernel when the chat has none; returns once the code was sent.

        Raises:
            KernelBusyError: other code runs in it.
            KernelStartError: no kernel could be started.
        """
        ...

    async def wait_code(
        self, chat_id: str, *, execution_id: str | None = None, timeout_s: float
    ) -> CodeOutput:
        """Wait until it ends, at most *timeout_s*, and return what there is. `None` is the latest code.

        Raises:
            NoKernelError: the chat has run no such code.
        """
        ...

    def follow_code(self, chat_id: str, execution_id: str) -> AsyncGenerator[str, None]:
        """Live output from the start, in pieces, until it ends. Close it (`aclosing`) when you stop early."""
        ...

    async def interrupt(self, chat_id: str) -> CodeOutput:
        """Interrupt what runs, and return how it stands a few seconds later at most: it may run on.

        Raises:
            NoKernelError: nothing runs.
        """
        ...

    async def stop_code(self, chat_id: str, execution_id: str) -> None:
        """End that code: interrupt it, and when it does not react end its kernel. Unknown ids are fine."""
        ...

    async def restart(self, chat_id: str, *, kernel: str | None = None) -> str:
        """End the chat's kernel, start a fresh one, and return the name of its kernelspec.

        Raises:
            KernelStartError: no kernel could be started; the old one is gone.
        """
        ...

    async def end(self, chat_id: str) -> None:
        """End the chat's kernel and what runs in it. Chats without one are fine."""
        ...

    async def inspect(self, chat_id: str, *, names: Sequence[str] = ()) -> Variables:
        """Look at variables, also while code runs where the kernel can (subshells, ipykernel 7).

        Raises:
            NoKernelError: the chat has no kernel.
            KernelBusyError: it runs code, and cannot be asked meanwhile.
            WorkspaceError: it is no Python kernel.
        """
        ...
