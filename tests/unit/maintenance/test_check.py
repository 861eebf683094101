"""Nothing is found where all is well; each kind of damage is found and named."""

from __future__ import annotations

import asyncio
import random
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from store.lockstep import Lockstep, put_database
from transfer.place import Place
from transfer.test_round_trip import walk

from jupyter_chatd.errors import NewerSchemaError, StoreError
from jupyter_chatd.maintenance.alone import NoDatabaseError
from jupyter_chatd.maintenance.check import MOST_PROBLEMS, check_folder
from jupyter_chatd.store.database import lock_exclusively

from .conftest import Change

pytestmark = pytest.mark.anyio


def problems(folder: Path) -> list[tuple[str, str]]:
    return [(found.topic, problem) for found in check_folder(folder) for problem in found.problems]


def test_nothing_is_found_where_all_is_well(data: Path) -> None:
    before = {path.name: path.read_bytes() for path in data.iterdir() if path.is_file()}
    found = list(check_folder(data))
    assert [one.topic for one in found] == ["database", "states", "messages", "search", "files"]
    assert [one.facts for one in found[1:]] == ["2 chats", "6 messages", "3 texts", "1 files"]
    assert problems(data) == []
    after = {path.name: path.read_bytes() for path in data.iterdir() if path.is_file()}
    assert after["chats.db"] == before["chats.db"]


@given(seed=st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.too_slow])
def test_nothing_is_found_after_any_walk_through_the_states(seed: int) -> None:
    async def run() -> list[Any]:
        with tempfile.TemporaryDirectory() as name:
            path = Path(name) / "data" / "chats.db"
            put_database(path)
            both = Lockstep(path)
            await both.open()
            await walk(both, seed)
            found = problems(path.parent)
            await both.close()
            return found

    assert asyncio.run(run()) == []


NEWEST = "(SELECT MAX(id) FROM messages WHERE role = 'assistant')"
DAMAGE = {
    "a chat without its parent": (
        "UPDATE chats SET parent_chat_id = 'gone' WHERE parent_chat_id IS NOT NULL",
        "database",
        "of chats refers to a row of chats that is not there",
    ),
    "a column with a word that it may not have": (
        "UPDATE chats SET mode = 'lazy'",
        "database",
        "CHECK constraint failed in chats",
    ),
    "a worker of an idle chat": (
        "UPDATE chats SET worker_id = 'w', runner_id = 'r'",
        "states",
        "is owned by a worker, though nothing should run",
    ),
    "a retry of an idle chat": ("UPDATE chats SET retry_state = '{}'", "states", "cannot be read"),
    "versions": (
        "UPDATE chats SET queue_version = 99",
        "states",
        "has a version above that of its last change",
    ),
    "revisions": ("UPDATE messages SET revision = 99", "states", "has messages of another version"),
    "the counter": ("UPDATE counters SET value = 0", "states", "has a change number that was never given"),
    "the archive": (
        "UPDATE chats SET archived = 1 WHERE parent_chat_id IS NULL",
        "states",
        "is not archived, though its parent is",
    ),
    "message ids": ("UPDATE sqlite_sequence SET seq = 1", "states", "has a message id that was never given"),
    "the journal": (
        "INSERT INTO tool_runs (message_id, call_index, chat_id, tool_call_id, tool_name)"
        " SELECT 999, 0, id, 'c', 'ls' FROM chats LIMIT 1",
        "states",
        "has a journal of calls that its messages do not have",
    ),
    "a queue of an idle chat": (
        "INSERT INTO queued_messages (chat_id, position, created_at, content, content_version)"
        " SELECT id, 1, 1, '[]', 1 FROM chats LIMIT 1",
        "states",
        "is waiting with queued messages",
    ),
    "waiting for nothing": (
        "UPDATE chats SET status = 'requires_action'",
        "states",
        "waits for a client, but for nothing in particular",
    ),
    "labels": ("UPDATE chats SET labels = '{'", "states", "cannot be read"),
    "content": ("UPDATE messages SET content = '[{' WHERE role = 'tool'", "messages", "cannot be read"),
    "a version of content": (
        "UPDATE messages SET content_version = 7 WHERE role = 'tool'",
        "messages",
        "content version 7 is unknown",
    ),
    "a count of calls": (
        "UPDATE messages SET call_count = 2 WHERE call_count = 1",
        "messages",
        "1 calls, and not 2",
    ),
    "a result that is gone": (
        "DELETE FROM messages WHERE role = 'tool'",
        "messages",
        "though the history goes on",
    ),
    "a result of nothing": (
        "UPDATE messages SET answers_call_index = 5 WHERE role = 'tool'",
        "messages",
        "which is no open call",
    ),
    "an idle chat with an open call": (
        f"DELETE FROM messages WHERE id >= {NEWEST}; DELETE FROM messages WHERE role = 'tool' OR compressed",
        "messages",
        "though the chat is idle",
    ),
    "a summary of the future": (
        "UPDATE messages SET covers_until = 999 WHERE compressed",
        "messages",
        "claims to sum up what comes after it",
    ),
    "a text that is not in the index": (
        f"DELETE FROM message_search WHERE rowid = {NEWEST}",
        "search",
        "is not in the index",
    ),
    "a text that should not be": (
        "INSERT INTO message_search (rowid, text) VALUES (999, 'ghost')",
        "search",
        "which is gone or not to be found",
    ),
    "another text": (
        f"UPDATE message_search SET text = 'cherries' WHERE rowid = {NEWEST}",
        "search",
        "has another text",
    ),
    "words of an index": (
        f"UPDATE message_search_content SET c0 = 'plumz' WHERE id = {NEWEST};"
        f" UPDATE messages SET content = replace(content, 'plums', 'plumz') WHERE id = {NEWEST}",
        "search",
        "The words of the index are not those of its texts",
    ),
}


