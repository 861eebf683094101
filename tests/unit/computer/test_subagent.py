"""Subagents that use the desktop: rows D2, S1 to S3 and S6 of spec/origin.md, as far as they are about it."""

from __future__ import annotations

import asyncio
import shutil
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from loop.test_families import PATIENCE, Play, results, settled, spawning, text_of
from world import World

from jupyter_chatd.desktop.hosted import HostedDesktops
from jupyter_chatd.desktop.launchers.fake import FakeLauncher
from jupyter_chatd.desktop.manager import DesktopManager
from jupyter_chatd.errors import ModelError
from jupyter_chatd.messages import ChatStatus, ErrorDetail, ToolResultPart
from jupyter_chatd.providers.protocol import ModelCall
from jupyter_chatd.providers.scripted import Answer, call, fail, say, wait
from jupyter_chatd.store.files import StoredFile, chat_files
from jupyter_chatd.store.workspaces import insert_workspace
from jupyter_chatd.subagents.catalog import Catalog, SubagentType
from jupyter_chatd.workspace.agent.operations import Hello
from jupyter_chatd.workspace.server import ServerAgent
from jupyter_chatd.workspaces.lookup import Connection
from jupyter_chatd.workspaces.values import Workspace

pytestmark = pytest.mark.anyio

TASK = "see whether the terminal works"
EYES = Catalog(models={SubagentType.COMPUTER_USE: "scripted:eyes"})


def seeing(asked: ModelCall, steps: int) -> Answer:
    """Click, type, and report."""
    if steps == 0:
        return [
            call("computer", {"action": "click", "at": [640, 400]}),
            call("computer", {"action": "type", "text": "echo hi\n"}),
        ]
    return [say(f"{len(results(asked, 'computer'))} pictures")]


def spawn_error(kind: str) -> Any:
    def play(asked: ModelCall, steps: int) -> Answer:
        return (
            [call("spawn_agent", {"type": kind, "prompt": TASK})]
            if steps == 0
            else [say(str(results(asked, "spawn_agent")[0]))]
        )

    return play


async def said_at_the_end(world: World, chat_id: str) -> str:
    return text_of((await settled(world, chat_id))[-1])


async def test_d2_the_child_has_the_computer_tool_and_acts_on_the_desktop(
    tmp_path: Path, desktops: DesktopManager, launcher: FakeLauncher
) -> None:
    model = Play(begin=spawning(TASK, kind="computer_use"), see=seeing)
    async with World(tmp_path, model, desktops=desktops, subagents=EYES) as world:
        chat_id = await world.create("begin")
        assert await said_at_the_end(world, chat_id) == "2 pictures"
        (child,) = await world.runtime.subagents.children(await world.chat(chat_id))
        rows = await world.rows(child.id)
    pictures = [part for row in rows for part in row.parts if isinstance(part, ToolResultPart)]
    assert [part.is_media for part in pictures] == [True, True]
    assert launcher.launched[0].server.canvas.text == "echo hi\n"
    asked = {call.messages[-1].role: call for call in model.calls}
    with_tool = [call for call in model.calls if any(tool.name == "computer" for tool in call.tools)]
    assert asked
    assert len(with_tool) == 2  # those of the child, and no others


async def test_s2_the_child_has_its_model_its_prompt_and_the_task(
    tmp_path: Path, desktops: DesktopManager
) -> None:
    model = Play(begin=spawning(TASK, kind="computer_use"), see=seeing)
    async with World(tmp_path, model, desktops=desktops, subagents=EYES) as world:
        chat_id = await world.create("begin")
        await settled(world, chat_id)
        (child,) = await world.runtime.subagents.children(await world.chat(chat_id))
    assert (child.mode, child.model, child.model_config_id) == ("computer_use", "scripted:eyes", None)
    (first,) = (one for one in model.calls if one.messages[-1].parts and text_of(one.messages[-1]) == TASK)
    system = "\n".join(text_of(message) for message in first.messages if message.role.value == "system")
    assert "You drive a virtual desktop for another agent" in system
    assert f"Your task:\n</subagent>\n\n{TASK}" in system


