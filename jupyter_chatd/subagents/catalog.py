"""The kinds of subagents: what each is for, when it is there, and what its chat begins with.

Source: spec/chatd.md §5.2. A kind that cannot be had now is refused with its reason.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from importlib.resources import files

from ..messages import Chat
from ..tools.protocol import Caller

PLAN = "plan"
"""The plan mode of a chat that plans."""


class SubagentType(StrEnum):
    """What a subagent is, as the model names it."""

    GENERAL = "general"
    EXPLORE = "explore"
    COMPUTER_USE = "computer_use"

    @staticmethod
    def of(chat: Chat) -> SubagentType:
        """The type of a child chat, told by its mode."""
        return _OF_MODE.get(chat.mode or "", SubagentType.GENERAL)


_OF_MODE = {"explore": SubagentType.EXPLORE, "computer_use": SubagentType.COMPUTER_USE}

DESCRIPTIONS: Mapping[SubagentType, str] = {
    SubagentType.GENERAL: "larger delegated work, whether it only reports or also edits files",
    SubagentType.EXPLORE: "small read-only look-ups in the workspace: files, call sites, one flow",
    SubagentType.COMPUTER_USE: "drives graphical programs or a browser on a virtual desktop and looks at it",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildOptions:
    """How a child differs from its parent."""

    mode: str | None
    plan_mode: str | None
    model: str
    """`provider:model`."""
    model_config_id: str | None
    system_prompt: str
    """Stored after the server's own system prompt."""
    approval_mode: str
    mcp_server_ids: tuple[str, ...]


NO_DESKTOP = "no virtual desktop is set up on this server"


async def no_desktop(_parent: Chat) -> str | None:
    """Tell that there is no virtual desktop."""
    return NO_DESKTOP


async def any_model(_model: str, _model_config_id: str | None) -> str | None:
    """Tell that a model can be used."""
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalog:
    """What this server offers.

    Args:
        models: The model of children of a type, as `provider:model`, where it is not their parent's.
        why_no_desktop: Returns why a chat cannot have a computer_use child, `None` when it can.
        why_no_model: Returns why a model, by name and config id, cannot be used (it has no key, for example),
            `None` when it can.
    """

    models: Mapping[SubagentType, str] = field(default_factory=dict[SubagentType, str])
    why_no_desktop: Callable[[Chat], Awaitable[str | None]] = no_desktop
    why_no_model: Callable[[str, str | None], Awaitable[str | None]] = any_model

    async def why_unavailable(self, kind: SubagentType, parent: Chat) -> str | None:
        """Return why *parent* cannot have such a child now, `None` when it can."""
        if kind is not SubagentType.COMPUTER_USE:
            return None
        if parent.plan_mode == PLAN:
            return "in plan mode nothing is changed, and a desktop changes things"
        return await self.why_no_desktop(parent)

    async def why_unusable(self, kind: SubagentType, options: ChildOptions) -> str | None:
        """Return why a child cannot begin with *options*, `None` when it can.

        Only of a computer_use child: it is the one whose model is seldom its parent's.
        """
        if kind is not SubagentType.COMPUTER_USE:
            return None
        return await self.why_no_model(options.model, options.model_config_id)

    async def available(self, parent: Chat) -> tuple[SubagentType, ...]:
        """Return the types that *parent* can have now, in the order in which they are told."""
        reasons = {kind: await self.why_unavailable(kind, parent) for kind in SubagentType}
        return tuple(kind for kind, reason in reasons.items() if reason is None)

    def options(
        self, kind: SubagentType, caller: Caller, *, prompt: str, allowed_servers: Sequence[str]
    ) -> ChildOptions:
        """Return what a child of that type begins with.

        Args:
            prompt: Its task; part of the system prompt of a computer_use child.
            allowed_servers: Those MCP servers of the parent that its plan mode allows.
        """
        chat, override = caller.chat, self.models.get(kind)
        is_explore = kind is SubagentType.EXPLORE
        # An explore child follows the model of this turn, a general one the model of its parent's chat.
        model, config_id = (
            (caller.model, caller.model_config_id) if is_explore else (chat.model, chat.model_config_id)
        )
        return ChildOptions(
            mode=None if kind is SubagentType.GENERAL else kind.value,
            plan_mode=None if is_explore else chat.plan_mode,
            model=override or model,
            model_config_id=None if override else config_id,
            system_prompt=_system_prompt(kind, prompt),
            approval_mode=chat.approval_mode,
            mcp_server_ids=tuple(allowed_servers) if is_explore else chat.mcp_server_ids,
        )


def describe(kinds: Sequence[SubagentType]) -> str:
    """Return the types with what they are for, as the model reads them."""
    return "\n".join(f"- {kind.value}: {DESCRIPTIONS[kind]}" for kind in kinds)


def _system_prompt(kind: SubagentType, prompt: str) -> str:
    text = _text(f"system_{kind.value}.md")
    return f"{text}\n\n{prompt.strip()}" if kind is SubagentType.COMPUTER_USE else text


@cache
def _text(name: str) -> str:
    return files(__spec__.parent).joinpath(name).read_text("utf-8").strip()
