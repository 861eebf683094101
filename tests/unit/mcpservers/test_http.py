"""Servers over HTTP that misbehave: an old protocol by hand, and every way for a call to go wrong."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from fakes.http import HttpServer, Reply, Request
from unit.tools.outputs import error, fields
from unit.workspace.processes import until

from jupyter_chatd.mcp.config import Transport
from jupyter_chatd.mcp.manager import McpManager
from jupyter_chatd.mcp.status import ServerState

from .conftest import http, names, run

pytestmark = pytest.mark.anyio

SESSION = "Mcp-Session-Id"


class OldServer(HttpServer):
    """Streamable HTTP of the year 2025, with sessions; `manner` is what the next call meets."""

    manner = ""
    sessions = 0

    async def handle(self, request: Request, reply: Reply) -> None:
        if self.manner == "refuse":
            await reply.send_json(401, {"error": "invalid_token"})
        elif self.manner == "hang":
            await reply.pause(None)
        elif request.method != "POST":
            await reply.send_json(405, {})
        elif "id" not in request.json:
            await reply.send_json(202, {})
        else:
            await self.answer(request, reply)

    async def answer(self, request: Request, reply: Reply) -> None:
        method, number = request.json["method"], request.json["id"]
        match method:
            case "initialize":
                self.sessions += 1
                result: dict[str, Any] = {
                    "protocolVersion": "2025-06-18",
                    "capabilities": {"tools": {}},
                    "serverInfo": {"name": "old", "version": "1"},
                }
                await self.reply(reply, number, result, {SESSION: str(self.sessions)})
            case "tools/list":
                tools = [{"name": "echo", "inputSchema": {"type": "object"}}]
                await self.reply(reply, number, {"tools": tools})
            case "tools/call":
                await self.call(request, reply)
            case _:
                await reply.send_json(400, {"message": "Bad Request"})

    async def call(self, request: Request, reply: Reply) -> None:
        number = request.json["id"]
        match self.manner:
            case "forgotten":
                await reply.send_json(404, {})
            case "broken":
                await reply.send_json(500, {"traceback": "…"})
            case "dropped":
                reply.drop()
            case "cut":
                await reply.start(200, {"Content-Type": "text/event-stream"})
                await reply.send(b"event: message\ndata: {")
                reply.drop()
            case "silent":
                await reply.pause(None)
            case "garbled":
                await reply.start(200, {"Content-Type": "application/json"})
                await reply.send(b"<html>")
                await reply.end()
            case "huge":
                await reply.start(200, {"Content-Type": "application/json"})
                for _ in range(100):
                    await reply.send(b" " * 1_000_000)
                await reply.end()
            case _:
                said = {"session": request.headers.get(SESSION.lower())}
                await self.reply(reply, number, {"content": [{"type": "text", "text": str(said)}]})

    async def reply(
        self, reply: Reply, number: int, result: object, headers: dict[str, str] | None = None
    ) -> None:
        await reply.send_json(200, {"jsonrpc": "2.0", "id": number, "result": result}, headers)


@pytest.fixture
async def server(anyio_backend: str) -> AsyncIterator[OldServer]:
    async with OldServer() as serving:
        yield serving


async def test_an_old_server_with_sessions_works(manager: McpManager, server: OldServer) -> None:
    tools = await manager.connect([http(server.origin)])
    assert names(tools) == ["web__echo"]
    assert fields(await run(tools, "echo"))["output"] == "{'session': '1'}"
    await manager.aclose()
    assert server.requests[-1].method == "DELETE", "the session is ended"


@pytest.mark.parametrize(
    ("manner", "said"),
    [
        (
            "forgotten",
            "broke during this call. {unknown} {again} The server at {place} answered with status 404.",
        ),
        ("dropped", "broke during this call. {unknown} {again} The server at {place} cannot be reached ("),
        ("cut", "broke during this call. {unknown} {again} The server ended the connection."),
        ("broken", "The server at {place} answered with status 500."),
        ("garbled", "The server refused the call (code -32700): Failed to parse JSON response"),
        ("huge", "Failed to parse JSON response: the answer has more than 8388608 bytes"),
        ("silent", "The server did not answer within 1 s. It was told to stop. {unknown}"),
    ],
)
async def test_a_call_that_goes_wrong_says_how_and_the_next_one_works(
    manager: McpManager, server: OldServer, manner: str, said: str
) -> None:
    limit_s = {"silent": 1.0}.get(manner, 60.0)
    tools = await manager.connect([http(server.origin, call_timeout_s=limit_s)])
    server.manner = manner
    expected = said.format(
        unknown="Its outcome is unknown: check before you repeat it.",
        again="The next call connects again.",
        place=f"{server.origin}",
    )
    assert expected in error(await run(tools, "echo"))
    server.manner = ""
    assert "session" in fields(await run(tools, "echo"))["output"]


async def test_a_refusal_names_the_status(manager: McpManager, server: OldServer) -> None:
    server.manner = "refuse"
    config = http(server.origin, headers={"Authorization": "Bearer wrong-token"})
    assert await manager.connect([config]) == ()
    status = manager.status(config)
    assert (status.state, status.reason) == (
        ServerState.FAILED,
        f"The server at {server.origin} refused access with status 401; check its headers.",
    )


@pytest.mark.parametrize("transport", [Transport.STREAMABLE_HTTP, Transport.SSE])
async def test_a_server_that_hangs_is_left_out_in_time(
    manager: McpManager, server: OldServer, transport: Transport
) -> None:
    server.manner = "hang"
    config = http(server.origin, transport=transport, connect_timeout_s=0.5)
    async with asyncio.timeout(20):
        assert await manager.connect([config]) == ()
    assert manager.status(config).reason == "The server did not answer within 0.5 s."
    await until(lambda: all(request.done.is_set() for request in server.requests))


@pytest.mark.parametrize("transport", [Transport.STREAMABLE_HTTP, Transport.SSE])
async def test_an_address_where_nobody_listens(manager: McpManager, transport: Transport) -> None:
    async with OldServer() as gone:
        origin = gone.origin
    config = http(f"{origin}/mcp?key=secret-key", transport=transport)
    assert await manager.connect([config]) == ()
    assert manager.status(config).reason == f"The server at {origin}/mcp cannot be reached (ConnectError)."


async def test_a_server_that_came_back_is_used_at_once(manager: McpManager) -> None:
    async with OldServer() as server:
        port, config = server.port, http(server.origin)
        tools = await manager.connect([config])
    assert "cannot be reached" in error(await run(tools, "echo"))
    async with OldServer(port=port):
        assert "session" in fields(await run(await manager.connect([config]), "echo"))["output"]
        await manager.aclose()
