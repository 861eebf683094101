"""Finding files and reading their bytes, through a real agent."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from jupyter_chatd.workspace import search
from jupyter_chatd.workspace.protocol import FileBytes, FoundFile, FoundFiles, WorkspaceAgent, WorkspaceError

pytestmark = pytest.mark.anyio


def make(folder: Path, *paths: str) -> None:
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(path)


async def names(agent: WorkspaceAgent, folder: Path, **options: object) -> list[str]:
    found = await agent.find_files(str(folder), **options)  # pyright: ignore[reportArgumentType]
    return [file.path for file in found.files]


async def test_files_are_found_by_name_down_to_a_depth(agent: WorkspaceAgent, folder: Path) -> None:
    make(folder, "b/SKILL.md", "a/SKILL.md", "a/x.txt", "a/deep/SKILL.md", "SKILL.md")
    assert await names(agent, folder, name="SKILL.md", depth=2) == ["SKILL.md", "a/SKILL.md", "b/SKILL.md"]
    assert await names(agent, folder, depth=1) == ["SKILL.md"]
    assert len(await names(agent, folder)) == 5


async def test_a_found_file_has_its_size_and_a_missing_folder_holds_none(
    agent: WorkspaceAgent, folder: Path
) -> None:
    (folder / "ä.txt").write_text("äöü")
    assert await agent.find_files(str(folder)) == FoundFiles(files=(FoundFile(path="ä.txt", size=6),))
    assert await agent.find_files(f"{folder}/none") == FoundFiles()


async def test_links_protected_folders_and_pipes_are_left_out(
    agent: WorkspaceAgent, folder: Path, secrets: Path
) -> None:
    make(folder, "real/a")
    (folder / "link").symlink_to(folder / "real")
    (folder / "file-link").symlink_to(folder / "real" / "a")
    os.mkfifo(folder / "pipe")
    assert await names(agent, folder) == ["real/a"]
    assert await names(agent, secrets.parent) == []
    with pytest.raises(WorkspaceError, match="protected"):
        await agent.find_files(str(secrets))


async def test_a_cut_leaves_the_deepest_out(
    agent: WorkspaceAgent, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(folder, "a/deep", "b", "c")
    cut = await agent.find_files(str(folder), limit=2)
    assert ([file.path for file in cut.files], cut.is_cut) == (["b", "c"], True)
    assert not (await agent.find_files(str(folder), limit=3)).is_cut
    monkeypatch.setattr(search, "ENTRIES", 3)
    assert (await agent.find_files(str(folder))).is_cut


async def test_bytes_are_read_up_to_a_limit(agent: WorkspaceAgent, folder: Path) -> None:
    (folder / "f").write_bytes(b"\0\xff12345")
    assert await agent.read_bytes(f"{folder}/f", limit_bytes=3) == FileBytes(data=b"\0\xff1", size=7)
    with pytest.raises(WorkspaceError, match="does not exist"):
        await agent.read_bytes(f"{folder}/none", limit_bytes=3)


async def test_a_read_stays_in_the_folder_that_it_is_bound_to(
    agent: WorkspaceAgent, folder: Path, tmp_path: Path
) -> None:
    make(folder, "skill/a", "skill-other/b")
    make(tmp_path, "outside")
    (folder / "skill" / "out").symlink_to(tmp_path / "outside")
    (folder / "skill" / "in").symlink_to(folder / "skill" / "a")
    inside = f"{folder}/skill"
    assert (await agent.read_bytes(f"{inside}/in", limit_bytes=9, inside=inside)).data == b"skill/a"
    for path in (f"{inside}/out", f"{inside}/../skill-other/b", f"{folder}/skill-other/b"):
        with pytest.raises(WorkspaceError, match="leads out of"):
            await agent.read_bytes(path, limit_bytes=9, inside=inside)
