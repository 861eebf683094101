"""Desktops for chats of another server: kept while that is connected, stopped when it has gone."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from jupyter_chatd.desktop.hosted import HostedDesktops
from jupyter_chatd.desktop.launchers.fake import FakeLauncher
from jupyter_chatd.desktop.manager import DesktopManager
from jupyter_chatd.workspace.protocol import WorkspaceError

from .stages import until

pytestmark = pytest.mark.anyio

ONE = "one"
SHORT = 0.05  # seconds


@pytest.fixture
def launcher(short: Path) -> FakeLauncher:
    return FakeLauncher(short)


def hosted(launcher: FakeLauncher, *, idle_limit_s: float = 60.0) -> HostedDesktops:
    return HostedDesktops(lambda: DesktopManager(launcher, idle_limit_s=idle_limit_s), unheld_limit_s=SHORT)


async def test_a_desktop_to_which_nobody_connects_is_stopped(launcher: FakeLauncher) -> None:
    desktops = hosted(launcher)
    await desktops.start(ONE)
    assert await until(lambda: not launcher.launched[-1].is_alive)
    with pytest.raises(WorkspaceError, match="no such desktop"):
        await desktops.socket(ONE)
    await desktops.aclose()


async def test_a_desktop_is_kept_while_somebody_is_connected_however_idle_it_is(
    launcher: FakeLauncher,
) -> None:
    desktops = hosted(launcher, idle_limit_s=SHORT)
    await desktops.start(ONE)
    with desktops.held(ONE):
        with desktops.held(ONE):
            pass
        await asyncio.sleep(6 * SHORT)
        assert launcher.launched[-1].is_alive
    assert await until(lambda: not launcher.launched[-1].is_alive)
    await desktops.aclose()


async def test_all_end_with_the_server_and_nothing_is_made_before_the_first(launcher: FakeLauncher) -> None:
    unused = HostedDesktops(lambda: pytest.fail("made too early"))
    await unused.stop("none")
    await unused.aclose()
    desktops = hosted(launcher)
    await desktops.start(ONE)
    with desktops.held(ONE):
        await desktops.aclose()
    await desktops.aclose()
    assert not launcher.launched[-1].is_alive
