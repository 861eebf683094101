"""The server's agent as another server of the same user asks it: programs of project files there."""

from __future__ import annotations

import pytest

from .client import Api

CAT = {"command": "cat", "args": ["-"]}


async def test_a_program_is_spoken_with_line_by_line(api: Api) -> None:
    program_id = (await api.post("/agent/start_piped", CAT))["program_id"]
    await api.post("/agent/write_piped", {"program_id": program_id, "text": "hello\n"})
    asked = {"program_id": program_id, "after": 0, "timeout_s": 30}
    assert (await api.post("/agent/read_piped", asked))["line"] == "hello\n"
    await api.post("/agent/end_piped", {"program_id": program_id})
    gone = await api.post("/agent/read_piped", asked, status=422)
    assert gone["error"] == "PipedError"


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"policy": {"mcp": "off"}}, "Not possible in this workspace"),
        ({"allowed": {"mcp_servers": ["npx *"]}}, "does not allow this MCP server"),
    ],
)
async def test_what_is_not_allowed_here_is_not_started(api: Api, why: str) -> None:
    assert why in (await api.post("/agent/start_piped", CAT, status=422))["message"]


@pytest.mark.parametrize("settings", [{"allowed": {"mcp_servers": ["cat *"]}}])
async def test_what_is_allowed_here_is_started(api: Api) -> None:
    assert (await api.post("/agent/start_piped", CAT))["program_id"]
