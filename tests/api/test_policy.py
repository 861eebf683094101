"""What whoever runs the server allows, and what its user chose: offered, run and listed accordingly."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from fakes.mcp_servers import build, serve_http
from fakes.responder import respond
from fakes.vendor import FakeVendor

from jupyter_chatd.capabilities import CAPABILITY_OF, read_policy
from jupyter_chatd.extension import JupyterChatd
from jupyter_chatd.workspaces.templates import TemplateCatalog

from .client import PATIENCE, Api, Json
from .conftest import KEY, Serve
from .mcp_tools import MODEL, called, called_again, offered, program, set_up

NO_TOOL = "There is no tool"
PROGRAM = "tools__echo"


def policy(**rules: str) -> Any:
    return pytest.mark.parametrize("settings", [{"policy": rules}])


def allowed(**lists: list[str]) -> Any:
    return pytest.mark.parametrize("settings", [{"allowed": lists}])


def told(vendor: FakeVendor) -> set[str]:
    """The tools that the vendor was last told of."""
    return {tool["function"]["name"] for tool in vendor.body_of(vendor.generations[-1]).get("tools", [])}


# What is told


async def test_without_a_policy_the_user_decides_everything(api: Api) -> None:
    told = await api.get("/policy")
    assert list(told["capabilities"].values()) == [{"policy": "user", "enabled": True, "reason": None}] * 7
    assert told["allowed"] == {"providers": [], "models": [], "mcp_servers": [], "workspace_kinds": []}


async def test_which_workspaces_there_can_be_is_told_with_reasons(api: Api) -> None:
    kinds = (await api.get("/policy"))["workspace_kinds"]
    assert kinds["process"] == {"enabled": True, "reason": None}
    assert kinds["hub"]["enabled"] is False
    assert "not available on this server" in kinds["hub"]["reason"]
    kinds = (await api.patch("/policy", {"workspaces": False}))["workspace_kinds"]
    assert "switched off" in kinds["process"]["reason"]


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a spawner has decided, there before the server starts."""
    monkeypatch.setenv("JUPYTER_CHATD_POLICY_SHELL", "off")
    monkeypatch.setenv("JUPYTER_CHATD_POLICY_MCP", "user")
    monkeypatch.setenv("JUPYTER_CHATD_ALLOWED_MODELS", "demo:*, openai:small")


@pytest.mark.parametrize(
    "settings",
    [{"policy": {"shell": "on", "mcp": "on", "desktop": "off"}, "allowed": {"models": ["demo:*"]}}],
)
async def test_environment_and_configuration_both_hold(environment: None, api: Api) -> None:
    told = await api.get("/policy")
    assert {
        name: told["capabilities"][name]["policy"] for name in ("shell", "mcp", "desktop", "subagents")
    } == {
        "shell": "off",
        "mcp": "on",
        "desktop": "off",
        "subagents": "user",
    }
    assert told["allowed"]["models"] == [["demo:*"], ["demo:*", "openai:small"]]


