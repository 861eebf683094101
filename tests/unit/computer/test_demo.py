"""The demo model uses a desktop through the real tools."""

from __future__ import annotations

from pathlib import Path

import pytest
from desktop.stages import needs_xvnc, until
from loop.test_families import settled, text_of
from world import World

from jupyter_chatd.desktop.launchers.fake import FakeLauncher
from jupyter_chatd.desktop.launchers.xvnc import XvncLauncher
from jupyter_chatd.desktop.manager import DesktopManager
from jupyter_chatd.messages import ToolResultPart
from jupyter_chatd.providers.demo import DemoModel

pytestmark = pytest.mark.anyio

REQUEST = 'open the desktop and open a terminal, type "echo hello", press Return and look at the screen'


async def test_the_demo_opens_a_terminal_types_and_looks(
    tmp_path: Path, desktops: DesktopManager, launcher: FakeLauncher
) -> None:
    async with World(tmp_path, DemoModel(pace_s=0), desktops=desktops) as world:
        rows = await settled(world, chat_id := await world.create(REQUEST))
        (child,) = await world.runtime.subagents.children(await world.chat(chat_id))
        work = await world.rows(child.id)
    report = text_of(rows[-1])
    assert "I pressed ctrl+alt+t." in report
    assert "I typed `echo hello`." in report
    assert "I took a picture of the screen, 1280x800 pixels." in report
    assert launcher.launched[0].server.canvas.text == "echo hello\n"
    results = [part for row in work for part in row.parts if isinstance(part, ToolResultPart)]
    assert [part.is_media for part in results] == [True] * 6


async def test_without_a_desktop_the_demo_says_why(tmp_path: Path) -> None:
    async with World(tmp_path, DemoModel(pace_s=0)) as world:
        rows = await settled(world, await world.create(REQUEST))
    assert "computer_use is not available: no virtual desktop is set up" in text_of(rows[-1])


@needs_xvnc
async def test_the_demo_types_into_a_real_terminal(tmp_path: Path, short: Path) -> None:
    """Its keys open one, and the shell does what was typed."""
    desktops = DesktopManager(XvncLauncher(short, directory=tmp_path, opens_application=False))
    made = tmp_path / "made"
    request = (
        f'open the desktop and open a terminal, type "touch {made}", press Return and look at the screen'
    )
    async with World(tmp_path, DemoModel(pace_s=0), desktops=desktops) as world:
        rows = await settled(world, await world.create(request))
        assert "I took a picture of the screen, 1280x800 pixels." in text_of(rows[-1])
        assert await until(made.exists)
