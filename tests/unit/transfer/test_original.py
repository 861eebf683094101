"""Chats of the original system, as its API shows them and as rows of its tables."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from jupyter_chatd.messages import (
    FilePart,
    Message,
    Role,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    Usage,
    Visibility,
)
from jupyter_chatd.store import reads
from jupyter_chatd.store.calls import NOT_RUN
from jupyter_chatd.store.files import chat_files
from jupyter_chatd.transfer import Imported, Outcome
from jupyter_chatd.transfer.lines import UnreadableExportError

from .place import ME, Place
from .samples import CHILD, FILE, HELLO, ROOT, call, original, row, text

pytestmark = pytest.mark.anyio

MODEL = "anthropic:claude"


async def take(
    place: Place, document: object, *, default_model: str = MODEL, system_prompt: str = ""
) -> list[Imported]:
    return await place.take(json.dumps(document), default_model=default_model, system_prompt=system_prompt)


async def history(place: Place, chat_id: str = ROOT) -> list[Message]:
    return await place.store.read(lambda conn: list(reads.history(conn, chat_id)))


def envelope(kind: str, **data: Any) -> dict[str, Any]:
    return {"type": kind, "data": data}


LEGACY = original(
    row(1, "system", "be kind", content_version=0, visibility="model"),
    row(2, "user", [envelope("text", text="hello")], content_version=0, created_by="5f0e"),
    row(
        3,
        "assistant",
        [
            envelope("text", text="I look"),
            envelope("tool-call", tool_call_id="c1", tool_name="ls", input="{}"),
        ],
        content_version=0,
        input_tokens=12,
        output_tokens=0,
        total_cost_micros=7,
    ),
    row(4, "tool", [{"tool_call_id": "c1", "tool_name": "ls", "result": {"files": 3}}], content_version=0),
    row(5, "assistant", [text("three")], content_version=1),
)


async def test_rows_of_both_versions_become_messages(here: Place) -> None:
    (imported,) = await take(here, LEGACY)
    assert (imported.outcome, imported.id, imported.messages) == (Outcome.IMPORTED, ROOT, 5)
    rows = await history(here)
    assert [one.role for one in rows] == [Role.SYSTEM, Role.USER, Role.ASSISTANT, Role.TOOL, Role.ASSISTANT]
    assert rows[0].parts == (TextPart(text="be kind"),)
    assert (rows[0].visibility, rows[1].created_by, rows[2].created_by) == (Visibility.MODEL, "5f0e", None)
    assert rows[2].parts == (
        TextPart(text="I look"),
        ToolCallPart(tool_call_id="c1", tool_name="ls", args={}),
    )
    assert (rows[2].usage, rows[2].total_cost_micros) == (Usage(input_tokens=12), 7)
    assert rows[3].parts == (ToolResultPart(tool_call_id="c1", tool_name="ls", result={"files": 3}),)
    assert rows[3].answers is not None
    assert (rows[3].answers.message_id, rows[3].answers.index) == (rows[2].id, 1)
    chat = (await here.chats())[ROOT]
    assert (chat.title, chat.model, chat.owner_id) == ("Before", MODEL, ME)
    assert chat.updated_at == rows[4].created_at


async def test_the_reply_of_its_routes_is_taken(here: Place) -> None:
    """The newest first, with usage as an object, and a message that waits in the queue."""
    chat = {**original()["chat"], "status": "running", "labels": {"a": "b"}, "last_error": None}
    reply = {
        "messages": [
            row(2, "assistant", [text("hi"), call()], usage={"input_tokens": 5}),
            row(1, "user", [text("hello")], chat_id=ROOT),
        ],
        "queued_messages": [{"id": 1, "content": [text("next")], "created_at": "2026-03-02T10:01:00Z"}],
        "has_more": False,
    }
    await take(here, {"chat": chat, "messages": reply})
    rows = await history(here)
    assert [one.text for one in rows] == ["hello", "hi", "", "next"]
    assert getattr(rows[2].parts[0], "result", None) == {"error": NOT_RUN}
    assert [one.created_by for one in rows] == [ME, None, None, ME]
    assert (await here.chats())[ROOT].labels == {"a": "b"}


async def test_what_show_prints_is_taken(here: Place) -> None:
    """A chat with its messages in one object."""
    chat = original(row(1, "user", [text("hello")]))
    await take(here, {**chat["chat"], "model": "demo:demo", "messages": chat["messages"]}, default_model="")
    assert (await here.chats())[ROOT].model == "demo:demo"


async def test_nul_is_decoded_in_rows_of_its_tables_only(here: Place) -> None:
    encoded = [text("a\ue000\ue001b\ue000\ue000")]
    await take(here, original(row(1, "user", encoded, content_version=1), row(2, "user", encoded)))
    assert [one.text for one in await history(here)] == ["a\0b\ue000", "a\ue000\ue001b\ue000\ue000"]


async def test_deleted_rows_are_left_out_and_summaries_cover_what_was_before(here: Place) -> None:
    await take(
        here,
        original(
            row(1, "user", [text("old")]),
            row(2, "user", [text("edited away")], deleted=True),
            row(3, "user", [text("so far")], compressed=True, visibility="model"),
            row(4, "user", [text("new")]),
        ),
    )
    rows = await history(here)
    assert [one.text for one in rows] == ["old", "so far", "new"]
    assert (rows[1].covers_until, rows[1].created_by) == (rows[0].id, None)


async def test_a_family_is_put_together_again(here: Place) -> None:
    child = original(row(1, "user", [text("task")]), id=CHILD, parent_chat_id=ROOT, mode="explore")
    grandchild = original(id="G", parent_chat_id=CHILD, mode="unheard-of")
    lost = original(id="lost", parent_chat_id="nobody", archived=True)
    done = await take(here, {"chats": [grandchild, child, lost, original()]})
    chats = await here.chats()
    by_source = {one.source_id: chats[one.id] for one in done}
    assert len(chats) == 4
    assert (chats[CHILD].parent_chat_id, chats[CHILD].mode) == (ROOT, "explore")
    (deep,) = [one for one in chats.values() if one.parent_chat_id == CHILD]
    assert (deep.root_chat_id, deep.mode) == (ROOT, None)
    (alone,) = [one for one in by_source.values() if one.archived]
    assert alone.parent_chat_id is None
    assert [one.outcome for one in await take(here, [grandchild, child, lost, original()])] == [
        Outcome.PRESENT
    ] * 4


@pytest.mark.parametrize("data", [base64.b64encode(HELLO).decode(), "\\x" + HELLO.hex()])
async def test_files_come_along(here: Place, data: str) -> None:
    at = "2026-01-01T00:00:00Z"
    file = {"id": FILE, "name": "a.txt", "mimetype": "text/plain", "data": data, "created_at": at}
    mention = {"type": "file", "media_type": "text/plain", "file_id": FILE}
    (imported,) = await take(here, {**original(row(1, "user", [mention])), "files": [file]})
    assert imported.lost_files == 0
    (part,) = (await history(here))[0].parts
    assert isinstance(part, FilePart)
    assert part.file_id == FILE
    (held,) = await here.store.read(lambda conn: chat_files(conn, ROOT))
    assert here.blobs.read(held.sha256, size=held.size_bytes) == HELLO


async def test_a_file_that_is_not_there_is_told(here: Place) -> None:
    mention = {"type": "file", "media_type": "text/plain", "file_id": FILE}
    (imported,) = await take(here, original(row(1, "user", [mention])))
    assert imported.lost_files == 1


async def test_a_chat_without_a_system_message_gets_the_given_one(here: Place) -> None:
    await take(here, original(row(1, "user", [text("hello")])), system_prompt="be kind")
    rows = await history(here)
    assert [(one.role, one.visibility, one.text) for one in rows] == [
        (Role.SYSTEM, Visibility.MODEL, "be kind"),
        (Role.USER, Visibility.BOTH, "hello"),
    ]


USER = row(1, "user", [text("hello")])
WRONG: dict[str, tuple[object, str]] = {
    "no chat": ({"surprise": 1}, "the top: Expected a chat with its messages"),
    "a number": (5, "the top: Expected an object, came int"),
    "no messages": ([{"chat": {}}], r"[0]: Expected a chat with its messages"),
    "a page": ({**original(USER), "has_more": True}, "has_more: Expected all messages, came one page"),
    "no id": (original(USER, id=None), "chat: Expected a field id"),
    "no time": (original(USER, created_at=None), "chat: Expected a field created_at"),
    "bad time": (original({**USER, "created_at": "soon"}), "messages[0].created_at: Expected a time like"),
    "role": (original(USER, row(2, "robot", [])), "messages[1].role: Expected one of system, user"),
    "row id": (original({**USER, "id": "7"}), "messages[0].id: Expected a whole number"),
    "content": (original(row(1, "user", "hello")), "messages[0].content: expected an array, came str"),
    "version": (original({**USER, "content_version": 9}), "messages[0].content: Message content version 9"),
    "system": (
        original(row(1, "system", [text("x")], content_version=0)),
        "messages[0].content: expected a string",
    ),
    "tokens": (original({**USER, "usage": {"input_tokens": "many"}}), "messages[0].input_tokens: Expected"),
    "labels": (original(USER, labels={"a": 1}), "chat.labels: Expected at most 50 texts"),
    "file": ({**original(USER), "files": [{"id": FILE, "data": "*"}]}, "files[0].data: Expected base64"),
}


@pytest.mark.parametrize("document, reason", WRONG.values(), ids=list(WRONG))
async def test_what_is_wrong_is_told_with_its_place(here: Place, document: object, reason: str) -> None:
    with pytest.raises(UnreadableExportError) as caught:
        await take(here, document)
    assert reason in str(caught.value)
    assert "came.jsonl" in str(caught.value)
    assert await here.chats() == {}


async def test_a_model_must_be_named(here: Place) -> None:
    with pytest.raises(UnreadableExportError, match="Name one: --model provider:model"):
        await take(here, original(USER), default_model="")
