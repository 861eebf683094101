"""Vendors' own computer tools: which model has which, how it is told, how its calls are stored.

Whoever asks a model for an answer knows one tool with a screen (`ToolDefinition.screen`). Where the vendor
has a tool of its own for that, its entry takes the place of ours in the request. Its calls are stored as
calls of our tool, in the vendor's own spelling: `{"dialect": …, "name": …, "input": …}`, where `name` is
there only if each action is a function of its own. So they go back to the vendor word for word. Sources of
the table: DECISIONS.md; a model config may choose otherwise (`provider_options`, `computer_tool`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ..messages import JsonObject, Part, Role, ToolCallPart, ToolResultPart
from .protocol import ModelCall, ModelEvent, PartDone, PromptMessage, ToolCallDelta, ToolDefinition

if TYPE_CHECKING:
    from pydantic_ai.tools import ToolDefinition as LibraryTool

OPTION = "computer_tool"
FUNCTION = "function"
"""Value of the option for a plain function tool."""
ENTRY = "jupyter_chatd_entry"
"""Key of a library tool's metadata: what is sent instead of the tool."""

TOOLSET = "computer_toolset_20260801"
PREVIEW = "computer_use_preview"

# fmt: off
TOOLSET_MEMBERS = frozenset(
    (
        "screenshot", "zoom", "cursor_position", "mouse_move", "left_click", "right_click",
        "middle_click", "double_click", "triple_click", "left_mouse_down", "left_mouse_up",
        "left_click_drag", "scroll", "key", "hold_key", "type", "wait",
    )
)
# fmt: on
# fmt: off
_GEMINI_MEMBERS = frozenset(
    (
        "take_screenshot", "move", "hover_at", "click", "click_at", "right_click", "middle_click",
        "double_click", "triple_click", "mouse_down", "mouse_up", "drag_and_drop", "scroll", "scroll_at",
        "scroll_document", "key_combination", "press_key", "hotkey", "key_down", "key_up", "type",
        "type_text_at", "wait", "wait_5_seconds", "go_back", "go_forward",
    )
)
# fmt: on
GEMINI_EXCLUDED = ("open_web_browser", "search", "navigate")
"""Of the older models, which know no desktop: they need a browser that takes orders."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NativeTool:
    """A vendor's computer tool."""

    type: str
    """As the vendor names it; a value of the option."""
    dialect: str
    """How its calls are spelt; see `tools/computer_calls.py`."""
    models: str
    """Pattern of the names of models that get it by themselves."""
    members: frozenset[str] = frozenset()
    """The functions that are calls of it, where each action is one."""
    beta: str | None = None
    """Anthropic's header."""
    fields: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Of its entry."""
    size_fields: tuple[str, str] | None = None
    """Of its entry: where the screen's width and height are told."""

    def entry(self, tool: ToolDefinition) -> dict[str, Any]:
        """Return what is sent instead of *tool*."""
        sizes = zip(self.size_fields or (), tool.screen or (), strict=False)
        return {"type": self.type, **self.fields, **dict(sizes)}

    def read(self, event: ModelEvent, tool_name: str) -> ModelEvent:
        """Return an event of the vendor's with its calls as they are stored."""
        match event:
            case ToolCallDelta(tool_name=name) if self._is_call(name, tool_name):
                return replace(event, tool_name=tool_name)
            case PartDone(part=ToolCallPart(provider_executed=False) as call) if self._is_call(
                call.tool_name, tool_name
            ):
                return replace(event, part=replace(call, tool_name=tool_name, args=self._stored(call)))
            case _:
                return event

    def write(self, messages: Sequence[PromptMessage], tool_name: str) -> list[PromptMessage]:
        """Return a prompt with the stored calls of this tool as the vendor made them."""
        names = {
            part.tool_call_id: str(part.args.get("name") or tool_name)
            for message in messages
            for part in message.parts
            if isinstance(part, ToolCallPart)
            and self._is_own(part, tool_name)
            and isinstance(part.args, Mapping)
        }
        return [self._write(message, names) if names else message for message in messages]

    def _is_call(self, name: str, tool_name: str) -> bool:
        return name in self.members if self.members else name == tool_name

    def _is_own(self, call: ToolCallPart, tool_name: str) -> bool:
        return (
            call.tool_name == tool_name
            and isinstance(call.args, Mapping)
            and call.args.get("dialect") == self.dialect
        )

    def _stored(self, call: ToolCallPart) -> JsonObject:
        name = {"name": call.tool_name} if self.members else {}
        return {"dialect": self.dialect, **name, "input": call.args}

    def _write(self, message: PromptMessage, names: Mapping[str, str]) -> PromptMessage:
        if message.role not in (Role.ASSISTANT, Role.TOOL):
            return message
        return replace(message, parts=tuple(_written(part, names) for part in message.parts))


