"""Builds the parts, adds the routes, closes in reverse order; decides nothing."""

from __future__ import annotations

import asyncio
import gc
import os
import sqlite3
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from jupyter_core.paths import jupyter_config_dir, jupyter_runtime_dir
from jupyter_server.extension.application import ExtensionApp

from ._version import __version__
from .capabilities import Capabilities, Policy
from .config import Settings
from .errors import StoreError
from .loading import collector_at_rest
from .loop.answer import Patience
from .loop.decide import Limits
from .loop.retry import RetryPolicy
from .mcp.secret_file import FILE_NAME as SECRETS_FILE
from .mcp.trust import FILE_NAME as TRUST_FILE
from .places import code_files, code_folders, forget_workspace_modules, private_places, secret_places
from .runtime import DATABASE, Options, Runtime
from .undumpable import make_undumpable
from .workspace.environment import scrubbed
from .workspace.limits import AgentLimits, OutputLimits
from .workspace.sandbox import Sandbox, SandboxPolicy, SandboxSettings

KEY_FILE = "keys.json"
WIDGETS = Path(__file__).parent / "widgets" / "static"
"""What draws the widgets of cells; pages get it at `static/jupyter_chatd/`."""
UNCONFINED_DESKTOP = (
    "another setting: its programs run outside of the sandbox, which c.JupyterChatd.sandbox requires"
)


