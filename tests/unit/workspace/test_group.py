from __future__ import annotations

import os
import signal
import subprocess
import time

import pytest

from jupyter_chatd.workspace.group import ProcessGroup


def leader(command: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(["/bin/sh", "-c", command], start_new_session=True, stdout=subprocess.PIPE)


def test_a_group_outlives_its_leader() -> None:
    shell = leader("sleep 60 & echo")
    assert shell.stdout is not None
    shell.stdout.readline()
    group = ProcessGroup(shell.pid)
    shell.wait()
    group.leader_reaped()
    assert group.exists()
    (survivor,) = group.survivors()
    assert group.send(signal.SIGKILL)
    assert shell.stdout.read() == b"", "the survivor held the pipe and lets it go"
    shell.stdout.close()
    deadline = time.monotonic() + 30
    while survivor in group.survivors():  # a process closes its files a moment before it is gone
        assert time.monotonic() < deadline


def test_a_number_that_was_given_to_a_stranger_is_not_ours() -> None:
    """After the leader was reaped, a process with its pid can only be someone else's."""
    with leader("sleep 60") as stranger:
        group = ProcessGroup(stranger.pid)
        group.leader_reaped()
        assert not group.exists()
        assert group.survivors() == []
        assert not group.send(signal.SIGKILL)
        assert stranger.poll() is None
        stranger.kill()


def test_an_empty_group_takes_no_signal() -> None:
    with leader("true") as shell:
        shell.wait()
    group = ProcessGroup(shell.pid)
    group.leader_reaped()
    assert not group.exists()
    assert not group.send(signal.SIGTERM)


@pytest.mark.anyio
async def test_what_cannot_be_killed_is_reported_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    with leader("sleep 60") as shell:
        group = ProcessGroup(shell.pid)
        with monkeypatch.context() as patch:
            patch.setattr(os, "kill", _refuse)
            patch.setattr(os, "killpg", _refuse)
            assert not await group.end(grace_s=0.05, limit_s=0.2)
        assert await group.end(grace_s=0.05, limit_s=5)


def _refuse(pid: int, number: int) -> None:
    raise PermissionError(1, "Operation not permitted")
