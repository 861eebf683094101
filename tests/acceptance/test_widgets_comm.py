"""Widgets whose page has no way to the server: the kernel's relay is all that they have."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from acceptance.comm import CommPage
from acceptance.kernels import Kernel, kernel_of
from desktop.stages import needs_xvnc
from servers import CHATS, TOKEN, JupyterServer

from jupyter_chatd.widgets.bundle import bundle_path

WIDGET = """
from jupyter_chatd import Chat, widgets
widgets.{view}(Chat({text!r}, model="demo:demo", {options}))
"""
SHOW = "from jupyter_chatd import Chat\nchat = Chat({text!r}).wait()\nchat"


@pytest.fixture(scope="module")
def kernel(shared_server: JupyterServer) -> Iterator[Kernel]:
    with kernel_of(shared_server) as kernel:
        yield kernel


@pytest.fixture(scope="module")
def page(kernel: Kernel) -> CommPage:
    return CommPage(kernel, SHOW.format(text="say hello"))


@pytest.fixture
def chat(page: CommPage) -> str:
    """The path of the chat that is shown."""
    return f"{CHATS}/{page.state['_chat_id']}"


def test_the_kernel_sends_what_draws(page: CommPage) -> None:
    assert page.state["_bundle"] == bundle_path().name
    assert page.ask_for_bundle() == bundle_path().read_bytes()


def test_the_state_is_small_and_holds_no_token(page: CommPage) -> None:
    state = json.dumps(page.state)
    assert TOKEN not in state
    assert len(state) < 4000


def test_a_conversation(page: CommPage, chat: str) -> None:
    assert page.fetch("GET", chat).json["title"] == "say hello"
    stream = page.open(f"{chat}/stream?after_id=0")
    assert page.next_of(stream)["type"] == "opened"
    page.events_until(stream, lambda event: event["type"] == "queue_update")

    sent = {"content": [{"type": "text", "text": "say more of it"}], "busy_behavior": "queue"}
    assert page.fetch("POST", f"{chat}/messages", sent).status == 200
    said = page.events_until(stream, lambda event: event.get("status", {}).get("status") == "waiting")
    assert any("more of it" in json.dumps(event.get("message", {}).get("content")) for event in said)

    page.close(stream)
    assert page.next_of(stream) == {"type": "closed", "id": stream, "code": 1000, "reason": ""}


def test_stop(page: CommPage, chat: str) -> None:
    sent = {"content": [{"type": "text", "text": "run `sleep 60`"}], "busy_behavior": "queue"}
    stream = page.open(f"{chat}/stream?after_id=0")
    page.fetch("POST", f"{chat}/messages", sent)
    page.events_until(stream, lambda event: event.get("status", {}).get("status") == "running")
    assert page.fetch("POST", f"{chat}/interrupt", {"queue": "drop"}).status == 200
    page.events_until(stream, lambda event: event.get("status", {}).get("status") == "waiting")
    page.close(stream)


def test_a_tool_call_and_its_approval(kernel: Kernel) -> None:
    text = "run `echo one two`"
    calls = CommPage(kernel, WIDGET.format(text=text, options="approvals='ask'", view="ToolCalls"))
    approval = CommPage(kernel, f"widgets.Approval({calls.state['_chat_id']!r})")
    assert (calls.state["_view"], approval.state["_view"]) == ("ToolCalls", "Approval")
    path = f"{CHATS}/{calls.state['_chat_id']}"

    asking = approval.open(f"{path}/stream?after_id=0")
    events = approval.events_until(
        asking, lambda event: bool(event.get("action_required", {}).get("actions"))
    )
    (call,) = events[-1]["action_required"]["actions"]
    assert call["args"] == {"command": "echo one two"}
    decision = {"message_id": call["message_id"], "call_index": call["call_index"], "decision": "allow"}
    assert approval.fetch("POST", f"{path}/approvals", decision).status == 200
    approval.close(asking)

    seen = calls.open(f"{path}/stream?after_id=0")
    events = calls.events_until(seen, lambda event: event.get("status", {}).get("status") == "waiting")
    assert "one two" in json.dumps([event["message"] for event in events if "message" in event])
    calls.close(seen)


def test_a_tree_of_agents(kernel: Kernel) -> None:
    text = 'delegate "say I am a child", then wait for the subagents'
    page = CommPage(kernel, WIDGET.format(text=text, options="", view="AgentTree"))
    path = f"{CHATS}/{page.state['_chat_id']}"
    watched = page.open(f"{CHATS}/watch")
    assert page.next_of(watched)["type"] == "opened"
    (child,) = page.until(f"{path}/children", lambda found: [one["status"] for one in found] == ["waiting"])
    page.close(watched)

    shown = page.open(f"{CHATS}/{child['id']}/stream?after_id=0")
    said = page.events_until(shown, lambda event: event["type"] == "queue_update")
    assert "I am a child" in json.dumps(said)
    page.close(shown)


@needs_xvnc
def test_a_desktop(kernel: Kernel) -> None:
    page = CommPage(kernel, WIDGET.format(text="say hello", options="", view="Desktop"))
    path = f"{CHATS}/{page.state['_chat_id']}/desktop"
    assert page.fetch("GET", path).json["state"] == "stopped"
    assert page.fetch("POST", f"{path}/start").json["state"] == "running"
    screen = page.open(f"{path}?start=false&view_only=true")
    assert page.next_of(screen)["type"] == "opened"
    assert page.bytes_of(screen).startswith(b"RFB 003.008\n")
    page.close(screen)
    assert page.fetch("POST", f"{path}/stop").json["state"] == "stopped"


def test_what_the_server_refuses_is_told_as_it_says_it(page: CommPage) -> None:
    unknown = f"{CHATS}/00000000-0000-0000-0000-000000000000"
    refused = page.fetch("GET", unknown)
    assert (refused.status, refused.headers["content-type"]) == (404, "application/json")
    assert "message" in refused.json
    stream = page.open(f"{unknown}/stream?after_id=0")
    closed = page.next_of(stream)
    assert (closed["type"], closed["code"]) == ("closed", 1011)


@pytest.mark.parametrize(
    "path",
    [
        "api/contents",
        f"{CHATS}/../../contents",
        f"{CHATS}/%2e%2e/%2e%2e/contents",
        f"{CHATS}-of-others",
        f"http://127.0.0.1:9/{CHATS}",
        f"//127.0.0.1:9/{CHATS}",
        "",
        f"{CHATS}/x HTTP/1.1\r\nHost: x\r\n\r\nGET /api/contents",
        f"{CHATS}/\0",
        f"{CHATS}/\u00fc",
        f"{CHATS}/{'x' * 70_000}",
    ],
)
def test_nothing_but_chats_is_asked_for(page: CommPage, path: str) -> None:
    refused = page.fetch("GET", path)
    assert (refused.status, refused.body[:30]) == (0, f"Expected a path below {CHATS}".encode()[:30])
    assert page.next_of(page.open(path))["code"] == 1011


@pytest.mark.parametrize(
    "asked",
    [
        {"method": "G\u00cbT"},
        {"method": "CONNECT"},
        {"headers": {"accept": 3, "range": "\u00fc", "content-type": "a\nb"}},
        {"headers": "no headers"},
        {"headers": None, "method": None},
    ],
)
def test_what_no_page_of_ours_asks_is_answered_too(page: CommPage, chat: str, asked: dict[str, Any]) -> None:
    answer = page.ask({"method": "GET", "path": chat, **asked})
    is_refused = "method" in asked
    assert answer.status == (0 if is_refused else 200)
    assert answer.body.startswith(b"Expected one of DELETE, GET" if is_refused else b"{")
