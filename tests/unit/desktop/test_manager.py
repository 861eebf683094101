"""Desktops of chat families: started when used, one for each, stopped when nobody uses them."""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from jupyter_chatd.desktop.actions import Click, Cursor, Hold, KeyDown, Move, Press, Type
from jupyter_chatd.desktop.desktop import State
from jupyter_chatd.desktop.errors import (
    ActionError,
    DesktopLimitError,
    DesktopLostError,
    DesktopStartError,
    LauncherMissingError,
    TextNotTakenError,
)
from jupyter_chatd.desktop.geometry import Point, Size
from jupyter_chatd.desktop.input import PASTE_LIMIT
from jupyter_chatd.desktop.launchers.choice import choose_launcher
from jupyter_chatd.desktop.launchers.fake import FakeLauncher
from jupyter_chatd.desktop.launchers.folder import Folder, sweep
from jupyter_chatd.desktop.launchers.launcher import Launcher
from jupyter_chatd.desktop.launchers.portabledesktop import PortabledesktopLauncher
from jupyter_chatd.desktop.launchers.socket import SocketLauncher
from jupyter_chatd.desktop.launchers.xvnc import XvncLauncher
from jupyter_chatd.desktop.manager import DesktopManager

from .stages import folders, until

pytestmark = pytest.mark.anyio

SIZE = Size(width=64, height=48)


@pytest.fixture
def launcher(short: Path) -> FakeLauncher:
    return FakeLauncher(short)


@pytest.fixture
async def manager(launcher: FakeLauncher, anyio_backend: str) -> AsyncIterator[DesktopManager]:
    manager = DesktopManager(launcher, size=SIZE, limit=2)
    yield manager
    await manager.close()


async def test_a_desktop_starts_with_its_first_use(manager: DesktopManager, launcher: FakeLauncher) -> None:
    desktop = manager.get("family")
    assert desktop.status.state is State.STOPPED
    assert not launcher.launched
    await desktop.picture()
    assert desktop.status.state is State.RUNNING
    assert manager.get("family") is desktop
    assert len(launcher.launched) == 1


async def test_families_have_desktops_of_their_own(manager: DesktopManager, launcher: FakeLauncher) -> None:
    await manager.get("one").act([Type(text="1")])
    await manager.get("two").act([Type(text="2")])
    assert [each.server.canvas.text for each in launcher.launched] == ["1", "2"]


async def test_many_first_uses_start_one(manager: DesktopManager, launcher: FakeLauncher) -> None:
    await asyncio.gather(*(manager.get("family").picture() for _ in range(10)))
    assert len(launcher.launched) == 1


async def test_no_more_than_the_limit(manager: DesktopManager) -> None:
    for family in ("one", "two"):
        await manager.get(family).picture()
    with pytest.raises(DesktopLimitError, match="at most 2 desktops"):
        await manager.get("three").picture()
    assert manager.get("three").status.state is State.FAILED
    await manager.stop("one")
    await manager.get("three").picture()


async def test_a_stopped_desktop_leaves_nothing(manager: DesktopManager, short: Path) -> None:
    before = asyncio.all_tasks()
    await manager.get("family").picture()
    assert folders(short)
    await manager.stop("family")
    await manager.stop("family")
    assert not folders(short)
    assert await until(lambda: asyncio.all_tasks() == before)


async def test_stopping_does_not_wait_for_an_action(manager: DesktopManager, launcher: FakeLauncher) -> None:
    desktop = manager.get("family")
    acting = asyncio.create_task(desktop.act([Hold(keys="a", seconds=60)]))
    queued = asyncio.create_task(desktop.act([Type(text="late")]))
    await until(lambda: launcher.launched and launcher.launched[0].server.canvas.down)
    await asyncio.wait_for(manager.stop("family"), 5)
    for task in (acting, queued):
        with pytest.raises(DesktopLostError, match="was stopped"):
            await task
    canvas = launcher.launched[0].server.canvas
    assert (canvas.text, canvas.down) == ("a", set())
    with pytest.raises(DesktopLostError, match="was stopped"):
        await desktop.picture()
    assert len(launcher.launched) == 1
    await manager.get("family").picture()


