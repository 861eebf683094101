"""Workspaces of a server: which there are, making, starting and stopping them, and what their builds say."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from ..wire.values import adapter_of
from ..workspaces.values import BuildStatus, Parameter, Transition
from .restapi import RestApi

_WORKSPACES = "/workspaces"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkspaceTemplate:
    """What workspaces can be made from."""

    id: str
    name: str
    display_name: str = ""
    description: str = ""
    parameters: tuple[Parameter, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkspaceBuild:
    """One start or stop."""

    id: str
    workspace_id: str
    number: int
    transition: Transition
    status: BuildStatus
    created_at: str
    completed_at: str | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkspaceStanding:
    """A workspace and its latest build."""

    id: str
    name: str
    kind: str
    template_id: str
    status: str
    """`building`, `stopped`, `running`, or `broken` when the latest build did not succeed."""
    created_at: str
    directory: str | None = None
    parameters: Mapping[str, str] = field(default_factory=dict[str, str])
    latest_build: WorkspaceBuild | None = None


class WorkspaceClient:
    """What can be done with workspaces. Every method raises as those of `AsyncClient`."""

    def __init__(self, api: RestApi) -> None:
        self._api = api

    async def templates(self) -> tuple[WorkspaceTemplate, ...]:
        """Return what workspaces can be made from."""
        return _value(tuple[WorkspaceTemplate, ...], await self._api.get(f"{_WORKSPACES}/templates"))

    async def list(self) -> tuple[WorkspaceStanding, ...]:
        """Return your workspaces, by name."""
        return _value(tuple[WorkspaceStanding, ...], await self._api.get(_WORKSPACES))

    async def get(self, workspace_id: str) -> WorkspaceStanding:
        """Return how a workspace stands."""
        return _value(WorkspaceStanding, await self._api.get(_path(workspace_id)))

    async def create(
        self,
        template_id: str,
        *,
        name: str | None = None,
        parameters: Mapping[str, str] | None = None,
        chat_id: str | None = None,
    ) -> WorkspaceStanding:
        """Make a workspace and begin to start it; *chat_id* is a chat without one, which gets it."""
        fields = {"template_id": template_id, "name": name, "parameters": parameters, "chat_id": chat_id}
        return _value(WorkspaceStanding, await self._api.post(_WORKSPACES, fields))

    async def build(self, workspace_id: str, transition: Transition) -> WorkspaceBuild:
        """Begin to start or stop it; when it is so already, the build that made it so."""
        reply = await self._api.post(f"{_path(workspace_id)}/builds", {"transition": transition.value})
        return _value(WorkspaceBuild, reply)

    async def builds(self, workspace_id: str) -> tuple[WorkspaceBuild, ...]:
        """Return the newest builds, newest first."""
        return _value(tuple[WorkspaceBuild, ...], await self._api.get(f"{_path(workspace_id)}/builds"))

    async def log(self, build: WorkspaceBuild) -> AsyncGenerator[str, None]:
        """Yield what a build says, in lines, until it has ended. Close it (`aclosing`) to stop early."""
        path = f"{_path(build.workspace_id)}/builds/{quote(build.id, safe='')}/log"
        async for line in self._api.get_lines(path):
            yield line

    async def delete(self, workspace_id: str, *, remove_files: bool = False) -> None:
        """Stop it and forget it; its files stay unless they are to be removed."""
        await self._api.delete(f"{_path(workspace_id)}?remove_files={'true' if remove_files else 'false'}")


def _value(cls: Any, reply: Any) -> Any:
    return adapter_of(cls).validate_python(reply)


def _path(workspace_id: str) -> str:
    return f"{_WORKSPACES}/{quote(workspace_id, safe='')}"
