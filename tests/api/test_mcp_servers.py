"""Setting MCP servers up over REST: what is told, what is refused, what becomes of secrets."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from jupyter_chatd.mcp.secret_file import SecretFile
from jupyter_chatd.mcp.stored import StoredServers
from jupyter_chatd.store import Store

from .client import Api, Json
from .mcp_tools import program, set_up

SECRET = "mcp-very-secret-0123456789"
WEB: Json = {"slug": "web", "url": "http://127.0.0.1:1/mcp"}


def secrets(data_dir: Path) -> dict[str, Any]:
    """What the file of secrets holds, by id."""
    path = data_dir / "jupyter_chatd" / "mcp_secrets.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    return json.loads(path.read_text())


async def test_a_server_is_set_up_changed_and_removed(api: Api) -> None:
    made = await set_up(api, {**WEB, "display_name": "Docs", "headers": {"X-Key": SECRET}})
    assert made == {
        "id": made["id"],
        "slug": "web",
        "display_name": "Docs",
        "transport": "streamable_http",
        "command": None,
        "args": [],
        "cwd": None,
        "url": "http://127.0.0.1:1/mcp",
        "has_url_query": False,
        "env_names": [],
        "header_names": ["X-Key"],
        "enabled": True,
        "availability": "default_off",
        "allowed_tools": [],
        "denied_tools": [],
        "allow_in_plan_mode": False,
        "model_intent": False,
        "connect_timeout_s": 10.0,
        "call_timeout_s": 60.0,
        "status": {"state": "idle", "reason": "", "tools": []},
    }
    path = f"/mcp/servers/{made['id']}"
    changes: Json = {
        "enabled": False,
        "denied_tools": ["rm"],
        "call_timeout_s": 5,
        "availability": "force_on",
    }
    changed = await api.patch(path, changes)
    assert changed == {**made, **changes, "status": {"state": "disabled", "reason": "", "tools": []}}
    assert await api.get("/mcp/servers") == [changed]
    await api.delete(path)
    assert await api.get("/mcp/servers") == []
    await api.delete(path, status=404)
    await api.patch(path, {}, status=404)
    await api.post(f"{path}/test", status=404)


@pytest.mark.parametrize(
    "body, field",
    [
        ({**WEB, "slug": "Web"}, "slug"),
        ({**WEB, "slug": "a__b"}, "slug"),
        ({"slug": "web"}, "url"),
        ({**WEB, "url": "ftp://127.0.0.1/"}, "url"),
        ({**WEB, "url": f"http://me:{SECRET}@127.0.0.1/"}, "url"),
        ({**WEB, "command": "ls"}, "command"),
        ({**WEB, "headers": {"X-Key": f"{SECRET}\n"}}, "headers"),
        ({"slug": "a", "transport": "stdio"}, "command"),
        ({"slug": "a", "transport": "stdio", "command": "ls", "cwd": "here"}, "cwd"),
        ({"slug": "a", "transport": "stdio", "command": "ls", "env": {"A B": SECRET}}, "env"),
        ({**WEB, "call_timeout_s": 0}, "call_timeout_s"),
        ({**WEB, "transport": "carrier-pigeon"}, "transport"),
        ({**WEB, "colour": "blue"}, "colour"),
    ],
)
async def test_what_is_wrong_is_refused_by_name(api: Api, body: Json, field: str) -> None:
    problem = await api.post("/mcp/servers", body, status=400)
    assert field in problem["detail"]
    assert SECRET not in str(problem)
    assert await api.get("/mcp/servers") == []


async def test_a_slug_is_taken_once(api: Api, jp_data_dir: Path) -> None:
    first = await set_up(api, {**WEB, "headers": {"A": "first"}})
    other = await set_up(api, {**WEB, "slug": "other"})
    problem = await api.post("/mcp/servers", {**WEB, "headers": {"A": "2"}}, status=409)
    assert "slug" in problem["message"]
    await api.patch(f"/mcp/servers/{other['id']}", {"slug": "web"}, status=409)
    assert [row["slug"] for row in await api.get("/mcp/servers")] == ["other", "web"]
    assert secrets(jp_data_dir).keys() == {first["id"], other["id"]}


@pytest.mark.parametrize(
    "changes, kept",
    [
        ({"display_name": "Another"}, True),
        ({"url": WEB["url"]}, True),
        ({"url": "http://127.0.0.1:2/mcp"}, False),
        ({"transport": "sse", "url": WEB["url"]}, False),
        ({"transport": "stdio", "command": "env"}, False),
    ],
)
async def test_secrets_stay_with_the_place_that_they_were_entered_for(
    api: Api, jp_data_dir: Path, changes: Json, kept: bool
) -> None:
    """Else whoever may change a server could have its key sent to another one."""
    made = await set_up(api, {**WEB, "url": f"{WEB['url']}?key={SECRET}", "headers": {"X-Key": SECRET}})
    assert made["has_url_query"]
    changed = await api.patch(f"/mcp/servers/{made['id']}", changes)
    assert (changed["has_url_query"], changed["header_names"]) == ((True, ["X-Key"]) if kept else (False, []))
    assert (SECRET in str(secrets(jp_data_dir))) is kept


async def test_new_secrets_come_along_and_old_ones_go(api: Api, jp_data_dir: Path) -> None:
    made = await set_up(api, {**WEB, "headers": {"X-Key": "old", "X-Team": "blue"}})
    path = f"/mcp/servers/{made['id']}"
    moved = await api.patch(path, {"url": "http://127.0.0.1:2/mcp?key=new", "headers": {"X-Key": "new"}})
    assert (moved["header_names"], moved["has_url_query"]) == (["X-Key"], True)
    entry = secrets(jp_data_dir)[made["id"]]
    assert (entry["headers"], entry["query"]) == ({"X-Key": "new"}, "key=new")
    assert (await api.patch(path, {"headers": {}}))["header_names"] == []
    await api.delete(path)
    assert secrets(jp_data_dir) == {}


async def test_another_transport_takes_away_what_the_old_one_needed(api: Api) -> None:
    made = await set_up(api, program())
    changed = await api.patch(
        f"/mcp/servers/{made['id']}", {"transport": "sse", "url": "http://127.0.0.1:1/"}
    )
    assert (changed["command"], changed["args"], changed["url"]) == (None, [], "http://127.0.0.1:1/")


async def test_a_file_of_secrets_that_others_may_read_is_not_used(api: Api, jp_data_dir: Path) -> None:
    made = await set_up(api, {**WEB, "headers": {"X-Key": SECRET}})
    (jp_data_dir / "jupyter_chatd" / "mcp_secrets.json").chmod(0o644)
    for problem in (
        await api.post("/mcp/servers", {**WEB, "slug": "b"}, status=400),
        await api.patch(f"/mcp/servers/{made['id']}", {"enabled": False}, status=400),
    ):
        assert "chmod 600" in problem["detail"]
    await api.create(model="demo:demo")
    (jp_data_dir / "jupyter_chatd" / "mcp_secrets.json").chmod(0o600)
    (row,) = await api.get("/mcp/servers")
    assert row["enabled"]


async def test_a_server_is_tried_out(api: Api) -> None:
    made = await set_up(api, program(allowed_tools=["echo"]))
    path = f"/mcp/servers/{made['id']}"
    assert await api.post(f"{path}/test") == {"state": "connected", "reason": "", "tools": ["echo"]}
    await api.patch(path, {"command": "no-such-program"})
    failed = await api.post(f"{path}/test")
    assert (failed["state"], "there is no program" in failed["reason"]) == ("failed", True)


async def test_servers_are_there_after_a_restart(api: Api, jp_data_dir: Path) -> None:
    """As the next server reads them: rows, and secrets of the file."""
    await set_up(api, program(env={"A_TOKEN": SECRET}, connect_timeout_s=2.5))
    folder = jp_data_dir / "jupyter_chatd"

    async def forget(_id: str) -> None: ...

    async with Store(folder / "chats.db") as store:
        (config,) = await StoredServers(lambda: store, SecretFile(folder), forget=forget).list()
    assert (config.slug, config.env, config.connect_timeout_s) == ("tools", {"A_TOKEN": SECRET}, 2.5)
