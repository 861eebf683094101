"""A real desktop: who can reach it, what it shows, and that nothing is left of it."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import struct
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from jupyter_chatd.desktop.actions import Click, Drag, Hold, Key, Move, Scroll, Type
from jupyter_chatd.desktop.defaults import DEFAULT_SIZE
from jupyter_chatd.desktop.desktop import Desktop, State
from jupyter_chatd.desktop.errors import DesktopLostError, DesktopStartError
from jupyter_chatd.desktop.geometry import Point
from jupyter_chatd.desktop.launchers import xvnc
from jupyter_chatd.desktop.launchers.applications import Application, find_applications
from jupyter_chatd.desktop.launchers.window_manager import desktop_commands
from jupyter_chatd.desktop.launchers.xvnc import XvncLauncher
from jupyter_chatd.desktop.rfb import Connection

from .png import Png, read_png
from .stages import check_strangers_are_refused, desktop_of, folders, needs_xvnc, terminal, until, users_of

pytestmark = pytest.mark.anyio

SAME_LINE = "the same on every line"
# Fills the terminal, then keeps what comes.
_LINES = f"""
import os, sys, tty
tty.setraw(0)
print(*["{SAME_LINE}"] * 23, sep="\\r\\n", flush=True)
with open(sys.argv[1], "ab", buffering=0) as file:
    while data := os.read(0, 65536):
        file.write(data)
"""
# Stands for a Jupyter server: starts a desktop and a program on it, then is killed.
_SERVER = """
import asyncio, subprocess, sys
from pathlib import Path
from jupyter_chatd.desktop.launchers import xvnc
from jupyter_chatd.desktop.launchers.xvnc import XvncLauncher
from jupyter_chatd.desktop.manager import DesktopManager

async def main():
    xvnc.ORPHAN_LIMIT = int(sys.argv[2])
    manager = DesktopManager(XvncLauncher(Path(sys.argv[1]), opens_application=False))
    desktop = manager.get("family")
    await desktop.picture()
    environment = {"PATH": "/usr/bin:/bin", **desktop.environment}
    null = subprocess.DEVNULL
    subprocess.Popen(["xterm"], env=environment, start_new_session=True, stdout=null, stderr=null)
    await asyncio.sleep(0.5)
    sys.stdout.write("ready\\n")
    sys.stdout.flush()
    await asyncio.sleep(60)

