"""Workspaces over REST: made, started, stopped and forgotten, with the log of each build."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from jupyter_chatd.extension import JupyterChatd

from .client import Api, Json
from .users import USER_HEADER, HeaderUsers

UNKNOWN = "00000000-0000-0000-0000-000000000000"


@pytest.fixture
def root() -> Iterator[Path]:
    """Where the folders of workspaces are made."""
    with tempfile.TemporaryDirectory(prefix="chatd") as folder:
        yield Path(folder)


@pytest.fixture
def settings(root: Path) -> dict[str, Any]:
    return {"workspaces_dir": str(root), "sandbox": "off"}


async def template_id(api: Api, name: str = "empty") -> str:
    return next(one["id"] for one in await api.get("/workspaces/templates") if one["name"] == name)


async def ended(api: Api, workspace_id: str) -> Json:
    """The workspace, once its latest build has ended."""
    async with asyncio.timeout(60):
        while (found := await api.get(f"/workspaces/{workspace_id}"))["status"] == "building":  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    return found


@contextlib.asynccontextmanager
async def made(api: Api, **fields: Json) -> AsyncIterator[Json]:
    """A workspace, stopped and forgotten at the end."""
    body = {"template_id": await template_id(api), **fields}
    workspace = await api.post("/workspaces", body, status=201)
    try:
        yield workspace
    finally:
        if workspace["id"] in [one["id"] for one in await api.get("/workspaces")]:
            await ended(api, workspace["id"])
            await api.delete(f"/workspaces/{workspace['id']}")


async def log_of(api: Api, build: Json) -> str:
    path = f"/workspaces/{build['workspace_id']}/builds/{build['id']}/log"
    return (await api.call("GET", path)).text


async def test_templates_tell_their_parameters(api: Api) -> None:
    templates = {one["name"]: one for one in await api.get("/workspaces/templates")}
    assert {name: [p["name"] for p in one["parameters"]] for name, one in templates.items()} == {
        "empty": [],
        "folder": ["source"],
        "git": ["url", "branch", "depth"],
    }


async def test_made_stopped_started_and_forgotten(api: Api, root: Path) -> None:
    async with made(api, name="trial") as workspace:
        assert (workspace["status"], workspace["directory"]) == ("building", str(root / "trial"))
        assert "The agent listens\n" in await log_of(api, workspace["latest_build"])
        path = f"/workspaces/{workspace['id']}"
        assert (await ended(api, workspace["id"]))["status"] == "running"
        again = await api.post(f"{path}/builds", {"transition": "start"})
        assert again["id"] == workspace["latest_build"]["id"]
        stop = await api.post(f"{path}/builds", {"transition": "stop"}, status=201)
        assert "Stopping the agent\n" in await log_of(api, stop)
        assert (await ended(api, workspace["id"]))["status"] == "stopped"
        await api.post(f"{path}/builds", {"transition": "start"}, status=201)
        assert (await ended(api, workspace["id"]))["status"] == "running"
        builds = await api.get(f"{path}/builds")
        assert [(build["number"], build["transition"], build["status"]) for build in builds] == [
            (3, "start", "succeeded"),
            (2, "stop", "succeeded"),
            (1, "start", "succeeded"),
        ]
        await api.delete(path)
        assert await api.get("/workspaces") == []
        assert (root / "trial").is_dir()


async def test_files_are_removed_only_when_that_is_said(api: Api, root: Path) -> None:
    async with made(api, name="trial") as workspace:
        await ended(api, workspace["id"])
        path = f"/workspaces/{workspace['id']}"
        wrong = await api.call("DELETE", path, params=[("remove_files", "perhaps")])
        assert wrong.status == 400
        reply = await api.call("DELETE", path, params=[("remove_files", "true")])
        assert reply.status == 204
        assert not (root / "trial").exists()


async def test_a_build_that_fails_says_why(api: Api, root: Path) -> None:
    git, url = await template_id(api, "git"), f"file://{root}/none"
    async with made(api, template_id=git, parameters={"url": url}) as workspace:
        log = await log_of(api, workspace["latest_build"])
        found = await ended(api, workspace["id"])
    assert found["status"] == "broken"
    assert "git clone failed" in found["latest_build"]["error"]
    assert f"Cloning {url}\n" in log
    assert os.listdir(root) == []


async def test_wrong_requests_are_refused(api: Api) -> None:
    empty = await template_id(api)
    for body, told in (
        ({"template_id": UNKNOWN}, "no template"),
        ({"template_id": "empty"}, "Expected the id"),
        ({"template_id": empty, "parameters": {"x": "y"}}, "no such parameter"),
        ({"template_id": empty, "parameters": {"x": 1}}, ""),
        ({"template_id": await template_id(api, "git")}, "url: required"),
    ):
        problem = await api.post("/workspaces", body, status=400)
        assert told in problem["message"]
    await api.post("/workspaces", {"template_id": empty, "chat_id": UNKNOWN}, status=404)
    for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/builds"), ("POST", "/builds")):
        body = {"transition": "start"} if method == "POST" else None
        assert (await api.call(method, f"/workspaces/{UNKNOWN}{path}", body)).status == 404


async def test_a_name_is_given_once(api: Api, root: Path) -> None:
    async with made(api, name="trial"):
        body = {"template_id": await template_id(api), "name": "trial"}
        assert (await api.post("/workspaces", body, status=409))["message"]
    (root / "mine").mkdir()
    taken = {"template_id": await template_id(api), "name": "mine"}
    assert "exists already" in (await api.post("/workspaces", taken, status=409))["message"]


async def test_two_builds_at_once_are_refused(api: Api) -> None:
    async with made(api) as workspace:
        path = f"/workspaces/{workspace['id']}/builds"
        problem = await api.post(path, {"transition": "stop"}, status=409)
        assert problem["state"] == "building"


async def test_a_chat_gets_a_workspace_and_works_there(api: Api) -> None:
    chat = await api.finished()
    async with made(api, chat_id=chat["id"]) as workspace:
        await ended(api, workspace["id"])
        assert (await api.get(f"/{chat['id']}"))["workspace_id"] == workspace["id"]
        await api.send(chat["id"], "run pwd")
        await api.settle(chat["id"])
        (result,) = await api.results(chat["id"])
        assert result["result"]["output"] == f"{workspace['directory']}\n"
        body = {"template_id": await template_id(api), "chat_id": chat["id"]}
        assert (await api.post("/workspaces", body, status=409))["state"] == "has a workspace"
        other = await api.finished("run pwd", workspace_id=workspace["id"])
        (result,) = await api.results(other["id"])
        assert result["result"]["output"] == f"{workspace['directory']}\n"


async def test_a_chat_cannot_begin_in_a_workspace_that_does_not_exist(api: Api) -> None:
    body = {"content": [{"type": "text", "text": "hello"}], "workspace_id": UNKNOWN}
    assert "workspace_id" in (await api.post("", body, status=400))["detail"]


async def test_an_agent_that_died_is_a_stopped_workspace(api: Api, chatd: JupyterChatd) -> None:
    async with made(api) as workspace:
        await ended(api, workspace["id"])
        standing = await chatd._running.runtime.workspaces.find(workspace["id"])
        os.kill(standing.agent.place["pid"], signal.SIGKILL)
        await asyncio.sleep(0.2)
        path = f"/workspaces/{workspace['id']}/builds"
        build = await api.post(path, {"transition": "stop"})
        assert "ended by itself" in await log_of(api, build)


@pytest.mark.parametrize("server_settings", [{"identity_provider_class": HeaderUsers}])
async def test_one_user_cannot_reach_anothers_workspace(api: Api) -> None:
    ada, bob = (api.with_headers(**{USER_HEADER: name}) for name in ("ada", "bob"))
    async with made(ada) as workspace:
        await ended(ada, workspace["id"])
        path = f"/workspaces/{workspace['id']}"
        assert await bob.get("/workspaces") == []
        for method, below, body in (
            ("GET", "", None),
            ("DELETE", "", None),
            ("GET", "/builds", None),
            ("POST", "/builds", {"transition": "stop"}),
            ("GET", f"/builds/{workspace['latest_build']['id']}/log", None),
        ):
            assert (await bob.call(method, path + below, body)).status == 404
        body = {"content": [{"type": "text", "text": "run pwd"}], "workspace_id": workspace["id"]}
        await bob.post("", body, status=400)
        assert (await ada.get(path))["status"] == "running"
