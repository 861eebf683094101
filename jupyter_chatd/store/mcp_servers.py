"""MCP servers that were set up over REST. Their secrets are never here; they are in the 0600 file."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any

from .. import wire
from ..errors import NotFoundError
from ..mcp.config import Availability, McpServerConfig, Transport

_PLAIN = ("id", "slug", "display_name", "command", "cwd", "url", "connect_timeout_s", "call_timeout_s")
_SWITCHES = ("enabled", "allow_in_plan_mode", "model_intent")
_LISTS = ("args", "allowed_tools", "denied_tools")
_COLUMNS = (*_PLAIN, *_SWITCHES, *_LISTS, "transport", "availability")


def list_mcp_servers(conn: sqlite3.Connection) -> tuple[McpServerConfig, ...]:
    """Return all servers without their secrets, by slug."""
    return tuple(_server(row) for row in conn.execute("SELECT * FROM mcp_servers ORDER BY slug"))


def get_mcp_server(conn: sqlite3.Connection, config_id: str) -> McpServerConfig:
    """Return a server without its secrets.

    Raises:
        NotFoundError: there is none with that id.
    """
    row = conn.execute("SELECT * FROM mcp_servers WHERE id = ?", (config_id,)).fetchone()
    if row is None:
        raise NotFoundError(f"MCP server {config_id} was not found.")
    return _server(row)


def insert_mcp_server(conn: sqlite3.Connection, config: McpServerConfig, *, now: float) -> None:
    """Store a new server; its `env`, its `headers` and what follows the `?` of its `url` must be empty.

    Raises:
        sqlite3.IntegrityError: a server with that slug exists.
    """
    names = ", ".join((*_COLUMNS, "created_at", "updated_at"))
    marks = ", ".join(f":{name}" for name in _COLUMNS)
    conn.execute(f"INSERT INTO mcp_servers ({names}) VALUES ({marks}, :now, :now)", _values(config, now))  # noqa: S608


def update_mcp_server(conn: sqlite3.Connection, config: McpServerConfig, *, now: float) -> None:
    """Replace a stored server; as for `insert_mcp_server`."""
    changes = ", ".join(f"{name} = :{name}" for name in _COLUMNS)
    conn.execute(f"UPDATE mcp_servers SET {changes}, updated_at = :now WHERE id = :id", _values(config, now))  # noqa: S608


def delete_mcp_server(conn: sqlite3.Connection, config_id: str) -> None:
    """Delete a server; chats that chose it go on without."""
    conn.execute("DELETE FROM mcp_servers WHERE id = ?", (config_id,))


def _values(config: McpServerConfig, now: float) -> Mapping[str, Any]:
    plain = {name: getattr(config, name) for name in _PLAIN}
    switches = {name: int(getattr(config, name)) for name in _SWITCHES}
    lists = {name: wire.dump_json(list(getattr(config, name))) for name in _LISTS}
    words = {"transport": config.transport.value, "availability": config.availability.value}
    return {**plain, **switches, **lists, **words, "now": now}


def _server(row: sqlite3.Row) -> McpServerConfig:
    values: dict[str, Any] = {name: row[name] for name in _PLAIN}
    values |= {name: bool(row[name]) for name in _SWITCHES}
    values |= {name: tuple(wire.load_json(row[name])) for name in _LISTS}
    values |= {"transport": Transport(row["transport"]), "availability": Availability(row["availability"])}
    return McpServerConfig(**values)
