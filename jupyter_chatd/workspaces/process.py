"""The kind `process`: a folder made from a template, and an agent of its own beside this server.

<agents>/<8 characters of the agent's id>/   mode 0700
s          the agent's socket
token      what the agent wants to see, mode 0600
log        what the agent had to complain about
processes  the note of what runs, for whoever comes after the agent
"""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ..short_folder import require_private, short_folder
from ..workspace import procfs
from ..workspace.agent.launch import LaunchError, end_program, end_remains, fits, lives, start_program
from ..workspace.agent.remote import RemoteAgent
from ..workspace.agent.settings import IDLE_LIMIT, SOCKET, AgentSettings
from ..workspace.guard import Guard
from ..workspace.limits import AgentLimits
from ..workspace.protocol import WorkspaceUnavailableError
from ..workspace.sandbox import SandboxPolicy, SandboxSettings
from .files import fill
from .provisioner import ProvisionError, Say
from .values import AgentAddress, Template, Workspace

_TOKEN = "token"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessSettings:
    """What all workspaces of this kind have in common."""

    root: Path
    """Where their folders are made."""
    agents: Path
    """Where their agents' own folders are made; private."""
    home: Path
    env: Mapping[str, str]
    """Of agents and of git; holds no secrets."""
    protected: tuple[Path, ...] = ()
    config_folder: Path | None = None
    extra_env_names: tuple[str, ...] = ()
    sandbox: SandboxSettings = field(default_factory=SandboxSettings)
    piped_sandbox: SandboxPolicy = SandboxPolicy.OFF
    """Of MCP servers that a project brings along."""
    limits: AgentLimits = field(default_factory=AgentLimits)
    idle_limit_s: float = IDLE_LIMIT
    undumpable: bool = True


def agents_folder(data: Path) -> Path:
    """Return where agents' folders may lie: in *data*, or where paths are short when that is too deep."""
    folder = data / "agents"
    if fits(folder / "12345678"):
        return folder
    return short_folder()


