"""The servers that a chat's workspace brings along, and whether the user trusts them."""

from __future__ import annotations

import logging
import posixpath
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ..errors import ConflictError
from ..private_file import PrivateFileError
from ..workspace.protocol import WorkspaceAgent
from .config import McpServerConfig
from .project import FILE_BYTES, FILE_NAME, ProjectFile, parse_project
from .status import ServerState, ServerStatus, status_of
from .trust import TrustStore

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A project file, and what the user decided about exactly this content."""

    file: ProjectFile
    trusted: bool | None = None
    """`None`: not asked yet."""

    @property
    def configs(self) -> tuple[McpServerConfig, ...]:
        """The servers that may be used: none until the file is trusted."""
        return self.file.configs if self.trusted else ()

    @property
    def _reason(self) -> str:
        if self.trusted is False:
            return f"You decided not to use the present content of {self.file.path}."
        return (
            f"{self.file.path} starts programs or reaches addresses; it is used once you trust its content."
        )

    def statuses(self, find: Callable[[McpServerConfig], ServerStatus]) -> tuple[ServerStatus, ...]:
        """Return how its servers stand; *find* is `McpManager.status`."""
        return tuple(
            find(config) if self.trusted else status_of(config, ServerState.NEEDS_TRUST, reason=self._reason)
            for config in self.file.configs
        )


class ProjectServers:
    """Reads project files. Holds nothing: each turn looks anew. Lives as long as the extension.

    Programs of a workspace's file are started by the agent of that workspace.

    Args:
        env: The variables that a project file may use: the scrubbed environment.
    """

    def __init__(self, trust: TrustStore, *, env: Mapping[str, str]) -> None:
        self._trust = trust
        self._env = env

    async def find(self, agent: WorkspaceAgent, *, workspace_id: str | None = None) -> Project | None:
        """Return the project file of the working folder, `None` when there is none. Links do not count.

        Args:
            workspace_id: Whose agent that is; `None` for this server's own.

        Raises:
            WorkspaceError: it cannot be read.
        """
        directory = (await agent.facts()).directory
        found = await agent.find_files(directory, name=FILE_NAME, depth=1)
        if not found.files:
            return None
        path = posixpath.join(directory, FILE_NAME)
        contents = await agent.read_bytes(path, limit_bytes=FILE_BYTES + 1, inside=directory)
        file = parse_project(path, contents.data, env=self._env, workspace_id=workspace_id)
        return Project(file=file, trusted=await self._decision(file, workspace_id))

    async def decide(
        self, agent: WorkspaceAgent, *, sha256: str, trusted: bool, workspace_id: str | None = None
    ) -> Project:
        """Remember what the user decided about the file with that hash, and return the project.

        Raises:
            ConflictError: the file is another one now, or gone.
            WorkspaceError: it cannot be read.
            PrivateFileError: the decision cannot be stored.
        """
        project = await self.find(agent, workspace_id=workspace_id)
        if project is None or project.file.sha256 != sha256:
            raise ConflictError(
                f"{FILE_NAME} is no longer what you were shown. Look at it again, then decide.",
                state="changed",
                transition="trust",
            )
        await self._trust.set(_place(project.file, workspace_id), sha256, trusted=trusted)
        return Project(file=project.file, trusted=trusted)

    async def _decision(self, file: ProjectFile, workspace_id: str | None) -> bool | None:
        try:
            return await self._trust.find(_place(file, workspace_id), file.sha256)
        except PrivateFileError as error:  # then nothing is trusted
            log.warning("Project files are not trusted: %s", error)
            return None


def _place(file: ProjectFile, workspace_id: str | None) -> str:
    """What a decision is about: the same path in a workspace is another file."""
    return file.path if workspace_id is None else f"{workspace_id}:{file.path}"
