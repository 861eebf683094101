"""What a kind of workspaces is: something that starts and stops them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias

from ..errors import ConflictError
from ..workspace.agent.operations import Hello
from ..workspace.protocol import WorkspaceAgent
from .values import AgentAddress, Template, Workspace

Say: TypeAlias = Callable[[str], None]
"""Hears the lines of a build's log, without their newlines."""


class ProvisionError(ConflictError):
    """A workspace could not be made, started or stopped; the text says why and what to do."""

    def __init__(self, message: str) -> None:
        super().__init__(message, state="unavailable", transition="provision")


class ConnectedAgent(WorkspaceAgent, Protocol):
    """An agent that can be asked how far its start is."""

    async def hello(self) -> Hello:
        """Return what the agent says of itself.

        Raises:
            WorkspaceError: it does not answer, or cannot be spoken with.
        """
        ...


class Provisioner(Protocol):
    """Starts and stops workspaces of one kind. Lives as long as the server."""

    async def why_not(self) -> str | None:
        """Return why there can be no workspaces of this kind now, `None` when there can."""
        ...

    async def place(self, owner_id: str, name: str) -> str | None:
        """Return the folder that a new workspace will have, `None` where it is not on this machine.

        Raises:
            ProvisionError: there cannot be one of that name.
        """
        ...

    async def start(
        self, workspace: Workspace, template: Template, previous: Sequence[AgentAddress], say: Say
    ) -> Sequence[AgentAddress]:
        """Make what is missing, and start. What *previous* starts left is ended first; failed, nothing is.

        Raises:
            ProvisionError: it cannot be started.
        """
        ...

    async def stop(self, workspace: Workspace, previous: Sequence[AgentAddress], say: Say) -> None:
        """End everything that runs in it. What is stopped already stays so.

        Raises:
            ProvisionError: something of it goes on.
        """
        ...

    async def forget(self, workspace: Workspace, *, remove_files: bool) -> None:
        """Let a stopped workspace go; its files stay unless they are to be removed.

        Raises:
            ProvisionError: they cannot be removed.
        """
        ...

    async def connect(self, address: AgentAddress) -> ConnectedAgent:
        """Return the agent; nothing is sent yet.

        Raises:
            WorkspaceUnavailableError: it is gone.
        """
        ...

    async def is_gone(self, address: AgentAddress) -> bool:
        """Whether that agent has certainly ended and will not come back."""
        ...
