"""Workspaces, their builds and the agents of these. Writing functions are for `Store.write`."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Sequence

from .. import wire
from ..errors import NotFoundError
from ..events import Change
from ..workspaces.values import (
    AgentAddress,
    Build,
    BuildStatus,
    Standing,
    Transition,
    Workspace,
)
from .reads import update_metadata

_BUILD_COLUMNS = (
    "id, workspace_id, number, transition, status, worker_id, created_at, completed_at, error, log"
)
SERVER_GONE = "The server that did this ended before it was done."
ENDED_BY_ITSELF = "The workspace's agent had ended by itself."


def find_standing(
    conn: sqlite3.Connection, workspace_id: str, *, owner_id: str | None = None
) -> Standing | None:
    """Return how a workspace stands; `None` when there is none, it was deleted, or somebody else owns it."""
    row = conn.execute(
        "SELECT * FROM workspaces WHERE id = ? AND deleted_at IS NULL", (workspace_id,)
    ).fetchone()
    if row is None or (owner_id is not None and row["owner_id"] != owner_id):
        return None
    build = latest_build(conn, workspace_id)
    agents = agents_of(conn, build.id) if build is not None else ()
    return Standing(workspace=_workspace(row), build=build, agent=agents[0] if agents else None)


def get_standing(conn: sqlite3.Connection, workspace_id: str, *, owner_id: str) -> Standing:
    """Return how a workspace of the owner stands.

    Raises:
        NotFoundError: there is none.
    """
    standing = find_standing(conn, workspace_id, owner_id=owner_id)
    if standing is None:
        raise NotFoundError(f"Workspace {workspace_id} was not found.")
    return standing


def list_standings(conn: sqlite3.Connection, *, owner_id: str | None = None) -> tuple[Standing, ...]:
    """Return the living workspaces of an owner, or of all, by name."""
    rows = conn.execute(
        "SELECT id FROM workspaces WHERE deleted_at IS NULL AND (?1 IS NULL OR owner_id = ?1)"
        " ORDER BY name, id",
        (owner_id,),
    ).fetchall()
    found = (find_standing(conn, row["id"]) for row in rows)
    return tuple(standing for standing in found if standing is not None)


def is_name_taken(conn: sqlite3.Connection, owner_id: str, name: str) -> bool:
    """Whether a living workspace of the owner has that name."""
    row = conn.execute(
        "SELECT 1 FROM workspaces WHERE owner_id = ? AND name = ? AND deleted_at IS NULL", (owner_id, name)
    ).fetchone()
    return row is not None


def insert_workspace(conn: sqlite3.Connection, workspace: Workspace) -> None:
    """Store a new workspace.

    Raises:
        sqlite3.IntegrityError: the owner has one of that name.
    """
    conn.execute(
        "INSERT INTO workspaces (id, owner_id, name, kind, template_id, parameters, directory, created_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            workspace.id,
            workspace.owner_id,
            workspace.name,
            workspace.kind,
            workspace.template_id,
            wire.dump_json(dict(workspace.parameters)),
            workspace.directory,
            workspace.created_at,
        ),
    )


def delete_workspace(conn: sqlite3.Connection, workspace_id: str, *, now: float) -> None:
    """Note that a workspace is gone. Chats keep its id, and their tools say what happened."""
    conn.execute("UPDATE workspaces SET deleted_at = ? WHERE id = ?", (now, workspace_id))


def bind_chat(conn: sqlite3.Connection, chat_id: str, workspace_id: str) -> tuple[Change, ...]:
    """Make it the workspace of a chat, and return what is to be announced.

    Raises:
        ChatNotFoundError: no such chat.
    """
    return (Change(chat=update_metadata(conn, chat_id, {"workspace_id": workspace_id}), kind="updated"),)


# Builds


def latest_build(conn: sqlite3.Connection, workspace_id: str) -> Build | None:
    """Return the build that counts, `None` when there was none."""
    builds = list_builds(conn, workspace_id, limit=1)
    return builds[0] if builds else None


def list_builds(conn: sqlite3.Connection, workspace_id: str, *, limit: int) -> tuple[Build, ...]:
    """Return the builds of a workspace, newest first, at most *limit*."""
    rows = conn.execute(
        f"SELECT {_BUILD_COLUMNS} FROM builds WHERE workspace_id = ? ORDER BY number DESC LIMIT ?",  # noqa: S608
        (workspace_id, limit),
    )
    return tuple(map(_build, rows))


def find_build(conn: sqlite3.Connection, build_id: str) -> Build | None:
    """Return a build by its id."""
    row = conn.execute(f"SELECT {_BUILD_COLUMNS} FROM builds WHERE id = ?", (build_id,)).fetchone()  # noqa: S608
    return _build(row) if row is not None else None


def insert_build(conn: sqlite3.Connection, build: Build) -> Build:
    """Store a build with the next number, and return it with that.

    Raises:
        sqlite3.IntegrityError: another build of the workspace has not ended.
    """
    (number,) = conn.execute(
        "SELECT COALESCE(MAX(number), 0) + 1 FROM builds WHERE workspace_id = ?", (build.workspace_id,)
    ).fetchone()
    conn.execute(
        f"INSERT INTO builds ({_BUILD_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
        (
            build.id,
            build.workspace_id,
            number,
            build.transition.value,
            build.status.value,
            build.worker_id,
            build.created_at,
            build.completed_at,
            build.error,
            build.log,
        ),
    )
    stored = find_build(conn, build.id)
    assert stored is not None
    return stored


def finish_build(
    conn: sqlite3.Connection,
    build_id: str,
    *,
    status: BuildStatus,
    error: str | None,
    log: str,
    agents: Sequence[AgentAddress],
    now: float,
) -> None:
    """Note how a build has ended, and the agents that it started."""
    conn.execute(
        "UPDATE builds SET status = ?, error = ?, log = ?, completed_at = ? WHERE id = ?",
        (status.value, error, log, now, build_id),
    )
    for position, agent in enumerate(agents):
        conn.execute(
            "INSERT INTO workspace_agents (id, build_id, position, place, created_at) VALUES (?, ?, ?, ?, ?)",
            (agent.id, build_id, position, wire.dump_json(dict(agent.place)), now),
        )


def running_builds(conn: sqlite3.Connection) -> tuple[Build, ...]:
    """Return all builds that have not ended."""
    rows = conn.execute(f"SELECT {_BUILD_COLUMNS} FROM builds WHERE status = 'running'")  # noqa: S608
    return tuple(map(_build, rows))


def fail_lost_builds(conn: sqlite3.Connection, dead_workers: Collection[str], *, now: float) -> int:
    """Note that builds of servers that died have failed; return how many."""
    lost = [build for build in running_builds(conn) if build.worker_id in dead_workers]
    for build in lost:
        finish_build(
            conn, build.id, status=BuildStatus.FAILED, error=SERVER_GONE, log=build.log, agents=(), now=now
        )
    return len(lost)


def note_ended(conn: sqlite3.Connection, start: Build, stop: Build) -> bool:
    """Store *stop*, a build that has ended, if *start* is still the latest; whether it was."""
    latest = latest_build(conn, start.workspace_id)
    if latest is None or latest.id != start.id:
        return False
    insert_build(conn, stop)
    return True


def agents_of(conn: sqlite3.Connection, build_id: str) -> tuple[AgentAddress, ...]:
    """Return the agents that a build started, the first one first."""
    rows = conn.execute(
        "SELECT id, place FROM workspace_agents WHERE build_id = ? ORDER BY position", (build_id,)
    )
    return tuple(AgentAddress(id=row["id"], place=wire.load_json(row["place"])) for row in rows)


def agents_since_stop(conn: sqlite3.Connection, workspace_id: str) -> tuple[AgentAddress, ...]:
    """Return the agents that were started since the workspace was last stopped: those that may still run."""
    rows = conn.execute(
        "SELECT a.id, a.place FROM workspace_agents AS a JOIN builds AS b ON b.id = a.build_id"
        " WHERE b.workspace_id = ?1 AND b.number > COALESCE((SELECT MAX(number) FROM builds"
        " WHERE workspace_id = ?1 AND transition = 'stop' AND status = 'succeeded'), 0)"
        " ORDER BY b.number, a.position",
        (workspace_id,),
    )
    return tuple(AgentAddress(id=row["id"], place=wire.load_json(row["place"])) for row in rows)


def _workspace(row: sqlite3.Row) -> Workspace:
    return Workspace(
        id=row["id"],
        owner_id=row["owner_id"],
        name=row["name"],
        kind=row["kind"],
        template_id=row["template_id"],
        parameters=wire.load_json(row["parameters"]),
        directory=row["directory"],
        created_at=row["created_at"],
        deleted_at=row["deleted_at"],
    )


def _build(row: sqlite3.Row) -> Build:
    return Build(
        id=row["id"],
        workspace_id=row["workspace_id"],
        number=row["number"],
        transition=Transition(row["transition"]),
        status=BuildStatus(row["status"]),
        worker_id=row["worker_id"],
        created_at=row["created_at"],
        completed_at=row["completed_at"],
        error=row["error"],
        log=row["log"],
    )