@pytest.mark.parametrize(
    "settings, says",
    [
        ({"policy": {"shel": "off"}}, "'shel' is no capability; expected one of shell, file_writes,"),
        ({"policy": {"shell": False}}, "the policy of shell is False; expected one of user, on, off."),
        ({"allowed": {"models": "openai:*"}}, "the allowed models are 'openai:*'; expected a list of names"),
        ({"allowed": {"workspace_kinds": ["pod"]}}, "'pod' is no kind of workspace; expected server,"),
    ],
)
def test_a_policy_that_cannot_be_read_ends_the_server(
    jp_configurable_serverapp: Any, jp_server_config: Any, says: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        jp_configurable_serverapp(config=jp_server_config)
    assert f"The server does not start: {says}" in capfd.readouterr().err


# What the user chooses


@policy(shell="off", mcp="on")
async def test_the_user_chooses_within_the_policy(api: Api) -> None:
    told = await api.patch("/policy", {"subagents": False, "shell": False, "mcp": True}, status=200)
    assert told["capabilities"]["subagents"] == {
        "policy": "user",
        "enabled": False,
        "reason": "subagents is switched off in the settings of this server",
    }
    for forced in ({"shell": True}, {"mcp": False}, {"file_writes": False, "shell": True}):
        refused = await api.call("PATCH", "/policy", forced)
        assert refused.status == 409
        assert "is forced" in refused.json["message"]
    assert await api.get("/policy") == told
    assert (await api.patch("/policy", {"subagents": True}, status=200))["capabilities"]["subagents"][
        "enabled"
    ]


async def test_what_the_user_switched_off_is_gone_in_the_middle_of_a_turn(api: Api, openai: Serve) -> None:
    async with openai(respond) as vendor:
        chat_id, _ = await called(api, "execute", command="echo one")
        assert {"execute", "spawn_agent", "write_file"} <= told(vendor)
        await api.patch("/policy", {"shell": False}, status=200)
        result = await called_again(api, chat_id, "execute", command="echo two")
        assert "execute" not in told(vendor)
    assert NO_TOOL in str(result["result"])


# Tools

SHELL = ("execute", "process_output", "process_list", "process_signal")


@policy(shell="off", subagents="off", workspaces="off", desktop="off")
async def test_what_is_off_is_neither_offered_nor_run(api: Api, openai: Serve, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    async with openai(respond) as vendor:
        chat_id, result = await called(api, "execute", command=f"touch {mark}")
        assert told(vendor) == {"read_file", "write_file", "edit_files", "attach_file"}
        for tool in (*SHELL, "spawn_agent", "create_workspace", "computer"):
            assert NO_TOOL in str((await called_again(api, chat_id, tool))["result"])
    assert result["is_error"]
    assert not mark.exists()


@policy(file_writes="off")
async def test_a_chat_that_writes_no_files_runs_its_commands_read_only(
    api: Api, openai: Serve, jp_root_dir: Path
) -> None:
    async with openai(respond) as vendor:
        chat_id, result = await called(api, "write_file", path=str(jp_root_dir / "one"), content="x")
        assert told(vendor) & {"write_file", "edit_files", "execute"} == {"execute"}
        ran = await called_again(api, chat_id, "execute", command="touch two")
    assert NO_TOOL in str(result["result"])
    # Where there is no sandbox, the model is told that it must not, and the file would be there.
    if (await api.get(f"/{chat_id}"))["commands"] == "confined":
        assert not (jp_root_dir / "two").exists(), ran
    assert not (jp_root_dir / "one").exists()


HARMLESS = {"read_file", "attach_file", "propose_plan", "ask_user_question"}
"""Tools that need no capability: they look, or ask the user."""


async def test_every_tool_needs_a_capability_or_is_known_to_need_none(api: Api, chatd: JupyterChatd) -> None:
    """A new tool is put into `CAPABILITY_OF`, or it is one that every policy allows."""
    names = set(chatd._running.runtime._engine().tools.names)
    assert {"execute", "spawn_agent", "create_workspace"} <= names
    assert names <= CAPABILITY_OF.keys() | HARMLESS


# Models


@allowed(models=["demo:*", "openai:fake-model"])
async def test_only_allowed_models_are_listed_and_taken(api: Api, openai: Serve) -> None:
    async with openai(respond) as vendor:
        listing = await api.get("/models")
        names = [model["id"] for provider in listing["providers"] for model in provider["models"]]
        assert names == ["openai:fake-model", "demo:demo"]
        refused = await api.call("POST", "", new_chat("openai:other"))
        assert refused.status == 400
        assert "not among those that whoever runs this server allows" in refused.json["detail"]
        assert (await api.finished(model=MODEL))["status"] == "waiting"
        assert {vendor.body_of(request)["model"] for request in vendor.generations} == {"fake-model"}


def new_chat(model: str) -> Json:
    return {"content": [{"type": "text", "text": "hi"}], "model": model}


@allowed(providers=["demo"])
async def test_a_provider_that_is_not_allowed_is_not_known(api: Api, openai: Serve) -> None:
    async with openai(respond) as vendor:
        assert [row["provider"] for row in (await api.get("/models"))["providers"]] == ["demo"]
        refused = await api.call("POST", "", new_chat(MODEL))
        assert refused.status == 400
        assert "providers are demo." in refused.json["detail"]
        assert not vendor.generations


async def test_a_chat_whose_model_was_allowed_once_calls_it_no_more(
    api: Api, openai: Serve, chatd: Any
) -> None:
    """A policy counts at run time, for chats that are there already."""
    async with openai(respond) as vendor:
        chat = await api.finished(model=MODEL)
        capabilities = chatd._running.runtime.capabilities
        capabilities.now = type(capabilities.now)(policy=read_policy({}, {"models": ["demo:*"]}))
        asked = len(vendor.generations)
        await api.send(chat["id"], "again")
        chat = await api.settle(chat["id"])
        assert len(vendor.generations) == asked
    assert chat["status"] == "error"
    assert "is not among those" in chat["last_error"]["message"]


async def test_providers_of_the_settings_stop_counting(api: Api, openai: Serve) -> None:
    async with openai(respond) as vendor:
        own = {"provider": "own", "base_url": vendor.base_url, "api_key": KEY}
        created = await api.post("/providers", own, status=201)
        await api.patch("/policy", {"providers": False}, status=200)
        assert "own" not in [row["provider"] for row in (await api.get("/models"))["providers"]]
        assert (await api.call("POST", "", new_chat("own:x"))).status == 400
        refused = await api.call("POST", "/providers", {**own, "provider": "second"})
        assert (refused.status, refused.json["message"]) == (
            403,
            "Not possible here: providers is switched off in the settings of this server.",
        )
        assert (await api.call("PATCH", f"/providers/{created['id']}", {"enabled": False})).status == 403
        await api.delete(f"/providers/{created['id']}")


@policy(providers="off")
async def test_keys_that_were_entered_are_not_used(api: Api, chatd: Any) -> None:
    chatd._catalog.credentials.set("openai", KEY, base_url=None)
    (openai,) = [row for row in (await api.get("/models"))["providers"] if row["provider"] == "openai"]
    assert openai["unavailable_reason"] == "missing_api_key"


# MCP servers


@policy(mcp="off")
async def test_without_mcp_no_server_is_set_up(api: Api) -> None:
    assert (await api.call("POST", "/mcp/servers", program())).status == 403
    trusted = await api.call("POST", "/mcp/project", {"sha256": "0" * 64, "trusted": True})
    assert trusted.status == 403


async def test_servers_that_are_there_are_not_used_any_more(api: Api, openai: Serve) -> None:
    async with openai(respond) as vendor:
        server = await set_up(api, program())
        chat_id, result = await called(api, PROGRAM, text="hello")
        assert result["result"] == {"text": "hello"}
        await api.patch("/policy", {"mcp": False}, status=200)
        assert NO_TOOL in str((await called_again(api, chat_id, PROGRAM, text="hello"))["result"])
        assert offered(vendor) == []
        assert (await api.call("POST", f"/mcp/servers/{server['id']}/test", {})).status == 403
        await api.patch("/policy", {"mcp": True}, status=200)
        assert (await called_again(api, chat_id, PROGRAM, text="hello"))["result"] == {"text": "hello"}


@allowed(mcp_servers=["http://127.0.0.1:*"])
async def test_only_allowed_servers_are_connected_whatever_they_are_called(api: Api, openai: Serve) -> None:
    async with openai(respond) as vendor, serve_http(build()) as url:
        await set_up(api, {"slug": "web", "url": url, "availability": "default_on"})
        other = await set_up(api, program())
        _, result = await called(api, "web__add", a=2, b=3)
        assert result["result"] == 5
        assert {name.partition("__")[0] for name in offered(vendor)} == {"web"}
        status = await api.post(f"/mcp/servers/{other['id']}/test", {})
    assert status["state"] == "failed"
    assert "does not allow this MCP server" in status["reason"]


# Workspaces


@pytest.mark.parametrize(
    "settings",
    [
        {"policy": {"workspaces": "off"}, "sandbox": "off"},
        {"allowed": {"workspace_kinds": ["server", "hub"]}, "sandbox": "off"},
    ],
)
async def test_a_kind_that_is_off_is_not_made(api: Api) -> None:
    """Nor is it offered."""
    assert await api.get("/workspaces/templates") == []
    (empty,) = (template.id for template in TemplateCatalog().list() if template.name == "empty")
    refused = await api.call("POST", "/workspaces", {"template_id": empty})
    assert refused.status == 409
    assert refused.json["message"].startswith(
        "Workspaces of the kind process are switched off on this server"
    )
    assert await api.get("/workspaces") == []


@pytest.mark.parametrize("settings", [{"sandbox": "off"}])
async def test_a_workspace_that_is_there_can_be_stopped_and_not_started(api: Api, tmp_path: Path) -> None:
    (template,) = [one for one in await api.get("/workspaces/templates") if one["name"] == "empty"]
    made = await api.post("/workspaces", {"template_id": template["id"]}, status=201)
    path = f"/workspaces/{made['id']}"
    await eventually_is(api, path, "running")
    await api.patch("/policy", {"workspaces": False}, status=200)
    await api.post(f"{path}/builds", {"transition": "stop"}, status=201)
    await eventually_is(api, path, "stopped")
    refused = await api.call("POST", f"{path}/builds", {"transition": "start"})
    assert (refused.status, "switched off" in refused.json["message"]) == (409, True)
    await api.delete(path)


async def eventually_is(api: Api, path: str, status: str) -> None:
    async with asyncio.timeout(PATIENCE):
        while (await api.get(path))["status"] != status:  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0.05)
