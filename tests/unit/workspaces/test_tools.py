"""The workspace tools through a scripted model, as spec/origin.md rows W1-W3 want them."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest
from world import World, eventually

from jupyter_chatd.events import MessagePartEvent
from jupyter_chatd.messages import ChatStatus, TextPart, ToolResultPart
from jupyter_chatd.providers.scripted import call, say, wait
from jupyter_chatd.workspaces.values import BuildStatus, Phase, Standing, Transition

from .conftest import Open, results_of, template, use

pytestmark = pytest.mark.anyio

EMPTY = template("empty")


async def the_workspace(world: World) -> Standing:
    (standing,) = await world.runtime.workspaces.list(owner_id="local")
    return standing


async def again(world: World, chat_id: str, text: str = "Go on.") -> list[ToolResultPart]:
    """One more turn; what the tools have given by its end."""
    await world.send(chat_id, text)
    return await results_of(world, chat_id)


def told(world: World) -> str:
    """The system messages of the newest model call."""
    parts = [part for message in world.model.calls[-1].messages for part in message.parts]
    return "\n".join(part.text for part in parts if isinstance(part, TextPart))


# Templates


async def test_templates_are_listed_and_read(open_world: Open) -> None:
    answers = (
        use("list_templates"),
        use("list_templates", query="git", page=-3),
        use("list_templates", page=9),
        use("read_template", template_id=template("git")),
        use("read_template", template_id="nonsense"),
        [say("ok")],
    )
    async with open_world(*answers) as world:
        listed, found, beyond, read, wrong = await results_of(world, await world.create())
    assert isinstance(listed.result, dict)
    assert [one["name"] for one in listed.result["templates"]] == ["empty", "folder", "git"]
    assert {key: listed.result[key] for key in ("count", "page", "total_pages", "total_count")} == {
        "count": 3,
        "page": 1,
        "total_pages": 1,
        "total_count": 3,
    }
    assert isinstance(found.result, dict)
    assert ([one["name"] for one in found.result["templates"]], found.result["page"]) == (["git"], 1)
    assert isinstance(beyond.result, dict)
    assert beyond.result["templates"] == []
    assert isinstance(read.result, dict)
    assert [one["name"] for one in read.result["parameters"]] == ["url", "branch", "depth"]
    assert wrong.is_error


# W1


async def test_w1_a_chat_stores_its_workspace_and_looks_its_agent_up(open_world: Open) -> None:
    """Its workspace is restarted with a new agent; the next call works without anybody doing anything."""
    answers = (use("create_workspace", template_id=EMPTY), use("execute", command="pwd; touch made"))
    more = (use("execute", command="ls"), [say("ok")])
    async with open_world(*answers, [say("ok")], *more) as world:
        chat_id = await world.create()
        _, before = await results_of(world, chat_id)
        standing = await the_workspace(world)
        assert (await world.chat(chat_id)).workspace_id == standing.workspace.id
        assert isinstance(before.result, dict)
        assert before.result["output"] == f"{standing.workspace.directory}\n"
        manager = world.runtime.workspaces
        for transition in (Transition.STOP, Transition.START):
            await manager.wait((await manager.build(standing.workspace, transition)).id)
        after = (await again(world, chat_id))[-1]
        new = await the_workspace(world)
        assert isinstance(after.result, dict)
        assert after.result["output"] == "made\n"
        assert standing.agent is not None
        assert new.agent is not None
        assert new.agent.id != standing.agent.id


async def test_w1_restarted_in_the_middle_of_a_turn(open_world: Open) -> None:
    answers = (
        use("create_workspace", template_id=EMPTY),
        use("stop_workspace"),
        use("execute", command="true"),
        use("start_workspace"),
        use("execute", command="pwd"),
        [say("ok")],
    )
    async with open_world(*answers) as world:
        outputs = await results_of(world, await world.create())
        directory = (await the_workspace(world)).workspace.directory
    assert [output.is_error for output in outputs] == [False, False, True, False, False]
    assert isinstance(outputs[2].result, dict)
    assert "is stopped. Use start_workspace to start it." in outputs[2].result["error"]
    assert isinstance(outputs[4].result, dict)
    assert outputs[4].result["output"] == f"{directory}\n"


async def test_w1_instructions_come_from_the_workspace_of_that_moment(open_world: Open) -> None:
    answers = (
        use("create_workspace", template_id=EMPTY),
        use("execute", command="echo 'Speak Latin.' > AGENTS.md"),
        [say("ok")],
        [say("ok")],
    )
    async with open_world(*answers) as world:
        chat_id = await world.create()
        await results_of(world, chat_id)
        assert str((await the_workspace(world)).workspace.directory) in told(world)
        await again(world, chat_id)
        assert "Speak Latin." in told(world)


async def test_w1_children_act_in_the_workspace_of_their_parent(open_world: Open) -> None:
    answers = (
        use("create_workspace", template_id=EMPTY),
        use("spawn_agent", type="general", prompt="Say where you are."),
        [say("ok")],
    )
    async with open_world(*answers) as world:
        chat_id = await world.create()
        _, spawned = await results_of(world, chat_id)
        workspace = (await the_workspace(world)).workspace
        assert isinstance(spawned.result, dict)
        child = await world.chat(spawned.result["chat_id"])
        assert child.workspace_id == workspace.id
        assert (await world.runtime.lookup.agent_of(child).facts()).directory == workspace.directory
        await eventually(lambda: len(world.model.calls) >= 4)


async def test_w1_an_agent_that_dies_is_a_stopped_workspace(open_world: Open) -> None:
    answers = (use("create_workspace", template_id=EMPTY), [say("ok")])
    later = (
        use("execute", command="true"),
        use("create_workspace", template_id=EMPTY),
        use("start_workspace"),
    )
    async with open_world(*answers, *later, use("execute", command="echo here"), [say("ok")]) as world:
        chat_id = await world.create()
        await results_of(world, chat_id)
        kill_agent(await the_workspace(world))
        outputs = (await again(world, chat_id))[1:]
        error, stopped, started, works = (output.result for output in outputs)
        assert isinstance(error, dict)
        assert "Use start_workspace" in error["error"]
        assert isinstance(stopped, dict)
        assert (stopped["created"], stopped["status"]) == (False, "stopped")
        name = (await the_workspace(world)).workspace.full_name
        assert started == {"started": True, "workspace_name": name}
        assert isinstance(works, dict)
        assert works["output"] == "here\n"


def kill_agent(standing: Standing) -> None:
    assert standing.agent is not None
    os.kill(int(standing.agent.place["pid"]), signal.SIGKILL)


async def test_w1_an_agent_that_dies_during_a_call_leaves_its_outcome_open(open_world: Open) -> None:
    answers = (
        use("create_workspace", template_id=EMPTY),
        use("execute", command="touch here; kill -9 $PPID; sleep 60", timeout="20s"),
        use("start_workspace"),
        use("execute", command="ls"),
        [say("ok")],
    )
    async with open_world(*answers) as world:
        _, died, started, lists = await results_of(world, await world.create())
    assert isinstance(died.result, dict)
    assert died.is_error or died.result["success"] is False
    assert not started.is_error
    assert isinstance(lists.result, dict)
    assert lists.result["output"] == "here\n"


# W2


async def test_w2_no_workspace(open_world: Open, tmp_path: Path) -> None:
    answers = (use("create_workspace", template_id=EMPTY, name="My Work!"), use("execute", command="pwd"))
    async with open_world(*answers, [say("ok")]) as world:
        created, here = await results_of(world, await world.create())
        standing = await the_workspace(world)
        assert standing.build is not None
        assert created.result == {
            "created": True,
            "workspace_name": standing.workspace.full_name,
            "build_id": standing.build.id,
        }
        assert standing.workspace.full_name.startswith("local/my-work-")
        assert isinstance(here.result, dict)
        assert here.result["output"] == f"{tmp_path}/workspaces/{standing.workspace.name}\n"


async def test_w2_already_running(open_world: Open) -> None:
    answers = (use("create_workspace", template_id=EMPTY), use("create_workspace", template_id=EMPTY))
    async with open_world(*answers, [say("ok")]) as world:
        _, second = await results_of(world, await world.create())
        standing = await the_workspace(world)
        assert standing.build is not None
        assert isinstance(second.result, dict)
        assert second.result.pop("message")
        assert second.result == {
            "created": False,
            "status": "already_exists",
            "workspace_name": standing.workspace.full_name,
            "build_id": standing.build.id,
        }


async def test_w2_stopped(open_world: Open) -> None:
    answers = (
        use("create_workspace", template_id=EMPTY),
        use("stop_workspace"),
        use("create_workspace", template_id=EMPTY),
        [say("ok")],
    )
    async with open_world(*answers) as world:
        _, stopped, second = await results_of(world, await world.create())
        standing = await the_workspace(world)
    name = standing.workspace.full_name
    assert stopped.result == {"stopped": True, "workspace_name": name}
    assert isinstance(second.result, dict)
    assert "start_workspace" in second.result.pop("message")
    assert second.result == {"created": False, "status": "stopped", "workspace_name": name}
    assert standing.phase is Phase.STOPPED


async def test_w2_two_creates_at_once_make_one(open_world: Open) -> None:
    both = [
        call("create_workspace", {"template_id": EMPTY}),
        call("create_workspace", {"template_id": EMPTY}),
    ]
    async with open_world(both, [say("ok")]) as world:
        first, second = await results_of(world, await world.create())
        await the_workspace(world)
    assert isinstance(first.result, dict)
    assert isinstance(second.result, dict)
    assert (first.result["created"], second.result["created"]) == (True, False)
    assert second.result["status"] == "already_exists"


async def test_w2_a_chat_has_its_workspace_even_if_the_start_fails(open_world: Open, tmp_path: Path) -> None:
    answers = (
        use("create_workspace", template_id=template("git"), parameters={"url": f"file://{tmp_path}/none"}),
        use("execute", command="true"),
        use("create_workspace", template_id=EMPTY),
        use("execute", command="pwd"),
        [say("ok")],
    )
    async with open_world(*answers) as world:
        chat_id = await world.create()
        failed, unusable, created, works = await results_of(world, chat_id)
        standings = await world.runtime.workspaces.list(owner_id="local")
        assert {standing.phase for standing in standings} == {Phase.BROKEN, Phase.RUNNING}
        (running,) = (standing for standing in standings if standing.phase is Phase.RUNNING)
        assert (await world.chat(chat_id)).workspace_id == running.workspace.id
    assert isinstance(failed.result, dict)
    assert failed.is_error
    assert "git clone failed" in failed.result["error"]
    assert unusable.is_error
    assert not created.is_error
    assert not works.is_error
    assert sorted(path.name for path in (tmp_path / "workspaces").iterdir()) == [running.workspace.name]


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        ({"template_id": ""}, "missing"),
        ({"template_id": "empty"}, "Expected the id"),
        ({"template_id": "00000000-0000-0000-0000-000000000000"}, "There is no template"),
        ({"template_id": template("git")}, "url: required"),
        ({"template_id": template("git"), "parameters": {"url": "ext::sh -c true"}}, "url: expected"),
        ({"template_id": template("git"), "parameters": {"url": "https://h/x", "branch": "-u"}}, "branch"),
        ({"template_id": EMPTY, "parameters": {"colour": "red"}}, "no such parameter"),
        ({"template_id": template("folder"), "parameters": {"source": "relative"}}, "absolute"),
    ],
)
async def test_w2_wrong_arguments_make_nothing(
    open_world: Open, args: dict[str, object], expected: str
) -> None:
    async with open_world([call("create_workspace", args)], [say("ok")]) as world:
        chat_id = await world.create()
        (output,) = await results_of(world, chat_id)
        assert await world.runtime.workspaces.list(owner_id="local") == ()
        assert (await world.chat(chat_id)).workspace_id is None
    assert output.is_error
    assert isinstance(output.result, dict)
    assert expected in output.result["error"]


async def test_w2_the_log_of_the_build_is_shown_while_it_runs(open_world: Open, repository: str) -> None:
    create = use("create_workspace", template_id=template("git"), parameters={"url": repository})
    async with open_world([wait(0.2), *create], use("execute", command="cat README"), [say("ok")]) as world:
        chat_id = await world.create()
        events = await world.listen_in(chat_id)
        _, shown = await results_of(world, chat_id)
        assert isinstance(shown.result, dict)
        assert shown.result["output"] == "hello\n"
        deltas = [
            event.message_part.part.result_delta
            for event in events
            if isinstance(event, MessagePartEvent) and isinstance(event.message_part.part, ToolResultPart)
        ]
    text = "".join(delta or "" for delta in deltas)
    assert f"Cloning {repository}\n" in text
    assert "The agent listens\n" in text


# W3


async def test_w3_no_workspace(open_world: Open) -> None:
    async with open_world(use("start_workspace"), use("stop_workspace"), [say("ok")]) as world:
        outputs = await results_of(world, await world.create())
    for output in outputs:
        assert output.is_error
        assert isinstance(output.result, dict)
        assert "create_workspace" in output.result["error"]


async def test_w3_already_running(open_world: Open) -> None:
    answers = (use("create_workspace", template_id=EMPTY), use("start_workspace"), [say("ok")])
    async with open_world(*answers) as world:
        _, started = await results_of(world, await world.create())
        standing = await the_workspace(world)
        assert started.result == {"started": True, "workspace_name": standing.workspace.full_name}
        assert len(await world.runtime.workspaces.builds(standing.workspace.id)) == 1


async def test_w3_stopped(open_world: Open) -> None:
    answers = (
        use("create_workspace", template_id=EMPTY),
        use("stop_workspace"),
        use("stop_workspace"),
        use("start_workspace"),
        [say("ok")],
    )
    async with open_world(*answers) as world:
        *_, started = await results_of(world, await world.create())
        standing = await the_workspace(world)
        assert started.result == {"started": True, "workspace_name": standing.workspace.full_name}
        builds = await world.runtime.workspaces.builds(standing.workspace.id)
        assert [build.transition for build in builds] == ["start", "stop", "start"]


async def test_w3_a_build_in_progress_is_waited_for(open_world: Open) -> None:
    answers = (use("create_workspace", template_id=EMPTY), use("stop_workspace"), [say("ok")])
    async with open_world(*answers, use("start_workspace"), [say("ok")]) as world:
        chat_id = await world.create()
        await results_of(world, chat_id)
        manager = world.runtime.workspaces
        workspace = (await the_workspace(world)).workspace
        build = await manager.build(workspace, Transition.START)
        *_, started = await again(world, chat_id)
        assert started.result == {"started": True, "workspace_name": workspace.full_name}
        assert (await manager.builds(workspace.id))[0].id == build.id


async def test_w3_a_deleted_workspace_is_an_error(open_world: Open) -> None:
    answers = (use("create_workspace", template_id=EMPTY), [say("ok")])
    more = (use("start_workspace"), use("execute", command="true"), [say("ok")])
    async with open_world(*answers, *more) as world:
        chat_id = await world.create()
        await results_of(world, chat_id)
        workspace = (await the_workspace(world)).workspace
        await world.runtime.workspaces.delete(workspace, remove_files=True)
        _, *outputs = await again(world, chat_id)
        assert not Path(workspace.directory or "").exists()  # noqa: ASYNC240
    for output in outputs:
        assert output.is_error
        assert isinstance(output.result, dict)
        assert "deleted" in output.result["error"]


async def test_w3_what_failed_is_tried_again(open_world: Open, tmp_path: Path) -> None:
    source = tmp_path / "source"
    parameters = {"source": str(source)}
    create = use("create_workspace", template_id=template("folder"), parameters=parameters)
    async with open_world(create, [say("ok")], use("start_workspace"), [say("ok")]) as world:
        chat_id = await world.create()
        (failed,) = await results_of(world, chat_id)
        assert failed.is_error
        source.mkdir()
        _, started = await again(world, chat_id)
        assert not started.is_error
        builds = await world.runtime.workspaces.builds((await the_workspace(world)).workspace.id)
        assert [build.status for build in builds] == [BuildStatus.SUCCEEDED, BuildStatus.FAILED]


async def test_w3_only_root_chats_have_the_tools(open_world: Open) -> None:
    answers = (use("spawn_agent", type="general", prompt="Start it."), [say("ok")], [say("ok")])
    async with open_world(*answers) as world:
        chat_id = await world.create()
        (spawned,) = await results_of(world, chat_id)
        assert isinstance(spawned.result, dict)
        await world.settled(spawned.result["chat_id"])
        offered = [{tool.name for tool in asked.tools} for asked in world.model.calls]
    names = {"list_templates", "read_template", "create_workspace", "start_workspace", "stop_workspace"}
    assert names <= offered[0]
    assert any(not names & tools for tools in offered[1:])


async def test_w3_interrupted_it_leaves_the_build_running(open_world: Open, repository: str) -> None:
    create = use("create_workspace", template_id=template("git"), parameters={"url": repository})
    async with open_world(create, [say("ok")]) as world:
        chat_id = await world.create()
        await world.when(chat_id, lambda change: change.chat.workspace_id is not None)
        await world.interrupt(chat_id)
        await world.settled(chat_id, ChatStatus.WAITING)
        standing = await the_workspace(world)
        assert standing.build is not None
        async with asyncio.timeout(30):
            ended = await world.runtime.workspaces.wait(standing.build.id)
        assert ended.status is BuildStatus.SUCCEEDED
