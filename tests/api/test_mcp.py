"""Tools of MCP servers in whole turns: real servers, started and reached by a whole Jupyter server."""

from __future__ import annotations

import json
import logging
import os
import sys
from pathlib import Path

import pytest
from fakes.mcp_servers import build, serve_http
from fakes.responder import respond

from jupyter_chatd.extension import JupyterChatd

from .client import Api, Json
from .conftest import KEY, Serve
from .mcp_tools import FAKES, MODEL, called, called_again, offered, program, set_up

SECRET = "mcp-very-secret-0123456789"
NO_TOOL = "There is no tool"


async def test_a_model_calls_a_tool_of_a_program(api: Api, openai: Serve) -> None:
    async with openai(respond) as vendor:
        server = await set_up(api, program(allowed_tools=["echo", "pid"], denied_tools=["pid"]))
        chat = await api.finished('call tools__echo with {"text": "hello"}', model=MODEL)
        assert chat["mcp_server_ids"] == [server["id"]]
        assert offered(vendor) == ["tools__echo"]
    rows = await api.messages(chat["id"])
    assert [row["role"] for row in rows] == ["user", "assistant", "tool", "assistant"]
    (call,), (result,) = rows[1]["content"], rows[2]["content"]
    assert (call["mcp_server_config_id"], result["mcp_server_config_id"]) == (server["id"], server["id"])
    assert result["result"] == {"text": "hello"}
    (listed,) = await api.get("/mcp/servers")
    assert listed["status"] == {"state": "connected", "reason": "", "tools": ["echo"]}


async def test_a_model_calls_a_tool_over_http(api: Api, openai: Serve) -> None:
    async with openai(respond), serve_http(build()) as url:
        await set_up(api, {"slug": "web", "url": url, "availability": "force_on"})
        _, result = await called(api, "web__add", a=2, b=3)
    assert result["result"] == 5


# Servers that fail


async def test_a_server_that_dies_in_a_call_leaves_its_outcome_unknown(api: Api, openai: Serve) -> None:
    async with openai(respond):
        await set_up(api, program())
        chat_id, died = await called(api, "tools__die", words="out of cheese", code=3)
        assert died["is_error"]
        assert "Its outcome is unknown: check before you repeat it." in died["result"]["error"]
        assert "out of cheese" in died["result"]["error"]
        chat = await api.get(f"/{chat_id}")
        assert (chat["status"], chat["last_error"]) == ("waiting", None)
        assert (await api.messages(chat_id))[-1]["role"] == "assistant"
        again = await called_again(api, chat_id, "tools__echo", text="back")
    assert again["result"] == {"text": "back"}


async def test_a_call_that_hangs_is_given_up(api: Api, openai: Serve) -> None:
    async with openai(respond):
        await set_up(api, program(call_timeout_s=1.0))
        chat_id, silent = await called(api, "tools__silent")
        assert "Its outcome is unknown" in silent["result"]["error"]
        assert (await called_again(api, chat_id, "tools__echo", x=1))["result"] == {"x": 1}


