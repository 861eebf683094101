"""Messages are found by their words."""

from __future__ import annotations

import sqlite3
import time

import pytest

from jupyter_chatd.messages import NewMessage, Role, TextPart, Visibility
from jupyter_chatd.store import Store
from jupyter_chatd.store.conversation import EditMessage, ImportChat, SetArchived
from jupyter_chatd.store.search import SNIPPET_WORDS, Hit, SearchQuery, SnippetPiece, search_messages

from . import build

pytestmark = pytest.mark.anyio


@pytest.fixture
async def said(store: Store) -> Store:
    """Some chats of ada and one of bob."""
    rows = (
        build.user("Where do the red strawberries grow?"),
        build.assistant("Strawberries grow in the garden, and strawberry jam in the kitchen."),
        NewMessage(
            role=Role.SYSTEM, parts=(TextPart(text="strawberries are secret"),), visibility=Visibility.MODEL
        ),
    )
    await store.apply(ImportChat(chat=build.chat("fruit"), rows=rows))
    await store.apply(ImportChat(chat=build.chat("old"), rows=(build.user("old strawberries"),)))
    await store.apply(SetArchived(chat_id="old", archived=True))
    theirs = (build.user("bob's strawberries"),)
    await store.apply(ImportChat(chat=build.chat("theirs", owner_id="bob"), rows=theirs))
    return store


async def find(store: Store, text: str, **query: object) -> tuple[Hit, ...]:
    wanted = SearchQuery(**{"owner_id": "ada", "text": text, **query})
    return await store.read(lambda conn: search_messages(conn, wanted))


async def test_a_hit_tells_where_it_is_and_shows_the_words(said: Store) -> None:
    (hit,) = await find(said, "RED strawb")
    assert hit == Hit(
        message_id=hit.message_id,
        chat_id="fruit",
        chat_title="chat fruit",
        archived=False,
        role=Role.USER,
        created_at=hit.created_at,
        snippet=(
            SnippetPiece(text="Where do the ", is_match=False),
            SnippetPiece(text="red", is_match=True),
            SnippetPiece(text=" ", is_match=False),
            SnippetPiece(text="strawberries", is_match=True),
            SnippetPiece(text=" grow?", is_match=False),
        ),
    )


async def test_neither_system_rows_nor_others_chats_nor_the_archive_are_found(said: Store) -> None:
    hits = await find(said, "strawberries")
    assert {(hit.chat_id, hit.role) for hit in hits} == {("fruit", Role.USER), ("fruit", Role.ASSISTANT)}
    assert {hit.chat_id for hit in await find(said, "strawberries", archived=True)} == {"old"}
    assert {hit.chat_id for hit in await find(said, "strawberries", archived=None)} == {"fruit", "old"}
    assert [hit.chat_id for hit in await find(said, "strawberries", owner_id="bob")] == ["theirs"]


async def test_the_best_match_comes_first_and_the_limit_holds(said: Store) -> None:
    best, _ = await find(said, "strawberr")
    assert best.role is Role.ASSISTANT
    assert await find(said, "strawberr", limit=1) == (best,)


async def test_an_edited_message_is_no_longer_found(said: Store) -> None:
    (hit,) = await find(said, "red")
    edited = EditMessage(
        chat_id="fruit", message_id=hit.message_id, message=build.user("Where do apples grow?")
    )
    await said.apply(edited)
    assert await find(said, "red") == ()
    assert len(await find(said, "apples")) == 1


@pytest.mark.parametrize("text", ['"', "* OR -", 'a" OR "b', "NEAR(", "text:x", "\0", "", "^", "\ud800"])
async def test_no_text_is_read_as_syntax(said: Store, text: str) -> None:
    assert await find(said, text) == ()


async def test_a_snippet_of_a_long_message_is_short_and_marks_survive_odd_text(store: Store) -> None:
    text = "word " * 1000 + "\x02needle\x03 " + "word " * 1000
    await store.apply(ImportChat(chat=build.chat("long"), rows=(build.user(text),)))
    (hit,) = await find(store, "needle")
    shown = "".join(piece.text for piece in hit.snippet)
    assert "needle" in shown
    assert len(shown.split()) <= SNIPPET_WORDS + 2
    assert "\x02" not in shown
    assert "\x03" not in shown


async def test_a_word_that_is_everywhere_is_found_quickly(store: Store) -> None:
    texts = [f"the word number {number} " + "and more " * 50 for number in range(1500)]
    rows = tuple(row for text in texts for row in (build.user(text), build.assistant(text)))
    await store.apply(ImportChat(chat=build.chat("big"), rows=rows))
    found, marked = list[float](), list[float]()
    for _ in range(3):
        began = time.perf_counter()
        assert len(await find(store, "word")) == 20
        between = time.perf_counter()
        assert len(await store.read(mark_all)) == 3000
        found.append(between - began)
        marked.append(time.perf_counter() - between)
    assert min(found) < min(marked)


def mark_all(conn: sqlite3.Connection) -> list[sqlite3.Row]:
    """The yardstick: what it takes to look into every message that has the word."""
    return conn.execute(
        "SELECT snippet(message_search, 0, '', '', '', 20) FROM message_search"
        " WHERE message_search MATCH 'word' ORDER BY rank"
    ).fetchall()
