"""The programs of stdio servers: beside this server, or in the workspace that names them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ..workspace.child import Child, ChildError, Children, MessageTooLongError
from ..workspace.piped import PipedPrograms, PipedSpec
from ..workspace.protocol import WorkspaceAgent, WorkspaceError
from .config import McpServerConfig
from .confinement import Confinement
from .errors import Failure, ServerUnavailableError

READ_LIMIT = 20.0  # seconds that one question for a line takes at most


class Program(Protocol):
    """One running program."""

    @property
    def has_exited(self) -> bool:
        """Whether it is known to have ended."""
        ...

    @property
    def exit_code(self) -> int | None:
        """`None` while it runs, or where nobody knows; negative for the signal that ended it."""
        ...

    @property
    def last_words(self) -> str:
        """The end of its standard error."""
        ...

    async def read_line(self) -> bytes:
        """Return the next line of its output, empty at the end.

        Raises:
            MessageTooLongError: it wrote a line without end.
        """
        ...

    async def write(self, data: bytes) -> None:
        """Write to its input.

        Raises:
            ConnectionError: nobody will read it.
        """
        ...


class Programs(Protocol):
    """Starts and ends them."""

    async def start(self, config: McpServerConfig) -> Program:
        """Start the program of a stdio server.

        Raises:
            ServerUnavailableError: it could not be started.
        """
        ...

    async def end(self, program: Program) -> None:
        """End it with all that it started."""
        ...


class LocalPrograms:
    """Beside this server. Lives as long as the manager.

    Args:
        env: What every program sees: the scrubbed environment.
        state_folder: The private folder of the ledger, which the workspace's agent sweeps at its start.
        directory: Where a program starts when its config names no folder.
        confinement: Which programs run in a sandbox; `None` for none.
    """

    def __init__(
        self,
        *,
        env: Mapping[str, str],
        state_folder: Path,
        directory: str,
        confinement: Confinement | None = None,
    ) -> None:
        self._children = Children(env=env, state_folder=state_folder, directory=directory)
        self._confinement = confinement

    async def start(self, config: McpServerConfig) -> Child:
        """Start the program of a stdio server."""
        assert config.command is not None

        def wrap(folder: str, env: Mapping[str, str]) -> Sequence[str]:
            return self._argv(config, folder, env)

        try:
            return await self._children.start(wrap, command=config.command, folder=config.cwd, env=config.env)
        except ChildError as error:
            raise _not_started(error) from None

    def _argv(self, config: McpServerConfig, folder: str, env: Mapping[str, str]) -> Sequence[str]:
        assert config.command is not None
        if self._confinement is None:
            return [config.command, *config.args]
        return self._confinement.argv(config, work_dir=folder, env=env)

    async def end(self, program: Program) -> None:
        """End it with all that it started."""
        assert isinstance(program, Child)
        await self._children.end(program)

    async def aclose(self) -> None:
        """End what is still there. May be called twice."""
        await self._children.aclose()


class WorkspaceProgram:
    """One program that a workspace's agent runs."""

    def __init__(self, piped: PipedPrograms, program_id: str) -> None:
        self.id = program_id
        self.has_exited = False
        self.exit_code: int | None = None
        self.last_words = ""
        self._piped = piped
        self._read = 0
        """Lines that have come."""

    async def read_line(self) -> bytes:
        """Return the next line of its output, empty at the end or when its agent is gone."""
        while not self.has_exited:
            try:
                found = await self._piped.read(self.id, after=self._read, timeout_s=READ_LIMIT)
            except WorkspaceError as error:
                self.has_exited, self.last_words = True, str(error)
                break
            if found.line is not None:
                self._read += 1
                return found.line.encode()
            if found.is_too_long:
                raise MessageTooLongError
            self.has_exited = found.has_ended
            self.exit_code, self.last_words = found.exit_code, found.last_words
        return b""

    async def write(self, data: bytes) -> None:
        """Write to its input."""
        try:
            await self._piped.write(self.id, data.decode())
        except WorkspaceError as error:
            raise BrokenPipeError(str(error)) from error


class WorkspacePrograms:
    """In a workspace.

    Args:
        find_agent: Returns the workspace's agent of that moment.
    """

    def __init__(self, find_agent: Callable[[], WorkspaceAgent]) -> None:
        self._find_agent = find_agent

    async def start(self, config: McpServerConfig) -> WorkspaceProgram:
        """Start the program of a stdio server."""
        assert config.command is not None
        spec = PipedSpec(command=config.command, args=config.args, env=config.env, folder=config.cwd)
        try:
            piped = self._find_agent().piped
            return WorkspaceProgram(piped, await piped.start(spec))
        except WorkspaceError as error:
            raise _not_started(error) from None

    async def end(self, program: Program) -> None:
        """End it with all that it started. One whose agent is gone has ended with that."""
        assert isinstance(program, WorkspaceProgram)
        try:
            await self._find_agent().piped.end(program.id)
        except WorkspaceError as error:
            program.last_words = program.last_words or str(error)


def _not_started(why: Exception) -> ServerUnavailableError:
    return ServerUnavailableError(Failure(reason=f"The server could not be started: {why}"))


if TYPE_CHECKING:
    _local: type[Programs] = LocalPrograms
    _workspace: type[Programs] = WorkspacePrograms
