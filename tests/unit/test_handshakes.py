"""Stopped while a server takes a connection and never answers the TLS handshake: the connection is closed."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import httpx2
import pytest

from jupyter_chatd.handshakes import watch
from jupyter_chatd.mcp.config import McpServerConfig
from jupyter_chatd.mcp.http import HttpLink
from jupyter_chatd.messages import Role, TextPart
from jupyter_chatd.providers import discovery
from jupyter_chatd.providers.bridge import BridgeModel
from jupyter_chatd.providers.endpoint import Endpoint, Kind
from jupyter_chatd.providers.protocol import CallSettings, ModelCall, PromptMessage
from jupyter_chatd.workspace.agent.remote import RemoteAgent
from jupyter_chatd.workspaces.hub_api import HubAccount, HubApi

PATIENCE = 60.0  # seconds

pytestmark = pytest.mark.anyio


@dataclass
class Silent:
    """A server that takes connections, reads what comes, and says nothing."""

    url: str = ""
    greeted: asyncio.Event = field(default_factory=asyncio.Event)
    """A handshake has begun."""
    left: asyncio.Event = field(default_factory=asyncio.Event)
    """Its connection was closed by the other side."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while await reader.read(65536):
                self.greeted.set()
        self.left.set()
        writer.close()


@asynccontextmanager
async def silent() -> AsyncIterator[Silent]:
    state = Silent()
    server = await asyncio.start_server(state.serve, "127.0.0.1")
    state.url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield state
    server.close()
    await server.wait_closed()


async def stop_in_handshake(call: Callable[[str], Awaitable[Any]]) -> None:
    """Begin *call* to such a server and cancel it; the connection must be closed while the loop goes on."""
    async with silent() as server, asyncio.timeout(PATIENCE):
        calling = asyncio.ensure_future(call(server.url))
        await asyncio.wait(
            [calling, asyncio.ensure_future(server.greeted.wait())], return_when="FIRST_COMPLETED"
        )
        assert not calling.done(), calling
        calling.cancel()
        await asyncio.wait([calling])
        assert calling.cancelled()
        await server.left.wait()


MODELS = {
    Kind.OPENAI_COMPAT: "model",
    Kind.OPENROUTER: "vendor/model",
    Kind.AZURE: "model",
    Kind.ANTHROPIC: "model",
    Kind.GOOGLE: "model",
    Kind.BEDROCK: "us.anthropic.claude-sonnet-4-6",
}


@pytest.mark.parametrize("kind", MODELS)
async def test_calls_of_models(kind: Kind) -> None:
    models: list[BridgeModel] = []

    async def ask(url: str) -> None:
        endpoint = Endpoint(provider="p", kind=kind, base_url=url, label="P", api_key="key")
        models.append(BridgeModel(endpoint, MODELS[kind]))
        message = PromptMessage(role=Role.USER, parts=(TextPart(text="hello"),))
        async for _ in models[0].stream(ModelCall(messages=(message,), settings=CallSettings())):
            pass

    await stop_in_handshake(ask)
    for model in models:
        await model.aclose()


async def test_lists_of_models() -> None:
    async def ask(url: str) -> None:
        await discovery.discover_models(
            Endpoint(provider="p", kind=Kind.OPENAI_COMPAT, base_url=url, label="P")
        )

    await stop_in_handshake(ask)


async def test_calls_of_an_agent_on_another_server() -> None:
    agents: list[RemoteAgent] = []

    async def ask(url: str) -> None:
        agents.append(RemoteAgent(url, token="t", tls=ssl.create_default_context()))
        await agents[0].facts()

    await stop_in_handshake(ask)
    for agent in agents:
        await agent.aclose()


async def test_calls_of_a_hub() -> None:
    async def ask(url: str) -> None:
        await HubApi(HubAccount(api_url=url, token="t", user="u")).missing_scopes()

    await stop_in_handshake(ask)


async def test_calls_of_mcp_servers() -> None:
    async def ask(url: str) -> None:
        config = McpServerConfig(id="i", slug="s", url=url)
        async with HttpLink(config)._client() as client:
            await client.post(url)

    await stop_in_handshake(ask)


@pytest.mark.parametrize("library", [httpx, httpx2])
async def test_a_proxy_that_is_asked_first(library: Any) -> None:
    """The handshake is with the server behind it."""
    tunnelled = asyncio.Event()

    async with silent() as server:

        async def tunnel(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 Connected\r\n\r\n")
            tunnelled.set()
            await server.serve(reader, writer)

        proxy = await asyncio.start_server(tunnel, "127.0.0.1")
        at = f"http://127.0.0.1:{proxy.sockets[0].getsockname()[1]}"
        async with library.AsyncClient(proxy=at, event_hooks={"request": [watch]}) as client:
            calling = asyncio.ensure_future(client.get("https://behind.invalid/"))
            async with asyncio.timeout(PATIENCE):
                await server.greeted.wait()
                calling.cancel()
                await asyncio.wait([calling])
                await server.left.wait()
        assert tunnelled.is_set()
        proxy.close()
        await proxy.wait_closed()
