from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from jupyter_chatd.workspace import procfs


def test_a_program_with_an_odd_name_is_read(tmp_path: Path) -> None:
    program = tmp_path / "a) R (b c"
    program.symlink_to("/bin/sleep")
    with subprocess.Popen([program, "60"], start_new_session=True) as process:
        stat = procfs.find_stat(process.pid)
        assert stat is not None
        assert (stat.pid, stat.group, stat.session) == (process.pid,) * 3
        assert stat.is_alive
        process.kill()


def test_an_ended_process_is_not_alive() -> None:
    process = subprocess.Popen(["/bin/true"])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    stat = procfs.find_stat(process.pid)
    assert stat is not None
    assert not stat.is_alive
    process.wait()
    assert procfs.find_stat(process.pid) is None


def test_a_session_has_its_living_members_only() -> None:
    command = "sleep 60 & sleep 0 & echo ready; wait"
    with subprocess.Popen(
        ["/bin/sh", "-c", command], start_new_session=True, stdout=subprocess.PIPE
    ) as leader:
        assert leader.stdout is not None
        leader.stdout.readline()
        members = [stat.pid for stat in procfs.living_members(leader.pid)]
        assert leader.pid in members
        assert os.getpid() not in members
        os.killpg(leader.pid, signal.SIGKILL)
        os.waitid(os.P_PID, leader.pid, os.WEXITED | os.WNOWAIT)
        assert leader.pid not in [stat.pid for stat in procfs.living_members(leader.pid)]


def test_variables_of_a_process_are_known() -> None:
    with subprocess.Popen(["/bin/sleep", "60"], env={"MARK": "a"}) as process:
        while not procfs.has_variable(process.pid, "MARK", "a"):
            assert process.poll() is None, "the kernel shows the variables a moment after the start"
        assert not procfs.has_variable(process.pid, "MARK", "b")
        process.kill()
    assert not procfs.has_variable(process.pid, "MARK", "a")


def test_without_proc_nothing_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert procfs.place()
    monkeypatch.setattr(procfs, "PROC", tmp_path / "none")
    assert procfs.place() == ""
    assert procfs.find_stat(os.getpid()) is None
    assert procfs.living_members(os.getsid(0)) == []
