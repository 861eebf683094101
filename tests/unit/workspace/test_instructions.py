from __future__ import annotations

import os
from pathlib import Path

import pytest

from jupyter_chatd.workspace.protocol import InstructionFile, WorkspaceAgent


@pytest.mark.anyio
async def test_the_users_file_comes_before_the_folders(
    agent: WorkspaceAgent, folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config/AGENTS.md").write_text("mine")
    (folder / "AGENTS.md").write_text("the project's")
    assert await agent.instructions() == [
        InstructionFile(path=str(tmp_path / "config/AGENTS.md"), content="mine"),
        InstructionFile(path=str(folder / "AGENTS.md"), content="the project's"),
    ]


@pytest.mark.anyio
async def test_none_is_fine(agent: WorkspaceAgent) -> None:
    assert await agent.instructions() == []


@pytest.mark.anyio
async def test_a_long_file_is_cut_between_characters(agent: WorkspaceAgent, folder: Path) -> None:
    (folder / "AGENTS.md").write_text("a" + "é" * 40_000)
    (file,) = await agent.instructions()
    assert file.truncated
    assert file.content == "a" + "é" * 32_767
    (folder / "AGENTS.md").write_bytes(b"x" * 65_536)
    (file,) = await agent.instructions()
    assert (file.truncated, len(file.content)) == (False, 65_536)


@pytest.mark.anyio
async def test_a_project_cannot_show_the_servers_secrets(
    agent: WorkspaceAgent, folder: Path, secrets: Path
) -> None:
    (folder / "AGENTS.md").symlink_to(secrets / "key.json")
    assert await agent.instructions() == []


@pytest.mark.anyio
async def test_a_pipe_does_not_block(
    agent: WorkspaceAgent, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    os.mkfifo(folder / "AGENTS.md")
    assert await agent.instructions() == []
    assert "not a regular file" in caplog.text