async def test_a_desktop_in_use_is_not_idle(launcher: FakeLauncher) -> None:
    manager = DesktopManager(launcher, size=SIZE, idle_limit_s=0.1)
    await manager.get("family").act([Hold(keys="a", seconds=0.5), Type(text="b")])
    assert launcher.launched[0].server.canvas.text == "ab"
    await manager.close()


async def test_an_idle_desktop_is_stopped(launcher: FakeLauncher) -> None:
    manager = DesktopManager(launcher, size=SIZE, idle_limit_s=0.4)
    await manager.get("family").picture()
    for _ in range(3):
        await asyncio.sleep(0.2)
        manager.touch("family")
    assert launcher.launched[0].is_alive
    assert await until(lambda: not launcher.launched[0].is_alive, 3)
    assert manager.find("family") is None
    await manager.get("family").picture()
    await manager.close()
    assert not any(each.is_alive for each in launcher.launched)


async def test_a_crash_is_mended_by_the_next_use(manager: DesktopManager, launcher: FakeLauncher) -> None:
    desktop = manager.get("family")
    await desktop.picture()
    await launcher.launched[0].server.stop()
    assert await until(lambda: desktop.status.state is State.STOPPED)
    await desktop.act([Type(text="again")])
    assert launcher.launched[1].server.canvas.text == "again"


async def test_a_crash_meanwhile_is_told_and_not_repeated(
    manager: DesktopManager, launcher: FakeLauncher
) -> None:
    desktop = manager.get("family")
    acting = asyncio.create_task(desktop.act([Hold(keys="a", seconds=0.2), Click()]))
    await until(lambda: launcher.launched and launcher.launched[0].server.canvas.text)
    await launcher.launched[0].server.stop()
    with pytest.raises(DesktopLostError):
        await acting
    assert "gone" in (desktop.status.problem or "")
    await desktop.picture()
    assert desktop.status.problem is None
    assert not launcher.launched[1].server.canvas.text


async def test_a_connection_that_breaks_is_made_anew(manager: DesktopManager, launcher: FakeLauncher) -> None:
    desktop = manager.get("family")
    await desktop.act([KeyDown(keys="ctrl"), Type(text="1"), Move(at=Point(x=9, y=7))])
    server = launcher.launched[0].server
    server.hang_up()
    assert await until(lambda: desktop.status.state is State.STOPPED)
    assert server.canvas.down == {0xFFE3}
    await desktop.act([Type(text="2"), Click()])
    assert len(launcher.launched) == 1
    assert server.canvas.pointer == Point(x=9, y=7)
    assert server.canvas.text == "2"  # without ctrl


async def test_a_persons_pointer_is_known_when_it_is_told(manager: DesktopManager) -> None:
    desktop = manager.get("family")
    desktop.note_pointer(Point(x=1, y=1))  # nothing runs yet
    await desktop.act([Move(at=Point(x=5, y=5))])
    desktop.note_pointer(Point(x=40, y=30))
    (done,) = await desktop.act([Cursor()])
    assert done.cursor == Point(x=40, y=30)


