"""Makes the parts of the agent out of the settings; decides nothing.

This is what loads the package: a server answers before it, so it is imported and run in a thread.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from jupyter_core.paths import jupyter_config_dir, jupyter_runtime_dir

from .api.base import Extension
from .capabilities import Capabilities, Policy
from .config import Settings
from .desktop.hosted import HostedDesktops
from .loop.answer import Patience
from .loop.decide import Limits
from .loop.elsewhere import Elsewhere
from .loop.retry import RetryPolicy
from .mcp.confinement import Confinement
from .mcp.secret_file import FILE_NAME as SECRETS_FILE
from .mcp.service import McpService
from .mcp.trust import FILE_NAME as TRUST_FILE
from .places import code_files, code_folders, private_places, secret_places
from .providers.catalog import ModelCatalog
from .providers.credentials import FILE_NAME as KEY_FILE
from .providers.credentials import Credentials
from .runtime import DATABASE, Options, Runtime
from .skills.library import SkillLibrary
from .store.configs import stored_models
from .tools.registry import Toolbox, builtin_tools
from .workspace.environment import scrubbed
from .workspace.limits import AgentLimits, OutputLimits
from .workspace.sandbox import Sandbox, SandboxPolicy, SandboxSettings
from .workspace.server import ServerAgent
from .workspaces.hub import HubProvisioner
from .workspaces.hub_api import account_of
from .workspaces.process import ProcessProvisioner, ProcessSettings, agents_folder
from .workspaces.provisioner import Provisioner

UNCONFINED_DESKTOP = (
    "another setting: its programs run outside of the sandbox, which c.JupyterChatd.sandbox requires"
)


class Assembly:
    """The parts for one server. They are joined by `extension`, and not started."""

    def __init__(self, settings: Settings, serverapp: Any, policy: Policy) -> None:
        self._settings = settings
        self._serverapp = serverapp
        self._policy = policy
        self._hosted_desktops = HostedDesktops(self._build_desktops)
        self.agent = self._build_agent()
        self.catalog = self._build_catalog()
        self.mcp = self._build_mcp()
        self.runtime = self._build_runtime()
        self.extension = Extension(
            self.runtime,
            self.catalog,
            self.mcp,
            agent=self.agent,
            hosted_desktops=self._hosted_desktops,
            approval_modes={"api": settings.approval_mode, "ui": settings.ui_approval_mode},
        )

    @property
    def _processes(self) -> Path:
        """Where running programs are noted, so that the next server can end what this one left."""
        return self._settings.folder / "processes"

    @property
    def _directory(self) -> str:
        return self._settings.workspace_dir or self._serverapp.root_dir

    def _build_runtime(self) -> Runtime:
        options = Options(
            folder=self._settings.folder,
            journal=self._settings.journal,
            system_prompt=self._settings.system_prompt,
            include_default_system_prompt=self._settings.include_default_system_prompt,
            limits=Limits(steps=self._settings.step_limit, attempts=self._settings.attempt_limit),
            patience=Patience(
                first_part_s=self._settings.first_part_timeout, silence_s=self._settings.silence_timeout
            ),
            retry=RetryPolicy(
                first_s=self._settings.retry_first_delay, longest_s=self._settings.retry_longest_delay
            ),
            compaction_threshold=self._settings.compaction_threshold,
            compaction_timeout_s=self._settings.compaction_timeout,
            compaction_model=self._settings.compaction_model or None,
            generate_titles=self._settings.generate_titles,
            title_model=self._settings.title_model or None,
            queue_limit=self._settings.queue_limit,
            max_model_calls=self._settings.max_model_calls,
            approvals=self._settings.approval_policy,
            policy=self._policy,
            subagents=self._settings.subagent_catalog,
            templates=self._settings.template_catalog,
            subagent_limit=self._settings.subagent_limit,
            max_output_tokens=self._settings.max_output_tokens,
            action_timeout_s=self._settings.action_timeout,
            unattended_timeout_s=self._settings.unattended_timeout,
            acquire_tick_s=self._settings.acquire_tick,
            acquire_batch=self._settings.acquire_batch,
            heartbeat_s=self._settings.heartbeat,
            stale_after_s=self._settings.stale_after,
            upload_limit=self._settings.upload_limit,
            auto_archive_days=self._settings.auto_archive_days,
            retention_days=self._settings.retention_days,
        )
        return Runtime(
            options,
            models=self.catalog,
            tools=Toolbox(builtin_tools()),
            workspace=self.agent,
            provisioners=self._build_provisioners(),
            desktops=self._build_desktops,
            elsewhere=self._build_elsewhere,
        )

    def _build_elsewhere(self, workspace: Any) -> Elsewhere:
        skills = SkillLibrary(Path(jupyter_config_dir()) / "jupyter_chatd" / "skills")
        return Elsewhere(self.mcp.source, skills, workspace=workspace)

    def _build_provisioners(self) -> dict[str, Provisioner]:
        config = Path(jupyter_config_dir())
        settings = ProcessSettings(
            root=Path(self._settings.workspaces_dir or Path(self._directory) / "workspaces")
            .expanduser()
            .resolve(),
            agents=self._agents_folder,
            home=Path.home(),
            env=scrubbed(os.environ, extra_names=self._settings.extra_environment),
            protected=tuple(self._protected_places()),
            config_folder=config / "jupyter_chatd",
            extra_env_names=tuple(self._settings.extra_environment),
            sandbox=self._sandbox_settings,
            piped_sandbox=self._settings.mcp_sandbox_policy,
            limits=self._workspace_limits(),
            undumpable=self._settings.undumpable,
        )
        return {"process": ProcessProvisioner(settings), **self._build_hub_provisioner()}

    def _build_hub_provisioner(self) -> dict[str, Provisioner]:
        account, sockets = account_of(os.environ), Path(jupyter_runtime_dir())
        return (
            {"hub": HubProvisioner(account, proxy=self._settings.hub_proxy, sockets=sockets)}
            if account
            else {}
        )

    @property
    def _agents_folder(self) -> Path:
        return agents_folder(self._settings.folder)

    def _build_desktops(self) -> Any:
        from .desktop.manager import DesktopManager
        from .desktop.recording.recordings import Recordings

        return DesktopManager(
            self._build_launcher(),
            size=self._settings.size_of_desktops,
            idle_limit_s=self._settings.desktop_idle_timeout,
            limit=self._settings.desktop_limit,
            recordings=Recordings(Path(jupyter_runtime_dir())),
        )

    def _build_launcher(self) -> Any:
        from .desktop.launchers.choice import choose_launcher
        from .desktop.launchers.refused import RefusedLauncher

        if self._settings.sandbox_settings.policy is SandboxPolicy.REQUIRED:
            return RefusedLauncher(self._settings.desktop_launcher, UNCONFINED_DESKTOP)
        return choose_launcher(
            self._settings.desktop_launcher,
            Path(jupyter_runtime_dir()),
            directory=Path(self._directory),
            socket=Path(self._settings.desktop_socket).expanduser()
            if self._settings.desktop_socket
            else None,
            allow_shared_host=self._settings.desktop_on_shared_hosts,
        )

    def _build_mcp(self) -> McpService:
        return McpService(
            folder=self._settings.folder,
            store=lambda: self.runtime.store,
            env=scrubbed(os.environ, extra_names=self._settings.extra_environment),
            state_folder=self._processes,
            directory=self._directory,
            confinement=self._build_confinement(),
            allows=lambda config: self._capabilities().allows_server(config.identity),
            workspace=lambda: self.agent,
            agent_in=lambda workspace_id: self.runtime.lookup.agent_in(workspace_id),
        )

    def _capabilities(self) -> Capabilities:
        """What the agent may do now."""
        return self.runtime.capabilities.now

    def _build_confinement(self) -> Confinement:
        sandbox = Sandbox(
            replace(self._sandbox_settings, policy=self._settings.mcp_sandbox_policy),
            directory=self._directory,
            hidden=[*self._protected_places(), self._processes],
            env=scrubbed(os.environ, extra_names=self._settings.extra_environment),
        )
        return Confinement(sandbox, exempt=self._settings.sandbox_mcp_exempt)

    def _build_agent(self) -> ServerAgent:
        config = Path(jupyter_config_dir())
        return ServerAgent(
            directory=self._directory,
            home=Path.home(),
            state_folder=self._processes,
            config_folder=config / "jupyter_chatd",
            protected=self._protected_places(),
            extra_env_names=self._settings.extra_environment,
            sandbox=self._sandbox_settings,
            piped_sandbox=self._settings.mcp_sandbox_policy,
            desktops=self._hosted_desktops,
            limits=self._workspace_limits(),
        )

    def _protected_places(self) -> list[Path]:
        """Folders that the file tools refuse, and files that they know by any other name (hard links) too."""
        files = [self._settings.folder / name for name in (KEY_FILE, SECRETS_FILE, TRUST_FILE, DATABASE)]
        return [self._settings.folder, self._agents_folder, *secret_places(self._serverapp), *files]

    @property
    def _sandbox_settings(self) -> SandboxSettings:
        home, desktop = Path.home(), self._settings.desktop_socket
        return replace(
            self._settings.sandbox_settings,
            fixed=code_files(os.environ, home),
            fixed_folders=code_folders(home),
            private=(*private_places(home), *([os.path.expanduser(desktop)] if desktop else ())),
        )

    def _workspace_limits(self) -> AgentLimits:
        head = self._settings.tool_output_limit // 2
        return AgentLimits(
            output=OutputLimits(head_bytes=head, tail_bytes=self._settings.tool_output_limit - head),
            kernels=self._settings.kernel_settings,
        )

    def _build_catalog(self) -> ModelCatalog:
        return ModelCatalog(
            environ=os.environ,
            providers=self._settings.providers,
            stored=lambda: self.runtime.store.read(stored_models),
            credentials=Credentials(self._settings.folder / KEY_FILE),
            default_model=self._settings.default_model,
            capabilities=self._capabilities,
        )