async def test_s2_a_model_without_a_key_is_refused_by_name(tmp_path: Path, desktops: DesktopManager) -> None:
    class KeylessEyes:
        async def resolve(self, model: str, model_config_id: str | None = None) -> Any:
            if model == "scripted:eyes":
                raise ModelError(ErrorDetail(kind="auth", message="Eyes has no API key."))
            return await resolve(model, model_config_id)

    world = World(tmp_path, Play(begin=spawn_error("computer_use")), desktops=desktops, subagents=EYES)
    resolve, world.models.resolve = world.models.resolve, KeylessEyes().resolve
    async with world:
        told = await said_at_the_end(world, await world.create("begin"))
    assert "computer_use is not available" in told
    assert "scripted:eyes cannot be used. Eyes has no API key." in told


async def test_s3_without_a_desktop_the_reason_is_told(tmp_path: Path) -> None:
    model = Play(begin=spawn_error("computer_use"))
    async with World(tmp_path, model) as world:
        told = await said_at_the_end(world, await world.create("begin"))
    assert "computer_use is not available: no virtual desktop is set up on this server" in told
    assert "Available now: general, explore" in told
    (offer,) = (tool for tool in model.calls[0].tools if tool.name == "spawn_agent")
    assert "computer_use" not in offer.description


async def test_s3_what_has_to_be_installed_is_the_reason(tmp_path: Path, launcher: FakeLauncher) -> None:
    class Bare(FakeLauncher):
        def missing(self) -> str | None:
            return "Xvnc, which is in tigervnc-standalone-server"

    desktops = DesktopManager(Bare(tmp_path))
    async with World(tmp_path, Play(begin=spawn_error("computer_use")), desktops=desktops) as world:
        told = await said_at_the_end(world, await world.create("begin"))
    assert "computer_use is not available: the desktop needs Xvnc, which is in tigervnc" in told


class FarAgent(ServerAgent):
    """The agent of another server."""

    def __init__(self, folder: Path, launcher: FakeLauncher) -> None:
        self.hosted = HostedDesktops(lambda: DesktopManager(launcher))
        super().__init__(directory=folder, home=folder, state_folder=folder / "state", desktops=self.hosted)

    async def hello(self) -> Hello:
        return Hello(protocol_version=1, release="0")


async def add_workspace(
    world: World, name: str, *, directory: str | None = None, agent: FarAgent | None = None
) -> str:
    """Add a workspace and return its id; where it has no directory it is another server."""
    place = Workspace(
        id=str(uuid.uuid4()),
        owner_id="local",
        name=name,
        kind="process" if directory else "hub",
        template_id="t",
        parameters={},
        directory=directory,
        created_at=0.0,
    )
    await world.runtime.store.write(lambda conn: insert_workspace(conn, place))
    if agent is not None:
        world.runtime.lookup._connections[place.id] = Connection(build_id="b", agent=agent)
    return place.id


async def why_none(world: World, workspace_id: str) -> str | None:
    chat = await world.chat(await world.create("begin", workspace_id=workspace_id))
    return await world.runtime.subagents.catalog.why_unavailable(SubagentType.COMPUTER_USE, chat)


async def test_s3_whether_there_is_a_desktop_is_for_the_workspaces_server_to_say(
    tmp_path: Path, desktops: DesktopManager
) -> None:
    class Bare(FakeLauncher):
        def missing(self) -> str | None:
            return "Xvnc"

    async with World(tmp_path, Play(begin=spawn_error("desk")), desktops=desktops) as world:
        gone = await add_workspace(world, "gone")
        bare = await add_workspace(world, "bare", agent=FarAgent(tmp_path, Bare(tmp_path)))
        near = await add_workspace(world, "near", directory="/w")
        assert "Use start_workspace" in str(await why_none(world, gone))
        assert await why_none(world, bare) == "The desktop needs Xvnc"
        assert await why_none(world, near) is None


async def test_d2_in_another_server_the_child_acts_on_the_desktop_there(
    tmp_path: Path, desktops: DesktopManager, launcher: FakeLauncher, short: Path
) -> None:
    there = FakeLauncher(short)
    model = Play(begin=spawning(TASK, kind="computer_use"), see=seeing)
    async with World(tmp_path, model, desktops=desktops, subagents=EYES) as world:
        far = await add_workspace(world, "far", agent=FarAgent(tmp_path, there))
        chat_id = await world.create("begin", workspace_id=far)
        assert await said_at_the_end(world, chat_id) == "2 pictures"
        assert [one.server.canvas.text for one in there.launched] == ["echo hi\n"]
    assert not there.launched[-1].is_alive
    assert not launcher.launched