asyncio.run(main())
"""


@pytest.fixture
async def launcher(short: Path, anyio_backend: str) -> AsyncIterator[XvncLauncher]:
    launcher = XvncLauncher(short, opens_application=False)
    yield launcher
    await launcher.close()


@pytest.fixture
async def desktop(launcher: XvncLauncher) -> AsyncIterator[Desktop]:
    desktop = desktop_of(launcher)
    yield desktop
    await desktop.close()


async def look(desktop: Desktop) -> Png:
    await desktop.settle()
    return read_png((await desktop.picture()).png)


def server_of(folder: Path) -> int:
    """Return the process of the X server."""
    return next(pid for pid in users_of(folder) if b"-displayfd" in Path(f"/proc/{pid}/cmdline").read_bytes())


def listening_ports(pids: set[int]) -> set[str]:
    """Return the TCP ports that the processes listen on."""
    sockets: set[str] = set()
    for pid in pids:
        for number in os.listdir(f"/proc/{pid}/fd"):
            target = os.readlink(f"/proc/{pid}/fd/{number}")
            if target.startswith("socket:["):
                sockets.add(target[8:-1])
    rows = [
        line.split()
        for name in ("tcp", "tcp6")
        for line in Path("/proc/net", name).read_text().splitlines()[1:]
    ]
    return {row[1] for row in rows if row[3] == "0A" and row[9] in sockets}


@needs_xvnc
async def test_it_listens_on_no_port(desktop: Desktop, short: Path) -> None:
    path = await desktop.socket()
    members = users_of(short)
    assert len(members) >= 2  # the X server, the window manager
    assert listening_ports(members) == set()
    assert (path.parent.stat().st_mode & 0o777, path.stat().st_mode & 0o777) == (0o700, 0o600)


@needs_xvnc
@pytest.mark.skipif(os.geteuid() != 0, reason="only root may try as somebody else")
async def test_another_account_reaches_neither_the_socket_nor_the_display(desktop: Desktop) -> None:
    check_strangers_are_refused(await desktop.socket(), desktop.environment["DISPLAY"])


@needs_xvnc
async def test_triple_click_selects_a_line(desktop: Desktop, tmp_path: Path) -> None:
    typed = tmp_path / "typed"
    at = Point(x=640, y=400)
    await desktop.picture()
    async with terminal(desktop, "-e", sys.executable, "-c", _LINES, str(typed)):
        await until(typed.exists)
        await desktop.settle()
        await desktop.act([Click(at=at, count=3)])
        await desktop.settle()
        await desktop.act([Click(at=at, button="middle")])
        await until(lambda: SAME_LINE in typed.read_text())
        assert typed.read_text().replace("\r", "\n").strip() == SAME_LINE


@needs_xvnc
async def test_double_click_selects_a_word(desktop: Desktop, tmp_path: Path) -> None:
    typed = tmp_path / "typed"
    await desktop.picture()
    async with terminal(
        desktop, "-geometry", "80x24+100+100", "-e", sys.executable, "-c", _LINES, str(typed)
    ):
        await until(typed.exists)
        await desktop.settle()
        await desktop.act([Click(at=Point(x=112, y=300), count=2)])
        await desktop.settle()
        await desktop.act([Click(button="middle")])
        await until(typed.read_text)
        assert typed.read_text() == "the"


@needs_xvnc
async def test_drag_moves_a_window(desktop: Desktop) -> None:
    await desktop.picture()
    background = (await look(desktop)).at(5, 5)
    async with terminal(desktop, "-geometry", "80x24+100+100"):
        before = await look(desktop)
        assert (before.at(300, 300) != background, before.at(1100, 300) == background) == (True, True)
        await desktop.act([Drag(path=(Point(x=300, y=108), Point(x=700, y=108)))])
        after = await look(desktop)
        assert (after.at(300, 300) == background, after.at(1100, 300) != background) == (True, True)


@needs_xvnc
async def test_the_wheel_over_the_background_loses_no_window(desktop: Desktop) -> None:
    await desktop.picture()
    background = (await look(desktop)).at(5, 5)
    async with terminal(desktop, "-geometry", "40x10+400+300"):
        assert (await look(desktop)).at(700, 450) != background
        await desktop.act([Move(at=Point(x=20, y=700))])
        await desktop.act([Scroll(down=3), Scroll(down=-1), Scroll(right=2)])
        assert (await look(desktop)).at(700, 450) != background


@needs_xvnc
async def test_the_menu_opens_a_terminal(desktop: Desktop, short: Path) -> None:
    await desktop.picture()
    before = users_of(short)
    labels = [each.label for each in find_applications(short)]
    down = Key(keys="Down", repeat=labels.index("Terminal") + 1)
    await desktop.act([Click(at=Point(x=60, y=60), button="right")])
    await desktop.settle()
    await desktop.act([down, Key(keys="Return")])
    assert await until(lambda: len(users_of(short) - before) >= 1)
    await desktop.close()
    assert await until(lambda: not users_of(short), 5)


@needs_xvnc
async def test_50_viewers_see_the_same(desktop: Desktop) -> None:
    path = await desktop.socket()
    viewers = [await Connection.open(path) for _ in range(50)]
    await desktop.act([Move(at=Point(x=100, y=100))])
    await desktop.settle()
    assert {bytes((await viewer.grab()).data) for viewer in viewers} == {
        bytes((await viewers[0].grab()).data)
    }
    for viewer in viewers:
        await viewer.close()
    assert (await desktop.picture()).size == DEFAULT_SIZE


@needs_xvnc
async def test_killed_in_the_middle_of_an_action(desktop: Desktop, short: Path) -> None:
    await desktop.picture()
    acting = asyncio.create_task(desktop.act([Hold(keys="a", seconds=0.3), Type(text="x" * 2000)]))
    await asyncio.sleep(0.1)
    os.kill(server_of(short), signal.SIGKILL)
    with pytest.raises(DesktopLostError):
        await asyncio.wait_for(acting, 10)
    assert await until(lambda: desktop.status.state is State.STOPPED)
    assert (await desktop.picture()).size == DEFAULT_SIZE
    assert desktop.status.state is State.RUNNING
    assert len(folders(short)) == 1


@needs_xvnc
async def test_a_stopped_server_is_given_up_and_replaced(
    desktop: Desktop, short: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jupyter_chatd.desktop.rfb.connection.REPLY_LIMIT", 0.5)
    await desktop.picture()
    frozen = server_of(short)
    os.kill(frozen, signal.SIGSTOP)
    with pytest.raises(DesktopLostError, match=r"within 0\.5 s|for 0\.5 s"):
        await desktop.act([Move(at=Point(x=1, y=1))])
    monkeypatch.undo()
    monkeypatch.setattr("jupyter_chatd.desktop.desktop.RECONNECT_LIMIT", 0.5)
    await desktop.picture()
    assert server_of(short) != frozen


@needs_xvnc
async def test_stopping_leaves_no_process_and_no_file(launcher: XvncLauncher, short: Path) -> None:
    desktop = desktop_of(launcher)
    await desktop.picture()
    async with terminal(desktop):
        assert len(users_of(short)) >= 3
        await desktop.close()
        assert await until(lambda: not users_of(short), 30)
    assert not folders(short)


@needs_xvnc
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
async def test_it_dies_with_the_server(short: Path, number: signal.Signals) -> None:
    server = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _SERVER, str(short), "60"), stdout=asyncio.subprocess.PIPE
    )
    assert server.stdout is not None
    assert await asyncio.wait_for(server.stdout.readline(), 60) == b"ready\n"
    assert len(users_of(short)) >= 4
    server.send_signal(number)
    await server.wait()
    assert await until(lambda: not users_of(short), 30)


@needs_xvnc
async def test_it_waits_for_a_server_that_is_busy(launcher: XvncLauncher) -> None:
    """The time that an X server lives alone begins with its start."""
    launched = await launcher.launch(DEFAULT_SIZE)
    await asyncio.sleep(4)
    connection = await Connection.open(launched.socket)
    await connection.close()
    await launched.stop()


@needs_xvnc
async def test_without_the_warden_it_dies_of_loneliness(short: Path) -> None:
    """Xvnc itself ends when its last client has gone."""
    server = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _SERVER, str(short), "8"), stdout=asyncio.subprocess.PIPE
    )
    assert server.stdout is not None
    await asyncio.wait_for(server.stdout.readline(), 60)
    (warden,) = [pid for pid in children_of(server.pid) if b"read -r verb" in cmdline(pid)]
    os.kill(warden, signal.SIGKILL)
    server.kill()
    await server.wait()
    assert users_of(short)
    assert await until(lambda: not users_of(short), 60)


def cmdline(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def install(folder: Path, name: str, script: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


async def test_a_server_that_does_not_start_says_what_it_wrote(short: Path, tmp_path: Path) -> None:
    install(tmp_path / "bin", "Xvnc", "echo no screens found >&2; exit 1")
    launcher = XvncLauncher(short, path=str(tmp_path / "bin"))
    with pytest.raises(DesktopStartError, match=r"Xvnc did not start\. It wrote: no screens found"):
        await launcher.launch(DEFAULT_SIZE)
    await launcher.close()
    assert not folders(short)


async def test_a_server_that_never_gets_ready_is_given_up(
    short: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(xvnc, "START_LIMIT", 0.3)
    install(tmp_path / "bin", "Xvnc", "exec sleep 60")
    launcher = XvncLauncher(short, path=str(tmp_path / "bin"))
    with pytest.raises(DesktopStartError, match="It wrote: nothing"):
        await launcher.launch(DEFAULT_SIZE)
    await launcher.close()
    assert not users_of(short)
    assert not folders(short)


async def test_programs_do_not_get_the_secrets_of_the_server(
    short: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUPYTER_TOKEN", "secret-of-the-server")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "secret-of-the-server")
    install(tmp_path / "bin", "Xvnc", "env >&2; exit 1")
    launcher = XvncLauncher(short, path=str(tmp_path / "bin"))
    with pytest.raises(DesktopStartError) as caught:
        await launcher.launch(DEFAULT_SIZE)
    await launcher.close()
    assert "PATH=" in str(caught.value)
    assert "secret-of-the-server" not in str(caught.value)


def test_browser_and_terminal_are_offered_where_they_are(tmp_path: Path) -> None:
    path = str(tmp_path / "bin")
    install(tmp_path / "bin", "xterm", "")
    assert [each.label for each in find_applications(tmp_path, path=path)] == ["Terminal"]
    install(tmp_path / "bin", "firefox", "")
    install(tmp_path / "bin", "chromium", "")
    browser, _ = find_applications(tmp_path, path=path)
    assert browser.command[0] == f"{path}/chromium"
    assert f"--user-data-dir={tmp_path}/browser" in browser.command
    assert ("--no-sandbox" in browser.command) == (os.geteuid() == 0)


def test_window_managers_are_taken_in_order(tmp_path: Path) -> None:
    path = str(tmp_path / "bin")
    editor = Application(label="Editor", command=("edit", "a b"))
    assert desktop_commands(tmp_path, (), first=editor, path=path) == [editor.command]
    for name, option, others in (
        ("matchbox-window-manager", "-use_titlebar", [editor.command]),
        ("jwm", "-f", []),
        ("openbox", "--config-file", []),
    ):
        install(tmp_path / "bin", name, "")
        command, *more = desktop_commands(tmp_path, (), first=editor, path=path)
        assert (command[:2], more) == ((f"{path}/{name}", option), others)
        assert len(desktop_commands(tmp_path, (), first=None, path=path)) == 1
    assert command[-2:] == ("--startup", "edit 'a b'")
    jwm = tmp_path / "jwm.xml"
    assert "{" not in jwm.read_text()


@needs_xvnc
async def test_a_desktop_begins_with_a_window(short: Path, tmp_path: Path) -> None:
    """One that came while openbox started was never shown in two of three starts on a busy machine."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("Xvnc", "openbox", "xterm"):
        (programs / name).symlink_to(str(shutil.which(name)))
    launcher = XvncLauncher(short, path=str(programs))
    desktop = desktop_of(launcher)
    screen = await look(desktop)
    end = time.monotonic() + 60
    while screen.at(300, 200) != (255, 255, 255):  # the terminal's paper
        assert time.monotonic() < end
        await asyncio.sleep(0.1)
        screen = await look(desktop)
    await desktop.close()
    await launcher.close()


def test_the_cookie_is_a_file_of_x(tmp_path: Path) -> None:
    cookie = xvnc.Cookie()
    cookie.write(tmp_path / "one", 3)
    content = (tmp_path / "one").read_bytes()
    assert (tmp_path / "one").stat().st_mode & 0o777 == 0o600
    family, length = struct.unpack_from(">HH", content)
    assert (family, content[4 : 4 + length]) == (256, os.uname().nodename.encode())
    assert content.count(b"MIT-MAGIC-COOKIE-1") == 2
    other = xvnc.Cookie()
    other.write(tmp_path / "two", 3)
    assert (tmp_path / "two").read_bytes() != content
