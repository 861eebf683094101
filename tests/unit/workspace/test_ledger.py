from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from jupyter_chatd.workspace import procfs
from jupyter_chatd.workspace.ledger import Ledger, sweep


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


def note_of_a_dead_server(state: Path, text: str) -> Path:
    """A ledger whose owner had a pid that nobody has."""
    book = Ledger(state)
    with subprocess.Popen(["/bin/sleep", "60"]) as process:
        book.add(process.pid, "x")
        process.kill()
    (path,) = state.iterdir()
    book.drop(process.pid)
    book.close()
    place = path.name.partition("-")[0]
    dead = state / f"{place}-{process.pid}-1-a.processes"
    dead.write_text(text)
    return dead


def ticks(pid: int) -> int:
    stat = procfs.find_stat(pid)
    assert stat is not None
    return stat.started_ticks


def test_a_ledger_is_private_short_and_removed(state: Path) -> None:
    book = Ledger(state)
    with subprocess.Popen(["/bin/sleep", "60"]) as one, subprocess.Popen(["/bin/sleep", "60"]) as two:
        book.add(one.pid, "id-1")
        book.add(two.pid, "id-2")
        (path,) = state.iterdir()
        assert path.stat().st_mode & 0o077 == 0
        assert (
            path.read_text() == f"add {one.pid} {ticks(one.pid)} id-1\nadd {two.pid} {ticks(two.pid)} id-2\n"
        )
        book.drop(one.pid)
        assert path.read_text().count("\n") == 3
        book.drop(two.pid)
        assert path.read_text() == "", "it starts over when nothing runs"
        one.kill()
        two.kill()
    book.close()
    book.close()
    assert list(state.iterdir()) == []


def test_what_would_not_end_stays_noted(state: Path) -> None:
    book = Ledger(state)
    with subprocess.Popen(["/bin/sleep", "60"]) as process:
        book.add(process.pid, "id")
        book.close()
        assert len(list(state.iterdir())) == 1
        process.kill()


def test_a_folder_that_cannot_be_written_only_warns(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").touch()
    book = Ledger(tmp_path / "file")
    book.add(os.getpid(), "id")
    book.close()
    assert "Cannot note running commands" in caplog.text


def test_a_strangers_process_with_the_same_pid_is_left_alone(state: Path) -> None:
    with subprocess.Popen(["/bin/sleep", "60"], start_new_session=True) as stranger:
        note = note_of_a_dead_server(state, f"add {stranger.pid} {ticks(stranger.pid) - 1} id\n")
        assert sweep(state) == 0
        assert stranger.poll() is None
        assert not note.exists()
        stranger.kill()


def test_children_of_a_gone_leader_are_known_by_their_mark(state: Path) -> None:
    ours = subprocess.Popen(
        ["/bin/sh", "-c", "sleep 60 & sleep 60 & echo"],
        env={"JUPYTER_CHATD_PROCESS_ID": "ours"},
        start_new_session=True,
        stdout=subprocess.PIPE,
    )
    assert ours.stdout is not None
    assert ours.stdout.readline() == b"\n"
    ours.wait()
    members = [stat.pid for stat in procfs.living_members(ours.pid)]
    assert len(members) == 2
    note_of_a_dead_server(state, f"add {ours.pid} 1 someone-else\n")
    assert sweep(state) == 0
    note_of_a_dead_server(state, f"add {ours.pid} 1 ours\n")
    assert sweep(state) == 2
    assert ours.stdout.read() == b"", "all who held the pipe are gone"
    ours.stdout.close()


def test_what_was_dropped_is_left_alone_and_a_torn_line_is_skipped(state: Path) -> None:
    with subprocess.Popen(["/bin/sleep", "60"], start_new_session=True) as process:
        line = f"{process.pid} {ticks(process.pid)} id\n"
        note_of_a_dead_server(state, f"add {line}drop {line}add 12")
        assert sweep(state) == 0
        assert process.poll() is None
        process.kill()


def test_notes_of_another_machine_are_kept_until_they_are_old(state: Path) -> None:
    state.mkdir()
    fresh, old = state / "0123456789ab-1-1-a.processes", state / "0123456789ac-1-1-a.processes"
    for path in (fresh, old):
        path.write_text("add 1 1 id\n")
    past = time.time() - 31 * 24 * 3600
    os.utime(old, (past, past))
    assert sweep(state) == 0
    assert list(state.iterdir()) == [fresh]


def test_sweeping_nothing_is_fine(state: Path) -> None:
    assert sweep(state) == 0
