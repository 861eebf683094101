"""Real MCP servers: programs over stdio, and over HTTP on the loopback interface."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from jupyter_chatd.mcp.config import McpServerConfig, Transport
from jupyter_chatd.mcp.manager import McpManager
from jupyter_chatd.mcp.tool import McpTool
from jupyter_chatd.messages import CallKey
from jupyter_chatd.tools.protocol import ToolContext, ToolOutput
from jupyter_chatd.workspace.protocol import WorkspaceAgent

FAKES = Path(__file__).parents[2] / "fakes"

Call = Callable[..., Awaitable[ToolOutput]]


def stdio(
    config_id: str = "old", *args: str, file: str = "mcp_old_server.py", **fields: Any
) -> McpServerConfig:
    """A server that is a program; *args* say how it misbehaves. With -P a module here hides no other."""
    config = McpServerConfig(
        id=config_id,
        slug=config_id,
        transport=Transport.STDIO,
        command=sys.executable,
        args=("-P", str(FAKES / file), *args),
        connect_timeout_s=60.0,  # a program is slow to start where much else runs
    )
    return replace(config, **fields)


def sdk_stdio(config_id: str = "sdk", **fields: Any) -> McpServerConfig:
    """A server that is a program made with the SDK."""
    return stdio(config_id, file="mcp_servers.py", **fields)


def http(url: str, config_id: str = "web", **fields: Any) -> McpServerConfig:
    return replace(McpServerConfig(id=config_id, slug=config_id, url=url), **fields)


@pytest.fixture
def state_folder(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
async def manager(tmp_path: Path, state_folder: Path, anyio_backend: str) -> AsyncIterator[McpManager]:
    made = McpManager(
        env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}, state_folder=state_folder, directory=str(tmp_path)
    )
    yield made
    await made.aclose()


def context() -> ToolContext:
    def no_workspace() -> WorkspaceAgent:
        raise AssertionError("MCP tools need no workspace")

    return ToolContext(
        chat_id="chat-1",
        key=CallKey(message_id=1, index=0),
        tool_call_id="call-1",
        workspace=no_workspace,
        emit=lambda _text: None,
    )


def names(tools: Sequence[McpTool]) -> list[str]:
    return [tool.definition.name for tool in tools]


async def run(tools: Sequence[McpTool], tool_name: str, /, **args: Any) -> ToolOutput:
    """Call a tool by the second half of its name."""
    (tool,) = [tool for tool in tools if tool.definition.name.endswith(f"__{tool_name}")]
    return await tool.run(args, context())
