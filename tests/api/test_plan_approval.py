"""Leaving plan mode by approving the plan: from the proposal to the turn that carries it out."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from fakes.responder import Conversation
from fakes.steps import Answer, call, say
from fakes.vendor import FakeVendor

from .client import Api, Json
from .conftest import Serve
from .mcp_tools import MODEL

APPROVED = "The plan is approved. Carry it out."


@pytest.fixture
def planner(jp_root_dir: Path) -> Callable[[Conversation], Answer]:
    """A model that writes code when it may, and a plan when it is told to plan."""

    def answer(conversation: Conversation) -> Answer:
        write = call("write_file", {"path": str(jp_root_dir / "code.py"), "content": "x = 1\n"})
        match conversation.last_user, conversation.steps:
            case "Plan it.", 0:
                return [write]
            case "Plan it.", 1:
                return [call("write_file", {"path": plan_file(conversation), "content": "# Plan\n"})]
            case "Plan it.", _:
                return [call("propose_plan")]
            case text, 0 if text == APPROVED:
                return [write]
            case text, _:
                return [say(f"Understood: {text}")]

    return answer


def plan_file(conversation: Conversation) -> str:
    found = re.search(r"The plan file is (\S+\.md)", conversation.system)
    assert found is not None
    return found[1]


def tools_of(vendor: FakeVendor) -> set[str]:
    """The tools that the model was last told of."""
    return {tool["function"]["name"] for tool in vendor.body_of(vendor.generations[-1])["tools"]}


async def planned(api: Api, **fields: Json) -> tuple[str, Json]:
    """A chat that has proposed a plan, and the key of the proposal."""
    chat_id = (await api.finished("Plan it.", model=MODEL, **fields))["id"]
    rows = await api.messages(chat_id)
    assert rows[-1]["content"][0]["result"]["kind"] == "plan"
    return chat_id, {"message_id": rows[-2]["id"], "call_index": 0}


async def test_an_approved_plan_is_carried_out_with_all_tools(
    api: Api, openai: Serve, planner: Callable[[Conversation], Answer], jp_root_dir: Path
) -> None:
    async with openai(planner) as vendor:
        chat_id, key = await planned(api, plan_mode="plan")
        assert "process_signal" not in tools_of(vendor)
        assert not (jp_root_dir / "code.py").exists()
        async with api.follow(chat_id) as stream:
            chat = await api.post(f"/{chat_id}/approvals", {**key, "decision": "allow"})
            assert ("plan_mode" in chat, chat["status"]) == (False, "pending")
            await stream.until(
                lambda event: event["type"] == "message" and event["message"]["role"] == "user"
                and event["message"]["content"] == [{"type": "text", "text": APPROVED}]
            )  # fmt: skip
        await api.settle(chat_id)
        assert {"process_signal", "write_file", "message_agent"} <= tools_of(vendor)
        assert "propose_plan" not in tools_of(vendor)
    assert (jp_root_dir / "code.py").read_text() == "x = 1\n"
    assert "plan_mode" not in await api.get(f"/{chat_id}")


async def test_a_plan_of_one_turn_is_approved_alike(
    api: Api, openai: Serve, planner: Callable[[Conversation], Answer], jp_root_dir: Path
) -> None:
    async with openai(planner):
        chat_id = (await api.finished("Hello.", model=MODEL))["id"]
        await api.send(chat_id, "Plan it.", plan_mode="plan")
        await api.settle(chat_id)
        message_id = (await api.messages(chat_id))[-2]["id"]
        key = {"message_id": message_id, "call_index": 0}
        await api.post(f"/{chat_id}/approvals", {**key, "decision": "allow"})
        await api.settle(chat_id)
    assert (jp_root_dir / "code.py").exists()


async def test_a_plan_is_approved_once_however_often(
    api: Api, openai: Serve, planner: Callable[[Conversation], Answer]
) -> None:
    async with openai(planner):
        chat_id, key = await planned(api, plan_mode="plan")
        body = {**key, "decision": "allow"}
        await asyncio.gather(*(api.post(f"/{chat_id}/approvals", body) for _ in range(2)))
        await api.settle(chat_id)
        await api.post(f"/{chat_id}/approvals", body)
        rows = await api.messages(chat_id)
    assert [row["content"][0]["text"] for row in rows if row["role"] == "user"] == ["Plan it.", APPROVED]


async def test_a_plan_that_the_user_wants_otherwise_is_not_the_plan_any_more(
    api: Api, openai: Serve, planner: Callable[[Conversation], Answer]
) -> None:
    async with openai(planner):
        chat_id, key = await planned(api, plan_mode="plan")
        refused = await api.post(f"/{chat_id}/approvals", {**key, "decision": "deny"}, status=400)
        assert "say in a message what should be different" in refused["message"]
        await api.send(chat_id, "Shorter.")
        chat = await api.settle(chat_id)
        assert chat["plan_mode"] == "plan"
        refused = await api.post(f"/{chat_id}/approvals", {**key, "decision": "allow"}, status=409)
        assert "went on since this plan was proposed" in refused["message"]
        assert (await api.get(f"/{chat_id}"))["plan_mode"] == "plan"


async def test_what_proposes_no_plan_cannot_be_approved(
    api: Api, openai: Serve, planner: Callable[[Conversation], Answer]
) -> None:
    async with openai(planner):
        chat_id, key = await planned(api, plan_mode="plan")
        other, _ = await planned(api, plan_mode="plan")
    allow = {**key, "decision": "allow"}
    await api.post(f"/{other}/approvals", allow, status=404)
    await api.post(f"/{chat_id}/approvals", {**allow, "call_index": 1}, status=404)
    first = next(row["id"] for row in await api.messages(chat_id) if row["role"] == "assistant")
    await api.post(f"/{chat_id}/approvals", {**allow, "message_id": first}, status=404)  # its write failed
