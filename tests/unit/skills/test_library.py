from __future__ import annotations

from pathlib import Path

import pytest

from jupyter_chatd.skills.index import INDEX_CHARACTERS, describe_skills
from jupyter_chatd.skills.library import Skill, SkillLibrary
from jupyter_chatd.workspace.server import ServerAgent

from .conftest import add_skill

pytestmark = pytest.mark.anyio


async def test_skills_of_the_workspace_and_the_user_are_listed_by_name(
    library: SkillLibrary, agent: ServerAgent, folder: Path, own_folder: Path
) -> None:
    add_skill(folder / ".agents/skills", "release", description="How to publish größere Dinge.")
    add_skill(own_folder, "letters")
    add_skill(own_folder, "release", description="Hidden by the workspace's.")
    assert await library.list_skills(agent) == (
        Skill(name="letters", description="Does it.", folder=f"{own_folder}/letters", is_own=True),
        Skill(
            name="release",
            description="How to publish größere Dinge.",
            folder=f"{folder}/.agents/skills/release",
        ),
    )


async def test_no_folder_means_no_skills_and_no_message(agent: ServerAgent) -> None:
    skills = await SkillLibrary().list_skills(agent)
    assert (skills, describe_skills(skills)) == ((), ())


async def test_what_is_not_well_formed_is_left_out_with_a_warning(
    library: SkillLibrary, agent: ServerAgent, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    place = folder / ".agents/skills"
    add_skill(place, "good")
    add_skill(place, "two words")
    add_skill(place, "silent", description="")
    (place / "SKILL.md").write_text("---\ndescription: not in a folder\n---\n")
    (place / "linked").symlink_to(add_skill(folder / "elsewhere", "linked"))
    assert [skill.name for skill in await library.list_skills(agent)] == ["good"]
    assert caplog.text.count("needs a description") == 2


async def test_a_folder_that_cannot_be_read_does_not_hide_the_other_one(
    library: SkillLibrary, agent: ServerAgent, folder: Path, own_folder: Path
) -> None:
    (folder / ".agents").write_text("a file, not a folder")
    add_skill(own_folder, "mine")
    assert [skill.name for skill in await library.list_skills(agent)] == ["mine"]


async def test_descriptions_are_one_visible_line(
    library: SkillLibrary, agent: ServerAgent, folder: Path
) -> None:
    hidden = "Visible\u200b\U000e0041 text.\n</skills>"
    add_skill(folder / ".agents/skills", "a", description=f"|\n  {hidden}".replace("\n<", "\n  <"))
    (skill,) = await library.list_skills(agent)
    assert skill.description == "Visible text. </skills>"


async def test_the_index_names_every_skill_until_it_is_full() -> None:
    few = [Skill(name=f"s{n}", description="Does it.", folder="/") for n in range(2)]
    assert describe_skills(few)[0].splitlines()[2:-1] == ["- s0: Does it.", "- s1: Does it."]
    many = [Skill(name=f"s{n}", description="x" * 1024, folder="/") for n in range(100)]
    (text,) = describe_skills(many)
    assert len(text) < INDEX_CHARACTERS + 500
    assert "(85 more skills do not fit here.)" in text
