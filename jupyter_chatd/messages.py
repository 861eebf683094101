"""What a chat is made of: messages and their parts, as plain values.

Imports nothing of ours. Parts are both the stored form and the wire form (`wire.py` crosses JSON), so
renaming a field is a migration. Field names and part types: the original daemon's `ChatMessagePart`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar, Literal, TypeAlias

JsonValue: TypeAlias = bool | int | float | str | Sequence[Any] | Mapping[str, Any] | None
JsonObject: TypeAlias = Mapping[str, Any]

CONTENT_VERSION = 1
"""The version of every row written today: a JSON array of parts for all roles."""


class Role(StrEnum):
    """Who a message speaks for; the database accepts no other word."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"


class Visibility(StrEnum):
    """Who may see a message: clients (`user`), the model (`model`), or both."""

    USER = "user"
    MODEL = "model"
    BOTH = "both"


@dataclass(frozen=True, slots=True, kw_only=True)
class TextPart:
    """Text that a person or the model wrote."""

    type: Literal["text"] = "text"
    text: str = ""
    signature: str | None = None
    """Legacy field of the original system; new rows keep signatures in `provider_metadata`."""
    provider_metadata: JsonObject | None = None
    """Internal: what the vendor needs back unchanged. Never leaves the server."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasoningPart:
    """The model's visible reasoning."""

    type: Literal["reasoning"] = "reasoning"
    text: str = ""
    created_at: float | None = None
    """UTC seconds of the first delta."""
    completed_at: float | None = None
    """UTC seconds of the last delta."""
    provider_metadata: JsonObject | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCallPart:
    """A tool that the model asked for. Known by (message id, index in the row): vendors reuse call ids."""

    type: Literal["tool-call"] = "tool-call"
    tool_call_id: str = ""
    tool_name: str = ""
    args: JsonValue = None
    """Parsed arguments; absent when the model sent none or invalid JSON."""
    args_delta: str | None = None
    """Streaming only: the next piece of the arguments' text."""
    provider_executed: bool = False
    """The vendor ran it itself; its result is in the same row and the engine never runs it."""
    mcp_server_config_id: str | None = None
    created_at: float | None = None
    provider_metadata: JsonObject | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolResultPart:
    """What a tool call gave back."""

    type: Literal["tool-result"] = "tool-result"
    tool_call_id: str = ""
    tool_name: str = ""
    result: JsonValue = None
    result_delta: str | None = None
    """Streaming only: the next piece of a running tool's output."""
    is_error: bool = False
    is_media: bool = False
    """`result` is `{"data": base64, "mime_type": …, "text": …}`."""
    provider_executed: bool = False
    mcp_server_config_id: str | None = None
    created_at: float | None = None
    provider_metadata: JsonObject | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SourcePart:
    """A web source that the model cites."""

    type: Literal["source"] = "source"
    source_id: str = ""
    url: str = ""
    title: str | None = None
    provider_metadata: JsonObject | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePart:
    """A file: by id where it is stored, inline base64 only in live parts and legacy rows."""

    type: Literal["file"] = "file"
    media_type: str = ""
    data: str | None = None
    file_id: str | None = None
    name: str | None = None
    provider_metadata: JsonObject | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FileReferencePart:
    """Lines of a file that the user commented on."""

    type: Literal["file-reference"] = "file-reference"
    file_name: str = ""
    start_line: int | None = None
    end_line: int | None = None
    content: str | None = None
    provider_metadata: JsonObject | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextFilePart:
    """An instruction file of the workspace, such as AGENTS.md."""

    type: Literal["context-file"] = "context-file"
    context_file_path: str = ""
    context_file_content: str | None = None
    """Internal."""
    context_file_truncated: bool = False
    context_file_agent_id: str | None = None
    context_file_os: str | None = None
    """Internal."""
    context_file_directory: str | None = None
    """Internal."""
    provider_metadata: JsonObject | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SkillPart:
    """A skill found in the workspace."""

    type: Literal["skill"] = "skill"
    skill_name: str = ""
    skill_description: str | None = None
    skill_dir: str | None = None
    """Internal."""
    context_file_skill_meta_file: str | None = None
    """Internal."""
    provider_metadata: JsonObject | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownPart:
    """A part written by a newer release: kept whole, shown as "unsupported part"."""

    raw: JsonObject

    @property
    def type(self) -> str:
        """The type word that this release does not know; empty when there is none."""
        word = self.raw.get("type")
        return word if isinstance(word, str) else ""


