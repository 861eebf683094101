"""Families of chats on a whole server: what their model answers, and what stands in the file about them."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

from fakes.openai_server import FakeOpenAI
from fakes.responder import Conversation
from fakes.steps import Answer, Call, call, say
from fakes.threaded import in_thread
from servers import Dirs, JupyterServer
from soak.leftovers import in_log

MODEL = "openai:fake"

Plays: TypeAlias = Callable[[Conversation], Answer]
"""What a chat does, step by step; a pure function of the conversation, so that a restart changes nothing."""


@contextmanager
def family_server(folder: Path, roles: Mapping[str, Plays]) -> Iterator[JupyterServer]:
    """Run a server whose chats play the role that their first message begins with.

    The vendor is in this process, so that the server can be killed. The server's log must tell of no fault.
    There are no desktops, whatever this machine has.
    """

    def respond(conversation: Conversation) -> Answer:
        return roles[conversation.users[0].split()[0]](conversation)

    vendor = FakeOpenAI(respond)
    with in_thread(vendor):
        env = {
            "OPENAI_API_KEY": "x",
            "OPENAI_BASE_URL": vendor.base_url,
            "JUPYTER_CHATD_POLICY_DESKTOP": "off",
        }
        with JupyterServer(Dirs(folder), env=env) as server:
            yield server
        assert in_log(server.log) == []


def spawn(task: str, *, kind: str = "general") -> Call:
    """A call that spawns a child with this task."""
    return call("spawn_agent", {"type": kind, "prompt": task})


def waits(conversation: Conversation, **values: Any) -> list[Call]:
    """Calls that wait for all that was spawned."""
    return [call("wait_agent", {"chat_id": child, **values}) for child in spawned(conversation)]


def spawned(conversation: Conversation) -> list[str]:
    """The children that the conversation's calls made."""
    facts = [json.loads(result) for result in conversation.results]
    return [fact["chat_id"] for fact in facts if "chat_id" in fact and "report" not in fact]


def delegating(tasks: Sequence[str], *, in_one_call: bool = False) -> Plays:
    """Spawn a child for each task, wait for all in one step or call, then say what they reported."""

    def play(conversation: Conversation) -> Answer:
        match conversation.steps:
            case 0:
                return [spawn(task) for task in tasks]
            case 1 if in_one_call:
                return [call("wait_agent", {"chat_ids": spawned(conversation)})]
            case 1:
                return waits(conversation)
            case _:
                told = [json.loads(result) for result in conversation.results[len(tasks) :]]
                return [say(" | ".join(reports(told)))]

    return play


def reports(results: Sequence[Mapping[str, Any]]) -> list[str]:
    """What the results of waiting report, by one call or by several."""
    ends = [end for result in results for end in result.get("agents", [result])]
    return [str(end.get("report", end)) for end in ends]


class Family:
    """A root chat and its children as they stand in the file, whether or not a server has it open."""

    def __init__(self, database: Path, root_id: str) -> None:
        self._database = database
        self.root_id = root_id

    def count(self, sql: str, *values: object) -> int:
        """The single number that a query gives; values are bound to `?`."""
        return self.query(sql, *values)[0][0]

    def query(self, sql: str, *values: object) -> list[Any]:
        """The rows of a query."""
        conn = sqlite3.connect(f"file:{self._database}?mode=ro", uri=True, timeout=10.0)
        try:
            return conn.execute(sql, values).fetchall()
        finally:
            conn.close()

    @property
    def children(self) -> int:
        return self.count("SELECT count(*) FROM chats WHERE parent_chat_id = ?", self.root_id)

    @property
    def is_at_rest(self) -> bool:
        """Whether neither the root nor a child does anything."""
        return not self.count(_AT_WORK, self.root_id, self.root_id)

    @property
    def reported(self) -> int:
        """How many children the root has heard of, durably."""
        return self.count(_WAITS.format("result IS NOT NULL"), self.root_id)

    @property
    def awaited(self) -> int:
        """How many children the root waits for."""
        return self.count(_WAITS.format("result IS NULL"), self.root_id)

    @property
    def phases(self) -> Counter[str]:
        """How many children are in which phase."""
        return Counter(dict(self.query(_PHASES, self.root_id)))

    def pending(self, chat_id: str) -> list[tuple[int, int]]:
        """The calls of a chat that wait for an approval, as message id and call index."""
        return self.query(_PENDING, chat_id)


_PENDING = """
SELECT message_id, call_index FROM tool_runs WHERE chat_id = ? AND approval = 'pending' AND result IS NULL
ORDER BY message_id, call_index
"""
_AT_WORK = """
SELECT count(*) FROM chats WHERE (id = ? OR parent_chat_id = ?) AND status NOT IN ('waiting', 'error')
"""
_WAITS = "SELECT count(*) FROM tool_runs WHERE chat_id = ? AND tool_name = 'wait_agent' AND {}"
_PHASES = """
SELECT CASE
    WHEN status = 'requires_action' THEN 'asking'
    WHEN status IN ('waiting', 'error') THEN 'finished'
    WHEN status = 'interrupting' THEN 'stopping'
    WHEN EXISTS (
        SELECT 1 FROM tool_runs AS run
        WHERE run.chat_id = chats.id AND run.started_at IS NOT NULL AND run.result IS NULL
        AND NOT EXISTS (
            SELECT 1 FROM messages
            WHERE answers_message_id = run.message_id AND answers_call_index = run.call_index
        )
    ) THEN 'in a tool'
    WHEN generation_attempt > 0 THEN 'streaming'
    ELSE 'between' END AS phase, count(*)
FROM chats WHERE parent_chat_id = ? GROUP BY phase
"""