@pytest.mark.parametrize("sql, topic, words", DAMAGE.values(), ids=list(DAMAGE))
async def test_damage_is_found(data: Path, change: Change, sql: str, topic: str, words: str) -> None:
    change(sql)
    found = problems(data)
    assert any(where == topic and words in what for where, what in found), found


async def test_files_that_are_gone_or_changed_are_found(data: Path) -> None:
    (blob,) = (data / "files").iterdir()
    blob.write_bytes(b"jello")
    assert "has other bytes than were stored" in problems(data)[0][1]
    blob.unlink()
    assert "has lost its bytes" in problems(data)[0][1]


async def test_a_page_of_nonsense_is_found(here: Place, data: Path) -> None:
    """Whatever it hits, check says so and does not fail itself."""
    await here.store.close()
    path = data / "chats.db"
    sound = path.read_bytes()
    rng = random.Random(1)
    found = 0
    for page in range(1, len(sound) // 4096):
        path.write_bytes(sound[: page * 4096] + rng.randbytes(4096) + sound[(page + 1) * 4096 :])
        try:
            found += bool(problems(data))
        except StoreError:
            found += 1
    pages = len(sound) // 4096 - 1
    assert found > pages * 0.9, f"{found} of {pages}"


async def test_most_problems_of_a_topic_are_only_counted(data: Path, change: Change) -> None:
    change(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50)"
        " INSERT INTO messages (chat_id, created_at, role, content, content_version, revision)"
        " SELECT (SELECT id FROM chats LIMIT 1), 1, 'system', '{', 1, 1 FROM n"
    )
    told = [what for where, what in problems(data) if where == "messages"]
    assert len(told) == MOST_PROBLEMS + 1
    assert told[-1] == "… and 30 more"


async def test_there_is_nothing_to_check(tmp_path: Path) -> None:
    with pytest.raises(NoDatabaseError, match="There are no chats yet"):
        problems(tmp_path)


async def test_what_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "chats.db").write_bytes(b"no database" * 1000)
    with pytest.raises(StoreError, match="is not a usable SQLite database"):
        problems(tmp_path)


async def test_other_releases_are_told(data: Path, change: Change) -> None:
    change("DELETE FROM _sqlite_migrations WHERE name = 'm002_files'")
    with pytest.raises(StoreError, match=r"it lacks m002_files.*Start the server once"):
        problems(data)
    change("UPDATE _sqlite_migrations SET name = 'm999_new' WHERE name = 'm001_chats'")
    with pytest.raises(NewerSchemaError):
        problems(data)


async def test_a_rollback_journal_is_shared_with_nobody(here: Place, data: Path, change: Change) -> None:
    """A long look would keep a server from writing."""
    await here.store.close()
    change("PRAGMA journal_mode = delete")
    assert problems(data) == []
    with lock_exclusively(data / "chats.db"), pytest.raises(StoreError, match="another server has it open"):
        problems(data)
