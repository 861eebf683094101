"""Making, starting and stopping workspaces: one build after the other, each in a task of its own."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
import time
import uuid
import weakref
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import replace

from ..errors import ChatdError, ConflictError, NotFoundError
from ..events import Change
from ..store import Store
from ..store import workspaces as rows
from ..workspace.protocol import WorkspaceError
from .logs import BuildLog
from .names import name_for
from .provisioner import Provisioner, ProvisionError, Say
from .templates import TemplateCatalog, check_parameters
from .values import (
    AgentAddress,
    Build,
    BuildStatus,
    Phase,
    Standing,
    Template,
    Transition,
    Workspace,
)

BUILD_LIMIT = 600.0  # seconds for a build, and for waiting for one
BUILD_LOOKS = 2.0  # seconds between looks at a build that another server does
KEEP_ALIVE = 300.0  # seconds between two looks at agents: each tells them that a server is there
BUILDS = 50
"""Most builds of a listing."""
_STOPPED = "The server was stopped before this was done."

log = logging.getLogger(__name__)


def _unheard(_line: str) -> None:
    """Let a line of a log be."""


class WorkspaceManager:
    """All workspaces of this server. Lives from the store's opening to its closing.

    Args:
        provisioners: By kind.
        worker_id: This server, by the name of its lock.
        dead_workers: Returns which of some servers have died.
        allows: Whether workspaces of a kind may be made and started now.
    """

    def __init__(
        self,
        store: Store,
        provisioners: Mapping[str, Provisioner],
        templates: TemplateCatalog,
        *,
        worker_id: str,
        dead_workers: Callable[[frozenset[str]], frozenset[str]],
        allows: Callable[[str], bool] = lambda _kind: True,
        keep_alive_s: float = KEEP_ALIVE,
    ) -> None:
        self.store = store
        self.templates = templates
        self._provisioners = provisioners
        self._worker_id = worker_id
        self._dead_workers = dead_workers
        self._allows = allows
        self._keep_alive_s = keep_alive_s
        self._builds: dict[str, asyncio.Task[None]] = {}
        self._logs: dict[str, BuildLog] = {}
        self._listeners: list[Callable[[str], None]] = []
        self._locks: weakref.WeakValueDictionary[str, asyncio.Lock] = weakref.WeakValueDictionary()
        self._keeping: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Settle what servers that died left undone, and adopt the agents that run."""
        await self._fail_lost_builds()
        self._keeping = asyncio.create_task(self._keep_alive_forever(), name="chatd-workspaces")

    async def close(self) -> None:
        """Give builds up; agents go on. May be called twice."""
        tasks = [*self._builds.values(), *([self._keeping] if self._keeping else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def listen(self, listener: Callable[[str], None]) -> None:
        """Call *listener* with the id of each workspace whose build has ended."""
        self._listeners.append(listener)

    def lock(self, chat_id: str) -> asyncio.Lock:
        """Return what the workspace tools of a chat hold while they work: one at a time."""
        lock = self._locks.get(chat_id)
        if lock is None:
            lock = self._locks[chat_id] = asyncio.Lock()
        return lock

    def provisioner(self, workspace: Workspace) -> Provisioner:
        """Return what starts and stops that workspace.

        Raises:
            ProvisionError: its kind is not available on this server.
        """
        found = self._provisioners.get(workspace.kind)
        if found is None:
            raise ProvisionError(_not_available(workspace.kind))
        return found

    # Looking

    async def offered(self) -> tuple[Template, ...]:
        """Return the templates from which workspaces can be made now, in a stable order."""
        reasons = await asyncio.gather(*map(self.why_not, self._provisioners))
        possible = {kind for kind, reason in zip(self._provisioners, reasons, strict=True) if reason is None}
        return tuple(template for template in self.templates.list() if template.kind in possible)

    async def why_not(self, kind: str) -> str | None:
        """Return why no workspace of that kind can be made now, `None` when one can."""
        if not self._allows(kind):
            return _switched_off(kind)
        if kind not in self._provisioners:
            return _not_available(kind)
        return await self._provisioners[kind].why_not()

    async def find(self, workspace_id: str) -> Standing | None:
        """Return how a workspace stands, `None` when it does not exist or was deleted."""
        return await self.store.read(lambda conn: rows.find_standing(conn, workspace_id))

    async def get(self, workspace_id: str, *, owner_id: str) -> Standing:
        """Return how a workspace of the owner stands.

        Raises:
            NotFoundError: there is none.
        """
        return await self.store.read(lambda conn: rows.get_standing(conn, workspace_id, owner_id=owner_id))

    async def list(self, *, owner_id: str) -> tuple[Standing, ...]:
        """Return the owner's workspaces, by name."""
        return await self.store.read(lambda conn: rows.list_standings(conn, owner_id=owner_id))

    async def builds(self, workspace_id: str) -> tuple[Build, ...]:
        """Return the newest builds, newest first."""
        return await self.store.read(lambda conn: rows.list_builds(conn, workspace_id, limit=BUILDS))

    async def get_build(self, workspace_id: str, build_id: str) -> Build:
        """Return a build of that workspace.

        Raises:
            NotFoundError: there is none.
        """
        build = await self.store.read(lambda conn: rows.find_build(conn, build_id))
        if build is None or build.workspace_id != workspace_id:
            raise NotFoundError(f"Build {build_id} was not found.")
        return build

    # Doing

    async def create(
        self,
        owner_id: str,
        *,
        template_id: str,
        name: str | None = None,
        parameters: Mapping[str, str] | None = None,
        chat_id: str | None = None,
    ) -> tuple[Workspace, Build]:
        """Make a workspace and begin to start it; a chat has it at once, even if the start fails.

        Raises:
            TemplateError: no such template, or not with these parameters.
            ProvisionError: there cannot be one of that name.
            ConflictError: the owner has one of that name.
        """
        template = self.templates.get(template_id)
        values = check_parameters(template, parameters or {})
        workspace = Workspace(
            id=str(uuid.uuid4()),
            owner_id=owner_id,
            name=name_for(name, template.name),
            kind=template.kind,
            template_id=template.id,
            parameters=values,
            directory=None,
            created_at=self.store.clock(),
        )
        self._require_allowed(workspace)
        provisioner = self.provisioner(workspace)
        if reason := await provisioner.why_not():
            raise ProvisionError(f"There can be no workspaces of the kind {workspace.kind} now: {reason}")
        directory = await provisioner.place(owner_id, workspace.name)
        workspace = replace(workspace, directory=directory)
        build = self._new_build(workspace.id, Transition.START)

        def insert(conn: sqlite3.Connection) -> tuple[Build, tuple[Change, ...]]:
            if rows.is_name_taken(conn, owner_id, workspace.name):
                raise _name_taken(workspace.name)
            rows.insert_workspace(conn, workspace)
            stored = rows.insert_build(conn, build)
            return stored, rows.bind_chat(conn, chat_id, workspace.id) if chat_id is not None else ()

        # The chat has it in the transaction that makes it: a crash leaves no workspace without its chat.
        stored = await asyncio.shield(self._insert(workspace, insert))
        return workspace, stored

    async def _insert(
        self, workspace: Workspace, insert: Callable[[sqlite3.Connection], tuple[Build, tuple[Change, ...]]]
    ) -> Build:
        stored = await self.store.write_and_tell(insert)
        self._begin(workspace, stored, ())
        return stored

    async def build(self, workspace: Workspace, transition: Transition) -> Build:
        """Begin to start or stop a workspace.

        Raises:
            ConflictError: another build has not ended, the workspace was deleted, or may not be started.
        """
        if transition is Transition.START:
            self._require_allowed(workspace)
        self.provisioner(workspace)
        wanted = self._new_build(workspace.id, transition)

        def insert(conn: sqlite3.Connection) -> tuple[Build, tuple[AgentAddress, ...]]:
            standing = rows.find_standing(conn, workspace.id)
            if standing is None or standing.phase is Phase.BUILDING:
                raise _busy(workspace, transition, standing)
            return rows.insert_build(conn, wanted), rows.agents_since_stop(conn, workspace.id)

        async def begin() -> Build:
            stored, previous = await self.store.write(insert)
            self._begin(workspace, stored, previous)
            return stored

        return await asyncio.shield(begin())

    async def delete(self, workspace: Workspace, *, remove_files: bool, say: Say = _unheard) -> None:
        """Stop a workspace and forget it; its files stay unless they are to be removed.

        Raises:
            ConflictError: a build has not ended.
            ProvisionError: it cannot be stopped, or its files cannot be removed.
        """
        standing = await self.find(workspace.id)
        if standing is None:
            return
        if standing.phase is not Phase.STOPPED:
            build = await self.wait((await self.build(workspace, Transition.STOP)).id, say=say)
            if build.status is not BuildStatus.SUCCEEDED:
                raise ProvisionError(f"The workspace could not be stopped: {build.error}")
        await self.provisioner(workspace).forget(workspace, remove_files=remove_files)
        now = self.store.clock()
        await self.store.write(lambda conn: rows.delete_workspace(conn, workspace.id, now=now))
        self._tell(workspace.id)

    async def wait(self, build_id: str, *, say: Say = _unheard) -> Build:
        """Return a build once it has ended. Cancelling ends the wait, not the build.

        Args:
            say: Hears the build's log from its beginning, if this server does it.

        Raises:
            ProvisionError: it has not ended within 10 minutes.
        """
        try:
            async with asyncio.timeout(BUILD_LIMIT):
                async with contextlib.aclosing(self.follow(build_id)) as lines:
                    async for line in lines:
                        say(line)
                return await self._ended(build_id)
        except TimeoutError:
            raise ProvisionError(
                f"The build has not ended within {BUILD_LIMIT / 60:g} minutes; it goes on."
            ) from None

    async def follow(self, build_id: str) -> AsyncGenerator[str, None]:
        """Yield the lines of a build's log until it has ended; nothing of one that another server does."""
        build_log = self._logs.get(build_id)
        if build_log is not None:
            async with contextlib.aclosing(build_log.follow()) as lines:
                async for line in lines:
                    yield line
        task = self._builds.get(build_id)
        if task is not None:
            await asyncio.wait([task])

    async def _ended(self, build_id: str) -> Build:
        while True:
            build = await self.store.read(lambda conn: rows.find_build(conn, build_id))
            if build is None:
                raise ProvisionError("The workspace was deleted meanwhile.")
            if build.status is not BuildStatus.RUNNING:
                return build
            await self._fail_lost_builds()
            await asyncio.sleep(BUILD_LOOKS)

    def _require_allowed(self, workspace: Workspace) -> None:
        if not self._allows(workspace.kind):
            raise ProvisionError(f"{_switched_off(workspace.kind)} What runs can be stopped and deleted.")

    # Builds

    def _new_build(self, workspace_id: str, transition: Transition) -> Build:
        return Build(
            id=str(uuid.uuid4()),
            workspace_id=workspace_id,
            number=0,  # the store's to give
            transition=transition,
            status=BuildStatus.RUNNING,
            worker_id=self._worker_id,
            created_at=self.store.clock(),
        )

    def _begin(self, workspace: Workspace, build: Build, previous: Sequence[AgentAddress]) -> None:
        self._logs[build.id] = BuildLog()
        task = asyncio.create_task(self._run(workspace, build, previous), name=f"chatd-build-{build.id}")
        self._builds[build.id] = task
        task.add_done_callback(lambda _: self._builds.pop(build.id, None))

    async def _run(self, workspace: Workspace, build: Build, previous: Sequence[AgentAddress]) -> None:
        build_log = self._logs[build.id]
        agents: Sequence[AgentAddress] = ()
        status, error = BuildStatus.SUCCEEDED, None
        try:
            async with asyncio.timeout(BUILD_LIMIT):
                agents = await self._provision(workspace, build, previous, build_log.say)
        except asyncio.CancelledError:
            status, error = BuildStatus.CANCELED, _STOPPED
        except TimeoutError:
            status, error = BuildStatus.FAILED, f"It took longer than {BUILD_LIMIT / 60:g} minutes."
        except ChatdError as problem:
            status, error = BuildStatus.FAILED, str(problem)
        except Exception as problem:
            log.exception("Build %s failed unexpectedly", build.id)
            status, error = BuildStatus.FAILED, f"It failed unexpectedly: {problem}"
        if error is not None:
            build_log.say(error)
        try:
            await self._finish(build, status, error, build_log.text, agents)
        finally:
            build_log.close()
            self._logs.pop(build.id, None)
        self._tell(workspace.id)

    async def _provision(
        self, workspace: Workspace, build: Build, previous: Sequence[AgentAddress], say: Say
    ) -> Sequence[AgentAddress]:
        provisioner = self.provisioner(workspace)
        if build.transition is Transition.STOP:
            await provisioner.stop(workspace, previous, say)
            return ()
        return await provisioner.start(workspace, self._template_of(workspace), previous, say)

    def _template_of(self, workspace: Workspace) -> Template:
        return self.templates.get(workspace.template_id)

    async def _finish(
        self,
        build: Build,
        status: BuildStatus,
        error: str | None,
        text: str,
        agents: Sequence[AgentAddress],
    ) -> None:
        now = self.store.clock()
        await self.store.write(
            lambda conn: rows.finish_build(
                conn, build.id, status=status, error=error, log=text, agents=agents, now=now
            )
        )

    def _tell(self, workspace_id: str) -> None:
        for listener in self._listeners:
            listener(workspace_id)

    # What happens by itself

    async def _fail_lost_builds(self) -> None:
        running = await self.store.read(rows.running_builds)
        others = frozenset(build.worker_id for build in running) - {self._worker_id}
        dead = await asyncio.to_thread(self._dead_workers, others) if others else frozenset[str]()
        if dead:
            now = self.store.clock()
            count = await self.store.write(lambda conn: rows.fail_lost_builds(conn, dead, now=now))
            log.info("%d builds had been left undone by servers that died", count)

    async def note_if_gone(self, standing: Standing) -> bool:
        """Store that a workspace is stopped, if its agent has certainly ended by itself; whether it has."""
        if standing.phase is not Phase.RUNNING or standing.agent is None or standing.build is None:
            return False
        provisioner = self.provisioner(standing.workspace)
        if not await provisioner.is_gone(standing.agent):
            return False
        if standing.workspace.directory is not None:
            # What an agent that died left running here is ended now; a stop of what is gone does just that.
            # Elsewhere nothing is left, and somebody may have started it again meanwhile.
            await provisioner.stop(standing.workspace, [standing.agent], _unheard)
        start, now = standing.build, self.store.clock()
        stop = replace(
            self._new_build(standing.workspace.id, Transition.STOP),
            status=BuildStatus.SUCCEEDED,
            completed_at=now,
            log=f"{rows.ENDED_BY_ITSELF}\n",
        )
        if await self.store.write(lambda conn: rows.note_ended(conn, start, stop)):
            log.info("The agent of workspace %s had ended by itself", standing.workspace.id)
        self._tell(standing.workspace.id)
        return True

    async def _keep_alive_forever(self) -> None:
        while True:
            began = time.monotonic()
            try:
                await self._keep_all_alive()
            except sqlite3.Error as error:
                log.warning("The workspaces could not be looked after: %s", error)
            await asyncio.sleep(max(self._keep_alive_s - (time.monotonic() - began), 1.0))

    async def _keep_all_alive(self) -> None:
        for standing in await self.store.read(rows.list_standings):
            try:
                await self._keep_alive(standing)
            except (ChatdError, WorkspaceError, OSError) as error:
                log.warning("Workspace %s does not answer: %s", standing.workspace.id, error)

    async def _keep_alive(self, standing: Standing) -> None:
        if standing.phase is not Phase.RUNNING or standing.agent is None:
            return
        if await self.note_if_gone(standing):
            return
        agent = await self.provisioner(standing.workspace).connect(standing.agent)
        try:
            await agent.hello()
        finally:
            await agent.aclose()


def _switched_off(kind: str) -> str:
    return (
        f"Workspaces of the kind {kind} are switched off on this server, by whoever runs it or in its "
        "settings."
    )


def _not_available(kind: str) -> str:
    return f"Workspaces of the kind {kind} are not available on this server."


def _name_taken(name: str) -> ConflictError:
    return ConflictError(
        f"There is a workspace called {name} already: choose another name, or none.",
        state="taken",
        transition="create",
    )


def _busy(workspace: Workspace, transition: Transition, standing: Standing | None) -> ConflictError:
    if standing is None:
        return ConflictError(
            f"The workspace {workspace.name} was deleted.", state="deleted", transition=transition.value
        )
    return ConflictError(
        f"The workspace {workspace.name} is being started or stopped. Wait for the end of that.",
        state=standing.phase.value,
        transition=transition.value,
    )
