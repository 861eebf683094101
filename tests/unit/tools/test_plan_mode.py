"""What calls may do while their chat plans, and the tools of planning."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from jupyter_chatd.files import FileLibrary
from jupyter_chatd.loop.prompt_settings import PromptSettings
from jupyter_chatd.loop.service import ChatService, NewChat
from jupyter_chatd.messages import TextPart
from jupyter_chatd.store import Store
from jupyter_chatd.tools.ask_user_question import AskUserQuestion
from jupyter_chatd.tools.edit_files import EditFiles
from jupyter_chatd.tools.execute import Execute
from jupyter_chatd.tools.propose_plan import ProposePlan
from jupyter_chatd.tools.protocol import Restraint, ToolContext, ToolOutput
from jupyter_chatd.tools.write_file import WriteFile

pytestmark = pytest.mark.anyio


@pytest.fixture
def plan(folder: Path) -> Path:
    return folder / ".agents" / "plans" / "chat.md"


@pytest.fixture
async def planning(context: ToolContext, plan: Path, tmp_path: Path) -> AsyncIterator[ToolContext]:
    """The context of a chat that plans, with a place for files."""
    async with Store(tmp_path / "data" / "chats.db") as store:
        service = ChatService(store, prompts=PromptSettings(store, include_default=False))
        chat = await service.create(NewChat(owner_id="ada", parts=(TextPart(text="x"),), model="demo:demo"))
        library = FileLibrary(store, tmp_path / "data" / "files")
        restraint = Restraint(plan_file=str(plan), folder=str(plan.parents[2]))
        yield replace(context, chat_id=chat.id, files=library, restraint=restraint)


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def text_of(file: Path) -> str:
    return file.read_text()


async def write(context: ToolContext, path: Path | str, text: str = "# Plan\n") -> ToolOutput:
    return await WriteFile().run({"path": str(path), "content": text}, context)


async def edit(context: ToolContext, *paths: Path) -> ToolOutput:
    edits = [{"search": "Plan", "replace": "New plan"}]
    return await EditFiles().run({"files": [{"path": str(p), "edits": edits} for p in paths]}, context)


async def test_only_the_plan_is_written(planning: ToolContext, plan: Path, folder: Path) -> None:
    assert not (await write(planning, plan)).is_error
    assert not (await edit(planning, plan)).is_error
    assert text_of(plan) == "# New plan\n"
    refused = await write(planning, folder / "code.py")
    assert refused.is_error
    assert str(plan) in str(refused.result)
    assert not (folder / "code.py").exists()


async def test_ways_around_the_path_are_refused(planning: ToolContext, plan: Path, folder: Path) -> None:
    for path in (f"{plan}/../../../code.py", f"{plan.parent}/./../other.md", str(plan).upper()):
        assert (await write(planning, path)).is_error
    assert names(folder) == []


async def test_no_link_leads_from_the_plan_elsewhere(
    planning: ToolContext, plan: Path, folder: Path, tmp_path: Path
) -> None:
    """Neither the file nor a folder on its way may be one; the workspace's own folder may."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (folder / "code.py").write_text("Plan")
    for link, target in (
        (plan, folder / "code.py"),
        (plan.parent, elsewhere),
        (folder / ".agents", elsewhere),
    ):
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(target)
        assert "leads elsewhere" in str((await write(planning, plan)).result)
        assert "leads elsewhere" in str((await edit(planning, plan)).result)
        link.unlink()
        if link != folder / ".agents":
            link.parent.rmdir()
    assert (text_of(folder / "code.py"), names(elsewhere)) == ("Plan", [])
    linked = tmp_path / "linked"
    linked.symlink_to(folder)
    own = linked / ".agents" / "plans" / "chat.md"
    there = replace(planning, restraint=Restraint(plan_file=str(own), folder=str(linked)))
    assert not (await write(there, own)).is_error
    assert text_of(plan) == "# Plan\n"


