"""What a tool is, for the engine. A tool's failure is a value that the model reads, never an exception."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from ..messages import CallKey, Chat, JsonValue
from ..providers.protocol import ToolDefinition
from ..workspace.protocol import WorkspaceAgent
from .text import printable

if TYPE_CHECKING:
    from ..files import FileLibrary
    from ..store import Claim


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """The chat and the turn that a call belongs to."""

    chat: Chat
    claim: Claim
    """What fences whatever the call writes: it holds as long as the turn goes on undisturbed."""
    model: str
    """`provider:model` of this turn."""
    model_config_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Restraint:
    """What calls of a turn that plans or explores keep to."""

    plan_file: str | None = None
    """The only file that may be written, by its absolute path; `None` for none at all."""
    folder: str | None = None
    """Of the workspace: no link may lead from there to another file than the plan."""

    def refuse_writes(self, paths: Iterable[str]) -> str | None:
        """Return why these files may not be written, `None` when they may."""
        if all(os.path.normpath(path) == self.plan_file for path in paths):
            return None
        if self.plan_file is None:
            return "This chat only looks: it writes no files. Put what you would write into your report."
        return (
            f"This chat is in plan mode, and only its plan may be written: {self.plan_file}. "
            "Describe the other changes in the plan."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolContext:
    """What a running call may use."""

    chat_id: str
    key: CallKey
    tool_call_id: str
    workspace: Callable[[], WorkspaceAgent]
    """Looks the chat's workspace agent up now; raises `workspace.protocol.WorkspaceUnavailableError`."""
    emit: Callable[[str], None]
    """Publishes a piece of live output as a `result_delta`."""
    restraint: Restraint | None = None
    """Set while the chat plans or explores: nothing may be changed but its plan."""
    caller: Caller | None = None
    """Who calls; `None` where there is no chat, as in tests of single tools."""
    files: FileLibrary | None = None
    """Where files that are given to the user are kept; `None` where there is no such place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolOutput:
    """What a call gives back, in the stored form."""

    result: JsonValue
    """JSON; for an error `{"error": text}`; for media `{"data": base64, "mime_type": …, "text": …}`."""
    is_error: bool = False
    is_media: bool = False


def error_output(text: str) -> ToolOutput:
    """An error that the model reads. The text may come from anywhere."""
    return ToolOutput(result={"error": printable(text)}, is_error=True)


class Tool(Protocol):
    """One tool. Instances hold no state of a call and live as long as the server."""

    @property
    def definition(self) -> ToolDefinition:
        """Name, text and schema for the model."""
        ...

    @property
    def repeatable(self) -> bool:
        """May run again after a crash without harm: reads, listings, waits."""
        ...

    def serial_key(self, args: Mapping[str, Any], context: ToolContext) -> str | None:
        """Calls of one step with the same key run one after another in call order; `None` runs freely."""
        ...

    async def run(self, args: JsonValue, context: ToolContext) -> ToolOutput:
        """Run one call. Wrong arguments are an error output that says what was expected.

        Cancelling the task stops the call's work (for a foreground process: its whole group, within 5 s)
        and may still return an output with what there was until then.
        """
        ...
