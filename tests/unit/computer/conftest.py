"""Agents with a fake desktop."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from jupyter_chatd.desktop.launchers.fake import FakeLauncher
from jupyter_chatd.desktop.manager import DesktopManager


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Shells in terminals of the desktop start without the tester's own start-up files, which may wait."""
    monkeypatch.setenv("HOME", str(tmp_path_factory.mktemp("home")))


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder whose path leaves room for a socket's name."""
    folder = Path(tempfile.mkdtemp(prefix="rfb"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def launcher(short: Path) -> FakeLauncher:
    return FakeLauncher(short)


@pytest.fixture
async def desktops(launcher: FakeLauncher, anyio_backend: str) -> AsyncIterator[DesktopManager]:
    manager = DesktopManager(launcher)
    yield manager
    await manager.close()
