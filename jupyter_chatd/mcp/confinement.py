"""Which programs of MCP servers run in the sandbox; see DECISIONS.md, "programs in the sandbox"."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from ..workspace.child import require_program
from ..workspace.environment import why_unconfinable
from ..workspace.sandbox import Sandbox, SandboxError
from .config import McpServerConfig
from .errors import Failure, ServerUnavailableError
from .project import is_of_project


class Confinement:
    """Says how the program of a server is started. Lives as long as the manager.

    Args:
        sandbox: With its policy for these programs, which may be to confine none.
        exempt: Slugs of servers that run outside all the same. A server that a project file brings along is
            never one of them: whoever writes the file chooses its slug.
    """

    def __init__(self, sandbox: Sandbox, *, exempt: Collection[str] = ()) -> None:
        self._sandbox = sandbox
        self._exempt = frozenset(exempt)

    def argv(self, config: McpServerConfig, *, work_dir: str, env: Mapping[str, str]) -> Sequence[str]:
        """Return what to run. May block.

        Args:
            config: Of a stdio server.
            work_dir: The folder that it starts in.
            env: What it will see; its `PATH` is where it is looked for.

        Raises:
            FileNotFoundError: there is no such program.
            ServerUnavailableError: it must be confined and cannot be, or has an `env` that undoes it.
        """
        assert config.command is not None
        argv = [config.command, *config.args]
        if self._is_exempt(config):
            return argv
        require_program(config.command, folder=work_dir, env=env)
        try:
            confined = self._sandbox.wrap(argv, work_dir=work_dir)
        except SandboxError as error:
            raise _not_started(str(error)) from error
        if confined != argv and (problem := why_unconfinable(config.env)):
            raise _not_started(problem)
        return confined

    def _is_exempt(self, config: McpServerConfig) -> bool:
        return config.slug in self._exempt and not is_of_project(config)


def _not_started(reason: str) -> ServerUnavailableError:
    return ServerUnavailableError(Failure(reason=f"The server could not be started: {reason}"))
