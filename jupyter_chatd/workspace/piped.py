"""Programs that are spoken with line by line over their input and output: MCP servers of a project.

They belong to whoever reads them: one that nobody reads for two minutes is ended.
"""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from .child import Child, ChildError, Children, MessageTooLongError, require_program
from .environment import why_unconfinable
from .protocol import WorkspaceError

PROGRAMS = 64
"""Most programs of one agent."""
UNREAD_LIMIT = 120.0  # seconds without a reader after which a program is ended
LONGEST_WAIT = 60.0  # seconds of one question for a line

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class PipedSpec:
    """What to start. Whatever may hold a secret is left out of its `repr`."""

    command: str
    """A program, looked for in the PATH unless it holds a slash."""
    args: Sequence[str] = field(default=(), repr=False)
    env: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    """Added to the allow-listed environment."""
    folder: str | None = None
    """`None` means the workspace's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PipedLine:
    """A line, or why there is none: none came yet, or none will come."""

    line: str | None = None
    """With its end; what is not UTF-8 is replaced."""
    is_too_long: bool = False
    has_ended: bool = False
    exit_code: int | None = None
    last_words: str = ""
    """The end of its standard error, once it has ended."""


class PipedError(WorkspaceError):
    """Such a program could not be started, or is gone; the text says why."""


class PipedPrograms(Protocol):
    """The piped programs of one workspace."""

    async def start(self, spec: PipedSpec) -> str:
        """Start a program and return its id.

        Raises:
            PipedError: it could not be started.
        """
        ...

    async def write(self, program_id: str, text: str) -> None:
        """Write to its input.

        Raises:
            PipedError: it does not read any more, or is gone.
        """
        ...

    async def read(self, program_id: str, *, after: int, timeout_s: float) -> PipedLine:
        """Return the line that follows the first *after* lines, waiting for it at most *timeout_s*.

        The same line may be asked for until the next one was.

        Raises:
            PipedError: it is gone.
        """
        ...

    async def end(self, program_id: str) -> None:
        """End it with all that it started. Unknown ids are fine."""
        ...


@dataclass(slots=True)
class _Piped:
    child: Child
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held by whoever reads."""
    count: int = 0
    """Lines that were read."""
    latest: PipedLine = field(default_factory=PipedLine)
    read_at: float = field(default_factory=time.monotonic)

    @property
    def is_unread(self) -> bool:
        return not self.lock.locked() and time.monotonic() - self.read_at > UNREAD_LIMIT


class PipedService:
    """Lives as long as its agent, on one event loop.

    Args:
        children: Starts and ends them.
        wrap: Puts a command line into the sandbox, given the folder that it starts in. May block.
    """

    def __init__(
        self, children: Callable[[], Children], *, wrap: Callable[[Sequence[str], str], Sequence[str]]
    ) -> None:
        self._make_children = children
        self._children: Children | None = None
        self._wrap = wrap
        self._programs: dict[str, _Piped] = {}
        self._sweeper: asyncio.Task[None] | None = None
        self._is_closed = False

    async def start(self, spec: PipedSpec) -> str:
        """Start a program and return its id."""
        if self._is_closed or len(self._programs) >= PROGRAMS:
            raise PipedError("The workspace is closing, or runs as many programs as it may.")
        if problem := why_unconfinable(spec.env):
            raise PipedError(problem)

        def wrap(folder: str, env: Mapping[str, str]) -> Sequence[str]:
            require_program(spec.command, folder=folder, env=env)
            return self._wrap([spec.command, *spec.args], folder)

        self._children = self._children or self._make_children()
        self._sweeper = self._sweeper or asyncio.create_task(self._sweep(), name="chatd-piped-sweep")
        try:
            child = await self._children.start(wrap, command=spec.command, folder=spec.folder, env=spec.env)
        except ChildError as error:
            raise PipedError(str(error)) from error
        if self._is_closed:
            await self._children.end(child)
            raise PipedError("The workspace is closing.")
        program_id = uuid.uuid4().hex
        self._programs[program_id] = _Piped(child)
        return program_id

    async def write(self, program_id: str, text: str) -> None:
        """Write to its input."""
        try:
            await self._get(program_id).child.write(text.encode())
        except (ConnectionError, UnicodeEncodeError) as error:
            raise PipedError(str(error)) from error

    async def read(self, program_id: str, *, after: int, timeout_s: float) -> PipedLine:
        """Return the line that follows the first *after* lines, waiting for it at most *timeout_s*."""
        piped = self._get(program_id)
        async with piped.lock:
            if after < piped.count:
                return piped.latest
            piped.latest = await _next_line(piped.child, timeout_s=min(timeout_s, LONGEST_WAIT))
            piped.count += piped.latest.line is not None
            piped.read_at = time.monotonic()
            return piped.latest

    async def end(self, program_id: str) -> None:
        """End it with all that it started. Unknown ids are fine."""
        piped = self._programs.pop(program_id, None)
        if piped is not None and self._children is not None:
            await self._children.end(piped.child)

    async def aclose(self) -> None:
        """End all. May be called twice."""
        self._is_closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
            await asyncio.gather(self._sweeper, return_exceptions=True)
        await asyncio.gather(*map(self.end, tuple(self._programs)))
        if self._children is not None:
            await self._children.aclose()

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(UNREAD_LIMIT / 4)
            for program_id in [one for one, piped in self._programs.items() if piped.is_unread]:
                log.info("Program %s is ended: nobody has read it for long", program_id)
                try:
                    await self.end(program_id)
                except OSError:
                    log.exception("Program %s could not be ended", program_id)

    def _get(self, program_id: str) -> _Piped:
        try:
            return self._programs[program_id]
        except KeyError:
            raise PipedError("The program is gone: its agent was started again, or ended it.") from None


async def _next_line(child: Child, *, timeout_s: float) -> PipedLine:
    try:
        async with asyncio.timeout(timeout_s):
            line = await child.read_line()
            if not line:
                await child.exited.wait()  # it has only closed its output, perhaps
    except TimeoutError:
        return PipedLine()
    except MessageTooLongError:
        return PipedLine(is_too_long=True)
    if line:
        return PipedLine(line=line.decode("utf-8", "replace"))
    return PipedLine(has_ended=True, exit_code=child.exit_code, last_words=child.last_words)


if TYPE_CHECKING:
    _: type[PipedPrograms] = PipedService
