"""What a runner works with, passed in from outside."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from .. import defaults
from ..capabilities import CapabilitySource, Unrestricted
from ..files import FileLibrary
from ..messages import Chat, Message
from ..model_settings import CompactionChoice
from ..providers.protocol import Model, ToolDefinition
from ..store import Store
from ..store.reads import ClientWait
from ..stream import Feeds
from ..tools.protocol import Tool
from ..workspace.protocol import WorkspaceAgent
from . import compaction
from .answer import Patience
from .approvals import ApprovalPolicy
from .context_limits import ContextLimits
from .decide import Limits
from .elsewhere import Elsewhere
from .retry import RetryPolicy
from .slots import ModelSlots
from .turnstile import Turnstile

ACTION_TIMEOUT = defaults.ACTION_TIMEOUT
UNATTENDED_TIMEOUT = defaults.UNATTENDED_TIMEOUT
INSTRUCTIONS_TIMEOUT = 5.0  # seconds for looking at the workspace before a turn
MODEL_CALLS = defaults.MODEL_CALLS


class Models(Protocol):
    """Finds the model for a turn."""

    async def resolve(self, model: str, model_config_id: str | None = None) -> Model:
        """Return the model, ready to be called.

        Raises:
            ModelError: there is no such model, or no key for it; the message says what to do.
        """
        ...

    async def compaction(self, model: str, model_config_id: str | None = None) -> CompactionChoice:
        """Return what is set up about summarising the histories of chats with this model."""
        ...

    async def title_models(
        self, model: str, model_config_id: str | None = None
    ) -> Sequence[tuple[str, str | None]]:
        """Return models that may write titles for chats with this one, each with its config's id.

        Raises:
            ModelError: as `resolve`.
        """
        ...


class Tools(Protocol):
    """The server's tools."""

    def definitions(self) -> Sequence[ToolDefinition]:
        """What the model is told, in a stable order."""
        ...

    def find(self, name: str) -> Tool | None:
        """Return the tool of that name."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """The parts that every runner of a worker shares."""

    store: Store
    feeds: Feeds
    models: Models
    tools: Tools
    workspace: Callable[[Chat], WorkspaceAgent]
    """Looks up the agent of the chat's workspace, at every use."""
    workspace_mark: Callable[[Chat], object] = lambda chat: chat.workspace_id
    """Tells by its change that `workspace` gives another agent: then it is looked around anew."""
    elsewhere: Elsewhere | None = None
    """Skills and MCP servers; `None` for neither."""
    files: FileLibrary
    """What users sent and tools attached."""
    approvals: ApprovalPolicy = field(default_factory=ApprovalPolicy)
    capabilities: CapabilitySource = field(default_factory=Unrestricted)
    """What the agent may do at all on this server."""
    limits: Limits = field(default_factory=Limits)
    patience: Patience = field(default_factory=Patience)
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    compaction_threshold: int = compaction.THRESHOLD
    """Percent of the model's context at which the history is compacted by itself; 100 is off."""
    compaction_timeout_s: float = compaction.TIMEOUT
    compaction_model: str | None = None
    """Writes the summaries, unless a model config says otherwise; `None` is the turn's own model."""
    user_prompt: Callable[[str], Awaitable[str]]
    """Looks up what an owner wants of all answers."""
    on_first_turn: Callable[[Chat, Message], None] = lambda _chat, _message: None
    """Hears of the first message of a chat when its turn begins."""
    context_limits: ContextLimits = field(default_factory=ContextLimits)
    action_timeout_s: float = ACTION_TIMEOUT
    is_attended: Callable[[ClientWait], bool] = lambda _wait: True
    """Whether a client is there that could run a tool of its own."""
    unattended_timeout_s: float = UNATTENDED_TIMEOUT
    max_output_tokens: int = 32_000
    slots: ModelSlots = field(default_factory=lambda: ModelSlots(MODEL_CALLS))
    turnstile: Turnstile = field(default_factory=Turnstile)
    """Before a request is built."""
