"""The kinds of subagents, and what the model is told of them."""

from __future__ import annotations

import pytest

from jupyter_chatd.loop.prompt_settings import default_system_prompt
from jupyter_chatd.subagents.catalog import DESCRIPTIONS, Catalog, SubagentType
from jupyter_chatd.subagents.tools import SpawnAgent

from .conftest import Family

pytestmark = pytest.mark.anyio


async def test_s1_each_type_has_a_description_a_reason_and_options_of_its_own(family: Family) -> None:
    catalog, caller = Catalog(), family.caller
    assert set(DESCRIPTIONS) == set(SubagentType)
    assert {kind: await catalog.why_unavailable(kind, caller.chat) for kind in SubagentType} == {
        SubagentType.GENERAL: None,
        SubagentType.EXPLORE: None,
        SubagentType.COMPUTER_USE: "no virtual desktop is set up on this server",
    }
    options = [catalog.options(kind, caller, prompt="Look.", allowed_servers=()) for kind in SubagentType]
    assert [one.mode for one in options] == [None, "explore", "computer_use"]
    assert len({one.system_prompt for one in options}) == len(SubagentType)


@pytest.mark.parametrize("rule", ["quick", "only to read files|reading a file", "at the same time must not"])
async def test_s5_the_system_prompt_and_the_tool_give_the_same_guidance(family: Family, rule: str) -> None:
    """Not for what is quick, not to read files, never two on the same files."""
    tool = await SpawnAgent(family.manager).definition_for(family.caller.chat)
    for text in (tool.description, default_system_prompt()):
        assert any(words in " ".join(text.split()) for words in rule.split("|"))
