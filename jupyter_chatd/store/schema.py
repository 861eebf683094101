"""The tables, as migrations that each run in one transaction with the record that they ran.

Forward only: a file that records a migration unknown to this release is refused untouched (`database.py`).
Times are UTC seconds, JSON columns are TEXT, booleans are 0 or 1.

sqlite-utils runs and records them. It imports pandas and NumPy where they are installed, which takes longer
than the start of a server and 60 MB, so it is loaded only when a file has to be made or migrated.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlite_utils.db import Database

NAME = "jupyter_chatd"
"""Of our set of migrations."""
RECORDS = "_sqlite_migrations"
"""The table of sqlite-utils that tells which ran."""

MIGRATIONS: dict[str, Callable[[sqlite3.Connection], None]] = {}
"""All of this release by name, in their order."""


def migration(function: Callable[[sqlite3.Connection], None]) -> Callable[[sqlite3.Connection], None]:
    """Add *function* to the migrations, under its own name."""
    MIGRATIONS[function.__name__] = function
    return function


def migrate(conn: sqlite3.Connection) -> None:
    """Run what the file lacks, each in one transaction (or savepoint) with its record."""
    from sqlite_utils.db import Database
    from sqlite_utils.migrations import Migrations

    chosen = Migrations(NAME)
    for name, function in MIGRATIONS.items():
        chosen(name=name)(_on_connection(function))
    chosen.apply(Database(conn))


def _on_connection(function: Callable[[sqlite3.Connection], None]) -> Callable[[Database], None]:
    def run(db: Database) -> None:
        function(db.conn)

    return run


_CHATS = """
CREATE TABLE chats (
    id TEXT PRIMARY KEY,
    owner_id TEXT NOT NULL,
    title TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('waiting', 'running', 'interrupting', 'requires_action', 'error')),
    archived INTEGER NOT NULL DEFAULT 0 CHECK (archived IN (0, 1)),
    model TEXT NOT NULL,
    model_config_id TEXT,
    workspace_id TEXT,
    parent_chat_id TEXT REFERENCES chats (id) ON DELETE SET NULL,
    root_chat_id TEXT REFERENCES chats (id) ON DELETE SET NULL,
    spawn_message_id INTEGER,
    spawn_call_index INTEGER,
    worker_id TEXT,
    runner_id TEXT,
    last_error TEXT,
    retry_state TEXT,
    action_deadline_at REAL,
    compaction_requested_at REAL,
    snapshot_version INTEGER NOT NULL,
    history_version INTEGER NOT NULL,
    queue_version INTEGER NOT NULL DEFAULT 0,
    retry_state_version INTEGER NOT NULL DEFAULT 0,
    generation_attempt INTEGER NOT NULL DEFAULT 0,
    change_id INTEGER NOT NULL DEFAULT 0,
    mode TEXT CHECK (mode IN ('computer_use', 'explore')),
    plan_mode TEXT CHECK (plan_mode IN ('plan')),
    approval_mode TEXT NOT NULL DEFAULT 'auto' CHECK (approval_mode IN ('auto', 'ask')),
    mcp_server_ids TEXT NOT NULL DEFAULT '[]',
    labels TEXT NOT NULL DEFAULT '{}',
    pin_order INTEGER NOT NULL DEFAULT 0,
    last_read_message_id INTEGER,
    client_tools TEXT NOT NULL DEFAULT '[]',
    client_type TEXT NOT NULL DEFAULT 'api' CHECK (client_type IN ('ui', 'api')),
    created_at REAL NOT NULL,
    updated_at REAL NOT NULL,
    CHECK ((worker_id IS NULL) = (runner_id IS NULL)),
    CHECK ((status = 'error') = (last_error IS NOT NULL)),
    CHECK (archived = 0 OR status IN ('waiting', 'error')),
    CHECK (action_deadline_at IS NULL OR status = 'requires_action')
)
"""

_MESSAGES = """
CREATE TABLE messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    chat_id TEXT NOT NULL REFERENCES chats (id) ON DELETE CASCADE,
    created_by TEXT CHECK (created_by IS NULL OR role = 'user'),
    created_at REAL NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('system', 'user', 'assistant', 'tool')),
    content TEXT,
    content_version INTEGER NOT NULL,
    visibility TEXT NOT NULL DEFAULT 'both' CHECK (visibility IN ('user', 'model', 'both')),
    model TEXT,
    model_config_id TEXT,
    input_tokens INTEGER,
    output_tokens INTEGER,
    total_tokens INTEGER,
    reasoning_tokens INTEGER,
    cache_creation_tokens INTEGER,
    cache_read_tokens INTEGER,
    context_limit INTEGER,
    compressed INTEGER NOT NULL DEFAULT 0 CHECK (compressed IN (0, 1)),
    covers_until INTEGER,
    total_cost_micros INTEGER,
    runtime_ms INTEGER,
    provider_response_id TEXT,
    stop_reason TEXT,
    turn_options TEXT,
    call_count INTEGER NOT NULL DEFAULT 0,
    answers_message_id INTEGER,
    answers_call_index INTEGER,
    revision INTEGER NOT NULL,
    deleted INTEGER NOT NULL DEFAULT 0 CHECK (deleted IN (0, 1))
)
"""

_QUEUED = """
CREATE TABLE queued_messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    chat_id TEXT NOT NULL REFERENCES chats (id) ON DELETE CASCADE,
    position REAL NOT NULL,
    created_by TEXT,
    created_at REAL NOT NULL,
    content TEXT NOT NULL,
    content_version INTEGER NOT NULL,
    turn_options TEXT
)
"""

_TOOL_RUNS = """
CREATE TABLE tool_runs (
    message_id INTEGER NOT NULL REFERENCES messages (id) ON DELETE CASCADE,
    call_index INTEGER NOT NULL,
    chat_id TEXT NOT NULL REFERENCES chats (id) ON DELETE CASCADE,
    tool_call_id TEXT NOT NULL,
    tool_name TEXT NOT NULL,
    args TEXT,
    started_at REAL,
    finished_at REAL,
    result TEXT,
    action TEXT CHECK (action IN ('client_tool', 'approval', 'question')),
    approval TEXT CHECK (approval IN ('pending', 'allowed', 'denied')),
    decided_by TEXT,
    decided_at REAL,
    claimed_by TEXT,
    PRIMARY KEY (message_id, call_index),
    CHECK ((finished_at IS NULL) = (result IS NULL))
) WITHOUT ROWID
"""

_HEARTBEATS = """
CREATE TABLE heartbeats (
    worker_id TEXT PRIMARY KEY,
    host TEXT NOT NULL,
    pid INTEGER NOT NULL,
    started_at REAL NOT NULL,
    heartbeat_at REAL NOT NULL
)
"""

_PROVIDERS = """
CREATE TABLE providers (
    id TEXT PRIMARY KEY,
    provider TEXT NOT NULL UNIQUE,
    display_name TEXT NOT NULL,
    base_url TEXT,
    enabled INTEGER NOT NULL DEFAULT 1 CHECK (enabled IN (0, 1)),
    created_at REAL NOT NULL,
    updated_at REAL NOT NULL
)
"""

_MODEL_CONFIGS = """
CREATE TABLE model_configs (
    id TEXT PRIMARY KEY,
    provider TEXT NOT NULL,
    model TEXT NOT NULL,
    display_name TEXT NOT NULL,
    enabled INTEGER NOT NULL DEFAULT 1 CHECK (enabled IN (0, 1)),
    is_default INTEGER NOT NULL DEFAULT 0 CHECK (is_default IN (0, 1)),
    context_limit INTEGER NOT NULL CHECK (context_limit > 0),
    compression_threshold INTEGER NOT NULL DEFAULT 70 CHECK (compression_threshold BETWEEN 0 AND 100),
    options TEXT NOT NULL DEFAULT '{}',
    created_at REAL NOT NULL,
    updated_at REAL NOT NULL,
    deleted_at REAL
)
"""

_COUNTERS = """
CREATE TABLE counters (
    name TEXT PRIMARY KEY CHECK (name IN ('change')),
    value INTEGER NOT NULL
) WITHOUT ROWID
"""

_INDEXES = """
CREATE INDEX chats_owner ON chats (owner_id, updated_at DESC, id DESC);
CREATE INDEX chats_parent ON chats (parent_chat_id);
CREATE INDEX chats_root ON chats (root_chat_id);
CREATE INDEX chats_change ON chats (change_id);
CREATE INDEX chats_work ON chats (updated_at) WHERE status IN ('running', 'interrupting');
CREATE INDEX chats_deadline ON chats (action_deadline_at) WHERE action_deadline_at IS NOT NULL;
CREATE INDEX messages_chat ON messages (chat_id, id);
CREATE INDEX messages_revision ON messages (chat_id, revision);
CREATE INDEX messages_answers ON messages (answers_message_id) WHERE answers_message_id IS NOT NULL;
CREATE INDEX messages_summary ON messages (chat_id, covers_until) WHERE compressed = 1 AND deleted = 0;
CREATE INDEX messages_system ON messages (chat_id, id) WHERE role = 'system';
CREATE INDEX queued_chat ON queued_messages (chat_id, position);
CREATE INDEX tool_runs_chat ON tool_runs (chat_id);
CREATE UNIQUE INDEX model_configs_default ON model_configs (is_default)
    WHERE is_default = 1 AND deleted_at IS NULL;