async def test_s1_the_type_is_offered_where_there_is_a_desktop(
    tmp_path: Path, desktops: DesktopManager
) -> None:
    model = Play(begin=spawn_error("desk"))
    async with World(tmp_path, model, desktops=desktops) as world:
        told = await said_at_the_end(world, await world.create("begin"))
    assert "Available now: general, explore, computer_use" in told
    (offer,) = (tool for tool in model.calls[0].tools if tool.name == "spawn_agent")
    assert "- computer_use: drives graphical programs" in offer.description


async def test_a_safety_check_waits_for_somebody_even_where_nothing_is_asked(
    tmp_path: Path, desktops: DesktopManager, launcher: FakeLauncher
) -> None:
    check = {"id": "sc_1", "code": "malicious_instructions", "message": "The page gives orders."}
    risky = {
        "dialect": "openai",
        "input": {"actions": [{"type": "type", "text": "yes"}], "pending_safety_checks": [check]},
    }

    def careless(_asked: ModelCall, steps: int) -> Answer:
        return [call("computer", risky)] if steps == 0 else [say("Typed.")]

    model = Play(begin=spawning(TASK, kind="computer_use"), see=careless)
    async with World(tmp_path, model, desktops=desktops, subagents=EYES) as world:
        chat_id = await world.create("begin")
        await world.when(chat_id, lambda change: change.chat.status is ChatStatus.RUNNING)
        child = await first_child(world, chat_id)
        await world.settled(child, ChatStatus.REQUIRES_ACTION)
    assert not any(desktop.server.canvas.text for desktop in launcher.launched)


async def first_child(world: World, chat_id: str) -> str:
    parent = await world.chat(chat_id)
    children = await world.runtime.subagents.children(parent)
    while not children:
        await world.when(chat_id, lambda _change: True)
        children = await world.runtime.subagents.children(parent)
    return children[0].id


# Recordings: spec/chatd.md §7.6

needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs ffmpeg")


async def filmed(world: World, *, go_on: asyncio.Event) -> tuple[Any, Sequence[StoredFile]]:
    """Let a child go on once it is filmed; return what `wait_agent` gave, and the files of the chat."""
    chat_id = await world.create("begin")
    child = await world.chat(await first_child(world, chat_id))
    async with asyncio.timeout(PATIENCE):
        while not world.runtime.recordings.is_running(child):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    go_on.set()
    await settled(world, chat_id)
    assert not world.runtime.recordings.is_running(child)
    rows = await world.rows(chat_id)
    (waited,) = (
        part.result
        for row in rows
        for part in row.parts
        if isinstance(part, ToolResultPart) and part.tool_name == "wait_agent"
    )
    return waited, await world.runtime.store.read(lambda conn: chat_files(conn, chat_id))


@needs_ffmpeg
async def test_what_a_child_did_is_filmed_and_kept_in_the_chat_that_waited(
    tmp_path: Path, desktops: DesktopManager
) -> None:
    go_on = asyncio.Event()
    see = [[wait(go_on), call("computer", {"action": "click", "at": [640, 400]})], [say("Clicked.")]]
    model = Play(begin=spawning(TASK, kind="computer_use"), see=lambda _asked, steps: see[steps])
    async with World(tmp_path, model, desktops=desktops, subagents=EYES) as world:
        waited, files = await filmed(world, go_on=go_on)
    assert waited["report"] == "Clicked."
    assert [(file.id, file.media_type) for file in files] == [
        (waited["recording_file_id"], "video/mp4"),
        (waited["thumbnail_file_id"], "image/jpeg"),
    ]


@needs_ffmpeg
async def test_nothing_is_kept_of_a_child_that_failed(tmp_path: Path, desktops: DesktopManager) -> None:
    go_on = asyncio.Event()
    gone = ModelError(ErrorDetail(message="The model is gone.", kind="auth"))
    model = Play(
        begin=spawning(TASK, kind="computer_use"), see=lambda _asked, _steps: [wait(go_on), fail(gone)]
    )
    async with World(tmp_path, model, desktops=desktops, subagents=EYES) as world:
        waited, files = await filmed(world, go_on=go_on)
    assert "The model is gone." in waited["error"]
    assert not files
