"""The bodies of requests, as `wire.parse_body` reads them. A field left out, or null, changes nothing.

Only their form is checked here: whether a chat, a model or a file exists is for the route.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Literal, TypeAlias
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from ..mcp.config import CALL_TIMEOUT, CONNECT_TIMEOUT, LONGEST_TIMEOUT
from ..messages import CallKey, ClientTool
from ..titles import tidy
from ..wire import check_free_json
from .pictures import check_pictures

MAX_TITLE = 500  # characters
MAX_LABELS = 50
MAX_LABEL_KEY = 64  # characters
MAX_LABEL_VALUE = 256  # characters
MAX_NAME = 200  # characters, of a model, a provider's display name, an id
MAX_CLIENT_TOOLS = 128
MAX_MCP_SERVERS = 100
MAX_TOOL_NAMES = 1000
MAX_ACTIONS = 50

_PRINTABLE = re.compile(r"[!-~]+")
_TOOL_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


def _title(text: str) -> str:
    title = tidy(text)
    if not title:
        raise ValueError("Expected a title that is not blank.")
    if len(title) > MAX_TITLE:
        raise ValueError(f"Expected at most {MAX_TITLE} characters, came {len(title)}.")
    return title


def _name(text: str) -> str:
    name = tidy(text)
    if not name or len(name) > MAX_NAME:
        raise ValueError(f"Expected 1 to {MAX_NAME} characters that are not blank, came {len(name)}.")
    return name


def _labels(labels: dict[str, str]) -> dict[str, str]:
    if len(labels) > MAX_LABELS:
        raise ValueError(f"Expected at most {MAX_LABELS} labels, came {len(labels)}.")
    for key, value in labels.items():
        if not key.strip() or len(key) > MAX_LABEL_KEY or ":" in key:
            raise ValueError(
                f"Expected keys of 1 to {MAX_LABEL_KEY} characters without a colon, came {key[:80]!r}."
            )
        if len(value) > MAX_LABEL_VALUE:
            raise ValueError(f"Expected values of at most {MAX_LABEL_VALUE} characters, came {len(value)}.")
    return labels


def _base_url(text: str) -> str:
    url = text.strip()
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and not parts.username
    except ValueError:
        usable = False
    if url and not usable:
        raise ValueError(
            "Expected an address like https://host/v1 without user and password, or nothing for the default."
        )
    return url


def _api_key(text: str) -> str:
    key = text.strip()
    if key and not _PRINTABLE.fullmatch(key):
        raise ValueError("Expected printable ASCII characters without spaces, or nothing for no key.")
    return key


def _client_tool(tool: ClientTool) -> ClientTool:
    if not _TOOL_NAME.fullmatch(tool.name):
        raise ValueError("Expected a name of 1 to 64 letters, digits, _ or -.")
    if not tool.input_schema:
        return replace(tool, input_schema={"type": "object", "properties": {}})
    if tool.input_schema.get("type") != "object":
        raise ValueError('Expected as input_schema the JSON Schema of an object: {"type": "object", …}.')
    check_free_json(tool.input_schema)
    return tool


def _distinct(tools: tuple[ClientTool, ...]) -> tuple[ClientTool, ...]:
    names = [tool.name for tool in tools]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"Expected tools with different names; {name} comes twice.")
    return tools


Title: TypeAlias = Annotated[str, AfterValidator(_title)]
Name: TypeAlias = Annotated[str, AfterValidator(_name)]
Labels: TypeAlias = Annotated[dict[str, str], AfterValidator(_labels)]
BaseUrl: TypeAlias = Annotated[str, AfterValidator(_base_url)]
ApiKey: TypeAlias = Annotated[str, AfterValidator(_api_key)]
FreeJson: TypeAlias = Annotated[Any, AfterValidator(check_free_json)]
FreeObject: TypeAlias = Annotated[dict[str, Any], AfterValidator(check_free_json)]
RowId: TypeAlias = Annotated[int, Field(ge=1, lt=2**63)]
Index: TypeAlias = Annotated[int, Field(ge=0, lt=2**31)]
ClientMessageId: TypeAlias = Annotated[str, Field(min_length=1, max_length=128)]
McpServerIds: TypeAlias = Annotated[tuple[Name, ...], Field(max_length=MAX_MCP_SERVERS)]
ToolNames: TypeAlias = Annotated[tuple[str, ...], Field(max_length=MAX_TOOL_NAMES)]
Seconds: TypeAlias = Annotated[float, Field(gt=0, le=LONGEST_TIMEOUT)]
Percent: TypeAlias = Annotated[int, Field(ge=0, le=100)]
Tokens: TypeAlias = Annotated[int, Field(gt=0, lt=2**63)]
Price: TypeAlias = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Finite: TypeAlias = Annotated[float, Field(allow_inf_nan=False)]
ProviderName: TypeAlias = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,63}$")]
ClientTools: TypeAlias = Annotated[
    tuple[Annotated[ClientTool, AfterValidator(_client_tool)], ...],
    Field(max_length=MAX_CLIENT_TOOLS),
    AfterValidator(_distinct),
]
McpTransport: TypeAlias = Literal["stdio", "streamable_http", "sse"]
McpAvailability: TypeAlias = Literal["force_on", "default_on", "default_off"]
ReasoningEffort: TypeAlias = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateChat:
    """`POST chats`."""

    content: list[Any]
    """Input parts, for `wire.parse_input_parts`."""
    title: Title | None = None
    workspace_id: Name | None = None
    model: Name | None = None
    """`provider:model`."""
    model_config_id: Name | None = None
    labels: Labels | None = None
    plan_mode: Literal["plan"] | None = None
    approval_mode: Literal["auto", "ask"] | None = None
    mcp_server_ids: McpServerIds | None = None
    client_type: Literal["ui", "api"] | None = None
    reasoning_effort: ReasoningEffort | None = None
    client_tools: ClientTools | None = None
    client_message_id: ClientMessageId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SendMessage:
    """`POST chats/{id}/messages`."""

    content: list[Any]
    model: Name | None = None
    model_config_id: Name | None = None
    busy_behavior: Literal["queue", "interrupt"] = "queue"
    reasoning_effort: ReasoningEffort | None = None
    plan_mode: Literal["plan"] | None = None
    mcp_server_ids: McpServerIds | None = None
    client_tools: ClientTools | None = None
    """What the client that sends can run; added to the chat's, in place of those of the same name."""
    client_message_id: ClientMessageId | None = None
    """What the client calls the message; comes back with it once its turn begins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EditMessage:
    """`PATCH chats/{id}/messages/{message}`."""

    content: list[Any]
    client_message_id: ClientMessageId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchChat:
    """`PATCH chats/{id}`."""

    title: Title | None = None
    archived: bool | None = None
    pin_order: Index | None = None
    """0 unpins."""
    labels: Labels | None = None
    """All labels; `{}` removes them."""
    model: Name | None = None
    model_config_id: Name | None = None
    plan_mode: Literal["plan", ""] | None = None
    """Empty ends plan mode."""
    approval_mode: Literal["auto", "ask"] | None = None
    mcp_server_ids: McpServerIds | None = None
    client_tools: ClientTools | None = None
    """All tools of clients: whoever opens the chat anew brings its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interrupt:
    """`POST chats/{id}/interrupt`."""

    queue: Literal["keep", "drop"] = "keep"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkspaceCreate:
    """`POST chats/workspaces`."""

    template_id: Name
    name: Name | None = None
    parameters: Annotated[dict[str, str], Field(max_length=50)] | None = None
    chat_id: Name | None = None
    """A root chat without workspace, which gets it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildCreate:
    """`POST chats/workspaces/{id}/builds`."""

    transition: Literal["start", "stop"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NoFields:
    """The body of a request that says all by its route."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PutSystemPrompt:
    """`PUT chats/config/system-prompt`."""

    system_prompt: str
    """Empty takes it away."""
    include_default_system_prompt: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PutUserPrompt:
    """`PUT chats/config/user-prompt`."""

    custom_prompt: str
    """Empty takes it away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRef:
    """Names a tool call: its row and its index among the row's parts."""

    message_id: RowId
    call_index: Index

    @property
    def key(self) -> CallKey:
        """The same as the store names it."""
        return CallKey(message_id=self.message_id, index=self.call_index)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewToolResult(CallRef):
    """What a client's tool gave back for a call."""

    result: FreeJson
    is_error: bool = False
    is_media: bool = False
    """The result is `{data, mime_type, text, more}`: pictures in base64 for the model to look at."""

    def __post_init__(self) -> None:
        """Refuse media that are no pictures: a vendor would refuse the prompt, now and in each later turn."""
        if self.is_media:
            check_pictures(self.result)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolResults:
    """`POST chats/{id}/tool-results`: calls that the client takes on, results of calls it ran, or both."""

    client: Name
    """Names the client; only the one that claimed a call may answer it."""
    claim: tuple[CallRef, ...] = ()
    results: tuple[NewToolResult, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Approvals(CallRef):
    """`POST chats/{id}/approvals`: the decision about a call."""

    decision: Literal["allow", "deny"]
    scope: Literal["once", "chat"] | None = None
    """How far it goes to allow it: this call, or all of this tool in this chat. Default: as the rule says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyPatch:
    """`PATCH chats/policy`: what the user chooses; what is left out stays."""

    shell: bool | None = None
    file_writes: bool | None = None
    subagents: bool | None = None
    desktop: bool | None = None
    mcp: bool | None = None
    providers: bool | None = None
    workspaces: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderCreate:
    """`POST chats/providers`."""

    provider: ProviderName
    display_name: Name | None = None
    base_url: BaseUrl = ""
    api_key: ApiKey = field(default="", repr=False)
    enabled: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderPatch:
    """`PATCH chats/providers/{id}`."""

    display_name: Name | None = None
    base_url: BaseUrl | None = None
    api_key: ApiKey | None = field(default=None, repr=False)
    enabled: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCost:
    """Prices in US dollars for a million tokens."""

    input_price_per_million_tokens: Price | None = None
    output_price_per_million_tokens: Price | None = None
    cache_read_price_per_million_tokens: Price | None = None
    cache_write_price_per_million_tokens: Price | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelOptions:
    """Settings of every call of a model; `wire.dump_value` makes the column."""

    max_output_tokens: Tokens | None = None
    temperature: Finite | None = None
    top_p: Finite | None = None
    top_k: Index | None = None
    presence_penalty: Finite | None = None
    frequency_penalty: Finite | None = None
    reasoning_effort: ReasoningEffort | None = None
    compaction_model: Name | None = None
    """Writes the summaries of chats with this model, as provider:model."""
    cost: ModelCost | None = None
    provider_options: FreeObject | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelConfigCreate:
    """`POST chats/model-configs`."""

    provider: ProviderName
    model: Name
    context_limit: Tokens
    display_name: Name | None = None
    enabled: bool = True
    is_default: bool = False
    compression_threshold: Percent = 70
    """Compact when the context is this full; 100 is never."""
    options: ModelOptions = ModelOptions()


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelConfigPatch:
    """`PATCH chats/model-configs/{id}`."""

    provider: ProviderName | None = None
    model: Name | None = None
    context_limit: Tokens | None = None
    display_name: Name | None = None
    enabled: bool | None = None
    is_default: bool | None = None
    compression_threshold: Percent | None = None
    options: ModelOptions | None = None
    """All options; `{}` resets them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class McpServerCreate:
    """`POST chats/mcp/servers`; what the fields mean is in `mcp.config`."""

    slug: str
    display_name: Name | None = None
    transport: McpTransport = "streamable_http"
    command: str | None = None
    args: tuple[str, ...] = ()
    env: dict[str, str] = field(default_factory=dict[str, str], repr=False)
    cwd: str | None = None
    url: str | None = field(default=None, repr=False)
    headers: dict[str, str] = field(default_factory=dict[str, str], repr=False)
    enabled: bool = True
    availability: McpAvailability = "default_off"
    allowed_tools: ToolNames = ()
    denied_tools: ToolNames = ()
    allow_in_plan_mode: bool = False
    model_intent: bool = False
    connect_timeout_s: Seconds = CONNECT_TIMEOUT
    call_timeout_s: Seconds = CALL_TIMEOUT


@dataclass(frozen=True, slots=True, kw_only=True)
class McpServerPatch:
    """`PATCH chats/mcp/servers/{id}`; another transport takes away what the old one needed."""

    slug: str | None = None
    display_name: Name | None = None
    transport: McpTransport | None = None
    command: str | None = None
    args: tuple[str, ...] | None = None
    env: dict[str, str] | None = field(default=None, repr=False)
    """All variables; `{}` removes them."""
    cwd: str | None = None
    """Empty for the folder that commands start in."""
    url: str | None = field(default=None, repr=False)
    headers: dict[str, str] | None = field(default=None, repr=False)
    """All headers; `{}` removes them."""
    enabled: bool | None = None
    availability: McpAvailability | None = None
    allowed_tools: ToolNames | None = None
    denied_tools: ToolNames | None = None
    allow_in_plan_mode: bool | None = None
    model_intent: bool | None = None
    connect_timeout_s: Seconds | None = None
    call_timeout_s: Seconds | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """`POST chats/mcp/project`: the decision about a project file, named by the hash of its content."""

    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    trusted: bool
    chat_id: str | None = None
    """The chat in whose workspace the file lies; `None` for the server's folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DesktopActions:
    """`POST chats/{id}/desktop/action`: each as `desktop.dialects.neutral` spells it."""

    actions: Annotated[list[FreeJson], Field(min_length=1, max_length=MAX_ACTIONS)]


@dataclass(frozen=True, slots=True, kw_only=True)
class StopRecording:
    """`POST chats/{id}/desktop/recording/stop`."""

    keep: bool = True
    """Whether it becomes a file of the chat; else it is forgotten."""
