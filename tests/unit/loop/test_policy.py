"""The table of spec/chatd.md §5.9, cell by cell, and that of docs/tools.md."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import jupyter_chatd.runtime  # noqa: F401 - all tools are loaded with it
from jupyter_chatd.loop.policy import ChatKind, policy_of
from jupyter_chatd.messages import Chat, ChatStatus
from jupyter_chatd.tools.builtin import BuiltinTool
from jupyter_chatd.tools.computer import Computer

PAGE = Path(__file__).parents[3] / "docs" / "tools.md"

# tool: plan root, plan child, explore child, ordinary root, ordinary child
TABLE = {
    "read_file": (True, True, True, True, True),
    "execute": (True, True, True, True, True),
    "process_output": (True, True, True, True, True),
    "read_skill": (True, True, True, True, True),
    "read_skill_file": (True, True, True, True, True),
    "write_file": (True, False, False, True, True),
    "edit_files": (True, False, False, True, True),
    "list_templates": (True, False, False, True, False),
    "read_template": (True, False, False, True, False),
    "create_workspace": (True, False, False, True, False),
    "start_workspace": (True, False, False, True, False),
    "stop_workspace": (True, False, False, True, False),
    "propose_plan": (True, False, False, False, False),
    "ask_user_question": (True, False, False, False, False),
    "attach_file": (True, False, False, True, True),
    "spawn_agent": (True, False, False, True, False),
    "wait_agent": (True, False, False, True, False),
    "list_agents": (True, False, False, True, False),
    "message_agent": (False, False, False, True, False),
    "close_agent": (False, False, False, True, False),
    "process_list": (False, False, False, True, True),
    "process_signal": (False, False, False, True, True),
    # Code changes what it likes, and a kernel that was once started stays as confined as it was then.
    "execute_code": (False, False, False, True, True),
    "code_output": (False, False, False, True, True),
    "interrupt_kernel": (False, False, False, True, True),
    "restart_kernel": (False, False, False, True, True),
    "inspect_variables": (False, False, False, True, True),
    "computer": (False, False, False, False, False),
    "a_tool_of_tomorrow": (False, False, False, True, True),
}


def _chat(*, parent: str | None = None, mode: str | None = None) -> Chat:
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


POLICIES = (
    policy_of(_chat(), plan_mode="plan"),
    policy_of(_chat(parent="p"), plan_mode="plan"),
    policy_of(_chat(parent="p", mode="explore"), plan_mode=None),
    policy_of(_chat(), plan_mode=None),
    policy_of(_chat(parent="p"), plan_mode=None),
)


@pytest.mark.parametrize("name", TABLE)
def test_each_tool_is_allowed_where_the_table_says(name: str) -> None:
    assert tuple(policy.allows(name) for policy in POLICIES) == TABLE[name]


def test_what_is_not_the_servers_own_follows_the_table() -> None:
    assert [(p.client_tools, p.mcp_tools, p.web_search, p.read_only) for p in POLICIES] == [
        (False, True, False, True),
        (False, False, False, True),
        (False, True, True, True),
        (True, True, True, False),
        (True, True, True, False),
    ]


def test_only_a_plans_root_stops_after_a_proposal() -> None:
    assert [bool(policy.stops_after) for policy in POLICIES] == [True, False, False, False, False]


def test_an_explore_chat_explores_whatever_its_turn_says() -> None:
    assert policy_of(_chat(mode="explore"), plan_mode="plan").kind is ChatKind.EXPLORE


@pytest.mark.parametrize(("plan_mode", "has_it"), [(None, True), ("plan", False)])
def test_s6_only_computer_use_children_have_the_computer_and_none_that_plans(
    plan_mode: str | None, has_it: bool
) -> None:
    policy = policy_of(_chat(parent="p", mode="computer_use"), plan_mode=plan_mode)
    assert policy.allows("computer") is has_it
    assert policy.allows("execute")
    assert not policy.allows("spawn_agent")


def test_the_docs_list_every_tool_with_who_has_it() -> None:
    listed: dict[str, list[str]] = {}
    for row in re.findall(r"^\| `.*$", PAGE.read_text("utf-8"), re.MULTILINE):
        first, _, *marks = [cell.strip() for cell in row.strip("|").split("|")]
        listed |= dict.fromkeys(re.findall(r"`(\w+)`", first), marks)
    plan, _, explore, root, child = POLICIES
    columns = (root, plan, child, explore, policy_of(_chat(parent="p", mode="computer_use"), plan_mode=None))
    names = {*_tools(), Computer.name}
    assert listed == {name: ["yes" if policy.allows(name) else "" for policy in columns] for name in names}


def _tools(kind: type[BuiltinTool[Any]] = BuiltinTool) -> set[str]:
    """The names of all that share the base."""
    own = {kind.name} if "name" in vars(kind) else set[str]()
    ours = (each for each in kind.__subclasses__() if each.__module__.startswith("jupyter_chatd."))
    return own.union(*map(_tools, ours))
