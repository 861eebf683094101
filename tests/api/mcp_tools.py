"""What the tests of MCP share: servers to set up, and what the model is offered and gets."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from fakes.vendor import FakeVendor

from .client import Api, Json

FAKES = Path(__file__).parents[1] / "fakes"
MODEL = "openai:fake-model"


def program(*args: str, **fields: Json) -> Json:
    """A server that is a program; *args* say how it misbehaves. With -P a module beside it hides no other."""
    command = ["-P", str(FAKES / "mcp_old_server.py"), *args]
    body = {"slug": "tools", "transport": "stdio", "command": sys.executable, "args": command}
    return {**body, "availability": "default_on", **fields}


async def set_up(api: Api, body: Json) -> Json:
    return await api.post("/mcp/servers", body, status=201)


async def called(api: Api, tool: str, /, **args: Json) -> tuple[str, Json]:
    """A chat whose model called a tool, and what the call gave."""
    chat = await api.finished(f"call {tool} with {json.dumps(args)}", model=MODEL)
    return chat["id"], (await api.results(chat["id"]))[-1]


async def called_again(api: Api, chat_id: str, tool: str, /, **args: Json) -> Json:
    """What a call of one more turn gave."""
    await api.send(chat_id, f"call {tool} with {json.dumps(args)}")
    await api.settle(chat_id)
    return (await api.results(chat_id))[-1]


def offered(vendor: FakeVendor) -> list[str]:
    """The tools of servers that the vendor was last told of."""
    tools = vendor.body_of(vendor.generations[-1]).get("tools", [])
    return [tool["function"]["name"] for tool in tools if "__" in tool["function"]["name"]]