"""

_FILES = """
CREATE TABLE files (
    id TEXT PRIMARY KEY,
    owner_id TEXT NOT NULL,
    name TEXT NOT NULL,
    media_type TEXT NOT NULL,
    size_bytes INTEGER NOT NULL CHECK (size_bytes > 0),
    sha256 TEXT NOT NULL CHECK (length(sha256) = 64),
    created_at REAL NOT NULL
)
"""

_CHAT_FILE_LINKS = """
CREATE TABLE chat_file_links (
    chat_id TEXT NOT NULL REFERENCES chats (id) ON DELETE CASCADE,
    file_id TEXT NOT NULL REFERENCES files (id) ON DELETE CASCADE,
    PRIMARY KEY (chat_id, file_id)
) WITHOUT ROWID
"""

_FILE_INDEXES = """
CREATE INDEX files_sha256 ON files (sha256);
CREATE INDEX files_created ON files (created_at);
CREATE INDEX chat_file_links_file ON chat_file_links (file_id);
"""

_USAGE = """
CREATE TABLE usage (
    chat_id TEXT NOT NULL,
    day TEXT NOT NULL,
    model TEXT NOT NULL,
    owner_id TEXT NOT NULL,
    root_chat_id TEXT NOT NULL,
    priced_message_count INTEGER NOT NULL,
    unpriced_message_count INTEGER NOT NULL,
    total_cost_micros INTEGER NOT NULL,
    input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    reasoning_tokens INTEGER NOT NULL,
    cache_read_tokens INTEGER NOT NULL,
    cache_creation_tokens INTEGER NOT NULL,
    runtime_ms INTEGER NOT NULL,
    PRIMARY KEY (chat_id, day, model)
) WITHOUT ROWID
"""
"""Sums of model calls. No foreign key: what was spent stays told when the chat is gone."""

_USAGE_INDEXES = """
CREATE INDEX usage_owner ON usage (owner_id, day);
CREATE INDEX usage_root ON usage (root_chat_id);
"""

_USAGE_SO_FAR = """
INSERT INTO usage
SELECT m.chat_id, date(m.created_at, 'unixepoch') AS day, COALESCE(m.model, '') AS ref, c.owner_id,
    COALESCE(c.root_chat_id, c.parent_chat_id, c.id), COUNT(m.total_cost_micros),
    COUNT(*) - COUNT(m.total_cost_micros), COALESCE(SUM(m.total_cost_micros), 0),
    COALESCE(SUM(m.input_tokens), 0), COALESCE(SUM(m.output_tokens), 0), COALESCE(SUM(m.reasoning_tokens), 0),
    COALESCE(SUM(m.cache_read_tokens), 0), COALESCE(SUM(m.cache_creation_tokens), 0),
    COALESCE(SUM(m.runtime_ms), 0)
