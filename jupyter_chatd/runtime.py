"""The parts of a running agent, made and ended together; knows nothing of Tornado or traitlets."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Callable, Iterable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from .capabilities import Capability, Policy
from .capability_choices import CapabilityChoices
from .desktop.desktops import Desktops
from .desktop.errors import LauncherMissingError
from .errors import ModelError
from .events import Change
from .files import FileLibrary
from .files.library import MAX_BYTES
from .housekeeping import Housekeeper
from .loop import compaction
from .loop.alive import is_free
from .loop.answer import Patience
from .loop.approvals import ApprovalPolicy
from .loop.decide import Limits
from .loop.elsewhere import Elsewhere
from .loop.engine import ACTION_TIMEOUT, MODEL_CALLS, UNATTENDED_TIMEOUT, Engine, Models
from .loop.prompt_settings import PromptSettings
from .loop.retry import RetryPolicy
from .loop.service import ChatService
from .loop.slots import ModelSlots
from .loop.titling import Titler
from .loop.worker import ACQUIRE_BATCH, ACQUIRE_TICK, HEARTBEAT, STALE_AFTER, Worker
from .messages import Chat
from .recordings import ChatRecordings
from .store import Store
from .store.conversation import QUEUE_LIMIT
from .store.reads import get_chat, impossible_chats
from .store.work import Reconcile
from .stream import Attendance, Feeds
from .subagents.catalog import NO_DESKTOP, Catalog
from .subagents.manager import SUBAGENTS, SubagentManager, find_no_servers
from .subagents.tools import subagent_tools
from .tools.ask_user_question import AskUserQuestion
from .tools.computer import Computer
from .tools.propose_plan import ProposePlan
from .tools.protocol import Tool
from .tools.registry import Toolbox
from .workspace.protocol import CommandState, WorkspaceAgent, WorkspaceError, command_state
from .workspaces.departures import Departures
from .workspaces.lookup import AgentLookup
from .workspaces.manager import WorkspaceManager
from .workspaces.provisioner import Provisioner
from .workspaces.templates import TemplateCatalog
from .workspaces.tools import workspace_tools

if TYPE_CHECKING:  # loaded when somebody wants a desktop
    from .desktop.launchers.placed import Place
    from .desktop.manager import DesktopManager

log = logging.getLogger(__name__)

DATABASE = "chats.db"
FILES = "files"
"""The folder of what people sent and tools attached, beside the database."""
_FACTS_WAIT = 2.0  # seconds that somebody who looks at a chat waits for its workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a running agent is made with; times in seconds."""

    folder: Path
    """Holds the database and the workers' locks; private to the user."""
    journal: str = "auto"
    system_prompt: str = ""
    """What the configuration adds to the system prompt of new chats."""
    include_default_system_prompt: bool = True
    limits: Limits = field(default_factory=Limits)
    patience: Patience = field(default_factory=Patience)
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    compaction_threshold: int = compaction.THRESHOLD
    """Percent of the model's context; 100 is off."""
    compaction_timeout_s: float = compaction.TIMEOUT
    compaction_model: str | None = None
    """`provider:model`; `None` is the chat's own."""
    generate_titles: bool = True
    title_model: str | None = None
    """`provider:model`; `None` is a small one of the chat's provider, else the chat's own."""
    queue_limit: int = QUEUE_LIMIT
    max_model_calls: int = MODEL_CALLS
    max_output_tokens: int = 32_000
    action_timeout_s: float = ACTION_TIMEOUT
    unattended_timeout_s: float = UNATTENDED_TIMEOUT
    acquire_tick_s: float = ACQUIRE_TICK
    acquire_batch: int = ACQUIRE_BATCH
    heartbeat_s: float = HEARTBEAT
    stale_after_s: float = STALE_AFTER
    upload_limit: int = MAX_BYTES
    """Bytes of one file in a chat."""
    auto_archive_days: int = 0
    """Days without change after which a chat is archived; 0 is never."""
    retention_days: int = 0
    """Days after which an archived chat is deleted for good; 0 is never."""
    approvals: ApprovalPolicy = field(default_factory=ApprovalPolicy)
    """Which calls wait until somebody allows them."""
    policy: Policy = field(default_factory=Policy)
    """What the agent may do at all."""
    subagents: Catalog = field(default_factory=Catalog)
    """The kinds of subagents that chats can have."""
    templates: TemplateCatalog = field(default_factory=TemplateCatalog)
    """What workspaces are made from."""
    subagent_limit: int = SUBAGENTS
    """Subagents of one chat that may work at the same time."""


