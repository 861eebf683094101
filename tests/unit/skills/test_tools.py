from __future__ import annotations

from pathlib import Path

import pytest
from unit.tools.outputs import error, fields

from jupyter_chatd.tools.protocol import ToolOutput

from .conftest import Call, add_skill

pytestmark = pytest.mark.anyio


@pytest.fixture
def skill(folder: Path) -> Path:
    made = add_skill(folder / ".agents/skills", "release", body="# Releasing\n\nRun scripts/tag.sh.\n")
    (made / "scripts").mkdir()
    (made / "scripts" / "tag.sh").write_text("git tag\n")
    (made / "größe.md").write_text("ä")
    return made


async def test_a_skill_is_read_without_its_front_matter(call: Call, skill: Path) -> None:
    assert await call("read_skill", name="release") == ToolOutput(
        result={
            "name": "release",
            "folder": str(skill),
            "body": "# Releasing\n\nRun scripts/tag.sh.",
            "files": ["größe.md", "scripts/tag.sh"],
        }
    )


async def test_a_file_of_a_skill_is_read_whole(call: Call, skill: Path) -> None:
    assert await call("read_skill_file", name="release", path="scripts/tag.sh") == ToolOutput(
        result={"path": "scripts/tag.sh", "content": "git tag\n"}
    )


async def test_the_users_own_skills_are_read_where_the_file_tools_may_not(
    call: Call, own_folder: Path
) -> None:
    (add_skill(own_folder, "mine") / "a.txt").write_text("own")
    assert fields(await call("read_skill", name="mine"))["files"] == ["a.txt"]
    assert fields(await call("read_skill_file", name="mine", path="a.txt"))["content"] == "own"


async def test_an_unknown_skill_is_an_error_that_names_those_that_exist(call: Call, skill: Path) -> None:
    expected = "There is no skill named '../release'. Skills of this chat: release."
    assert error(await call("read_skill", name="../release")) == expected
    assert error(await call("read_skill_file", name="../release", path="x")) == expected


@pytest.mark.parametrize("path", ["../../../secret", "link", "folder-link/secret", "/etc/hostname", ".."])
async def test_no_path_leads_out_of_the_skill(call: Call, skill: Path, folder: Path, path: str) -> None:
    (folder / "secret").write_text("secret")
    (skill / "link").symlink_to(folder / "secret")
    (skill / "folder-link").symlink_to(folder)
    assert "leads out of" in error(await call("read_skill_file", name="release", path=path))


async def test_a_skill_that_is_a_link_out_is_not_there(call: Call, skill: Path, folder: Path) -> None:
    (folder / "secret").write_text("---\ndescription: x\n---\nsecret")
    (skill / "SKILL.md").unlink()
    (skill / "SKILL.md").symlink_to(folder / "secret")
    assert "no skill named" in error(await call("read_skill", name="release"))


async def test_limits(call: Call, skill: Path) -> None:
    (skill / "SKILL.md").write_text("---\ndescription: x\n---\n" + "äöü\n" * 20_000)
    for number in range(300):
        (skill / f"{'long-name-' * 10}{number:03}").touch()
    skill_text = fields(await call("read_skill", name="release"))
    assert skill_text["truncated"] is True
    assert 56 * 1000 < len(skill_text["body"].encode()) <= 56 * 1024
    assert 0 < len("".join(skill_text["files"])) <= 8 * 1024
    assert "\N{REPLACEMENT CHARACTER}" not in skill_text["body"]
    (skill / "fits").write_text("x" * 512 * 1024)
    assert len(fields(await call("read_skill_file", name="release", path="fits"))["content"]) == 512 * 1024
    (skill / "large").write_text("x" * (512 * 1024 + 1))
    assert "at most 524288" in error(await call("read_skill_file", name="release", path="large"))


async def test_what_is_not_text_is_refused(call: Call, skill: Path) -> None:
    (skill / "logo.png").write_bytes(b"\x89PNG\0")
    (skill / "latin").write_bytes("größe".encode("latin-1"))
    for path in ("logo.png", "latin"):
        assert "is not text" in error(await call("read_skill_file", name="release", path=path))
    assert "does not exist" in error(await call("read_skill_file", name="release", path="none"))
    assert "is a folder" in error(await call("read_skill_file", name="release", path="scripts"))