def _written(part: Part, names: Mapping[str, str]) -> Part:
    match part:
        case ToolCallPart(tool_call_id=call_id, args=Mapping() as args) if call_id in names:
            return replace(part, tool_name=names[call_id], args=args.get("input") or {})
        case ToolResultPart(tool_call_id=call_id) if call_id in names:
            return replace(part, tool_name=names[call_id])
        case _:
            return part


_DISPLAY = ("display_width_px", "display_height_px")

ANTHROPIC_TOOLS = (
    NativeTool(
        type="computer_20250124",
        dialect="anthropic",
        models=r"claude-(3-7-sonnet|(opus|sonnet)-4-(0|1|20)|(sonnet|haiku)-4-5)",
        beta="computer-use-2025-01-24",
        fields={"name": "computer"},
        size_fields=_DISPLAY,
    ),
    NativeTool(
        type="computer_20251124",
        dialect="anthropic",
        models=r"claude-(opus-4-[5-9]|sonnet-4-[6-9]|(opus|sonnet|fable|mythos)-5(-1)?(-20\d+)?$)",
        beta="computer-use-2025-11-24",
        fields={"name": "computer", "enable_zoom": True},
        size_fields=_DISPLAY,
    ),
    NativeTool(
        type=TOOLSET,
        dialect="anthropic_toolset",
        models=r"claude-(opus|sonnet|haiku|fable|mythos)-5-[2-9]",
        members=TOOLSET_MEMBERS,
    ),
)
OPENAI_TOOLS = (
    NativeTool(type="computer", dialect="openai", models=r"gpt-(5\.([4-9]|\d\d)|[6-9])(?!.*(nano|codex))"),
    NativeTool(
        type=PREVIEW,
        dialect="openai",
        models=r"computer-use-preview",
        fields={"environment": "linux"},
        size_fields=("display_width", "display_height"),
    ),
)
GOOGLE_TOOLS = (
    NativeTool(
        type="computer_use",
        dialect="gemini",
        models=r"gemini-(3\.[5-9]|[4-9])(?!.*(lite|image|tts|live))",
        members=_GEMINI_MEMBERS,
        fields={"environment": "ENVIRONMENT_DESKTOP"},
    ),
    NativeTool(
        type="computer_use",
        dialect="gemini",
        models=r"gemini-(.*computer-use|3-flash)",
        members=_GEMINI_MEMBERS,
        fields={
            "environment": "ENVIRONMENT_BROWSER",
            "excluded_predefined_functions": list(GEMINI_EXCLUDED),
        },
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ComputerInUse:
    """A vendor's tool that stands for a tool of ours in one call."""

    native: NativeTool
    tool: ToolDefinition

    @property
    def entry(self) -> dict[str, Any]:
        """What is sent instead of our tool."""
        return self.native.entry(self.tool)

    def read(self, event: ModelEvent) -> ModelEvent:
        """See `NativeTool.read`."""
        return self.native.read(event, self.tool.name)

    def write(self, messages: Sequence[PromptMessage]) -> list[PromptMessage]:
        """See `NativeTool.write`."""
        return self.native.write(messages, self.tool.name)


def entry_of(tool: LibraryTool) -> dict[str, Any] | None:
    """Return what is to be sent instead of a tool of the library, `None` for the tool itself."""
    entry = (tool.metadata or {}).get(ENTRY)
    return None if entry is None else {**entry}


def screen_tool(call: ModelCall) -> ToolDefinition | None:
    """Return the tool of a call that uses a screen, `None` when there is none."""
    return next((tool for tool in call.tools if tool.screen is not None), None)


def find_native_tool(
    tools: Sequence[NativeTool], *, model: str, options: Mapping[str, Any]
) -> NativeTool | None:
    """Return the vendor's computer tool for a model, `None` when that gets a function.

    Raises:
        ValueError: the options name one that there is not.
    """
    wanted = options.get(OPTION)
    if wanted == FUNCTION:
        return None
    named = [tool for tool in tools if wanted in (None, tool.type)]
    meant = next((tool for tool in named if re.match(tool.models, model)), None)
    if wanted is None or meant is not None:
        return meant
    if not named:
        known = ", ".join(dict.fromkeys([FUNCTION, *(tool.type for tool in tools)]))
        raise ValueError(f"Provider option {OPTION} must be one of {known}.")
    return named[0]