async def test_one_other_file_spoils_the_whole_edit(planning: ToolContext, plan: Path, folder: Path) -> None:
    await write(planning, plan)
    (folder / "code.py").write_text("Plan")
    assert (await edit(planning, plan, folder / "code.py")).is_error
    assert text_of(plan) == "# Plan\n"


async def test_a_chat_that_explores_writes_nothing(context: ToolContext, folder: Path) -> None:
    exploring = replace(context, restraint=Restraint())
    refused = await write(exploring, folder / "notes.md")
    assert "only looks" in str(refused.result)
    assert not (folder / "notes.md").exists()


async def test_without_a_sandbox_a_command_says_that_it_could_have_changed_something(
    planning: ToolContext, context: ToolContext
) -> None:
    noted = await Execute().run({"command": "true"}, planning)
    assert "There is no sandbox here" in str(noted.result)
    assert "There is no sandbox here" not in str((await Execute().run({"command": "true"}, context)).result)


# propose_plan


async def test_the_plan_becomes_a_file_of_the_chat(planning: ToolContext, plan: Path) -> None:
    await write(planning, plan, "# Plan\n\n1. Do it.\n")
    output = await ProposePlan().run({}, planning)
    assert not output.is_error
    result: Any = output.result
    assert (result["ok"], result["path"], result["kind"], result["media_type"]) == (
        True,
        str(plan),
        "plan",
        "text/markdown",
    )
    assert planning.files is not None
    held = await planning.files.contents([result["file_id"]], owner_id="ada")
    assert list(held.values()) == [b"# Plan\n\n1. Do it.\n"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (" \n", "is empty"),
        ("x" * 32_769, "has 32769 bytes"),
    ],
)
async def test_a_plan_that_cannot_be_shown_is_refused(
    planning: ToolContext, plan: Path, text: str, problem: str
) -> None:
    await write(planning, plan, text)
    output = await ProposePlan().run({"path": ""}, planning)
    assert output.is_error
    assert problem in str(output.result)


async def test_a_plan_elsewhere_is_refused(planning: ToolContext, plan: Path, folder: Path) -> None:
    (folder / "other.md").write_text("# Other\n")
    assert str(plan) in str((await ProposePlan().run({"path": str(folder / "other.md")}, planning)).result)


async def test_outside_plan_mode_any_markdown_file_may_be_proposed(
    planning: ToolContext, folder: Path
) -> None:
    free = replace(planning, restraint=None)
    (folder / "other.md").write_text("# Other\n")
    assert not (await ProposePlan().run({"path": str(folder / "other.md")}, free)).is_error
    assert "ends in .md" in str((await ProposePlan().run({"path": str(folder / "a.txt")}, free)).result)
    assert "path is missing" in str((await ProposePlan().run({}, free)).result)


# ask_user_question

QUESTION = {
    "header": "Format",
    "question": "Which format?",
    "options": [
        {"label": "CSV", "description": "Plain text."},
        {"label": "Parquet", "description": "Small and fast."},
    ],
}


async def test_questions_that_a_form_can_show_are_asked() -> None:
    assert AskUserQuestion().can_ask({"questions": [QUESTION]})


@pytest.mark.parametrize(
    "args",
    [
        {"questions": []},
        {"questions": [QUESTION | {"header": "  "}]},
        {"questions": [QUESTION | {"options": QUESTION["options"][:1]}]},
        {"questions": [QUESTION | {"options": [*QUESTION["options"]] * 3}]},
        {"questions": [QUESTION | {"options": [{"label": "", "description": "x"}] * 2}]},
        {"question": "Which?"},
        None,
    ],
)
async def test_what_cannot_be_shown_is_refused(context: ToolContext, args: Any) -> None:
    assert not AskUserQuestion().can_ask(args)
    output = await AskUserQuestion().run(args, context)
    assert "Wrong arguments for ask_user_question" in str(output.result)
