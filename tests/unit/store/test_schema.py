"""What the database itself enforces, whoever writes."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jupyter_chatd.errors import UnknownContentVersionError
from jupyter_chatd.messages import Role
from jupyter_chatd.store import reads
from jupyter_chatd.store.database import connect, prepare

CHAT = {
    "id": "c",
    "owner_id": "ada",
    "title": "t",
    "status": "waiting",
    "model": "demo:demo",
    "snapshot_version": 1,
    "history_version": 1,
    "created_at": 0,
    "updated_at": 0,
}
MESSAGE = {
    "chat_id": "c",
    "created_at": 0,
    "role": "user",
    "content": "[]",
    "content_version": 1,
    "revision": 1,
}


@pytest.fixture
def conn(path: Path) -> Iterator[sqlite3.Connection]:
    prepare(path, journal="wal")
    opened = connect(path)
    insert(opened, "chats", CHAT)
    yield opened
    opened.close()


def insert(conn: sqlite3.Connection, table: str, values: dict[str, Any]) -> None:
    names, marks = ", ".join(values), ", ".join("?" * len(values))
    conn.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", list(values.values()))


WORKSPACE = {
    "id": "w",
    "owner_id": "ada",
    "name": "n",
    "kind": "process",
    "template_id": "t",
    "created_at": 0,
}
BUILD = {
    "id": "b1",
    "workspace_id": "w",
    "number": 1,
    "transition": "start",
    "status": "running",
    "worker_id": "s",
    "created_at": 0,
}


def test_w1_only_one_build_of_a_workspace_runs(conn: sqlite3.Connection) -> None:
    insert(conn, "workspaces", WORKSPACE)
    insert(conn, "builds", BUILD)
    with pytest.raises(sqlite3.IntegrityError):
        insert(conn, "builds", BUILD | {"id": "b2", "number": 2})
    conn.execute("UPDATE builds SET status = 'succeeded', completed_at = 1")
    insert(conn, "builds", BUILD | {"id": "b2", "number": 2})


def test_names_of_living_workspaces_are_unique(conn: sqlite3.Connection) -> None:
    insert(conn, "workspaces", WORKSPACE)
    with pytest.raises(sqlite3.IntegrityError):
        insert(conn, "workspaces", WORKSPACE | {"id": "w2"})
    conn.execute("UPDATE workspaces SET deleted_at = 1")
    insert(conn, "workspaces", WORKSPACE | {"id": "w2"})


@pytest.mark.parametrize("role", [role.value for role in Role])
def test_roles_are_those_of_the_enum(conn: sqlite3.Connection, role: str) -> None:
    """M1."""
    insert(conn, "messages", MESSAGE | {"role": role})


@pytest.mark.parametrize("role", ["developer", "User", "", None])
def test_other_roles_are_refused(conn: sqlite3.Connection, role: str | None) -> None:
    """M1."""
    with pytest.raises(sqlite3.IntegrityError, match=r"CHECK|NOT NULL"):
        insert(conn, "messages", MESSAGE | {"role": role})


def test_content_version_has_no_default(conn: sqlite3.Connection) -> None:
    """M2: every insert names it."""
    without = {name: value for name, value in MESSAGE.items() if name != "content_version"}
    with pytest.raises(sqlite3.IntegrityError, match="content_version"):
        insert(conn, "messages", without)
    with pytest.raises(sqlite3.IntegrityError, match="content_version"):
        insert(conn, "queued_messages", {"chat_id": "c", "position": 1, "created_at": 0, "content": "[]"})


def test_unknown_content_version_is_an_error(conn: sqlite3.Connection) -> None:
    """M2."""
    insert(conn, "messages", MESSAGE | {"content_version": 2})
    with pytest.raises(UnknownContentVersionError, match="Upgrade"):
        reads.client_messages(conn, "c")


@pytest.mark.parametrize("role", ["system", "assistant", "tool"])
def test_only_user_rows_have_an_author(conn: sqlite3.Connection, role: str) -> None:
    """M6."""
    insert(conn, "messages", MESSAGE | {"role": "user", "created_by": "nobody we know"})
    with pytest.raises(sqlite3.IntegrityError, match="CHECK"):
        insert(conn, "messages", MESSAGE | {"role": role, "created_by": "ada"})


def test_author_refers_to_no_table(conn: sqlite3.Connection) -> None:
    """M6: users live in the identity provider."""
    targets = [row["from"] for row in conn.execute("PRAGMA foreign_key_list(messages)")]
    assert targets == ["chat_id"]


@pytest.mark.parametrize(
    "values",
    [
        {"status": "pending"},
        {"worker_id": "w"},
        {"runner_id": "r"},
        {"status": "error"},
        {"last_error": "{}"},
        {"archived": 1, "status": "running"},
        {"archived": 1, "status": "requires_action"},
        {"action_deadline_at": 5.0},
        {"mode": "general"},
        {"plan_mode": "on"},
        {"approval_mode": "never"},
        {"client_type": "cli"},
    ],
)
def test_impossible_chat_is_refused(conn: sqlite3.Connection, values: dict[str, Any]) -> None:
    with pytest.raises(sqlite3.IntegrityError, match="CHECK"):
        insert(conn, "chats", CHAT | {"id": "d"} | values)


def test_rows_belong_to_a_chat_and_go_with_it(conn: sqlite3.Connection) -> None:
    with pytest.raises(sqlite3.IntegrityError, match="FOREIGN KEY"):
        insert(conn, "messages", MESSAGE | {"chat_id": "nobody"})
    insert(conn, "messages", MESSAGE)
    conn.execute("DELETE FROM chats")
    assert conn.execute("SELECT COUNT(*) FROM messages").fetchone()[0] == 0


def test_call_is_finished_exactly_when_it_has_a_result(conn: sqlite3.Connection) -> None:
    insert(conn, "messages", MESSAGE)
    call = {"message_id": 1, "call_index": 0, "chat_id": "c", "tool_call_id": "x", "tool_name": "y"}
    for half in ({"finished_at": 1.0}, {"result": "[]"}):
        with pytest.raises(sqlite3.IntegrityError, match="CHECK"):
            insert(conn, "tool_runs", call | half)


def test_ids_are_never_given_twice(conn: sqlite3.Connection) -> None:
    for table in ("messages", "queued_messages"):
        (sql,) = conn.execute("SELECT sql FROM sqlite_master WHERE name = ?", [table]).fetchone()
        assert "AUTOINCREMENT" in sql
