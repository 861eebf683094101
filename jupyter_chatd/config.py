"""Every setting, with unit, default and help: `c.JupyterChatd.<name>` in a Jupyter config file.

Only the extension reads these; parts receive plain values, so they work without a server. A server loads this
before it answers, so what is checked only when somebody sets it is loaded by the check.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_core.paths import jupyter_data_dir
from traitlets import Bool, Dict, Enum, Float, HasTraits, Int, List, TraitError, Unicode, default, validate
from traitlets.config import Config

from . import defaults
from .capabilities import ENABLED_VARIABLE, Policy, enabled_by_environment, policy_of_environment, read_policy
from .desktop import defaults as desktops
from .desktop.geometry import Size, parse_size
from .workspace.kernels.settings import KernelSettings
from .workspace.limits import OutputLimits
from .workspace.sandbox import SandboxPolicy, SandboxSettings

if TYPE_CHECKING:  # loaded after the start
    from .loop.approvals import ApprovalPolicy
    from .subagents.catalog import Catalog
    from .workspaces.templates import TemplateCatalog

_LONGEST_DAYS = 3650

KERNELS = KernelSettings()
_OUTPUT_LIMIT = OutputLimits().head_bytes + OutputLimits().tail_bytes


class Settings(HasTraits):
    """The settings of the extension."""

    enabled = Bool(
        True,
        help="Whether the agent is there at all. When off: no routes, no process. "
        f"The environment variable {ENABLED_VARIABLE} sets it too.",
    ).tag(config=True)
    policy = Dict(
        help="What is forced: for shell, file_writes, subagents, desktop, mcp, providers (set up by users), "
        "workspaces one of user (decides), on, off. JUPYTER_CHATD_POLICY_SHELL and the like say it too; the "
        "stricter one holds.",
    ).tag(config=True)
    allowed = Dict(
        help="What may be used: lists of providers, models (provider:model), mcp_servers (addresses or "
        "command lines), workspace_kinds; * stands for anything. JUPYTER_CHATD_ALLOWED_MODELS and the like, "
        "with commas, narrow it.",
    ).tag(config=True)
    data_dir = Unicode(
        help="Folder of the database and its locks. Default: jupyter_chatd in Jupyter's data folder.",
    ).tag(config=True)
    journal = Enum(
        ["auto", "wal", "delete"],
        "auto",
        help="auto: WAL, but a rollback journal and one process only on a network file system.",
    ).tag(config=True)
    undumpable = Bool(
        True,
        help="Keep other processes of the user from reading this server's memory and environment (Linux). "
        "Turn it off to attach a debugger.",
    ).tag(config=True)

    default_model = Unicode(
        "", help="Model of new chats, as provider:model. Empty: the default model config, else what is found."
    ).tag(config=True)
    providers = List(
        Dict(),
        help="Providers: dicts of provider (a name of docs/models.md, or one of your own for an "
        "OpenAI-compatible server), base_url, api_key, models (a list of names).",
    ).tag(config=True)
    max_output_tokens = Int(
        32_000, min=1, help="Tokens that one answer may have, unless its model config says."
    ).tag(config=True)
    system_prompt = Unicode(
        "", help="Text added to the built-in system prompt of new chats; at most 128 KiB."
    ).tag(config=True)
    include_default_system_prompt = Bool(True, help="Whether new chats get the built-in system prompt.").tag(
        config=True
    )

    workspace_dir = Unicode(help="Folder that commands start in. Default: the server's root folder.").tag(
        config=True
    )
    workspaces_dir = Unicode(
        help="Folder that the folders of new workspaces are made in. Default: workspaces in workspace_dir."
    ).tag(config=True)
    workspace_templates = List(
        Dict(),
        help="Templates of workspaces before the built-in ones: dicts of name, origin (empty, folder, git), "
        "display_name, description, startup_script, and what is not to be asked for: source of a folder; "
        "url, branch, depth of a git repository. On a JupyterHub also with the origin hub, for another "
        "server of the user: then options are those of the spawner.",
    ).tag(config=True)
    allowed_templates = List(
        Unicode(), help="Names or ids of the templates that may be used. Empty: all."
    ).tag(config=True)
    hub_proxy = Unicode(
        "",
        help="Address of the JupyterHub's proxy as this server sees it, through which it reaches the user's "
        "other servers. Empty: the hub's own public_url.",
    ).tag(config=True)
    extra_environment = List(
        Unicode(),
        help="Names of environment variables that commands see besides the built-in allow-list.",
    ).tag(config=True)

    kernel = Unicode(
        KERNELS.default,
        help="Name of the kernel that chats run code in; the only one that is installed stands in for it.",
    ).tag(config=True)
    kernel_limit = Int(
        KERNELS.count,
        min=1,
        help="Kernels of chats in one workspace at the same time; for another one the least used is ended.",
    ).tag(config=True)
    kernel_idle_timeout = Float(
        KERNELS.idle_s, min=1.0, help="Seconds without use until the kernel of a chat is ended."
    ).tag(config=True)

    approval_mode = Enum(
        ["auto", "ask"],
        "auto",
        help="Of new chats made over REST and by jupyter chatd, unless they say: ask waits before calls that "
        "change something, auto does not.",
    ).tag(config=True)
    ui_approval_mode = Enum(
        ["auto", "ask"], "ask", help="The same for chats made in JupyterLab, Notebook and widgets."
    ).tag(config=True)
    approval_rules = List(
        Dict(),
        help="Rules before the built-in ones, in chats that ask: dicts of ask (never, once, path, always), "
        "tool (a pattern), arguments (a regular expression on the JSON), where (inside or outside the "
        "workspace).",
    ).tag(config=True)
    forced_approval_rules = List(
        Dict(), help="Rules like these that hold in all chats, whatever their approval mode is."
    ).tag(config=True)
    subagent_limit = Int(
        defaults.SUBAGENTS, min=1, help="Subagents of one chat that may work at the same time."
    ).tag(config=True)
    subagent_models = Dict(
        help="Models of subagents by type (general, explore, computer_use), as provider:model; others take "
        "their parent's."
    ).tag(config=True)
    sandbox = Enum(
        [policy.value for policy in SandboxPolicy],
        SandboxPolicy.PREFERRED.value,
        help="Whether commands run confined (bubblewrap, Linux): required (else they do not run), preferred "
        "(where it works), off.",
    ).tag(config=True)
    sandbox_network = Bool(True, help="Whether confined commands reach the network.").tag(config=True)
    sandbox_writable = List(
        Unicode(),
        help="Folders that confined commands may write to, besides the workspace's folder and /tmp.",
    ).tag(config=True)
    sandbox_mcp = Enum(
        ["auto", *(policy.value for policy in SandboxPolicy)],
        "auto",
        help="Whether programs of MCP servers run confined too: required, preferred, off; auto is required "
        "where sandbox is, else off.",
    ).tag(config=True)
    sandbox_mcp_exempt = List(
        Unicode(),
        help="Slugs of MCP servers whose programs run outside the sandbox whatever sandbox_mcp says. Never "
        "those of a .mcp.json.",
    ).tag(config=True)

    desktop_launcher = Enum(
        list(desktops.LAUNCHERS),
        desktops.AUTO,
        help="How chats get a desktop: xvnc (TigerVNC), portabledesktop, socket (desktop_socket), fake (for "
        "tests), or auto: socket when one is set, else xvnc, else portabledesktop.",
    ).tag(config=True)
    desktop_socket = Unicode(
        "", help="Unix socket of an RFB (VNC) server without password that all chats share as their desktop."
    ).tag(config=True)
    desktop_size = Unicode(
        str(desktops.DEFAULT_SIZE),
        help="Width and height of new desktops, in pixels. Models read the default as it is.",
    ).tag(config=True)
    desktop_idle_timeout = Float(
        desktops.IDLE_LIMIT,
        min=1.0,
        help="Seconds after which a desktop that nobody used is stopped; looking at it is no use.",
    ).tag(config=True)
    desktop_limit = Int(
        desktops.MOST_DESKTOPS,
        min=1,
        help="Desktops that may run at the same time; each takes 100 MB and more.",
    ).tag(config=True)
    desktop_on_shared_hosts = Bool(
        False,
        help="Whether portabledesktop may be used where other people have accounts; they reach its desktops.",
    ).tag(config=True)

    step_limit = Int(defaults.STEP_LIMIT, min=1, help="Model calls in one turn.").tag(config=True)
    attempt_limit = Int(
        defaults.ATTEMPT_LIMIT, min=1, help="Model calls for the same history before giving up."
    ).tag(config=True)
    retry_first_delay = Float(
        defaults.FIRST_RETRY_DELAY,
        min=0.0,
        help="Seconds until a failed model call is tried again; doubled each time.",
    ).tag(config=True)
    retry_longest_delay = Float(
        defaults.LONGEST_RETRY_DELAY,
        min=0.0,
        help="Seconds that the delay grows to. A vendor's Retry-After may be longer.",
    ).tag(config=True)
    compaction_threshold = Int(
        defaults.COMPACTION_THRESHOLD,
        min=0,
        max=defaults.COMPACTION_OFF,
        help="Percent of a model's context at which older history is summarised; 100 is never.",
    ).tag(config=True)
    compaction_model = Unicode(
        "",
        help="Model that writes the summaries, as provider:model. Empty: each chat's own. "
        "A model config may name another.",
    ).tag(config=True)
    compaction_timeout = Float(
        defaults.COMPACTION_TIMEOUT, min=1.0, help="Seconds that a model may take for a summary."
    ).tag(config=True)
    generate_titles = Bool(
        True, help="Whether a model writes the titles of new chats. When off they keep their first words."
    ).tag(config=True)
    title_model = Unicode(
        "",
        help="Model that writes titles, as provider:model. Empty: a small one of the chat's provider, where "
        "that is the vendor itself, else the chat's own.",
    ).tag(config=True)
    queue_limit = Int(defaults.QUEUE_LIMIT, min=1, help="Messages that may wait in a chat's queue.").tag(
        config=True
    )
    max_model_calls = Int(
        defaults.MODEL_CALLS,
        min=1,
        help="Model calls in flight at once, over all chats; an eighth is kept for chats that have none.",
    ).tag(config=True)
    first_part_timeout = Float(
        defaults.FIRST_PART_TIMEOUT,
        min=0.1,
        help="Seconds until a model must have sent the first part of its answer.",
    ).tag(config=True)
    silence_timeout = Float(
        defaults.SILENCE_TIMEOUT,
        min=0.1,
        help="Seconds that a model may be silent in the middle of its answer.",
    ).tag(config=True)
    tool_output_limit = Int(
        _OUTPUT_LIMIT,
        min=1024,
        max=131072,
        help="Bytes of a command's output that are kept, 131072 at most: half of them from its "
        "beginning, half from its end.",
    ).tag(config=True)
    auto_archive_days = Int(
        0,
        min=0,
        max=_LONGEST_DAYS,
        help="Days without change after which a chat that is not pinned is archived; 0 is never.",
    ).tag(config=True)
    retention_days = Int(
        0,
        min=0,
        max=_LONGEST_DAYS,
        help="Days after which an archived chat is deleted for good; 0 is never.",
    ).tag(config=True)
    upload_limit = Int(defaults.MAX_UPLOAD, min=1, help="Bytes that a file in a chat may have.").tag(
        config=True
    )
    action_timeout = Float(
        defaults.ACTION_TIMEOUT, min=1.0, help="Seconds that a client has to run a tool of its own."
    ).tag(config=True)
    unattended_timeout = Float(
        defaults.UNATTENDED_TIMEOUT,
        min=1.0,
        help="Seconds that a call of a client's tool waits while no client is connected.",
    ).tag(config=True)
    acquire_tick = Float(
        defaults.ACQUIRE_TICK, min=0.05, help="Seconds between looks for chats that need work."
    ).tag(config=True)
    acquire_batch = Int(defaults.ACQUIRE_BATCH, min=1, help="Chats taken in one look.").tag(config=True)
    heartbeat = Float(
        defaults.HEARTBEAT, min=1.0, help="Seconds between heartbeats of this server in the database."
    ).tag(config=True)
    stale_after = Float(
        defaults.STALE_AFTER,
        min=1.0,
        help="Seconds without heartbeat until a server on another host counts as dead.",
    ).tag(config=True)

    @default("data_dir")
    def _default_data_dir(self) -> str:
        return str(Path(jupyter_data_dir()) / "jupyter_chatd")

    @property
    def folder(self) -> Path:
        """Where the agent keeps its data."""
        return Path(self.data_dir).expanduser().resolve()

    @property
    def is_forced_off(self) -> bool:
        """Whether whoever runs the server switched the agent off, by trait or environment.

        Raises:
            ValueError: the environment holds a word that is neither on nor off.
        """
        return not self.enabled or enabled_by_environment(os.environ.get(ENABLED_VARIABLE)) is False

    def read_policy(self) -> Policy:
        """Return what the traits and the environment say of capabilities.

        Raises:
            ValueError: one of them holds a word that means nothing; says which, and what is possible.
        """
        return read_policy(self.policy, self.allowed) & policy_of_environment(os.environ)

    @validate("approval_rules", "forced_approval_rules")
    def _check_rules(self, proposal: Config) -> list[dict[str, Any]]:
        from .loop.approvals import parse_rule

        try:
            return [value for value in proposal["value"] if parse_rule(value)]
        except ValueError as error:
            raise TraitError(f"{proposal['trait'].name}: {error}") from error

    @validate("workspace_templates")
    def _check_templates(self, proposal: Config) -> list[dict[str, Any]]:
        from .workspaces.templates import parse_template

        try:
            return [value for value in proposal["value"] if parse_template(value)]
        except ValueError as error:
            raise TraitError(f"workspace_templates: {error}") from error

    @property
    def template_catalog(self) -> TemplateCatalog:
        """What workspaces can be made from."""
        from .workspaces.hub_api import account_of
        from .workspaces.templates import TemplateCatalog, parse_template

        return TemplateCatalog(
            tuple(map(parse_template, self.workspace_templates)),
            allowed=self.allowed_templates,
            kinds=("process", "hub") if account_of(os.environ) else ("process",),
        )

    @validate("subagent_models")
    def _check_subagent_models(self, proposal: Config) -> dict[str, str]:
        from .subagents.catalog import SubagentType

        models = dict(proposal["value"])
        types = [kind.value for kind in SubagentType]
        if wrong := sorted(set(models) - set(types)):
            raise TraitError(f"subagent_models names {wrong}; the types are {', '.join(types)}")
        return models

    @validate("desktop_size")
    def _check_desktop_size(self, proposal: Config) -> str:
        try:
            return str(parse_size(proposal["value"]))
        except ValueError as error:
            raise TraitError(f"desktop_size: {error}") from error

    @property
    def size_of_desktops(self) -> Size:
        """Of new desktops."""
        return parse_size(self.desktop_size)

    @property
    def approval_policy(self) -> ApprovalPolicy:
        """Which calls wait until somebody allows them."""
        from .loop.approvals import ApprovalPolicy, parse_rule

        return ApprovalPolicy(
            rules=tuple(map(parse_rule, self.approval_rules)),
            forced=tuple(map(parse_rule, self.forced_approval_rules)),
        )

    @property
    def subagent_catalog(self) -> Catalog:
        """The kinds of subagents that chats can have."""
        from .subagents.catalog import Catalog, SubagentType

        return Catalog(models={SubagentType(kind): ref for kind, ref in self.subagent_models.items()})

    @property
    def sandbox_settings(self) -> SandboxSettings:
        """What confined commands may do."""
        return SandboxSettings(
            policy=SandboxPolicy(self.sandbox),
            network=self.sandbox_network,
            writable=tuple(str(Path(folder).expanduser()) for folder in self.sandbox_writable),
        )

    @property
    def kernel_settings(self) -> KernelSettings:
        """Which kernels chats have, and how many."""
        return KernelSettings(default=self.kernel, count=self.kernel_limit, idle_s=self.kernel_idle_timeout)

    @property
    def mcp_sandbox_policy(self) -> SandboxPolicy:
        """Whether programs of MCP servers must be confined."""
        return mcp_policy(SandboxPolicy(self.sandbox), self.sandbox_mcp)

    @validate("system_prompt")
    def _check_system_prompt(self, proposal: Config) -> str:
        text = str(proposal["value"])
        if len(text.encode()) > 128 * 1024:
            raise TraitError(
                f"system_prompt has {len(text.encode())} bytes; at most {128 * 1024} are possible"
            )
        return text


def mcp_policy(commands: SandboxPolicy, programs: str) -> SandboxPolicy:
    """Return the policy for programs of MCP servers.

    Args:
        commands: The policy for commands.
        programs: What `sandbox_mcp` says.
    """
    if programs != "auto":
        return SandboxPolicy(programs)
    return commands if commands is SandboxPolicy.REQUIRED else SandboxPolicy.OFF