async def test_a_start_that_fails_is_told_and_tried_again(
    manager: DesktopManager, launcher: FakeLauncher, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(size: Size) -> None:
        raise DesktopStartError("no display left")

    desktop = manager.get("family")
    with monkeypatch.context() as patch:
        patch.setattr(launcher, "launch", fail)
        with pytest.raises(DesktopStartError, match="no display left"):
            await desktop.picture()
    assert (desktop.status.state, desktop.status.problem) == (State.FAILED, "no display left")
    await desktop.picture()
    assert desktop.status.state is State.RUNNING


async def test_what_is_left_down_is_let_go_of(manager: DesktopManager, launcher: FakeLauncher) -> None:
    desktop = manager.get("family")
    await desktop.act([KeyDown(keys="ctrl+shift"), Press(at=Point(x=0, y=0))])
    canvas = launcher.launched[0].server.canvas
    assert (len(canvas.down), canvas.buttons) == (2, 1)
    await desktop.release()
    await desktop.act([])
    assert await until(lambda: (canvas.down, canvas.buttons) == (set(), 0))
    await desktop.act([KeyDown(keys="alt")])
    await desktop.close()
    assert not canvas.down


async def test_text_that_no_window_takes_is_told(
    manager: DesktopManager, launcher: FakeLauncher, monkeypatch: pytest.MonkeyPatch
) -> None:
    desktop = manager.get("family")
    await desktop.picture()
    monkeypatch.setattr(launcher.launched[0].server.canvas, "press", lambda *_, **__: False)
    with pytest.raises(TextNotTakenError, match=f"within {PASTE_LIMIT:g} s"):
        await desktop.act([Type(text="é")])
    assert desktop.status.state is State.RUNNING


async def test_an_action_outside_of_the_screen_changes_nothing(
    manager: DesktopManager, launcher: FakeLauncher
) -> None:
    with pytest.raises(ActionError, match="x from 0 to 63"):
        await manager.get("family").act([Type(text="x"), Click(at=Point(x=64, y=0))])
    assert not launcher.launched[0].server.canvas.text


async def test_a_socket_is_attached_to_and_left_alone(
    manager: DesktopManager, launcher: FakeLauncher
) -> None:
    path = await manager.get("family").socket()
    attached = DesktopManager(SocketLauncher(path))
    await attached.get("other").act([Type(text="hello")])
    assert attached.get("other").status.size == SIZE
    await attached.close()
    assert launcher.launched[0].server.canvas.text == "hello"
    assert launcher.launched[0].is_alive


async def test_a_socket_that_is_not_there(short: Path) -> None:
    manager = DesktopManager(SocketLauncher(short / "no.socket"))
    with pytest.raises(LauncherMissingError, match=r"an RFB server that listens on the socket .*no\.socket"):
        await manager.get("family").picture()
    await manager.close()


async def test_a_long_path_leaves_room_for_sockets_elsewhere(short: Path) -> None:
    long = short / ("deep" * 30)
    manager = DesktopManager(FakeLauncher(long), size=SIZE)
    path = await manager.get("family").socket()
    assert len(str(path)) <= 100
    assert not path.is_relative_to(long)
    assert (path.parent.stat().st_mode & 0o777, path.stat().st_mode & 0o777) == (0o700, 0o600)
    await manager.close()
    assert not path.parent.exists()


def test_folders_of_dead_servers_are_swept(short: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    living, dead = Folder(short), short / "chatd-desktop-00000000"
    dead.mkdir()
    (dead / "lock").touch()
    (short / "chatd-desktop-of-somebody").mkdir()
    sweep(short)
    assert sorted(path.name for path in short.iterdir()) == sorted(
        [living.path.name, "chatd-desktop-of-somebody"]
    )
    assert str(dead) in caplog.text
    living.remove()
    living.remove()


async def test_launchers_are_chosen_by_name_and_by_what_is_there(short: Path, tmp_path: Path) -> None:
    def choose(name: str, socket: Path | None = None) -> Launcher:
        return choose_launcher(name, short, socket=socket, allow_shared_host=True, path=str(tmp_path))

    def install(name: str) -> None:
        shutil.copy("/bin/true", tmp_path / name)

    assert isinstance(choose("fake"), FakeLauncher)
    assert isinstance(choose("socket", short / "s"), SocketLauncher)
    assert isinstance(choose("auto", short / "s"), SocketLauncher)
    nothing = choose("auto")
    assert isinstance(nothing, XvncLauncher)
    assert "apt-get install tigervnc-standalone-server" in (nothing.missing() or "")
    with pytest.raises(LauncherMissingError, match="tigervnc"):
        await nothing.launch(SIZE)
    install("portabledesktop")
    assert isinstance(choose("auto"), PortabledesktopLauncher)
    install("Xvnc")
    assert isinstance(choose("auto"), XvncLauncher)
    assert choose("socket").missing() == "the path of an RFB server's socket, c.JupyterChatd.desktop_socket"
    with pytest.raises(ValueError, match="Expected one of auto, xvnc, portabledesktop, socket, fake"):
        choose("vnc")
