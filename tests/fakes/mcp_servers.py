"""MCP servers made with the SDK: over stdio as a program, over HTTP in the test's own process.

python tests/fakes/mcp_servers.py
"""

from __future__ import annotations

import asyncio
import base64
import os
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, cast

import uvicorn
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import AudioContent, CallToolResult, ImageContent, TextContent, ToolAnnotations

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
"""One pixel."""


def build() -> MCPServer:
    """A server whose tools give back every kind of thing."""
    server = MCPServer("fake")

    @server.tool(annotations=ToolAnnotations(read_only_hint=True))
    def add(a: int, b: int) -> int:
        """Add two numbers."""
        return a + b

    @server.tool()
    def greet(name: str) -> str:
        """Grüße jemanden – 你好, \N{ROCKET}."""
        return f"Grüß dich, {name}! 你好 \N{ROCKET}"

    @server.tool()
    def table() -> dict[str, Any]:
        """Structured."""
        return {"rows": [1, None, "zwei"], "größe": 2.5}

    @server.tool()
    def bare() -> CallToolResult:
        """Only structured content, no text."""
        return CallToolResult(content=[], structured_content={"only": "structured"})

    @server.tool()
    def picture() -> CallToolResult:
        """One pixel, twice, the first time called another kind than it is."""
        pixel = base64.b64encode(PNG).decode()
        return CallToolResult(
            content=[
                TextContent(type="text", text="before"),
                ImageContent(type="image", data=pixel, mime_type="image/jpeg"),
                ImageContent(type="image", data=pixel, mime_type="image/png"),
                TextContent(type="text", text="after"),
            ]
        )

    @server.tool()
    def lie() -> CallToolResult:
        """What is no image, and a sound."""
        text = base64.b64encode(b"<svg/>").decode()
        return CallToolResult(
            content=[
                ImageContent(type="image", data=text, mime_type="image/png"),
                AudioContent(type="audio", data=text, mime_type="audio/wav"),
            ]
        )

    @server.tool()
    def big(size: int) -> CallToolResult:
        """Much text."""
        return CallToolResult(content=[TextContent(type="text", text="begin" + "ä" * (size // 2) + "end")])

    @server.tool()
    def fail(text: str) -> str:
        """Fail."""
        raise ToolError(text)

    @server.tool()
    async def wait(seconds: float) -> str:
        """Take a while."""
        await asyncio.sleep(seconds)
        return "waited"

    @server.tool()
    def environment() -> dict[str, Any]:
        """Where and as what the server runs."""
        return {"pid": os.getpid(), "cwd": os.getcwd(), "env": dict(os.environ)}

    @server.tool()
    def headers(ctx: Context) -> dict[str, Any]:
        """The headers of this request, and the length of one of them."""
        sent = dict(ctx.headers or {})
        return {**sent, "length": len(sent.get("authorization", ""))}

    @server.tool()
    async def grow(name: str, ctx: Context) -> str:
        """Get another tool."""
        server.add_tool(add, name=name)
        await ctx.notify_tools_changed()
        return "grown"

    return server


@asynccontextmanager
async def serve_http(server: MCPServer, *, sse: bool = False) -> AsyncGenerator[str]:
    """Serve it on the loopback interface; gives the URL."""
    app = server.sse_app() if sse else server.streamable_http_app()
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        config = uvicorn.Config(app, log_config=None, lifespan="on", timeout_graceful_shutdown=1)
        running = uvicorn.Server(config)

        task = asyncio.create_task(running.serve(sockets=[listening]))
        while not running.started:  # noqa: ASYNC110 - it has no event
            await asyncio.sleep(0.01)
        port = cast("tuple[str, int]", listening.getsockname())[1]
        try:
            yield f"http://127.0.0.1:{port}/{'sse' if sse else 'mcp'}"
        finally:
            running.should_exit = True
            await task


if __name__ == "__main__":
    build().run("stdio")
