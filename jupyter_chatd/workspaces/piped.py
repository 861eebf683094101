"""The piped programs of a chat's workspace, whichever agent has them at each call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..workspace.piped import PipedLine, PipedSpec

if TYPE_CHECKING:
    from ..workspace.piped import PipedPrograms
    from .lookup import WorkspaceOfChat


class PipedOfChat:
    """Programs end with their agent; whoever asks for one that is gone is told so."""

    def __init__(self, workspace: WorkspaceOfChat) -> None:
        self._workspace = workspace

    async def start(self, spec: PipedSpec) -> str:
        """Start a program and return its id."""
        return await self._workspace.ask(lambda agent: agent.piped.start(spec))

    async def write(self, program_id: str, text: str) -> None:
        """Write to its input."""
        await self._workspace.ask(lambda agent: agent.piped.write(program_id, text))

    async def read(self, program_id: str, *, after: int, timeout_s: float) -> PipedLine:
        """Return the line that follows the first *after* lines, waiting for it at most *timeout_s*."""
        return await self._workspace.ask(
            lambda agent: agent.piped.read(program_id, after=after, timeout_s=timeout_s), is_safe=True
        )

    async def end(self, program_id: str) -> None:
        """End it with all that it started. Unknown ids are fine."""
        await self._workspace.ask(lambda agent: agent.piped.end(program_id), is_safe=True)


if TYPE_CHECKING:
    _: type[PipedPrograms] = PipedOfChat