KnownPart: TypeAlias = (
    TextPart
    | ReasoningPart
    | ToolCallPart
    | ToolResultPart
    | SourcePart
    | FilePart
    | FileReferencePart
    | ContextFilePart
    | SkillPart
)
Part: TypeAlias = KnownPart | UnknownPart


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens of one model call. `None` means the vendor did not say; zero is never stored."""

    input_tokens: int | None = None
    """Without cached tokens."""
    output_tokens: int | None = None
    total_tokens: int | None = None
    reasoning_tokens: int | None = None
    cache_creation_tokens: int | None = None
    cache_read_tokens: int | None = None
    context_limit: int | None = None
    """Largest context of the model, in tokens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnOptions:
    """What a turn runs with, copied onto its user row when it is sent."""

    model: str | None = None
    """`provider:model`; `None` means the chat's model."""
    model_config_id: str | None = None
    reasoning_effort: str | None = None
    plan_mode: str | None = None
    mcp_server_ids: tuple[str, ...] | None = None
    client_message_id: str | None = None
    """What the client that sent the message calls it: so it knows its own turns, whatever the queue did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One row of a chat's history."""

    id: int
    """Grows over the whole database and is never reused: the stream cursor."""
    chat_id: str
    role: Role
    parts: tuple[Part, ...]
    created_at: float
    """UTC seconds."""
    created_by: str | None = None
    """Who sent it; only user rows have one."""
    visibility: Visibility = Visibility.BOTH
    model: str | None = None
    model_config_id: str | None = None
    usage: Usage | None = None
    compressed: bool = False
    covers_until: int | None = None
    """On a summary: the last message id that the summary replaces."""
    total_cost_micros: int | None = None
    runtime_ms: int | None = None
    provider_response_id: str | None = None
    stop_reason: StopReason | None = None
    turn_options: TurnOptions | None = None
    answers: CallKey | None = None
    """On a tool row: the call that it answers."""
    revision: int = 0
    deleted: bool = False

    @property
    def text(self) -> str:
        """All text parts, joined."""
        return "".join(part.text for part in self.parts if isinstance(part, TextPart))

    @property
    def tool_calls(self) -> tuple[tuple[int, ToolCallPart], ...]:
        """Calls that the engine answers, with their index among the row's parts."""
        return tuple(
            (index, part)
            for index, part in enumerate(self.parts)
            if isinstance(part, ToolCallPart) and not part.provider_executed
        )


