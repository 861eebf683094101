"""Which agent a chat has, asked anew at every connection, which lasts as long as its build is the latest."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar
from weakref import WeakValueDictionary

from ..messages import Chat
from ..workspace.agent.remote import AgentLostError, AgentUnreachableError
from ..workspace.protocol import (
    FileBytes,
    FileEdits,
    FileLines,
    FoundFiles,
    InstructionFile,
    ProcessInfo,
    ProcessOutput,
    ProcessSignal,
    ProcessSpec,
    WorkspaceAgent,
    WorkspaceFacts,
    WorkspaceUnavailableError,
)
from .desktops import DesktopsOfChat
from .kernels import KernelsOfChat
from .manager import WorkspaceManager
from .piped import PipedOfChat
from .provisioner import ConnectedAgent, Provisioner, ProvisionError
from .values import Phase, Standing

T = TypeVar("T")

log = logging.getLogger(__name__)


class NoAgentError(WorkspaceUnavailableError):
    """The latest build gives the workspace no agent, so asking again helps only after another build."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """An agent, and the build that started it."""

    build_id: str
    agent: ConnectedAgent


class AgentLookup:
    """Finds agents for chats. One per server; closes its connections, never the agents.

    Args:
        manager: Knows the workspaces.
        own: The agent of this server itself, which chats without a workspace use.
    """

    def __init__(self, manager: WorkspaceManager, own: WorkspaceAgent) -> None:
        self._manager = manager
        self._own = own
        self._connections: dict[str, Connection] = {}
        self._connecting: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        """Held while somebody connects, and forgotten when nobody does."""
        self._leaving: set[asyncio.Task[None]] = set()
        manager.listen(self._forget)

    def agent_of(self, chat: Chat) -> WorkspaceAgent:
        """Return what the chat's tools act through; whether it answers shows with the first call."""
        return self._own if chat.workspace_id is None else self.agent_in(chat.workspace_id)

    def agent_in(self, workspace_id: str) -> WorkspaceAgent:
        """Return the agent of a workspace; whether it answers shows with the first call."""
        return WorkspaceOfChat(self, workspace_id)

    async def connect(self, workspace_id: str, *, stale: WorkspaceAgent | None = None) -> ConnectedAgent:
        """Return the agent of the latest build.

        Args:
            stale: An agent that did not answer, which is not returned again unless it is the latest.

        Raises:
            NoAgentError: there is none; the text says which tool helps.
            WorkspaceError: it cannot be spoken with.
        """
        found = self._connections.get(workspace_id)
        if found is not None and found.agent is not stale:
            return found.agent
        async with self._connecting.setdefault(workspace_id, asyncio.Lock()):
            found = self._connections.get(workspace_id)
            if found is not None and found.agent is not stale:
                return found.agent
            if found is not None:
                self._forget(workspace_id)
            made = await self._connect(workspace_id)
            self._connections[workspace_id] = made
            return made.agent

    async def is_elsewhere(self, chat: Chat) -> bool:
        """Whether the chat's workspace is no folder of this machine."""
        standing = await self._manager.find(chat.workspace_id) if chat.workspace_id else None
        return standing is not None and standing.workspace.directory is None

    async def _connect(self, workspace_id: str) -> Connection:
        standing = await self._manager.find(workspace_id)
        if standing is None or standing.phase is not Phase.RUNNING or standing.agent is None:
            raise NoAgentError(_why(standing))
        assert standing.build is not None
        agent = await self._provisioner(standing).connect(standing.agent)
        try:
            await agent.hello()
        except BaseException as error:
            await agent.aclose()
            if isinstance(error, WorkspaceUnavailableError) and await self._is_gone(standing):
                raise NoAgentError(_stopped(standing)) from error
            raise
        return Connection(build_id=standing.build.id, agent=agent)

    def _provisioner(self, standing: Standing) -> Provisioner:
        try:
            return self._manager.provisioner(standing.workspace)
        except ProvisionError as error:  # another server of the user can have it
            raise NoAgentError(str(error)) from error

    async def _is_gone(self, standing: Standing) -> bool:
        """Whether the agent has certainly ended, and that is stored by now."""
        try:
            return await self._manager.note_if_gone(standing)
        except ProvisionError as error:
            log.info("What workspace %s left cannot be ended: %s", standing.workspace.id, error)
            return False

    def mark(self, chat: Chat) -> str | None:
        """Return what changes when the chat's connection does; for noticing that it has."""
        found = self._connections.get(chat.workspace_id or "")
        return found.build_id if found is not None else chat.workspace_id

    def _forget(self, workspace_id: str) -> None:
        """Let a connection go: the next call looks anew."""
        found = self._connections.pop(workspace_id, None)
        if found is not None:
            leaving = asyncio.create_task(found.agent.aclose(), name="chatd-agent-leave")
            self._leaving.add(leaving)
            leaving.add_done_callback(self._leaving.discard)

    async def close(self) -> None:
        """Let all connections go. May be called twice."""
        for workspace_id in list(self._connections):
            self._forget(workspace_id)
        await asyncio.gather(*self._leaving, return_exceptions=True)


