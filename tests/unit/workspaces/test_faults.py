"""Workspaces that cannot be made, and agents that die while they start or talk nonsense."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from world import OWNER, World

from jupyter_chatd.messages import ToolResultPart
from jupyter_chatd.providers.scripted import say
from jupyter_chatd.workspaces.process import ProcessProvisioner, ProcessSettings
from jupyter_chatd.workspaces.templates import TemplateCatalog, parse_template
from jupyter_chatd.workspaces.values import Phase, Standing

from .conftest import Open, results_of, template, use

pytestmark = pytest.mark.anyio

EMPTY = template("empty")


async def the_workspace(world: World) -> Standing:
    (standing,) = await world.runtime.workspaces.list(owner_id=OWNER)
    return standing


def error_of(output: ToolResultPart) -> str:
    assert output.is_error
    assert isinstance(output.result, dict)
    return str(output.result["error"])


def fields_of(output: ToolResultPart) -> dict[str, Any]:
    assert isinstance(output.result, dict)
    return {name: value for name, value in output.result.items() if name != "wall_duration_ms"}


async def test_an_agent_that_dies_before_it_listens(
    open_world: Open, settings: ProcessSettings, agents: Path
) -> None:
    """The start has failed, the chat has the workspace all the same, and nothing of the agent is left."""
    dying = ProcessProvisioner(replace(settings, env={**settings.env, "PYTHONHOME": "/nowhere"}))
    answers = (use("create_workspace", template_id=EMPTY), use("execute", command="true"))
    async with open_world(*answers, use("start_workspace"), [say("ok")], provisioner=dying) as world:
        chat_id = await world.create()
        outputs = await results_of(world, chat_id)
        standing = await the_workspace(world)
        assert standing.phase is Phase.BROKEN
        assert (await world.chat(chat_id)).workspace_id == standing.workspace.id
        assert os.listdir(agents) == []
    created, used, started = (error_of(output) for output in outputs)
    assert "The workspace's agent did not start." in created
    assert "could not be started: The workspace's agent did not start." in used
    assert "The workspace's agent did not start." in started


async def test_an_agent_that_dies_in_its_start_up_script(open_world: Open) -> None:
    """It ran, so it counts as started; from the next call on it is a stopped workspace."""
    killing = parse_template({"name": "killing", "origin": "empty", "startup_script": "kill -9 $PPID"})
    answers = (use("create_workspace", template_id=killing.id), use("execute", command="true"), [say("ok")])
    async with open_world(*answers, templates=TemplateCatalog([killing])) as world:
        created, used = await results_of(world, await world.create())
        standing = await the_workspace(world)
    assert not created.is_error
    told = fields_of(created)
    assert told["created"] is True
    assert told.get("agent_status") == "not_ready" or told.get("startup_scripts") == "startup_scripts_unknown"
    assert "is stopped. Use start_workspace" in error_of(used)
    assert standing.phase is Phase.STOPPED


async def test_a_place_that_cannot_be_written(
    open_world: Open, settings: ProcessSettings, tmp_path: Path, agents: Path
) -> None:
    (tmp_path / "file").touch()
    elsewhere = ProcessProvisioner(replace(settings, root=tmp_path / "file" / "workspaces"))
    answers = (use("create_workspace", template_id=EMPTY), [say("ok")])
    async with open_world(*answers, provisioner=elsewhere) as world:
        (failed,) = await results_of(world, await world.create())
        assert (await the_workspace(world)).phase is Phase.BROKEN
        assert not agents.exists()  # noqa: ASYNC240
    assert "cannot be made" in error_of(failed)


@asynccontextmanager
async def talking_nonsense(standing: Standing) -> AsyncIterator[None]:
    """Something else listens where the agent did."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
        writer.close()

    assert standing.agent is not None
    path = f"{standing.agent.place['folder']}/s"
    os.unlink(path)
    server = await asyncio.start_unix_server(serve, path)
    try:
        yield
    finally:
        server.close()


async def test_an_agent_that_answers_garbage(open_world: Open) -> None:
    """Every tool says what helps; it does. A start says that the agent is of no use, and is no error."""
    answers = (
        use("execute", command="true"),
        use("start_workspace"),
        use("stop_workspace"),
        use("start_workspace"),
        use("execute", command="echo here"),
    )
    async with open_world(*answers, [say("ok")]) as world:
        manager = world.runtime.workspaces
        workspace, build = await manager.create(OWNER, template_id=EMPTY)
        await manager.wait(build.id)
        async with talking_nonsense(await the_workspace(world)):
            chat_id = await world.create(workspace_id=workspace.id)
            used, unready, stopped, started, works = await results_of(world, chat_id)
        assert (await world.chat(chat_id)).workspace_id == workspace.id
    garbage = "The workspace's agent gave an answer that makes no sense. Stop and start the workspace."
    assert fields_of(used)["error"] == garbage
    assert fields_of(unready) == {
        "started": True,
        "workspace_name": workspace.full_name,
        "agent_status": "not_ready",
        "agent_error": garbage,
    }
    assert fields_of(stopped) == {"stopped": True, "workspace_name": workspace.full_name}
    assert fields_of(started) == {"started": True, "workspace_name": workspace.full_name}
    assert fields_of(works)["output"] == "here\n"


async def test_w2_an_agent_that_is_still_on_its_way_is_waited_for(
    open_world: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Just started, it has its time to answer, and no second workspace is made; later it is of no use."""
    monkeypatch.setattr("jupyter_chatd.workspaces.readiness.DIAL_LIMIT", 0.0)
    answers = (use("create_workspace", template_id=EMPTY), [say("ok")])
    async with open_world(*answers, *answers) as world:
        manager = world.runtime.workspaces
        workspace, build = await manager.create(OWNER, template_id=EMPTY)
        await manager.wait(build.id)
        async with talking_nonsense(await the_workspace(world)):
            chat_id = await world.create(workspace_id=workspace.id)
            (early,) = await results_of(world, chat_id)
            await world.runtime.store.write(
                lambda conn: conn.execute("UPDATE builds SET completed_at = completed_at - 3600")
            )
            await world.send(chat_id, "Again.")
            _, late = await results_of(world, chat_id)
        assert len(await manager.list(owner_id=OWNER)) == 2
    told = fields_of(early)
    assert (told["created"], told["status"], told["agent_status"]) == (False, "already_exists", "not_ready")
    assert told["build_id"] == build.id
    assert fields_of(late)["created"] is True