class Runtime:
    """Store, feeds, service and worker. Lives from `start` to `stop`, at most once."""

    store: Store
    files: FileLibrary
    feeds: Feeds
    attendance: Attendance
    service: ChatService
    titler: Titler
    subagents: SubagentManager
    workspaces: WorkspaceManager
    lookup: AgentLookup
    worker: Worker

    def __init__(
        self,
        options: Options,
        *,
        models: Models,
        tools: Iterable[Tool],
        workspace: WorkspaceAgent,
        provisioners: Mapping[str, Provisioner] | None = None,
        desktops: Callable[[], DesktopManager] | None = None,
        elsewhere: Callable[[Callable[[Chat], WorkspaceAgent]], Elsewhere] | None = None,
    ) -> None:
        """Take the parts that are made outside.

        Args:
            workspace: The agent of this server itself, which chats without a workspace use.
            provisioners: What starts and stops workspaces, by kind; `None` for no workspaces.
            desktops: Makes the manager of desktops, with the first use; `None` for no desktops.
            elsewhere: Makes what looks for skills and MCP servers, given what finds the agent of a chat.
        """
        self.options = options
        self.store = Store(options.folder / DATABASE, journal=options.journal)
        self.capabilities = CapabilityChoices(self.store, options.policy)
        self.files = FileLibrary(self.store, options.folder / FILES, max_bytes=options.upload_limit)
        self.housekeeper = Housekeeper(
            self.store,
            self.files,
            auto_archive_days=options.auto_archive_days,
            retention_days=options.retention_days,
        )
        self.desktops = Desktops(desktops or _no_desktops, self._find_desktop_place)
        self.recordings = ChatRecordings(self.desktops, self.files)
        self._worker_id = uuid.uuid4().hex
        self._models = models
        self._tools = tools
        self._workspace = workspace
        self._provisioners = provisioners
        self._elsewhere = elsewhere
        self._found_elsewhere: Elsewhere | None = None
        self._stack = AsyncExitStack()
        self._check: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Open the store and begin to work.

        Raises:
            StoreError: the database cannot be used; nothing was started.
        """
        try:
            await self._start()
        except BaseException:
            await self.stop()
            raise

    async def _start(self) -> None:
        unclean = _has_left_locks(self._locks)
        await self._stack.enter_async_context(self.store)
        await self.capabilities.read()
        self.feeds = Feeds(self.store)
        self.attendance = Attendance(self.feeds)
        self._stack.push_async_callback(self.feeds.close)
        self._stack.callback(self.store.listen(self._stop_desktop))
        await self._reconcile()
        self.prompts = PromptSettings(
            self.store,
            configured=self.options.system_prompt,
            include_default=self.options.include_default_system_prompt,
        )
        self.service = ChatService(self.store, prompts=self.prompts, queue_limit=self.options.queue_limit)
        self.titler = Titler(
            self.store,
            self._models,
            is_enabled=self.options.generate_titles,
            model=self.options.title_model,
        )
        self._stack.push_async_callback(self.titler.close)
        self._make_workspaces()
        self._found_elsewhere = self._elsewhere(self.lookup.agent_of) if self._elsewhere else None
        self.subagents = SubagentManager(
            self.service,
            catalog=replace(
                self.options.subagents, why_no_desktop=self._why_no_desktop, why_no_model=self._why_no_model
            ),
            limit=self.options.subagent_limit,
            find_servers=self._found_elsewhere.find_servers if self._found_elsewhere else find_no_servers,
        )
        self._stack.callback(self.subagents.close)
        self.worker = Worker(
            self._engine(),
            worker_id=self._worker_id,
            folder=self._locks,
            tick_s=self.options.acquire_tick_s,
            batch=self.options.acquire_batch,
            heartbeat_s=self.options.heartbeat_s,
            stale_after_s=self.options.stale_after_s,
        )
        self._stack.push_async_callback(self.worker.stop)
        await self.worker.start()
        await self.workspaces.start()
        self._stack.push_async_callback(self.housekeeper.stop)
        self.housekeeper.start()
        if unclean:
            self._check = asyncio.create_task(self._check_database(), name="chatd-quick-check")

    def _stop_desktop(self, change: Change) -> None:
        """A family that is archived or gone needs its desktop no more."""
        if change.chat.archived or change.purged:
            self.desktops.stop_soon(change.chat.id)
        else:
            self.desktops.follow_soon(change.chat.id, change.chat.workspace_id)

    async def _find_desktop_place(self, family_id: str) -> Place | None:
        """Return the other server that is the family's workspace, `None` for beside this one."""
        from .desktop.launchers.placed import Place

        chat = await self.store.read(lambda conn: get_chat(conn, family_id))
        if chat.workspace_id is None or not await self.lookup.is_elsewhere(chat):
            return None
        desktops = self.lookup.agent_in(chat.workspace_id).desktops
        return Place(family_id=family_id, workspace_id=chat.workspace_id, desktops=desktops)

    def _make_workspaces(self) -> None:
        self.workspaces = WorkspaceManager(
            self.store,
            self._provisioners or {},
            self.options.templates,
            worker_id=self._worker_id,
            dead_workers=self._dead_workers,
            allows=lambda kind: self.capabilities.now.allows_workspace_kind(kind),
        )
        self.lookup = AgentLookup(self.workspaces, self._workspace)
        self._stack.push_async_callback(self.lookup.close)
        # Those of other servers are stopped while their agents can be asked.
        self._stack.push_async_callback(self.desktops.close)
        self._stack.push_async_callback(self.recordings.close)
        departures = Departures(self.lookup)
        self._stack.push_async_callback(departures.close)
        self._stack.callback(self.store.listen(departures.hear))
        self._stack.push_async_callback(self.workspaces.close)

    async def stop(self) -> None:
        """End everything in the reverse order. May be called twice."""
        if self._check is not None:
            self._check.cancel()
            await asyncio.gather(self._check, return_exceptions=True)
        await self._stack.aclose()

    @property
    def running(self) -> int:
        """How many chats are driven now."""
        return self.worker.running if hasattr(self, "worker") else 0

    async def find_command_state(self, chat: Chat) -> CommandState | None:
        """Return what becomes of the commands of *chat*; `None` when its workspace does not answer in 2 s."""
        try:
            async with asyncio.timeout(_FACTS_WAIT):
                return command_state(await self.lookup.agent_of(chat).facts())
        except (TimeoutError, WorkspaceError, OSError) as error:
            log.info("The workspace of chat %s does not tell how it runs commands: %r", chat.id, error)
            return None

    async def _why_no_model(self, model: str, model_config_id: str | None) -> str | None:
        try:
            await self._models.resolve(model, model_config_id)
        except ModelError as error:
            return f"its model {model} cannot be used. {error.error.message}"
        return None

    @property
    def _locks(self) -> Path:
        return self.options.folder / "workers"

    def _dead_workers(self, worker_ids: frozenset[str]) -> frozenset[str]:
        return frozenset(one for one in worker_ids if is_free(self._locks / f"{one}.lock"))

    def _engine(self) -> Engine:
        options = self.options
        return Engine(
            store=self.store,
            feeds=self.feeds,
            models=self._models,
            tools=Toolbox(
                [
                    *self._tools,
                    *subagent_tools(self.subagents, self.recordings),
                    *(workspace_tools(self.workspaces, self.lookup) if self._provisioners else ()),
                    ProposePlan(),
                    AskUserQuestion(),
                    Computer(self.desktops),
                ]
            ),
            workspace=self.lookup.agent_of,
            workspace_mark=self.lookup.mark,
            elsewhere=self._found_elsewhere,
            files=self.files,
            approvals=options.approvals,
            capabilities=self.capabilities,
            limits=options.limits,
            patience=options.patience,
            retry=options.retry,
            compaction_threshold=options.compaction_threshold,
            compaction_timeout_s=options.compaction_timeout_s,
            compaction_model=options.compaction_model,
            on_first_turn=self.titler.begin,
            user_prompt=self.prompts.user,
            action_timeout_s=options.action_timeout_s,
            unattended_timeout_s=options.unattended_timeout_s,
            is_attended=lambda wait: self.attendance.is_attended(wait.chat_id, owner_id=wait.owner_id),
            max_output_tokens=options.max_output_tokens,
            slots=ModelSlots(options.max_model_calls),
        )

    async def _why_no_desktop(self, chat: Chat) -> str | None:
        if off := self.capabilities.now.why_not(Capability.DESKTOP):
            return off
        try:
            if (place := await self._find_desktop_place(chat.family_id)) is not None:
                return await self._why_none_there(place)
            missing = self.desktops.manager.launcher.missing()
        except LauncherMissingError as error:
            return str(error)
        return f"the desktop needs {missing}" if missing else None

    async def _why_none_there(self, place: Place) -> str | None:
        from .desktop.launchers.placed import look

        try:
            async with asyncio.timeout(_FACTS_WAIT):
                problem = (await look(place)).problem
        except TimeoutError:
            return "the server of the workspace does not answer"
        return problem.removesuffix(".") if problem else None

    async def _reconcile(self) -> None:
        """Stop chats that are in a state which no transition leads to; their error says so."""
        for chat_id in await self.store.read(impossible_chats):
            log.error("Chat %s was found in an impossible state", chat_id)
            await self.store.apply(Reconcile(chat_id=chat_id))

    async def _check_database(self) -> None:
        """After an unclean stop, look for damage without delaying the start."""
        problem = await self.store.quick_check()
        if problem is None:
            log.info("The database was left open by a server that stopped uncleanly; it is sound")
        else:
            log.error("The database is damaged: %s. Restore a backup of %s.", problem, self.store.path)


def _has_left_locks(folder: Path) -> bool:
    """Whether a worker was here that did not take leave."""
    return any(is_free(lock) for lock in folder.glob("*.lock"))


def _no_desktops() -> DesktopManager:
    raise LauncherMissingError(NO_DESKTOP)