def _why(standing: Standing | None) -> str:
    """Return why a workspace has no agent, and which tool helps."""
    if standing is None:
        return "The workspace of this chat was deleted. Use create_workspace to make a new one."
    match standing.phase:
        case Phase.BUILDING:
            return (
                f"The workspace {standing.workspace.name} is being started or stopped. "
                "Use start_workspace, which waits until it is there."
            )
        case Phase.STOPPED:
            return _stopped(standing)
        case Phase.RUNNING:
            return f"The workspace {standing.workspace.name} has no agent, so no tool can act in it."
        case Phase.BROKEN:
            reason = f": {standing.build.error}" if standing.build and standing.build.error else ""
            return (
                f"The workspace {standing.workspace.name} could not be started{reason}\n"
                "Use start_workspace to try again."
            )


def _stopped(standing: Standing) -> str:
    return f"The workspace {standing.workspace.name} is stopped. Use start_workspace to start it."


class WorkspaceOfChat:
    """The agent of a workspace, whichever that is at each call.

    A call that no agent took goes to the latest one; so does a call that changes nothing whose answer was
    lost. Any other call whose answer was lost is an error that says that its outcome is unknown.
    """

    def __init__(self, lookup: AgentLookup, workspace_id: str) -> None:
        self._lookup = lookup
        self._workspace_id = workspace_id

    @property
    def kernels(self) -> KernelsOfChat:
        """The kernels of the workspace."""
        return KernelsOfChat(self)

    @property
    def piped(self) -> PipedOfChat:
        """The piped programs of the workspace."""
        return PipedOfChat(self)

    @property
    def desktops(self) -> DesktopsOfChat:
        """The desktops of the workspace."""
        return DesktopsOfChat(self)

    async def connected(self) -> WorkspaceAgent:
        """Return the agent of now, for what cannot be asked twice."""
        return await self._lookup.connect(self._workspace_id)

    async def ask(self, ask: Callable[[WorkspaceAgent], Awaitable[T]], *, is_safe: bool = False) -> T:
        """Ask the agent, and again the one that is there then when it does not answer."""
        agent = await self._lookup.connect(self._workspace_id)
        try:
            return await ask(agent)
        except AgentUnreachableError:
            pass
        except AgentLostError:
            if not is_safe:
                raise
        return await ask(await self._lookup.connect(self._workspace_id, stale=agent))

    async def facts(self) -> WorkspaceFacts:
        """Where the agent is."""
        return await self.ask(lambda agent: agent.facts(), is_safe=True)

    async def instructions(self) -> Sequence[InstructionFile]:
        """AGENTS.md of the user's config folder and of the working folder."""
        return await self.ask(lambda agent: agent.instructions(), is_safe=True)

    async def read_file(self, path: str, *, offset: int = 1, limit: int = 2000) -> FileLines:
        """Lines *offset* (from 1) to *offset+limit-1*; all or nothing."""
        return await self.ask(lambda agent: agent.read_file(path, offset=offset, limit=limit), is_safe=True)

    async def read_bytes(self, path: str, *, limit_bytes: int, inside: str | None = None) -> FileBytes:
        """The first *limit_bytes* of a regular file."""
        return await self.ask(
            lambda agent: agent.read_bytes(path, limit_bytes=limit_bytes, inside=inside), is_safe=True
        )

    async def find_files(
        self, folder: str, *, name: str | None = None, depth: int = 8, limit: int = 1000
    ) -> FoundFiles:
        """Regular files up to *depth* levels below *folder*."""
        return await self.ask(
            lambda agent: agent.find_files(folder, name=name, depth=depth, limit=limit), is_safe=True
        )

    async def write_file(self, path: str, content: str, *, unlinked_in: str | None = None) -> None:
        """Replace the file in one step."""
        await self.ask(lambda agent: agent.write_file(path, content, unlinked_in=unlinked_in))

    async def edit_files(self, files: Sequence[FileEdits], *, unlinked_in: str | None = None) -> None:
        """Apply all edits or none."""
        await self.ask(lambda agent: agent.edit_files(files, unlinked_in=unlinked_in))

    async def start_process(self, spec: ProcessSpec) -> str:
        """Start a process in a group of its own and return its id."""
        return await self.ask(lambda agent: agent.start_process(spec))

    async def wait_process(self, chat_id: str, process_id: str, *, timeout_s: float) -> ProcessOutput:
        """Wait until it exits, at most *timeout_s*, and return what there is."""
        return await self.ask(
            lambda agent: agent.wait_process(chat_id, process_id, timeout_s=timeout_s), is_safe=True
        )

    async def follow_process(self, chat_id: str, process_id: str) -> AsyncGenerator[str, None]:
        """Live output from the start, in pieces, until it exits."""
        agent = await self.connected()
        async with aclosing(agent.follow_process(chat_id, process_id)) as pieces:
            async for piece in pieces:
                yield piece

    async def list_processes(self, chat_id: str) -> Sequence[ProcessInfo]:
        """The chat's processes, oldest first."""
        return await self.ask(lambda agent: agent.list_processes(chat_id), is_safe=True)

    async def signal_process(self, chat_id: str, process_id: str, signal: ProcessSignal) -> None:
        """Signal the whole process group."""
        await self.ask(lambda agent: agent.signal_process(chat_id, process_id, signal))

    async def kill_process(self, chat_id: str, process_id: str) -> None:
        """End the whole group now and wait until it is gone."""
        await self.ask(lambda agent: agent.kill_process(chat_id, process_id), is_safe=True)

    async def aclose(self) -> None:
        """Nothing: the lookup has the connections."""


if TYPE_CHECKING:
    _: type[WorkspaceAgent] = WorkspaceOfChat
