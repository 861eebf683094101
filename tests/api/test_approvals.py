"""Calls that wait for an approval: listed, decided for once or for the chat, with a record of who decided."""

from __future__ import annotations

from pathlib import Path

import pytest

from .client import Api, Json

STEPS = "run `echo a >> made` and then run `echo b >> made` and then run `echo b >> made`"


async def asking(api: Api, text: str = STEPS) -> str:
    """A chat that waits for its first approval."""
    chat_id = await api.create_id(text, approval_mode="ask", model="demo:demo")
    assert (await api.settle(chat_id))["status"] == "requires_action"
    return chat_id


async def pending(api: Api, chat_id: str) -> Json:
    (call,) = [one for one in await api.get(f"/{chat_id}/approvals") if one["approval"] == "pending"]
    return call


async def decide(api: Api, chat_id: str, decision: str = "allow", **fields: Json) -> str:
    """Decide about the call that waits, and return the status in which the chat then rests."""
    call = await pending(api, chat_id)
    key = {name: call[name] for name in ("message_id", "call_index")}
    await api.post(f"/{chat_id}/approvals", {**key, "decision": decision, **fields})
    return (await api.settle(chat_id))["status"]


def lines(folder: Path) -> list[str]:
    made = folder / "made"
    return made.read_text().split() if made.exists() else []


async def test_what_waits_is_listed_with_its_whole_input_and_later_with_who_decided(
    api: Api, jp_root_dir: Path
) -> None:
    chat_id = await asking(api)
    call = await pending(api, chat_id)
    assert (call["tool_name"], call["args"]["command"]) == ("execute", "echo a >> made")
    assert (call["scope"], call["decided_by"], call["decided_at"]) == (None, None, None)
    assert lines(jp_root_dir) == []
    await decide(api, chat_id, "deny")
    (denied, *_) = await api.get(f"/{chat_id}/approvals")
    assert denied == {**call, "approval": "denied", "decided_by": "local", "decided_at": denied["decided_at"]}
    assert denied["decided_at"].endswith("Z")
    assert lines(jp_root_dir) == []


async def test_without_a_scope_the_same_call_is_not_asked_about_again(api: Api, jp_root_dir: Path) -> None:
    chat_id = await asking(api)
    assert await decide(api, chat_id) == "requires_action"
    assert await decide(api, chat_id) == "waiting"
    assert lines(jp_root_dir) == ["a", "b", "b"]
    assert [one["scope"] for one in await api.get(f"/{chat_id}/approvals")] == [None, None]


async def test_allowed_once_it_is_asked_about_each_time(api: Api, jp_root_dir: Path) -> None:
    chat_id = await asking(api)
    rests = [await decide(api, chat_id, scope="once") for _ in range(3)]
    assert rests == ["requires_action", "requires_action", "waiting"]
    assert [one["scope"] for one in await api.get(f"/{chat_id}/approvals")] == ["once"] * 3
    assert lines(jp_root_dir) == ["a", "b", "b"]


async def test_allowed_for_the_chat_the_tool_asks_no_more(api: Api, jp_root_dir: Path) -> None:
    chat_id = await asking(api)
    assert await decide(api, chat_id, scope="chat") == "waiting"
    assert lines(jp_root_dir) == ["a", "b", "b"]
    await api.send(chat_id, "run `echo c >> made`")
    assert (await api.settle(chat_id))["status"] == "waiting"
    assert await asking(api, "run `echo d >> made`") != chat_id  # another chat asks


@pytest.mark.parametrize(
    "settings", [{"forced_approval_rules": [{"tool": "execute", "arguments": "echo b", "ask": "always"}]}]
)
async def test_what_a_forced_rule_asks_is_not_allowed_for_a_chat(api: Api, jp_root_dir: Path) -> None:
    chat_id = await asking(api)
    assert await decide(api, chat_id, scope="chat") == "requires_action"
    assert lines(jp_root_dir) == ["a"]


async def test_a_plan_that_waits_is_listed_and_then_who_approved_it(api: Api, jp_root_dir: Path) -> None:
    plans = jp_root_dir / ".agents" / "plans"
    chat_id = (await api.finished("say hello", plan_mode="plan", model="demo:demo"))["id"]
    plans.mkdir(parents=True)
    (plans / f"{chat_id}.md").write_text("# Plan\n")
    assert await api.get(f"/{chat_id}/approvals") == []
    await api.send(chat_id, "call propose_plan")
    await api.settle(chat_id)
    assert (await pending(api, chat_id))["tool_name"] == "propose_plan"
    await decide(api, chat_id)
    (plan,) = await api.get(f"/{chat_id}/approvals")
    assert (plan["approval"], plan["decided_by"]) == ("allowed", "local")
    assert "plan_mode" not in await api.get(f"/{chat_id}")


async def test_a_scope_is_one_of_two_words_and_only_for_allowing(api: Api) -> None:
    chat_id = await asking(api)
    call = await pending(api, chat_id)
    key = {name: call[name] for name in ("message_id", "call_index")}
    path = f"/{chat_id}/approvals"
    await api.post(path, {**key, "decision": "allow", "scope": "ever"}, status=400)
    problem = await api.post(path, {**key, "decision": "deny", "scope": "once"}, status=400)
    assert "scope" in problem["detail"]
    assert (await pending(api, chat_id)) == call
