"""docs/tools.md says which tools there are, and who has them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import jupyter_chatd.runtime  # noqa: F401 - all tools are loaded with it
from jupyter_chatd.loop.policy import ToolPolicy, policy_of
from jupyter_chatd.messages import Chat, ChatStatus
from jupyter_chatd.tools.builtin import BuiltinTool
from jupyter_chatd.tools.computer import Computer

TEXT = (Path(__file__).parents[3] / "docs" / "tools.md").read_text("utf-8")


def test_every_tool_is_listed_with_who_has_it() -> None:
    listed: dict[str, list[str]] = {}
    for row in re.findall(r"^\| `.*$", TEXT, re.MULTILINE):
        first, _, *marks = [cell.strip() for cell in row.strip("|").split("|")]
        listed |= dict.fromkeys(re.findall(r"`(\w+)`", first), marks)
    names = {*tools(), Computer.name}
    assert listed == {name: ["yes" if policy.allows(name) else "" for policy in columns()] for name in names}


def columns() -> list[ToolPolicy]:
    """Those of a chat, of one that plans, and of each kind of subagents."""
    subagents = [chat(parent="p", mode=mode) for mode in (None, "explore", "computer_use")]
    return [
        policy_of(chat(), plan_mode=None),
        policy_of(chat(), plan_mode="plan"),
        *(policy_of(child, plan_mode=None) for child in subagents),
    ]


def chat(*, parent: str | None = None, mode: str | None = None) -> Chat:
    return Chat(
        id="c",
        owner_id="ada",
        title="",
        status=ChatStatus.RUNNING,
        archived=False,
        model="m",
        created_at=0,
        updated_at=0,
        parent_chat_id=parent,
        mode=mode,
    )


def tools(kind: type[BuiltinTool[Any]] = BuiltinTool) -> set[str]:
    """The names of all that share the base."""
    own = {kind.name} if "name" in vars(kind) else set[str]()
    ours = (each for each in kind.__subclasses__() if each.__module__.startswith("jupyter_chatd."))
    return own.union(*map(tools, ours))
