"""What goes wrong around a whole server: the disk, the database, its own death, tools that misbehave.

Where each fault is tried: `tests/README.md`.
"""

from __future__ import annotations

import re
import resource
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import httpx
import pytest
from acceptance.chats import Chats, eventually
from bench.server import resident
from servers import Dirs, JupyterServer
from soak.leftovers import running_in

TESTS = Path(__file__).parents[1]
MEGABYTE = 1024 * 1024

pytestmark = pytest.mark.slow

Make = Callable[..., JupyterServer]


def named_tests(text: str) -> list[tuple[str, str]]:
    """The files and tests that a part of `tests/README.md` names; the test is empty where a file is meant."""
    return re.findall(r"`([\w/]+\.py)(?:::(\w+))?`", text)


def test_the_tables_name_tests_that_exist() -> None:
    names = named_tests((TESTS / "README.md").read_text())
    assert len(names) > 40
    for file, test in names:
        assert f"def {test}" in (TESTS / file).read_text(), f"{file}::{test}"


def test_each_row_of_the_origin_has_tests_that_carry_its_name() -> None:
    table = (TESTS / "README.md").read_text().partition("## Rows of the origin")[2]
    rows = dict(re.findall(r"^\| ([A-Z]\d) (\|.*)$", table, re.MULTILINE))
    assert list(rows) == ["D1", "D2", "L2", "L6", "L7", "S1", "S2", "S3", "S4", "S5", "S6", "W1", "W2", "W3"]
    for row, text in rows.items():
        names = [test for _, test in named_tests(text)]
        assert names
        assert all(f"_{row.lower()}_" in name for name in names), row


# The disk


@contextmanager
def full_disk(server: JupyterServer) -> Iterator[None]:
    """Let no file of the server grow beyond what its journal has now (Linux)."""
    journal = server.dirs.database.with_name("chats.db-wal")
    before = resource.prlimit(server.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (journal.stat().st_size, before[1]))
    try:
        yield
    finally:
        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, before)


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="needs prlimit, which Linux has")
def test_a_full_disk_refuses_what_is_new_and_keeps_what_there_is(make_server: Make) -> None:
    with Chats(server := make_server()) as chats:
        kept = chats.create("say kept").json()["id"]
        chats.settle(kept)
        running = chats.create("run `sleep 2` then say went on").json()["id"]
        eventually(lambda: chats.get(running).json()["status"] == "running")
        with full_disk(server):
            refused = chats.create("say lost")
            assert refused.status_code == 500
            assert refused.json()["message"]
            assert chats.texts(kept) == ["say kept", "kept"]
            time.sleep(3.0)  # the command has ended: its result cannot be written
        assert chats.create("say later").status_code == 201
        assert chats.settle(running)["status"] == "waiting"
        assert {chat["id"] for chat in chats.list()} >= {kept, running}
        assert not [chat for chat in chats.list() if "lost" in chat["title"]]
        assert len(chats.results(running)) == 1


# The database


def test_while_another_program_locks_the_database_reads_go_on_and_writes_wait(
    make_server: Make, dirs: Dirs
) -> None:
    with (
        Chats(make_server()) as chats,
        closing(sqlite3.connect(dirs.database, isolation_level=None)) as other,
    ):
        chat_id = chats.create("say first").json()["id"]
        chats.settle(chat_id)
        replies: list[httpx.Response] = []
        writing = threading.Thread(target=lambda: replies.append(chats.create("say second")))
        other.execute("BEGIN IMMEDIATE")
        writing.start()
        began = time.monotonic()
        for _ in range(10):
            assert chats.texts(chat_id) == ["say first", "first"]
            time.sleep(0.1)
        # Less than the 30 s that whatever needs the lock waits for it.
        assert time.monotonic() - began < 25
        assert not replies
        other.execute("ROLLBACK")
        writing.join()
        assert replies[0].status_code == 201
        assert chats.settle(replies[0].json()["id"])["status"] == "waiting"


def test_a_corrupt_database_is_named_and_not_touched(dirs: Dirs) -> None:
    dirs.database.parent.mkdir(parents=True)
    dirs.database.write_bytes(b"This was a database." * 1000)
    server = JupyterServer(dirs)
    with pytest.raises(AssertionError, match="did not become ready"):
        server.start()
    assert "is not a usable SQLite database" in server.log
    assert "Traceback" not in server.log
    assert dirs.database.read_bytes() == b"This was a database." * 1000


def test_with_a_rollback_journal_a_second_server_is_refused(make_server: Make, dirs: Dirs) -> None:
    settings = {"JupyterChatd": {"journal": "delete"}}
    with Chats(make_server(settings=settings)) as chats:
        assert chats.settle(chats.create("say one").json()["id"])["status"] == "waiting"
        second = JupyterServer(dirs, settings=settings)
        with pytest.raises(AssertionError, match="another server has it open"):
            second.start()
        assert chats.settle(chats.create("say two").json()["id"])["status"] == "waiting"


# Tools and the end


def test_a_command_that_prints_100_mb_costs_the_server_little_memory(make_server: Make) -> None:
    with Chats(server := make_server()) as chats:
        chats.settle(chats.create("run `echo warm`").json()["id"])
        before, peak, chat_id = resident(server.pid), 0, ""
        chat_id = chats.create("run `head -c 100000000 /dev/zero | tr '\\0' x` with timeout 60s").json()["id"]
        while chats.get(chat_id).json()["status"] != "waiting":
            peak = max(peak, resident(server.pid))
        (result,) = chats.results(chat_id)
        assert result["truncated"]["original_bytes"] == 100_000_000
        assert peak - before < 16 * MEGABYTE


def test_sigterm_leaves_no_process(make_server: Make, dirs: Dirs) -> None:
    with Chats(server := make_server()) as chats:
        running = chats.create("run `sleep 600; true` with timeout 700s").json()["id"]
        chats.settle(chats.create("run `sh -c 'sleep 601 & sleep 602'` in the background").json()["id"])
        eventually(lambda: len(running_in(dirs.work)) >= 6)  # the server, two shells, three sleeps
    server.terminate()
    assert running_in(dirs.root) == []
    with Chats(server.start()) as chats:
        assert chats.settle(running)["status"] == "waiting"
        (result,) = chats.results(running)
        assert "was interrupted and ended" in result["error"]
