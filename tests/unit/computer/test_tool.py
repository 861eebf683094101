"""The computer tool on a fake desktop."""

from __future__ import annotations

import asyncio
import base64
import uuid
from collections.abc import Mapping
from typing import Any

import pytest
from desktop.stages import until

from jupyter_chatd.desktop.geometry import Point
from jupyter_chatd.desktop.launchers.fake import FakeLauncher
from jupyter_chatd.desktop.manager import DesktopManager
from jupyter_chatd.messages import CallKey, Chat, ChatStatus
from jupyter_chatd.store import Claim
from jupyter_chatd.tools.computer import Computer
from jupyter_chatd.tools.protocol import Caller, ToolContext, ToolOutput

pytestmark = pytest.mark.anyio

CHAT = Chat(
    id=str(uuid.uuid4()),
    owner_id="ada",
    title="Screens",
    status=ChatStatus.RUNNING,
    archived=False,
    model="demo:demo",
    created_at=0.0,
    updated_at=0.0,
    mode="computer_use",
    parent_chat_id="parent",
    root_chat_id="family",
)
PNG = b"\x89PNG"
SPOT = {"action": "click", "at": [100, 60]}


def no_workspace() -> Any:
    raise AssertionError("the computer tool needs no workspace")


def context(*, row: int = 1, said: list[str] | None = None) -> ToolContext:
    claim = Claim(chat_id=CHAT.id, runner_id="r", history_version=1, status=ChatStatus.RUNNING)
    return ToolContext(
        chat_id=CHAT.id,
        key=CallKey(message_id=row, index=0),
        tool_call_id="call",
        workspace=no_workspace,
        emit=(said if said is not None else []).append,
        caller=Caller(chat=CHAT, claim=claim, model="demo:demo"),
    )


@pytest.fixture
def computer(desktops: DesktopManager) -> Computer:
    return Computer(desktops)


def picture_of(output: ToolOutput) -> bytes:
    assert output.is_media
    assert isinstance(output.result, Mapping)
    return base64.b64decode(str(output.result["data"]))


async def test_each_action_answers_with_a_picture(computer: Computer, launcher: FakeLauncher) -> None:
    before = picture_of(await computer.run({"action": "screenshot"}, context()))
    after = picture_of(await computer.run({"action": "type", "text": "ls\n"}, context()))
    assert before.startswith(PNG)
    assert after.startswith(PNG)
    assert before != after
    assert launcher.launched[0].server.canvas.text == "ls\n"


async def test_the_root_and_its_children_share_a_desktop(
    computer: Computer, desktops: DesktopManager
) -> None:
    await computer.run(SPOT, context())
    assert desktops.find("family") is not None
    assert desktops.find(CHAT.id) is None


@pytest.mark.parametrize(
    ("args", "told"),
    [
        ({"action": "fly"}, "There is no action 'fly'"),
        ({"action": "click", "at": [5000, 1]}, "Expected x from 0 to 1279"),
        ({"action": "key", "keys": "Hyperspace"}, "Hyperspace"),
        ({"action": "click", "to": [1, 1]}, "Unknown field 'to'"),
        ([], "Expected an object"),
        ({"dialect": "klingon", "input": {}}, "Expected the dialect"),
        ({"dialect": "openai", "input": {}}, "Expected actions"),
        ({"dialect": "openai", "input": {"actions": [{"type": "wait"}] * 101}}, "at most 100 actions"),
    ],
)
async def test_wrong_calls_do_nothing_and_say_why(
    computer: Computer, launcher: FakeLauncher, args: Any, told: str
) -> None:
    output = await computer.run(args, context())
    assert output.is_error
    assert told in str(output.result)
    assert not [each for each in launcher.launched[0].server.canvas.inputs if getattr(each, "buttons", 0)]


DRAG = {"x": 999, "y": 999, "destination_x": 0, "destination_y": 0}


@pytest.mark.parametrize(
    ("args", "at"),
    [
        (SPOT, (100, 60)),
        ({"action": "click", "at": [0, 0]}, (0, 0)),
        ({"dialect": "anthropic", "input": {"action": "left_click", "coordinate": [9, 8]}}, (9, 8)),
        ({"dialect": "anthropic_toolset", "name": "left_click", "input": {"coordinate": [9, 8]}}, (9, 8)),
        ({"dialect": "openai", "input": {"actions": [{"type": "click", "x": 5, "y": 6}]}}, (5, 6)),
        ({"dialect": "gemini", "name": "click_at", "input": {"x": 500, "y": 500}}, (640, 400)),
        ({"dialect": "gemini", "name": "drag_and_drop", "input": DRAG}, (0, 0)),
    ],
)
async def test_every_spelling_moves_the_same_pointer(
    computer: Computer, launcher: FakeLauncher, args: Any, at: tuple[int, int]
) -> None:
    output = await computer.run(args, context())
    assert not output.is_error, output.result
    assert launcher.launched[0].server.canvas.pointer == Point(x=at[0], y=at[1])


async def test_actions_of_a_toolset_answer_in_words(computer: Computer) -> None:
    output = await computer.run(
        {"dialect": "anthropic_toolset", "name": "left_click", "input": {"coordinate": [9, 8]}}, context()
    )
    assert output == ToolOutput(result={"output": "Done."})


async def test_after_a_failure_the_rest_of_the_step_is_not_done(
    computer: Computer, launcher: FakeLauncher
) -> None:
    await computer.run({"action": "key", "keys": "Hyperspace"}, context(row=7))
    skipped = await computer.run({"action": "type", "text": "rm"}, context(row=7))
    done = await computer.run({"action": "type", "text": "ls"}, context(row=8))
    assert "earlier one of the same answer was not" in str(skipped.result)
    assert not done.is_error
    assert launcher.launched[0].server.canvas.text == "ls"


async def test_while_a_person_has_control_the_model_waits_and_then_looks(
    computer: Computer, desktops: DesktopManager, launcher: FakeLauncher
) -> None:
    desktop, said = desktops.get("family"), list[str]()
    desktop.control.take("ada")
    call = asyncio.create_task(computer.run({"action": "type", "text": "rm"}, context(said=said)))
    assert await until(lambda: said)
    desktop.control.give_back()
    output = await asyncio.wait_for(call, 10)
    assert "was not done" in str(output.result)
    assert picture_of(output).startswith(PNG)
    rest = await computer.run({"action": "key", "keys": "Return"}, context())
    assert "an earlier one of the same answer was not" in str(rest.result)
    assert not launcher.launched[0].server.canvas.text


async def test_a_person_who_keeps_control_is_told_of(desktops: DesktopManager) -> None:
    desktops.get("family").control.take("ada")
    computer = Computer(desktops, person_wait_s=0.01)
    output = await computer.run({"action": "type", "text": "rm"}, context())
    assert output.is_error
    assert "still has it" in str(output.result)


async def test_a_desktop_that_cannot_start_is_an_error_for_the_model(launcher: FakeLauncher) -> None:
    desktops = DesktopManager(launcher, limit=0)
    output = await Computer(desktops).run(SPOT, context())
    assert output.is_error
    assert "The desktop did not start. Expected at most 0 desktops" in str(output.result)


async def test_the_model_is_told_the_size_that_the_screen_has(computer: Computer) -> None:
    definition = await computer.definition_for(CHAT)
    assert definition.screen == (1280, 800)
    assert "1280x800" in definition.description