class StopReason(StrEnum):
    """Why an assistant row ended."""

    END = "end"
    TOOL_CALLS = "tool_calls"
    LENGTH = "length"
    CONTENT_FILTER = "content_filter"
    PAUSED = "paused"
    """The vendor wants the turn continued with another call."""
    INTERRUPTED = "interrupted"
    """The user stopped it; the row holds what had been streamed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewMessage:
    """A message that is about to be stored; the store gives it id, revision and, mostly, time."""

    role: Role
    parts: tuple[Part, ...]
    created_at: float | None = None
    """UTC seconds, where it was said before; `None` for now."""
    created_by: str | None = None
    visibility: Visibility = Visibility.BOTH
    model: str | None = None
    model_config_id: str | None = None
    usage: Usage | None = None
    compressed: bool = False
    covers_until: int | None = None
    total_cost_micros: int | None = None
    runtime_ms: int | None = None
    provider_response_id: str | None = None
    stop_reason: StopReason | None = None
    turn_options: TurnOptions | None = None
    answers: CallKey | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedMessage:
    """A user message that waits for the turn to end."""

    id: int
    chat_id: str
    parts: tuple[Part, ...]
    created_at: float
    created_by: str | None
    turn_options: TurnOptions | None = None


class ChatStatus(StrEnum):
    """The stored status. The API says `pending` for `running` with no live worker."""

    WAITING = "waiting"
    RUNNING = "running"
    INTERRUPTING = "interrupting"
    REQUIRES_ACTION = "requires_action"
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorDetail:
    """Why a run failed, in words for a person, with facts for a program."""

    message: str
    kind: str = "generic"
    """`auth`, `config`, `rate_limit`, `usage_limit`, `overloaded`, `timeout`, `startup_timeout`, …"""
    provider: str | None = None
    retryable: bool = False
    status_code: int | None = None
    detail: str | None = None
    """At most 500 characters of what the vendor said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryState:
    """A model call that failed and will be tried again."""

    attempt: int
    """1 for the first retry."""
    delay_ms: int
    error: str
    retrying_at: float
    """UTC seconds."""
    kind: str = "generic"
    provider: str | None = None
    status_code: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientTool:
    """A tool that a client runs: a function of a notebook kernel, for example."""

    name: str
    description: str = ""
    input_schema: JsonObject = field(default_factory=dict[str, Any])
    """JSON Schema of the arguments, an object schema."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chat:
    """A conversation: execution state, versions, and metadata."""

    DEFAULT_TITLE: ClassVar[str] = "New Chat"

    id: str
    owner_id: str
    title: str
    status: ChatStatus
    archived: bool
    model: str
    created_at: float
    updated_at: float
    model_config_id: str | None = None
    workspace_id: str | None = None
    parent_chat_id: str | None = None
    root_chat_id: str | None = None
    spawned_by: CallKey | None = None
    """On a child: the parent's call that made it."""
    worker_id: str | None = None
    runner_id: str | None = None
    last_error: ErrorDetail | None = None
    retry_state: RetryState | None = None
    action_deadline_at: float | None = None
    compaction_requested_at: float | None = None
    snapshot_version: int = 0
    history_version: int = 0
    queue_version: int = 0
    retry_state_version: int = 0
    generation_attempt: int = 0
    mode: str | None = None
    plan_mode: str | None = None
    approval_mode: str = "auto"
    mcp_server_ids: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    pin_order: int = 0
    last_read_message_id: int | None = None
    client_tools: tuple[ClientTool, ...] = ()
    client_type: str = "api"
    has_unread: bool = False

    @property
    def family_id(self) -> str:
        """The root chat's id: the chat's own when it is a root."""
        return self.root_chat_id or self.parent_chat_id or self.id


class Approval(StrEnum):
    """Where the decision about a tool call stands."""

    PENDING = "pending"
    ALLOWED = "allowed"
    DENIED = "denied"


class Scope(StrEnum):
    """How far the decision to allow a call goes; without one, the rule that asked says it."""

    ONCE = "once"
    """This call: the same one is asked about again."""
    CHAT = "chat"
    """All calls of this tool in this chat."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """A call that somebody allowed."""

    tool_name: str
    arguments: str | None
    """JSON with sorted keys; `None` for whatever arguments."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolRun:
    """The journal's row of one tool call."""

    message_id: int
    call_index: int
    chat_id: str
    tool_call_id: str
    tool_name: str
    args: JsonValue = None
    started_at: float | None = None
    finished_at: float | None = None
    result: ToolResultPart | None = None
    action: ActionKind | None = None
    """What a client must do before the call can go on; `None` for a call that the server just runs."""
    approval: Approval | None = None
    approval_scope: Scope | None = None
    """How far an approval goes; `None` leaves it to the rule that asked."""
    decided_by: str | None = None
    decided_at: float | None = None
    claimed_by: str | None = None

    @property
    def key(self) -> CallKey:
        """What names the call."""
        return CallKey(message_id=self.message_id, index=self.call_index)


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class CallKey:
    """Names one tool call: the assistant row and the call's index among its parts."""

    message_id: int
    index: int


class ActionKind(StrEnum):
    """What only a client can do."""

    CLIENT_TOOL = "client_tool"
    APPROVAL = "approval"
    QUESTION = "question"


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One thing that a chat in `requires_action` waits for."""

    kind: ActionKind
    message_id: int
    call_index: int
    tool_call_id: str
    tool_name: str
    args: JsonValue = None
    claimed_by: str | None = None
    deadline_at: float | None = None
