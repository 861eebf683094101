"""docs/skills.md says what is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from jupyter_chatd.skills import library
from jupyter_chatd.skills.library import SkillLibrary
from jupyter_chatd.workspace.server import ServerAgent

TEXT = (Path(__file__).parents[3] / "docs" / "skills.md").read_text("utf-8")


@pytest.mark.anyio
async def test_the_skill_of_the_page_is_found_and_read(agent: ServerAgent, folder: Path) -> None:
    (example,) = re.findall(r"```markdown\n(.*?)```", TEXT, re.DOTALL)
    place = folder / library.WORKSPACE_FOLDER / "release"
    place.mkdir(parents=True)
    (place / library.FILE_NAME).write_text(example)
    (place / "checklist.md").write_text("Tests pass.")
    (skill,) = await SkillLibrary().list_skills(agent)
    assert (skill.name, skill.description.split(".")[0]) == ("release", "How a release is made here")
    read = await SkillLibrary().read(agent, "release")
    assert (read.body.splitlines()[0], read.files) == ("# Releasing", ("checklist.md",))


def test_the_folders_and_limits_are_those_of_the_code() -> None:
    assert f"`{library.WORKSPACE_FOLDER}` of the folder" in TEXT
    whole = library.BODY_BYTES + library.LISTED_BYTES
    assert f"up to {whole // 1024} KiB" in TEXT
    assert f"text of at most {library.FILE_BYTES // 1024} KiB" in TEXT
