"""Tools of MCP servers in whole turns: real servers, started and reached by a whole Jupyter server."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fakes.mcp_servers import build, serve_http
from fakes.responder import respond
from fakes.vendor import FakeVendor

from .client import Api, Json
from .conftest import Serve

FAKES = Path(__file__).parents[1] / "fakes"
MODEL = "openai:fake-model"
SECRET = "mcp-very-secret-0123456789"


def program(file: str = "mcp_old_server.py", *args: str, **fields: Json) -> Json:
    """A server that is a program; with -P a module beside it hides no other."""
    command = {"command": sys.executable, "args": ["-P", str(FAKES / file), *args]}
    return {"slug": "tools", "transport": "stdio", "availability": "default_on", **command, **fields}


async def set_up(api: Api, body: Json) -> Json:
    return await api.post("/mcp/servers", body, status=201)


async def asked(api: Api, chat_id: str, tool: str, args: Mapping[str, Any]) -> Json:
    """Have the model call a tool in one more turn; the content of its result."""
    await api.send(chat_id, f"call {tool} with {json.dumps(args)}", model=MODEL)
    await api.settle(chat_id)
    return (await api.results(chat_id))[-1]


def offered(vendor: FakeVendor) -> list[str]:
    """The names of the tools that the vendor was last told of."""
    body = vendor.body_of(vendor.generations[-1])
    return [tool["function"]["name"] for tool in body.get("tools", [])]


async def test_a_model_calls_a_tool_of_a_program(api: Api, openai: Serve) -> None:
    async with openai(respond) as vendor:
        server = await set_up(api, program(allowed_tools=["echo", "pid"], denied_tools=["pid"]))
        chat = await api.finished('call tools__echo with {"text": "hello"}', model=MODEL)
        assert chat["mcp_server_ids"] == [server["id"]]
        assert [name for name in offered(vendor) if "__" in name] == ["tools__echo"]
    rows = await api.messages(chat["id"])
    assert [row["role"] for row in rows] == ["user", "assistant", "tool", "assistant"]
    (called,), (result,) = rows[1]["content"], rows[2]["content"]
    assert (called["mcp_server_config_id"], result["mcp_server_config_id"]) == (server["id"], server["id"])
    assert result["result"] == {"text": "hello"}
    (listed,) = await api.get("/mcp/servers")
    assert listed["status"] == {"state": "connected", "reason": "", "tools": ["echo"]}


async def test_a_model_calls_a_tool_over_http(api: Api, openai: Serve) -> None:
    async with openai(respond), serve_http(build()) as url:
        await set_up(api, {"slug": "web", "url": url, "availability": "force_on"})
        chat = await api.finished('call web__add with {"a": 2, "b": 3}', model=MODEL)
    assert [result["result"] for result in await api.results(chat["id"])] == [5]