class ProcessProvisioner:
    """Starts agents on this machine. Holds nothing: what runs is known from the addresses."""

    def __init__(self, settings: ProcessSettings) -> None:
        self._settings = settings
        self._guard = Guard(settings.protected)

    async def why_not(self) -> str | None:
        """There always can."""
        return None

    async def place(self, owner_id: str, name: str) -> str | None:
        """Return the folder that a new workspace will have.

        Raises:
            ProvisionError: something is there already.
        """
        folder = self._settings.root / name
        if await asyncio.to_thread(os.path.lexists, folder):
            raise ProvisionError(f"{folder} exists already: choose another name.")
        return str(folder)

    async def start(
        self, workspace: Workspace, template: Template, previous: Sequence[AgentAddress], say: Say
    ) -> Sequence[AgentAddress]:
        """Make the folder if it is not there, and start an agent in it.

        Raises:
            ProvisionError: it cannot be started; nothing runs.
        """
        await self._end(previous)
        folder = Path(workspace.directory or "")
        if not await asyncio.to_thread(folder.is_dir):
            await fill(
                folder,
                template.origin,
                workspace.parameters,
                guard=self._guard,
                env=self._settings.env,
                say=say,
            )
        say("Starting the agent")
        try:
            own = await asyncio.to_thread(_make_private, self._settings.agents)
            address = await self._launch(folder, own, template.startup_script)
        except OSError as error:
            raise ProvisionError(f"The agent's folder cannot be made: {error}.") from error
        say("The agent listens")
        return (address,)

    async def _launch(self, folder: Path, own: Path, script: str | None) -> AgentAddress:
        settings = self._settings
        token = secrets.token_urlsafe(32)
        await asyncio.to_thread(_write_token, own, token)
        agent = AgentSettings(
            id=str(uuid.uuid4()),
            folder=own,
            token=token,
            directory=folder,
            home=settings.home,
            config_folder=settings.config_folder,
            protected=(*settings.protected, settings.agents),
            extra_env_names=settings.extra_env_names,
            sandbox=settings.sandbox,
            piped_sandbox=settings.piped_sandbox,
            limits=settings.limits,
            startup_script=script,
            idle_limit_s=settings.idle_limit_s,
            undumpable=settings.undumpable,
        )
        try:
            listening = await start_program(agent, env=settings.env)
        except (LaunchError, asyncio.CancelledError) as error:
            await asyncio.to_thread(shutil.rmtree, own, ignore_errors=True)
            if isinstance(error, LaunchError):
                raise ProvisionError(str(error)) from error
            raise
        place: dict[str, str | int] = {
            "folder": str(own),
            "pid": listening.pid,
            "started_ticks": listening.started_ticks,
            "where": procfs.place(),
        }
        return AgentAddress(id=agent.id, place=place)

    async def stop(self, workspace: Workspace, previous: Sequence[AgentAddress], say: Say) -> None:
        """End the agent and everything that it ever started.

        Raises:
            ProvisionError: something of it goes on.
        """
        say("Stopping the agent")
        await self._end(previous)

    async def _end(self, addresses: Sequence[AgentAddress]) -> None:
        for address in addresses:
            if not await self._end_one(address):
                raise ProvisionError(
                    "Something that the workspace runs does not end: it waits for a device or runs as "
                    "another user. Try again later."
                )

    async def _end_one(self, address: AgentAddress) -> bool:
        folder = Path(str(address.place["folder"]))
        if await self.is_gone(address):
            is_ended = await end_remains(address.id, folder)
        else:
            is_ended = await end_program(
                address.id,
                folder,
                token=await asyncio.to_thread(_read_token, folder),
                pid=int(address.place["pid"]),
                started_ticks=int(address.place["started_ticks"]),
            )
        if is_ended:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
        return is_ended

    async def forget(self, workspace: Workspace, *, remove_files: bool) -> None:
        """Leave the folder, or remove it with all that is in it.

        Raises:
            ProvisionError: it cannot be removed.
        """
        if not remove_files or workspace.directory is None:
            return
        try:
            await asyncio.to_thread(shutil.rmtree, workspace.directory)
        except FileNotFoundError:
            return
        except OSError as error:
            raise ProvisionError(f"{workspace.directory} cannot be removed: {error}.") from error

    async def connect(self, address: AgentAddress) -> RemoteAgent:
        """Return the agent; nothing is sent yet.

        Raises:
            WorkspaceUnavailableError: its folder is gone, or may not be read.
        """
        folder = Path(str(address.place["folder"]))
        token = await asyncio.to_thread(_read_token, folder)
        if not token:
            raise WorkspaceUnavailableError("The workspace's agent is gone. Use start_workspace.")
        return RemoteAgent("http://agent", token=token, socket_path=str(folder / SOCKET))

    async def is_gone(self, address: AgentAddress) -> bool:
        """Whether that process has ended: with its boot, its container, or by itself."""
        if address.place["where"] != procfs.place():
            return True
        return not lives(int(address.place["pid"]), int(address.place["started_ticks"]))


def _make_private(agents: Path) -> Path:
    """Return a new folder that only the user gets into.

    Raises:
        OSError: it cannot be made, or others get into the one around it.
    """
    agents.mkdir(mode=0o700, parents=True, exist_ok=True)
    require_private(agents)
    own = agents / secrets.token_hex(4)
    own.mkdir(mode=0o700)
    return own


def _write_token(folder: Path, token: str) -> None:
    descriptor = os.open(folder / _TOKEN, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w", encoding="ascii") as file:
        file.write(token)


def _read_token(folder: Path) -> str:
    """Return the token, empty when there is none to read."""
    try:
        return (folder / _TOKEN).read_text("ascii")
    except OSError:
        return ""


if TYPE_CHECKING:
    from .provisioner import Provisioner

    _: type[Provisioner] = ProcessProvisioner
