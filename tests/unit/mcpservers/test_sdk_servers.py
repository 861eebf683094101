"""Servers made with the SDK, over stdio and over HTTP: what they give back."""

from __future__ import annotations

import asyncio
import base64
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from fakes.mcp_servers import PNG, build, serve_http
from unit.tools.outputs import error, fields

from jupyter_chatd.mcp.config import McpServerConfig, Transport
from jupyter_chatd.mcp.manager import McpManager
from jupyter_chatd.mcp.status import ServerState
from jupyter_chatd.tools.protocol import ToolOutput

from .conftest import http, names, run, sdk_stdio

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["stdio", "streamable_http", "sse"])
def transport(request: pytest.FixtureRequest) -> Transport:
    return Transport(request.param)


@asynccontextmanager
async def served(transport: Transport) -> AsyncIterator[McpServerConfig]:
    """A running server of that transport."""
    if transport is Transport.STDIO:
        yield sdk_stdio("fake")
        return
    async with serve_http(build(), sse=transport is Transport.SSE) as url:
        yield http(url, "fake", transport=transport)


async def test_every_kind_of_result(manager: McpManager, transport: Transport) -> None:
    """One test for all: starting such a server takes a second."""
    async with served(transport) as config:
        tools = await manager.connect([config])
        assert "fake__greet" in names(tools)
        assert [tool.definition.name for tool in tools if tool.repeatable] == ["fake__add"]
        (greet,) = [tool for tool in tools if tool.definition.name == "fake__greet"]
        assert greet.definition.description == "Grüße jemanden – 你好, \N{ROCKET}."
        assert greet.definition.input_schema["required"] == ["name"]

        assert await run(tools, "add", a=2, b=3) == ToolOutput(result=5)
        assert await run(tools, "greet", name="Zoë") == ToolOutput(
            result={"output": "Grüß dich, Zoë! 你好 \N{ROCKET}"}
        )
        assert await run(tools, "table") == ToolOutput(result={"rows": [1, None, "zwei"], "größe": 2.5})
        assert await run(tools, "bare") == ToolOutput(result={"only": "structured"})
        assert error(await run(tools, "fail", text="größte Not")) == "Error executing tool fail: größte Not"
        assert "Field required" in error(await run(tools, "add", b=1))
        assert await run(tools, "picture") == ToolOutput(
            result={
                "data": base64.b64encode(PNG).decode(),
                "mime_type": "image/png",
                "text": "before\n[image/png, 72 bytes, which cannot be shown here]\nafter",
            },
            is_media=True,
        )
        lies = fields(await run(tools, "lie"))["output"].splitlines()
        assert lies == [
            f"[{kind}, 6 bytes, which cannot be shown here]" for kind in ("image/png", "audio/wav")
        ]
        big = fields(await run(tools, "big", size=400_000))["output"]
        assert len(big.encode()) <= 32 * 1024
        assert big.startswith("beginää")
        assert big.endswith("äend")
        assert "ää\n... [output cut here] ...\nää" in big
        await manager.aclose()


@pytest.mark.parametrize("transport", ["stdio", "streamable_http"], indirect=True)
async def test_a_later_turn_knows_of_a_new_tool(manager: McpManager, transport: Transport) -> None:
    """Which is told of on a connection of its own, so it may come after the call's answer."""
    async with served(transport) as config:
        before = await manager.connect([config])
        assert fields(await run(before, "grow", name="neu"))["output"] == "grown"
        now = before
        for _ in range(100):
            now = await manager.connect([config])
            if len(now) > len(before):
                break
            await asyncio.sleep(0.05)
        assert set(names(now)) - set(names(before)) == {"fake__neu"}
        await manager.aclose()


async def test_a_message_that_is_too_long_for_sse_ends_the_connection(manager: McpManager) -> None:
    async with served(Transport.SSE) as config:
        tools = await manager.connect([config])
        lost = error(await run(tools, "big", size=2_000_000))
        assert lost.endswith("The server sent something that cannot be read, or more than 1 MiB at once.")
        assert await run(tools, "add", a=2, b=3) == ToolOutput(result=5)
        await manager.aclose()


async def test_headers_are_sent_and_never_shown(
    manager: McpManager, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with serve_http(build()) as url:
        config = http(
            f"{url}?key=query-secret",
            headers={"Authorization": "Bearer header-secret", "X-Team": "blue"},
        )
        tools = await manager.connect([config])
        sent = fields(await run(tools, "headers"))
        assert (sent["authorization"], sent["length"], sent["x-team"]) == ("[hidden]", 20, "blue")
        assert error(await run(tools, "fail", text="Wrong: header-secret")).endswith("Wrong: [hidden]")
        status = manager.status(config)
        await manager.aclose()
    assert status.state is ServerState.CONNECTED
    assert status.place == url
    ours = "\n".join(
        record.getMessage()
        for record in caplog.records
        if not record.name.startswith(("uvicorn", "mcp.server"))
    )
    shown = ours + repr(status) + repr(config)
    assert "header-secret" not in shown
    assert "query-secret" not in shown


async def test_other_users_of_the_sdk_keep_their_log_lines(
    manager: McpManager, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with serve_http(build()) as url:
        config = http(url)
        await manager.connect([config])
        assert not [record for record in caplog.records if record.name.startswith(("mcp.client", "httpx2"))]
        logging.getLogger("mcp.client.streamable_http").info("Mine")
        await manager.aclose()
    assert "Mine" in caplog.text


async def test_servers_of_one_slug_share_no_tools(manager: McpManager) -> None:
    async with serve_http(build()) as url:
        first = http(url, "1", slug="web", allowed_tools=("add", "greet"))
        tools = await manager.connect([replace(first, id="2", allowed_tools=("add",)), first])
        assert [(tool.definition.name, tool.config_id) for tool in tools] == [
            ("web__add", "1"),
            ("web__greet", "1"),
        ]
        await manager.aclose()