FROM messages AS m JOIN chats AS c ON c.id = m.chat_id
WHERE m.role = 'assistant' AND m.model IS NOT NULL
GROUP BY m.chat_id, day, ref
"""

_MCP_SERVERS = """
CREATE TABLE mcp_servers (
    id TEXT PRIMARY KEY,
    slug TEXT NOT NULL UNIQUE,
    display_name TEXT,
    transport TEXT NOT NULL CHECK (transport IN ('stdio', 'streamable_http', 'sse')),
    command TEXT,
    args TEXT NOT NULL DEFAULT '[]',
    cwd TEXT,
    url TEXT CHECK (url NOT LIKE '%?%'),
    enabled INTEGER NOT NULL DEFAULT 1 CHECK (enabled IN (0, 1)),
    availability TEXT NOT NULL CHECK (availability IN ('force_on', 'default_on', 'default_off')),
    allowed_tools TEXT NOT NULL DEFAULT '[]',
    denied_tools TEXT NOT NULL DEFAULT '[]',
    allow_in_plan_mode INTEGER NOT NULL DEFAULT 0 CHECK (allow_in_plan_mode IN (0, 1)),
    model_intent INTEGER NOT NULL DEFAULT 0 CHECK (model_intent IN (0, 1)),
    connect_timeout_s REAL NOT NULL,
    call_timeout_s REAL NOT NULL,
    created_at REAL NOT NULL,
    updated_at REAL NOT NULL
)
"""
"""No column for secrets: environment, headers and the query of an address lie in a file of mode 0600."""

_SETTINGS = """
CREATE TABLE settings (
    owner_id TEXT NOT NULL,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    updated_at REAL NOT NULL,
    PRIMARY KEY (owner_id, name)
) WITHOUT ROWID
"""
"""Values are JSON; the owner of what holds for the whole server is empty."""

_WORKSPACES = """
CREATE TABLE workspaces (
    id TEXT PRIMARY KEY,
    owner_id TEXT NOT NULL,
    name TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('process', 'hub')),
    template_id TEXT NOT NULL,
    parameters TEXT NOT NULL DEFAULT '{}',
    directory TEXT,
    created_at REAL NOT NULL,
    deleted_at REAL
)
"""

_BUILDS = """
CREATE TABLE builds (
    id TEXT PRIMARY KEY,
    workspace_id TEXT NOT NULL REFERENCES workspaces (id) ON DELETE CASCADE,
    number INTEGER NOT NULL CHECK (number > 0),
    transition TEXT NOT NULL CHECK (transition IN ('start', 'stop')),
    status TEXT NOT NULL CHECK (status IN ('running', 'succeeded', 'failed', 'canceled')),
    worker_id TEXT NOT NULL,
    created_at REAL NOT NULL,
    completed_at REAL,
    error TEXT,
    log TEXT NOT NULL DEFAULT '',
    CHECK ((completed_at IS NULL) = (status = 'running')),
    CHECK (error IS NULL OR status IN ('failed', 'canceled'))
)
"""

_WORKSPACE_AGENTS = """
CREATE TABLE workspace_agents (
    id TEXT PRIMARY KEY,
    build_id TEXT NOT NULL REFERENCES builds (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    place TEXT NOT NULL,
    created_at REAL NOT NULL,
    UNIQUE (build_id, position)
)
"""
"""No column for tokens: an agent's lies in a file of mode 0600 in its own folder."""

_WORKSPACE_INDEXES = """
CREATE UNIQUE INDEX workspaces_name ON workspaces (owner_id, name) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX builds_number ON builds (workspace_id, number);
CREATE UNIQUE INDEX builds_running ON builds (workspace_id) WHERE status = 'running';
"""
"""The last one lets only one build of a workspace run, whichever server does it."""

_SEARCH = "CREATE VIRTUAL TABLE message_search USING fts5 (text, tokenize = 'unicode61 remove_diacritics 2')"


@migration
def m001_chats(conn: sqlite3.Connection) -> None:
    """Chats, messages, queue, journal, workers, providers, and the search index."""
    tables = (
        _CHATS,
        _MESSAGES,
        _QUEUED,
        _TOOL_RUNS,
        _HEARTBEATS,
        _PROVIDERS,
        _MODEL_CONFIGS,
        _COUNTERS,
        _SEARCH,
    )
    for statement in (*tables, *_INDEXES.split(";")):
        if statement.strip():
            conn.execute(statement)
    conn.execute("INSERT INTO counters (name, value) VALUES ('change', 0)")


@migration
def m002_files(conn: sqlite3.Connection) -> None:
    """Files that chats hold; their bytes lie in the folder `files` beside the database."""
    for statement in (_FILES, _CHAT_FILE_LINKS, *_FILE_INDEXES.split(";")):
        if statement.strip():
            conn.execute(statement)


@migration
def m003_usage(conn: sqlite3.Connection) -> None:
    """What model calls used, summed per chat, day and model; with what was stored before."""
    for statement in (_USAGE, *_USAGE_INDEXES.split(";"), _USAGE_SO_FAR):
        if statement.strip():
            conn.execute(statement)


@migration
def m004_mcp_servers(conn: sqlite3.Connection) -> None:
    """MCP servers that were set up over REST."""
    conn.execute(_MCP_SERVERS)


@migration
def m005_settings(conn: sqlite3.Connection) -> None:
    """What people set while the server runs: prompts, so far."""
    conn.execute(_SETTINGS)


@migration
def m006_allowed_calls(conn: sqlite3.Connection) -> None:
    """Find what was allowed in a chat without reading its whole journal."""
    conn.execute("CREATE INDEX tool_runs_allowed ON tool_runs (chat_id) WHERE approval = 'allowed'")


@migration
def m007_approval_scope(conn: sqlite3.Connection) -> None:
    """Keep how far an approval goes."""
    conn.execute(
        "ALTER TABLE tool_runs ADD COLUMN approval_scope TEXT CHECK (approval_scope IN ('once', 'chat'))"
    )


@migration
def m008_workspaces(conn: sqlite3.Connection) -> None:
    """Workspaces, their starts and stops, and where the agents of these are."""
    for statement in (_WORKSPACES, _BUILDS, _WORKSPACE_AGENTS, *_WORKSPACE_INDEXES.split(";")):
        if statement.strip():
            conn.execute(statement)


@migration
def m009_no_revision_index(conn: sqlite3.Connection) -> None:
    """Drop an index that no query needs: with many chats it was two of five pages that a commit writes."""
    conn.execute("DROP INDEX messages_revision")
