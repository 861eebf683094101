"""What becomes of kernels when their chats are archived."""

from __future__ import annotations

from typing import Any

import pytest
from world import World, eventually

from jupyter_chatd.messages import Role, ToolResultPart
from jupyter_chatd.providers.protocol import ModelCall
from jupyter_chatd.providers.scripted import Answer, ScriptedModel, say
from jupyter_chatd.workspace import procfs

from .conftest import Open, results_of, template, use

pytestmark = pytest.mark.anyio

PID = use("execute_code", code="import os; print(os.getpid())")


def play(*steps: Answer) -> ScriptedModel:
    """The user's chat does *steps*; a child runs code once."""

    def answer(asked: ModelCall) -> Answer:
        first = next(message for message in asked.messages if message.role is Role.USER)
        mine = [PID] if "Compute" in str(first.parts) else steps
        done = sum(message.role is Role.ASSISTANT for message in asked.messages)
        return mine[done] if done < len(mine) else [say("ok")]

    return ScriptedModel(answer)


def output_of(part: ToolResultPart) -> dict[str, Any]:
    assert isinstance(part.result, dict), part
    return part.result


def is_alive(pid: int) -> bool:
    stat = procfs.find_stat(pid)
    return stat is not None and stat.is_alive


async def archived(world: World, chat_id: str, *, archived: bool = True) -> None:
    await world.runtime.service.set_archived(chat_id, archived=archived)


async def test_archiving_a_family_ends_all_its_kernels(open_world: Open) -> None:
    """In the agent of its workspace; the root is told at its next code."""
    create = use("create_workspace", template_id=template("empty"))
    spawn = use("spawn_agent", type="general", prompt="Compute.")
    async with open_world(model=play(create, PID, spawn, [say("ok")], PID)) as world:
        chat_id = await world.create()
        outputs = await results_of(world, chat_id)
        child_id = str(output_of(outputs[2])["chat_id"])
        (of_child,) = await results_of(world, child_id)
        pids = [int(output_of(part)["output"]) for part in (outputs[1], of_child)]
        assert all(is_alive(pid) for pid in pids)
        await archived(world, chat_id)
        await eventually(lambda: not any(is_alive(pid) for pid in pids))
        await archived(world, chat_id, archived=False)
        await world.send(chat_id, "Go on.")
        again = output_of((await results_of(world, chat_id))[-1])
        assert "The chat was archived." in again["note"]


async def test_code_that_was_left_running_ends_with_its_chat(open_world: Open) -> None:
    """In the server itself, for a chat without workspace."""
    sleep = use("execute_code", code="import time; time.sleep(3600)", timeout="1s")
    async with open_world(model=play(PID, sleep)) as world:
        chat_id = await world.create()
        said, left = await results_of(world, chat_id)
        assert output_of(left)["running"] is True
        pid = int(output_of(said)["output"])
        assert is_alive(pid)
        await archived(world, chat_id)
        await eventually(lambda: not is_alive(pid))


async def test_a_stopped_workspace_has_nothing_to_end(
    open_world: Open, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing is started for that, and the next chat that leaves is looked after."""
    create, stop = use("create_workspace", template_id=template("empty")), use("stop_workspace")
    async with open_world(model=play(create, stop)) as world:
        chat_id = await world.create()
        await results_of(world, chat_id)
        with caplog.at_level("INFO"):
            await archived(world, chat_id)
            await eventually(lambda: f"No kernel of chat {chat_id} is ended" in caplog.text)
        (standing,) = await world.runtime.workspaces.list(owner_id="local")
        assert len(await world.runtime.workspaces.builds(standing.workspace.id)) == 2
