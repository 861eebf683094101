"""The folder of a new workspace appears whole or not at all."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import pytest

from jupyter_chatd.workspace.environment import scrubbed
from jupyter_chatd.workspace.guard import Guard
from jupyter_chatd.workspaces.files import fill
from jupyter_chatd.workspaces.provisioner import ProvisionError
from jupyter_chatd.workspaces.values import Origin

pytestmark = pytest.mark.anyio


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "workspaces"


async def filled(
    root: Path, origin: Origin, *, protected: Path | None = None, **values: str
) -> tuple[Path, list[str]]:
    lines: list[str] = []
    guard = Guard([protected] if protected else [])
    await fill(root / "w", origin, values, guard=guard, env=scrubbed(os.environ), say=lines.append)
    return root / "w", lines


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


async def test_an_empty_one(root: Path) -> None:
    folder, _ = await filled(root, Origin.EMPTY)
    assert (names(root), names(folder)) == (["w"], [])


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder with what is copied and what is not."""
    folder = tmp_path / "source"
    (folder / "keys").mkdir(parents=True)
    (folder / "keys" / "key.json").write_text("sk-secret")
    (folder / "code").mkdir()
    (folder / "code" / "run.sh").write_text("#!/bin/sh\n")
    (folder / "code" / "run.sh").chmod(0o755)
    (folder / "link").symlink_to("keys/key.json")
    os.mkfifo(folder / "pipe")
    return folder


async def test_a_copy_leaves_out_what_is_protected(root: Path, source: Path) -> None:
    folder, lines = await filled(root, Origin.FOLDER, protected=source / "keys", source=str(source))
    assert names(folder) == ["code", "code/run.sh", "link"]
    assert os.access(folder / "code" / "run.sh", os.X_OK)
    assert (folder / "link").is_symlink()
    assert lines[-1].startswith("Left out 2 ")
    assert names(source)[-1] == "pipe"


async def test_a_protected_folder_is_not_copied(root: Path, source: Path) -> None:
    with pytest.raises(ProvisionError, match="protected"):
        await filled(root, Origin.FOLDER, protected=source, source=str(source / "code"))
    assert names(root) == []


async def test_a_copy_of_what_holds_the_workspaces_does_not_hold_itself(tmp_path: Path, root: Path) -> None:
    (tmp_path / "f").touch()
    folder, _ = await filled(root, Origin.FOLDER, source=str(tmp_path))
    assert names(folder) == ["f"]


@pytest.mark.parametrize("wrong", ["none", "file"])
async def test_a_source_that_is_no_folder(root: Path, tmp_path: Path, wrong: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ProvisionError, match="does not exist, or is no folder"):
        await filled(root, Origin.FOLDER, source=str(tmp_path / wrong))
    assert names(root) == []


async def test_a_clone_of_a_branch(root: Path, repository: str) -> None:
    folder, lines = await filled(root, Origin.GIT, url=repository, branch="main", depth="1")
    assert (folder / "README").read_text() == "hello\n"
    assert lines[0] == f"Cloning {repository}"


@pytest.mark.parametrize("url", ["file:///nowhere", "https://127.0.0.1:1/x"])
async def test_a_clone_that_fails_says_what_git_said(root: Path, url: str) -> None:
    with pytest.raises(ProvisionError, match=r"git clone failed with code 128: fatal: .+"):
        await filled(root, Origin.GIT, url=url)
    assert names(root) == []


async def test_a_branch_that_does_not_exist(root: Path, repository: str) -> None:
    with pytest.raises(ProvisionError, match="none"):
        await filled(root, Origin.GIT, url=repository, branch="none")
    assert names(root) == []


async def test_a_clone_that_is_given_up_leaves_nothing(root: Path, tmp_path: Path) -> None:
    """Git waits for a server that says nothing."""
    callers: list[asyncio.StreamWriter] = []
    silent = await asyncio.start_server(lambda _, caller: callers.append(caller), "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    cloning = asyncio.create_task(filled(root, Origin.GIT, url=f"git://127.0.0.1:{port}/x"))
    async with asyncio.timeout(20):
        while not names(root):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.02)
    began = time.monotonic()
    cloning.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cloning
    for caller in callers:
        caller.close()
    silent.close()
    assert time.monotonic() - began < 10
    assert names(root) == []


async def test_a_place_where_nothing_can_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ProvisionError, match="cannot be made"):
        await filled(tmp_path / "file" / "below", Origin.EMPTY)


async def test_what_is_there_is_never_replaced(root: Path) -> None:
    (root / "w").mkdir(parents=True)
    with pytest.raises(ProvisionError, match="exists already"):
        await filled(root, Origin.EMPTY)
    assert names(root) == ["w"]