class JupyterChatd(Settings, ExtensionApp):
    """An AI agent that lives in this Jupyter server."""

    name = "jupyter_chatd"
    description = __doc__ or ""
    load_other_extensions = True

    _running: Any = None
    """The parts, while the extension is enabled; see `api.base.Extension`."""

    def initialize_settings(self) -> None:
        """Build the parts. Forced off: nothing is built, and the front end is told to stay silent."""
        is_off, self._policy = self._read_policies()
        page_config = self.settings.setdefault("page_config_data", {})
        page_config["jupyterChatdEnabled"] = "false" if is_off else "true"
        page_config["jupyterChatdVersion"] = __version__
        if is_off:
            self.log.info("jupyter_chatd is switched off")
            return
        self.static_paths = [str(WIDGETS)]
        if self.undumpable:
            make_undumpable()
        with collector_at_rest():
            self._build()

    def _build(self) -> None:
        from .api.activity import ActivityMark
        from .api.base import Extension

        self._changing = asyncio.Lock()
        self._agent = self._build_agent()
        self._catalog = self._build_catalog()
        self._mcp = self._build_mcp()
        self._running = Extension(
            self._build_runtime(),
            self._catalog,
            self._mcp,
            agent=self._agent,
            approval_modes={"api": self.approval_mode, "ui": self.ui_approval_mode},
        )
        self._activity = ActivityMark(
            self.settings["last_activity_times"],
            lambda: self._running.runtime.running + self._running.agent_uses,
        )
        self.settings["jupyter_chatd_extension"] = self._running

    def _read_policies(self) -> tuple[bool, Policy]:
        """Return whether the agent is forced off, and its policy; one that cannot be read ends the server.

        jupyter_server would log an error and go on without the agent, and nobody would notice the mistake.
        """
        try:
            return self.is_forced_off, self.read_policy()
        except ValueError as error:
            self.log.critical("The server does not start: %s", error)
            raise SystemExit(1) from error

    def initialize_handlers(self) -> None:
        """Add the routes."""
        if self._running is not None:
            with collector_at_rest():
                from .api.routes import ROUTES

            self.handlers.extend(ROUTES)

    async def _start_jupyter_server_extension(self, serverapp: Any) -> None:
        """Begin to work, once the loop runs."""
        if self._running is None:
            return
        async with self._changing:
            if self._running.problem is not None:
                return  # the server stops already
            try:
                await self._running.runtime.start()
                _spare_collector()
            except Exception as error:
                problem = self._start_problem(error)
                self._running.settle(problem)
                is_known = isinstance(error, StoreError | OSError | sqlite3.Error)
                self.log.error("jupyter_chatd cannot start: %s", problem, exc_info=not is_known)
                return
            self._keep_confined()
            self._activity.start()
            self._running.settle(None)
            swept = await self._agent.sweep_orphans()
        if swept:
            self.log.info("Ended %d processes that a server left running when it died", swept)

    def _keep_confined(self) -> None:
        """Close what would lead out of the sandbox, once all extensions are loaded, or tell of it."""
        assert self.serverapp is not None
        if self.sandbox_settings.policy is SandboxPolicy.OFF:
            return
        if forget_workspace_modules(self._directory):
            self.log.info("Modules of the workspace are not imported by the server any more")
        if self.sandbox_network and not self.serverapp.identity_provider.auth_enabled:
            self.log.warning(
                "This server asks nobody for a token, so commands of the agent can leave their sandbox "
                "through it. Set a token, or c.JupyterChatd.sandbox_network = False"
            )

    def _start_problem(self, error: Exception) -> str:
        """Return what to tell whoever asks for a route."""
        match error:
            case StoreError():
                return str(error)
            case OSError() | sqlite3.Error():
                return (
                    f"The agent's data folder {self._folder} cannot be used: {error}. Make it a folder that "
                    "the server can write to, or set JupyterChatd.data_dir, and restart the server."
                )
            case _:
                return "The agent could not start. The server's log says why."

    async def stop_extension(self) -> None:
        """Give the chats up and end what was started, in the reverse order, whatever fails on the way."""
        if self._running is None:
            return
        self._running.stop()
        async with self._changing, AsyncExitStack() as stack:
            stack.push_async_callback(self._catalog.aclose)
            stack.push_async_callback(self._agent.aclose)
            stack.push_async_callback(self._mcp.aclose)
            stack.callback(self._running.sockets.close)
            stack.push_async_callback(self._running.runtime.stop)
            stack.push_async_callback(self._activity.stop)

    def current_activity(self) -> Any:  # jupyter_server's own annotation says None only
        """A running turn keeps the server alive; an open viewer does not."""
        if self._running is None:
            return None
        running = self._running.runtime.running
        return {"chats": running} if running else None

    # Parts

    @property
    def _folder(self) -> Path:
        return Path(self.data_dir).expanduser().resolve()

    @property
    def _processes(self) -> Path:
        """Where running programs are noted, so that the next server can end what this one left."""
        return self._folder / "processes"

    @property
    def _directory(self) -> str:
        assert self.serverapp is not None
        return self.workspace_dir or self.serverapp.root_dir

    def _build_runtime(self) -> Runtime:
        from .tools.registry import Toolbox, builtin_tools

        options = Options(
            folder=self._folder,
            journal=self.journal,
            system_prompt=self.system_prompt,
            include_default_system_prompt=self.include_default_system_prompt,
            limits=Limits(steps=self.step_limit, attempts=self.attempt_limit),
            patience=Patience(first_part_s=self.first_part_timeout, silence_s=self.silence_timeout),
            retry=RetryPolicy(first_s=self.retry_first_delay, longest_s=self.retry_longest_delay),
            compaction_threshold=self.compaction_threshold,
            compaction_timeout_s=self.compaction_timeout,
            compaction_model=self.compaction_model or None,
            generate_titles=self.generate_titles,
            title_model=self.title_model or None,
            queue_limit=self.queue_limit,
            max_model_calls=self.max_model_calls,
            approvals=self.approval_policy,
            policy=self._policy,
            subagents=self.subagent_catalog,
            templates=self.template_catalog,
            subagent_limit=self.subagent_limit,
            max_output_tokens=self.max_output_tokens,
            action_timeout_s=self.action_timeout,
            acquire_tick_s=self.acquire_tick,
            acquire_batch=self.acquire_batch,
            heartbeat_s=self.heartbeat,
            stale_after_s=self.stale_after,
            upload_limit=self.upload_limit,
            auto_archive_days=self.auto_archive_days,
            retention_days=self.retention_days,
        )
        return Runtime(
            options,
            models=self._catalog,
            tools=Toolbox(builtin_tools()),
            workspace=self._agent,
            provisioners=self._build_provisioners(),
            desktops=self._build_desktops,
            elsewhere=self._build_elsewhere,
        )

    def _build_elsewhere(self, workspace: Any) -> Any:
        from .loop.elsewhere import Elsewhere
        from .skills.library import SkillLibrary

        skills = SkillLibrary(Path(jupyter_config_dir()) / "jupyter_chatd" / "skills")
        return Elsewhere(self._mcp.source, skills, workspace=workspace)

    def _build_provisioners(self) -> Any:
        from .workspaces.process import ProcessProvisioner, ProcessSettings

        config = Path(jupyter_config_dir())
        settings = ProcessSettings(
            root=Path(self.workspaces_dir or Path(self._directory) / "workspaces").expanduser().resolve(),
            agents=self._agents_folder,
            home=Path.home(),
            env=scrubbed(os.environ, extra_names=self.extra_environment),
            protected=tuple(self._protected_places()),
            config_folder=config / "jupyter_chatd",
            extra_env_names=tuple(self.extra_environment),
            sandbox=self._sandbox_settings,
            piped_sandbox=self.mcp_sandbox_policy,
            limits=self._workspace_limits(),
            undumpable=self.undumpable,
        )
        return {"process": ProcessProvisioner(settings), **self._build_hub_provisioner()}

    def _build_hub_provisioner(self) -> dict[str, Any]:
        from .workspaces.hub import HubProvisioner
        from .workspaces.hub_api import account_of

        account = account_of(os.environ)
        return {"hub": HubProvisioner(account, proxy=self.hub_proxy)} if account else {}

    @property
    def _agents_folder(self) -> Path:
        from .workspaces.process import agents_folder

        return agents_folder(self._folder)

    def _build_desktops(self) -> Any:
        from .desktop.manager import DesktopManager
        from .desktop.recording.recordings import Recordings

        return DesktopManager(
            self._build_launcher(),
            size=self.size_of_desktops,
            idle_limit_s=self.desktop_idle_timeout,
            limit=self.desktop_limit,
            recordings=Recordings(Path(jupyter_runtime_dir())),
        )

    def _build_launcher(self) -> Any:
        from .desktop.launchers.choice import choose_launcher
        from .desktop.launchers.refused import RefusedLauncher

        if self.sandbox_settings.policy is SandboxPolicy.REQUIRED:
            return RefusedLauncher(self.desktop_launcher, UNCONFINED_DESKTOP)
        return choose_launcher(
            self.desktop_launcher,
            Path(jupyter_runtime_dir()),
            directory=Path(self._directory),
            socket=Path(self.desktop_socket).expanduser() if self.desktop_socket else None,
            allow_shared_host=self.desktop_on_shared_hosts,
        )

    def _build_mcp(self) -> Any:
        from .mcp.service import McpService

        return McpService(
            folder=self._folder,
            store=lambda: self._running.runtime.store,
            env=scrubbed(os.environ, extra_names=self.extra_environment),
            state_folder=self._processes,
            directory=self._directory,
            confinement=self._build_confinement(),
            allows=lambda config: self._capabilities().allows_server(config.identity),
            workspace=lambda: self._agent,
            agent_in=lambda workspace_id: self._running.runtime.lookup.agent_in(workspace_id),
        )

    def _capabilities(self) -> Capabilities:
        """What the agent may do now."""
        return self._running.runtime.capabilities.now

    def _build_confinement(self) -> Any:
        from .mcp.confinement import Confinement

        sandbox = Sandbox(
            replace(self._sandbox_settings, policy=self.mcp_sandbox_policy),
            directory=self._directory,
            hidden=[*self._protected_places(), self._processes],
            env=scrubbed(os.environ, extra_names=self.extra_environment),
        )
        return Confinement(sandbox, exempt=self.sandbox_mcp_exempt)

    def _build_agent(self) -> Any:
        from .workspace.server import ServerAgent

        config = Path(jupyter_config_dir())
        return ServerAgent(
            directory=self._directory,
            home=Path.home(),
            state_folder=self._processes,
            config_folder=config / "jupyter_chatd",
            protected=self._protected_places(),
            extra_env_names=self.extra_environment,
            sandbox=self._sandbox_settings,
            piped_sandbox=self.mcp_sandbox_policy,
            limits=self._workspace_limits(),
        )

    def _protected_places(self) -> list[Path]:
        """Folders that the file tools refuse, and files that they know by any other name (hard links) too."""
        assert self.serverapp is not None
        files = [self._folder / name for name in (KEY_FILE, SECRETS_FILE, TRUST_FILE, DATABASE)]
        return [self._folder, self._agents_folder, *secret_places(self.serverapp), *files]

    @property
    def _sandbox_settings(self) -> SandboxSettings:
        home = Path.home()
        return replace(
            self.sandbox_settings,
            fixed=code_files(os.environ, home),
            fixed_folders=code_folders(home),
            private=private_places(home),
        )

    def _workspace_limits(self) -> AgentLimits:
        head = self.tool_output_limit // 2
        return AgentLimits(
            output=OutputLimits(head_bytes=head, tail_bytes=self.tool_output_limit - head),
            kernels=self.kernel_settings,
        )

    def _build_catalog(self) -> Any:
        from .providers.catalog import ModelCatalog
        from .providers.credentials import Credentials
        from .store.configs import stored_models

        return ModelCatalog(
            environ=os.environ,
            providers=self.providers,
            stored=lambda: self._running.runtime.store.read(stored_models),
            credentials=Credentials(self._folder / KEY_FILE),
            default_model=self.default_model,
            capabilities=self._capabilities,
        )


def _spare_collector() -> None:
    """Let the garbage collector pass over what is loaded by now, once in a process.

    A full collection that looks at all modules of a server stalls its loop for 10 to 20 ms, and a long
    request brings one about: tests/bench/DECISIONS.md.
    """
    if gc.get_freeze_count() == 0:
        gc.freeze()
