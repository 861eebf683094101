"""The `portabledesktop` binary is called by its contract, and is not believed."""

from __future__ import annotations

import json
import os
import pwd
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from jupyter_chatd.desktop.actions import Type
from jupyter_chatd.desktop.desktop import State
from jupyter_chatd.desktop.errors import DesktopStartError, LauncherMissingError
from jupyter_chatd.desktop.geometry import Size
from jupyter_chatd.desktop.launchers import portabledesktop
from jupyter_chatd.desktop.launchers.accounts import other_people
from jupyter_chatd.desktop.launchers.portabledesktop import PortabledesktopLauncher, read_session
from jupyter_chatd.desktop.launchers.socket import SocketLauncher

from . import portabledesktop_stub
from .stages import desktop_of, folders, until, users_of

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(sys.platform != "linux", reason="the binary is for Linux"),
]

SIZE = Size(width=320, height=200)
ROOT = Path(portabledesktop_stub.__file__).parents[3]


@pytest.fixture
def calls(tmp_path: Path) -> Path:
    return tmp_path / "calls"


@pytest.fixture
async def launcher(
    short: Path, tmp_path: Path, calls: Path, anyio_backend: str
) -> AsyncIterator[Callable[..., PortabledesktopLauncher]]:
    made: list[PortabledesktopLauncher] = []

    def make(mode: str = "ok", *, allow_shared_host: bool = True) -> PortabledesktopLauncher:
        program = tmp_path / "portabledesktop"
        stub = f"{sys.executable} {portabledesktop_stub.__file__} {mode} {calls}"
        program.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {stub} "$@"\n')
        program.chmod(0o755)
        made.append(PortabledesktopLauncher(short, path=str(tmp_path), allow_shared_host=allow_shared_host))
        return made[-1]

    yield make
    for each in made:
        await each.close()


def told(calls: Path) -> list[list[str]]:
    return [json.loads(line) for line in calls.read_text().splitlines()]


async def test_it_is_confined_and_asked_for_a_socket(
    launcher: Callable[..., PortabledesktopLauncher], calls: Path, short: Path
) -> None:
    desktop = desktop_of(launcher(), SIZE)
    await desktop.act([Type(text="é")])
    assert desktop.status.size == SIZE
    assert desktop.environment == {"DISPLAY": ":7"}
    (folder,) = folders(short)
    assert told(calls) == [
        [
            "up",
            *("--state-file", f"{folder}/state.json"),
            "--json",
            *("--session-dir", f"{folder}/session"),
            *("--geometry", "320x200"),
            "--xvnc-arg=-localhost=1",
            f"--xvnc-arg=-rfbunixpath={folder}/rfb.socket",
            "--xvnc-arg=-rfbunixmode=0600",
            "--xvnc-arg=-AlwaysShared=1",
            "--xvnc-arg=-MaxDisconnectionTime=20",
        ]
    ]
    await desktop.close()
    assert told(calls)[1:] == [["down", "--state-file", f"{folder}/state.json"]]
    assert not folder.exists()


async def test_its_server_is_watched_though_up_has_ended(
    launcher: Callable[..., PortabledesktopLauncher], short: Path
) -> None:
    desktop = desktop_of(launcher(), SIZE)
    await desktop.picture()
    assert await until(lambda: len(users_of(short)) == 1)  # `up` is gone
    (pid,) = users_of(short)
    os.kill(pid, signal.SIGKILL)
    assert await until(lambda: desktop.status.state is State.STOPPED)
    await desktop.picture()
    assert desktop.status.state is State.RUNNING
    await desktop.close()


async def test_a_start_that_takes_too_long_is_given_up(
    launcher: Callable[..., PortabledesktopLauncher], short: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(portabledesktop, "COMMAND_LIMIT", 0.3)
    with pytest.raises(DesktopStartError, match=r"portabledesktop up took over 0\.3 s"):
        await launcher("hang").launch(SIZE)
    assert not folders(short)


@pytest.mark.parametrize(
    "mode, expected",
    [
        ("fail", "portabledesktop up failed: error: no free display"),
        ("garbage", r"Expected JSON with display and xvncPid of portabledesktop, came b'listening\\n'"),
        ("dead", "says that its server runs, but it does not"),
    ],
)
async def test_a_start_that_did_not_work(
    launcher: Callable[..., PortabledesktopLauncher], short: Path, mode: str, expected: str
) -> None:
    with pytest.raises(DesktopStartError, match=expected):
        await launcher(mode).launch(SIZE)
    assert not folders(short)


async def test_it_has_to_be_installed(short: Path, tmp_path: Path) -> None:
    launcher = PortabledesktopLauncher(short, path=str(tmp_path))
    assert launcher.missing() == "the program portabledesktop, from github.com/coder/portabledesktop"
    with pytest.raises(LauncherMissingError, match="The desktop needs the program portabledesktop"):
        await launcher.launch(SIZE)


async def test_shared_hosts_have_to_be_allowed(
    launcher: Callable[..., PortabledesktopLauncher], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(portabledesktop, "other_people", lambda: ["ada", "bob"])
    with pytest.raises(LauncherMissingError, match="ada, bob could reach a desktop"):
        await launcher(allow_shared_host=False).launch(SIZE)
    assert launcher().missing() is None


def account(name: str, uid: int, shell: str) -> pwd.struct_passwd:
    return pwd.struct_passwd((name, "x", uid, uid, "", "/", shell))


def test_people_are_accounts_that_can_log_in() -> None:
    accounts = [
        account("root", 0, "/bin/bash"),
        account("me", 1000, "/bin/bash"),
        account("ada", 1001, "/bin/zsh"),
        account("service", 1002, "/usr/sbin/nologin"),
        account("nobody", 65534, "/bin/sh"),
    ]
    assert other_people(accounts, own=1000, owners=[]) == ["ada"]
    running = [0, 1000, 1001, 1002, 61184, 65534, 4321987]
    assert other_people(accounts, own=1000, owners=running) == ["ada", "account 4321987"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may run a program as somebody else")
def test_who_is_not_listed_but_runs_programs_is_seen() -> None:
    """Users of a directory server, as many hubs have them."""
    with subprocess.Popen(["/bin/sleep", "60"], user=4321987, cwd="/") as process:
        assert "account 4321987" in other_people()
        process.kill()


async def test_a_socket_whose_path_is_too_long_is_told_before_anything_starts(tmp_path: Path) -> None:
    attached = SocketLauncher(tmp_path / ("deep" * 30) / "rfb.socket")
    with pytest.raises(LauncherMissingError, match="a socket whose path has at most 100 bytes, not "):
        await attached.launch(SIZE)


@pytest.mark.parametrize(
    "said", [b"", b"[]\n", b"{}\n", b'{"display": 1, "xvncPid": "5"}\n', b'{"display":1,"xvncPid":0}']
)
def test_what_it_says_is_checked(said: bytes) -> None:
    with pytest.raises(DesktopStartError, match="Expected"):
        read_session(said)
