"""Skills on a real agent."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from jupyter_chatd.messages import CallKey
from jupyter_chatd.skills.library import SkillLibrary
from jupyter_chatd.tools.protocol import ToolContext, ToolOutput
from jupyter_chatd.tools.read_skill import ReadSkill
from jupyter_chatd.tools.read_skill_file import ReadSkillFile
from jupyter_chatd.tools.registry import Toolbox
from jupyter_chatd.workspace.server import ServerAgent

Call = Callable[..., Awaitable[ToolOutput]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The workspace's folder."""
    path = tmp_path / "work"
    path.mkdir()
    return path


@pytest.fixture
def own_folder(tmp_path: Path) -> Path:
    """The user's own skills, in a folder that the file tools refuse."""
    return tmp_path / "config" / "skills"


@pytest.fixture
async def agent(folder: Path, tmp_path: Path, anyio_backend: str) -> AsyncIterator[ServerAgent]:
    made = ServerAgent(
        directory=folder, home=tmp_path, state_folder=tmp_path / "state", protected=[tmp_path / "config"]
    )
    yield made
    await made.aclose()


@pytest.fixture
def library(own_folder: Path) -> SkillLibrary:
    return SkillLibrary(own_folder)


@pytest.fixture
def call(agent: ServerAgent, library: SkillLibrary) -> Call:
    """Runs a tool by its name with the given arguments."""
    box = Toolbox([ReadSkill(library), ReadSkillFile(library)])
    context = ToolContext(
        chat_id="chat-1",
        key=CallKey(message_id=1, index=0),
        tool_call_id="call-1",
        workspace=lambda: agent,
        emit=lambda _text: None,
    )

    async def run(tool: str, **args: Any) -> ToolOutput:
        return await box.get(tool).run(args, context)

    return run


def add_skill(folder: Path, name: str, *, description: str = "Does it.", body: str = "# Body\n") -> Path:
    """Make `<folder>/<name>/SKILL.md` and return the skill's folder."""
    skill = folder / name
    skill.mkdir(parents=True)
    (skill / "SKILL.md").write_text(f"---\nname: {name}\ndescription: {description}\n---\n{body}", "utf-8")
    return skill