async def test_a_turn_has_the_others_when_servers_fail(
    api: Api, openai: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    async with openai(respond) as vendor:
        await set_up(api, program(slug="well", allowed_tools=["echo"]))
        await set_up(api, program("hang", slug="hangs", connect_timeout_s=0.3))
        await set_up(api, program("crash", slug="crashes"))
        await set_up(api, {"slug": "gone", "url": "http://127.0.0.1:1/mcp", "availability": "default_on"})
        _, result = await called(api, "well__echo", text="here")
        assert offered(vendor) == ["well__echo"]
    assert result["result"] == {"text": "here"}
    states = {row["slug"]: row["status"] for row in await api.get("/mcp/servers")}
    assert {slug: status["state"] for slug, status in states.items()} == {
        "well": "connected",
        **dict.fromkeys(["hangs", "crashes", "gone"], "failed"),
    }
    assert "did not answer within 0.3 s" in states["hangs"]["reason"]
    assert "no module named nothing" in states["crashes"]["reason"]
    assert caplog.text.count("is left out") == 3


async def test_a_turn_that_waits_for_a_server_can_be_stopped(api: Api, openai: Serve) -> None:
    async with openai(respond):
        await set_up(api, program("hang", connect_timeout_s=600.0))
        chat_id = await api.create_id("say hello", model=MODEL)
        async with api.follow(chat_id) as stream:
            await stream.status("running")
            await api.post(f"/{chat_id}/interrupt")
            await stream.status("waiting")


async def test_programs_end_with_the_server(api: Api, openai: Serve, chatd: JupyterChatd) -> None:
    async with openai(respond):
        await set_up(api, program())
        _, result = await called(api, "tools__pid")
        await chatd.stop_extension()
    with pytest.raises(ProcessLookupError):
        os.kill(int(result["result"]), 0)


# Which chats have them


async def test_a_chat_chooses_its_servers(api: Api, openai: Serve) -> None:
    fields: Json = {"allowed_tools": ["echo"], "availability": "default_off"}
    async with openai(respond) as vendor:
        one = (await set_up(api, program(slug="one", **fields)))["id"]
        two = (await set_up(api, program(slug="two", **fields)))["id"]
        await set_up(api, program(slug="forced", **{**fields, "availability": "force_on"}))
        chat_id = (await api.finished(model=MODEL))["id"]
        assert offered(vendor) == ["forced__echo"]
        await api.send(chat_id, "say more", mcp_server_ids=[one])
        await api.settle(chat_id)
        assert offered(vendor) == ["forced__echo", "one__echo"]
        assert (await api.get(f"/{chat_id}"))["mcp_server_ids"] == [one]
        await api.patch(f"/{chat_id}", {"mcp_server_ids": [two, "gone"]}, status=204)
        await api.send(chat_id, "say more")
        await api.settle(chat_id)
        assert offered(vendor) == ["forced__echo", "two__echo"]
        await api.finished(model=MODEL, mcp_server_ids=[one])
        assert offered(vendor) == ["forced__echo", "one__echo"]


async def test_a_chat_that_plans_has_those_that_may_plan(api: Api, openai: Serve) -> None:
    async with openai(respond) as vendor:
        await set_up(api, program(slug="acts", allowed_tools=["echo"]))
        await set_up(api, program(slug="looks", allowed_tools=["echo"], allow_in_plan_mode=True))
        chat_id = (await api.finished(model=MODEL, plan_mode="plan"))["id"]
        assert offered(vendor) == ["looks__echo"]
        await api.patch(f"/{chat_id}", {"plan_mode": ""}, status=204)
        await api.send(chat_id, "say more")
        await api.settle(chat_id)
        assert offered(vendor) == ["acts__echo", "looks__echo"]


async def test_an_explore_subagent_of_a_plan_has_what_may_plan_and_no_more(api: Api, openai: Serve) -> None:
    """spec/chatd.md §5.7: a snapshot of what the parent's turn has, forced servers included."""
    spawn = 'call spawn_agent with {"type": "explore", "prompt": "say hello"}'
    async with openai(respond) as vendor:
        acts = await set_up(api, program(slug="acts", allowed_tools=["echo"]))
        forced = await set_up(api, program(slug="forced", allowed_tools=["echo"], availability="force_on"))
        looks = await set_up(api, program(slug="looks", allowed_tools=["echo"], allow_in_plan_mode=True))
        chat_id = (await api.finished(spawn, model=MODEL, plan_mode="plan"))["id"]
        await api.patch(f"/{chat_id}", {"plan_mode": ""}, status=204)
        await api.send(chat_id, spawn)
        await api.settle(chat_id)
        of_plan, of_work = await api.get(f"/{chat_id}/children")
        assert of_plan["mcp_server_ids"] == [looks["id"]]
        assert set(of_work["mcp_server_ids"]) == {acts["id"], forced["id"], looks["id"]}
        for child, names in (
            (of_plan, ["looks__echo"]),
            (of_work, ["acts__echo", "forced__echo", "looks__echo"]),
        ):
            await api.settle(child["id"])
            await api.send(child["id"], "say more")
            await api.settle(child["id"])
            assert offered(vendor) == names


async def test_a_changed_server_is_another_one_at_the_next_turn(api: Api, openai: Serve) -> None:
    async with openai(respond) as vendor:
        server = await set_up(api, program(allowed_tools=["echo"]))
        chat_id, _ = await called(api, "tools__echo")
        await api.patch(f"/mcp/servers/{server['id']}", {"slug": "other", "allowed_tools": ["pid", "echo"]})
        assert NO_TOOL in str(await called_again(api, chat_id, "tools__echo"))
        assert offered(vendor) == ["other__echo", "other__pid"]
        await api.delete(f"/mcp/servers/{server['id']}")
        assert NO_TOOL in str(await called_again(api, chat_id, "other__echo"))
        assert offered(vendor) == []


# The project's own


def project(folder: Path, **entries: Json) -> None:
    (folder / ".mcp.json").write_text(json.dumps({"mcpServers": entries}))


ENTRY = {"command": sys.executable, "args": ["-P", str(FAKES / "mcp_old_server.py")]}


async def test_a_project_file_is_used_once_its_content_is_trusted(
    api: Api, openai: Serve, jp_root_dir: Path
) -> None:
    assert await api.get("/mcp/project") == {"project": None}
    project(jp_root_dir, Tickets=ENTRY)
    async with openai(respond) as vendor:
        chat_id, refused = await called(api, "tickets__echo")
        assert NO_TOOL in str(refused)
        found = (await api.get("/mcp/project"))["project"]
        assert (found["path"], found["trusted"]) == (str(jp_root_dir / ".mcp.json"), None)
        assert [server["status"]["state"] for server in found["servers"]] == ["needs_trust"]
        assert sys.executable in found["servers"][0]["shown"]

        trust = {"sha256": found["sha256"], "trusted": True}
        assert (await api.post("/mcp/project", trust))["project"]["trusted"] is True
        assert (await called_again(api, chat_id, "tickets__echo", x=1))["result"] == {"x": 1}

        project(jp_root_dir, Tickets=ENTRY, Others={**ENTRY, "env": {"A": "b"}})
        await api.post("/mcp/project", trust, status=409)
        assert NO_TOOL in str(await called_again(api, chat_id, "tickets__echo"))

        project(jp_root_dir, Tickets=ENTRY)  # as it was: still trusted, until it is not
        assert (await called_again(api, chat_id, "tickets__echo", x=2))["result"] == {"x": 2}
        assert (await api.post("/mcp/project", {**trust, "trusted": False}))["project"]["trusted"] is False
        assert NO_TOOL in str(await called_again(api, chat_id, "tickets__echo"))
        assert offered(vendor) == []


# Secrets


async def test_secrets_reach_the_server_they_are_for_and_nobody_else(
    api: Api, openai: Serve, jp_data_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    replies: list[str] = []
    async with openai(respond) as vendor, serve_http(build()) as url:
        own = {"API_TOKEN": SECRET, "LEVEL": "debug"}
        replies.append(str(await set_up(api, program(env=own))))
        web: Json = {"slug": "web", "url": f"{url}?key={SECRET}", "availability": "default_on"}
        replies.append(str(await set_up(api, {**web, "headers": {"Authorization": f"Bearer {SECRET}"}})))
        chat_id, seen = await called(api, "tools__env")
        assert (seen["result"]["API_TOKEN"], seen["result"]["LEVEL"]) == ("[hidden]", "debug")
        assert KEY not in str(seen)
        headers = await called_again(api, chat_id, "web__headers")
        assert headers["result"]["length"] == len(f"Bearer {SECRET}")
        await called_again(api, chat_id, "execute", command="env")
        replies += [str(await api.messages(chat_id)), str(await api.get("/mcp/servers"))]
        replies += [str(vendor.body_of(request)) for request in vendor.generations]
    assert SECRET not in "".join(replies)
    # The fake server logs into this process too.
    logged = [record for record in caplog.records if not record.name.startswith("uvicorn")]
    assert len(logged) > 10
    assert SECRET not in "".join(record.getMessage() for record in logged)
    files = [path for path in (jp_data_dir / "jupyter_chatd").rglob("*") if path.is_file()]
    assert [path.name for path in files if SECRET.encode() in path.read_bytes()] == ["mcp_secrets.json"]


# Skills


def skill(folder: Path, name: str, description: str) -> Path:
    place = folder / name
    place.mkdir(parents=True)
    (place / "SKILL.md").write_text(f"---\nname: {name}\ndescription: {description}\n---\nDo it well.\n")
    return place


async def test_the_model_reads_the_skills_of_the_folder_and_of_the_user(
    api: Api, openai: Serve, jp_root_dir: Path, jp_config_dir: Path
) -> None:
    place = skill(jp_root_dir / ".agents" / "skills", "release", "How a release is made.")
    (place / "list.md").write_text("Tag it.")
    skill(jp_config_dir / "jupyter_chatd" / "skills", "greeting", "How guests are greeted.")
    async with openai(respond) as vendor:
        chat_id, read = await called(api, "read_skill", name="release")
        system = str(vendor.body_of(vendor.generations[-1])["messages"])
        assert "- greeting: How guests are greeted.\\n- release: How a release is made." in system
        assert (read["result"]["body"], read["result"]["files"]) == ("Do it well.", ["list.md"])
        file = await called_again(api, chat_id, "read_skill_file", name="release", path="list.md")
        assert "Tag it." in str(file["result"])
        own = await called_again(api, chat_id, "read_skill", name="greeting")
        assert own["result"]["body"] == "Do it well."
        outside = await called_again(api, chat_id, "read_skill_file", name="release", path="../../../x")
        assert outside["is_error"]


async def test_without_skills_nothing_is_said_of_them(api: Api, openai: Serve) -> None:
    async with openai(respond) as vendor:
        _, result = await called(api, "read_skill", name="release")
        assert NO_TOOL in str(result)
        body = vendor.body_of(vendor.generations[-1])
        assert "read_skill" not in str(body["tools"])
        assert "<skills>" not in str(body["messages"])
