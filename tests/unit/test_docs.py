"""What the documentation says is compared with the code."""

from __future__ import annotations

import ast
import re
import shlex
from pathlib import Path

import pytest
from traitlets import TraitType

from jupyter_chatd.config import Settings
from jupyter_chatd.extension import JupyterChatd
from jupyter_chatd.providers.demo_instructions import parse_plan

ROOT = Path(__file__).parents[2]
DOCS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "jupyter_chatd" / "ARCHITECTURE.md"]


def settings_table() -> str:
    """The table of docs/configuration.md, made from the traits."""
    rows = ["| Setting | Type | Default | Meaning |", "|---|---|---|---|"]
    for name, trait in sorted(Settings.class_own_traits(config=True).items()):
        kind = type(trait).__name__
        rows.append(f"| `{name}` | {kind} | {_default(name, trait)} | {trait.help} |")
    return "\n".join(rows)


def _default(name: str, trait: TraitType[object, object]) -> str:
    if name in ("data_dir", "workspace_dir", "enabled"):
        return "see there" if name != "enabled" else "`True`"
    return f"`{trait.default()!r}`"


def test_every_setting_is_documented_as_it_is() -> None:
    text = (ROOT / "docs" / "configuration.md").read_text()
    assert settings_table() in text, f"docs/configuration.md should hold:\n\n{settings_table()}"


def test_every_setting_of_the_extension_has_help() -> None:
    own = Settings.class_own_traits(config=True)
    assert own.keys() <= JupyterChatd.class_traits(config=True).keys()
    assert all(trait.help.endswith(".") for trait in own.values())


def test_the_map_has_every_folder_and_module() -> None:
    package = ROOT / "jupyter_chatd"
    there = {str(door.parent.relative_to(package)) for door in package.rglob("__init__.py")} - {"."}
    there |= {module.stem for module in package.glob("[!_]*.py")}
    rows = re.findall(r"^\| (.*?) \|", (package / "ARCHITECTURE.md").read_text(), re.MULTILINE)
    named = {name.rstrip("/") for row in rows for name in re.findall(r"`([a-z_/]+)`", row)}
    assert there <= named, "Give each a place in the table of jupyter_chatd/ARCHITECTURE.md"


def test_what_the_demo_model_is_said_to_follow_it_follows() -> None:
    chapter = (ROOT / "docs" / "models.md").read_text().split("## The demo model")[1].split("## ")[0]
    lines = re.findall(r"^    (.+)$", chapter, re.MULTILINE)
    assert len(lines) > 8
    start = (ROOT / "README.md").read_text().split("## Quick start")[1].split("## ")[0]
    prompts = [ast.literal_eval(found) for found in re.findall(r"^chat = Chat\((.*)\)$", start, re.MULTILINE)]
    prompts += [
        shlex.split(found)[-1] for found in re.findall(r"^jupyter chatd run .*$", start, re.MULTILINE)
    ]
    assert len(prompts) == 2
    assert {line for line in lines + prompts if parse_plan(line, directory="/w").unknown} == set()


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    links = re.findall(r"\]\((?!https?://)([^)#]+)", path.read_text())
    missing = [link for link in links if not (path.parent / link).exists()]
    assert not missing


def test_every_picture_is_shown() -> None:
    pictures = {path.name for path in (ROOT / "docs").glob("*.png")}
    shown = {name for path in DOCS for name in re.findall(r"([\w-]+\.png)", path.read_text())}
    assert pictures <= shown


def test_make_targets_that_are_named_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {name for path in DOCS for name in re.findall(r"`?make ([a-z]+)", path.read_text())}
    assert {"lab", "test", "check", "bench"} <= named <= targets
