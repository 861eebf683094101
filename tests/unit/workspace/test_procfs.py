from __future__ import annotations

import os
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


def test_all_processes_include_this_one() -> None:
    assert os.getpid() in [stat.pid for stat in procfs.all_stats()]


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
    assert list(procfs.all_stats()) == []
