"""Tools of MCP servers in turns: looked for once, outside the slots, and never run twice by a crash."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from world import MODEL, OWNER, World, crash_image, eventually, outline, results, said, script

from jupyter_chatd.loop.service import NewChat
from jupyter_chatd.mcp.config import Availability, McpServerConfig, Transport
from jupyter_chatd.mcp.manager import McpManager
from jupyter_chatd.mcp.project_servers import ProjectServers
from jupyter_chatd.mcp.source import McpSource
from jupyter_chatd.mcp.trust import FileTrustStore
from jupyter_chatd.messages import Approval, ChatStatus, ClientTool, ToolCallPart
from jupyter_chatd.providers.protocol import ModelCall
from jupyter_chatd.providers.scripted import call, say

from .conftest import Start

pytestmark = pytest.mark.anyio

PROGRAM = Path(__file__).parents[2] / "fakes" / "mcp_old_server.py"


def server(*args: str, **fields: Any) -> McpServerConfig:
    return McpServerConfig(
        id="one",
        slug="tools",
        transport=Transport.STDIO,
        command=sys.executable,
        args=("-P", str(PROGRAM), *args),
        availability=Availability.FORCE_ON,
        **fields,
    )


class Servers(McpSource):
    """The servers of a list that tests change; counts how often it was read."""

    def __init__(self, folder: Path) -> None:
        self.configs: list[McpServerConfig] = []
        self.looked = 0
        manager = McpManager(env={}, state_folder=folder / "programs", directory=str(folder))
        projects = ProjectServers(FileTrustStore(folder / "trust"), env={})
        super().__init__(manager, projects, stored=self._list)

    async def _list(self) -> Sequence[McpServerConfig]:
        self.looked += 1
        return tuple(self.configs)


@pytest.fixture
async def servers(tmp_path: Path, start: Start, anyio_backend: str) -> AsyncIterator[Servers]:
    made = Servers(tmp_path)
    yield made
    await made.manager.aclose()


def offered(asked: ModelCall) -> list[str]:
    return [tool.name for tool in asked.tools if "__" in tool.name]


async def has_started(world: World, chat_id: str) -> bool:
    return any(run.started_at is not None for run in (await world.journal(chat_id)).values())


async def test_a_turn_looks_once_however_many_steps_it_has(start: Start, servers: Servers) -> None:
    servers.configs = [server(allowed_tools=("echo",))]
    steps = [[call("tools__echo", {"x": step})] for step in range(3)]
    world = await start(script(*steps, [say("Done.")], [say("More.")]), mcp=servers)
    chat_id = await world.create()
    await world.settled(chat_id)
    assert servers.looked == 1
    assert [result.result for result in results(await world.rows(chat_id))] == [{"x": n} for n in range(3)]
    servers.configs = []
    await world.send(chat_id, "Again.")
    await eventually(lambda: len(world.model.calls) == 5)
    await world.settled(chat_id)
    assert servers.looked == 2
    assert [offered(asked) for asked in world.model.calls] == [["tools__echo"]] * 4 + [[]]


async def test_calls_name_their_server_and_other_calls_name_none(start: Start, servers: Servers) -> None:
    servers.configs = [server()]
    answer = [call("tools__echo", {}), call("process_list", {})]
    world = await start(script(answer, [say("Done.")]), mcp=servers)
    chat_id = await world.create()
    await world.settled(chat_id)
    rows = await world.rows(chat_id)
    calls = [part for part in rows[1].parts if isinstance(part, ToolCallPart)]
    assert [part.mcp_server_config_id for part in calls] == ["one", None]
    assert [part.mcp_server_config_id for part in results(rows)] == ["one", None]


async def test_a_call_that_had_started_is_not_run_again_after_a_crash(
    start: Start, servers: Servers, tmp_path: Path
) -> None:
    """The next server decides before it has looked for tools: it must not take the call for harmless."""
    servers.configs = [server()]
    world = await start(script([call("tools__silent", {})]), mcp=servers)
    chat_id = await world.create()
    while not await has_started(world, chat_id):  # noqa: ASYNC110 - nobody announces it
        await asyncio.sleep(0.01)
    copy = tmp_path / "crashed"
    crash_image(tmp_path, copy)
    after = await start(script([say("I check.")]), folder=copy, mcp=servers)
    await after.settled(chat_id)
    rows = await after.rows(chat_id)
    assert outline(rows)[1:] == ["assistant: <tools__silent>", "tool: <tools__silent>", "assistant: I check."]
    (result,) = results(rows)
    assert result.is_error
    assert "it had started" in str(result.result)
    await world.interrupt(chat_id)


async def test_a_call_that_had_not_started_is_run_after_a_crash(
    start: Start, servers: Servers, tmp_path: Path
) -> None:
    servers.configs = [server()]
    world = await start(script([call("tools__echo", {"x": 1})], [say("Done.")]), mcp=servers)
    copies: list[Path] = []
    apply = world.runtime.store.apply

    async def crash_before_start(what: Any) -> Any:
        if what.transition.value == "StartTools" and not copies:
            copies.append(crash_image(tmp_path, tmp_path / "crashed"))
        return await apply(what)

    world.runtime.store.apply = crash_before_start  # type: ignore[method-assign]
    chat_id = await world.create()
    await world.settled(chat_id)
    after = await start(script([say("Done.")]), folder=copies[0], mcp=servers)
    await after.settled(chat_id)
    assert [result.result for result in results(await after.rows(chat_id))] == [{"x": 1}]


async def test_a_call_that_was_not_asked_about_yet_is_asked_about_after_a_crash(
    start: Start, servers: Servers, tmp_path: Path
) -> None:
    """The next server decides before it has looked for tools: it must not run what needs an approval."""
    servers.configs = [server()]
    world = await start(script([call("tools__echo", {"x": 1})]), mcp=servers)
    copies: list[Path] = []
    apply = world.runtime.store.apply

    async def crash_before_asking(what: Any) -> Any:
        if what.transition.value == "EnterAction" and not copies:
            copies.append(crash_image(tmp_path, tmp_path / "crashed"))
        return await apply(what)

    world.runtime.store.apply = crash_before_asking  # type: ignore[method-assign]
    new = NewChat(owner_id=OWNER, parts=said("Begin."), model=MODEL, created_by=OWNER, approval_mode="ask")
    chat_id = (await world.runtime.service.create(new)).id
    await world.settled(chat_id, ChatStatus.REQUIRES_ACTION)
    after = await start(script([say("Done.")]), folder=copies[0], mcp=servers)
    await after.settled(chat_id, ChatStatus.REQUIRES_ACTION)
    assert [run.approval for run in (await after.journal(chat_id)).values()] == [Approval.PENDING]


async def test_a_server_that_is_slow_to_start_keeps_no_other_chat_waiting(
    start: Start, servers: Servers
) -> None:
    servers.configs = [server("hang", connect_timeout_s=30.0)]
    world = await start(script([say("Quick.")]), mcp=servers, max_model_calls=1)
    slow = await world.create("Wait for the server.")
    await eventually(lambda: servers.looked == 1)
    servers.configs = []
    quick = await world.create("Do not.")
    await world.settled(quick)
    assert (await world.chat(slow)).status is ChatStatus.RUNNING
    await world.interrupt(slow)
    await world.settled(slow)


async def test_a_clients_tool_hides_the_servers_of_the_same_name(start: Start, servers: Servers) -> None:
    servers.configs = [server(allowed_tools=("echo", "pid"))]
    world = await start(script([call("tools__echo", {})]), mcp=servers)
    chat_id = await world.create(tools=[ClientTool(name="tools__echo", description="Mine.")])
    await world.settled(chat_id, ChatStatus.REQUIRES_ACTION)
    (asked,) = world.model.calls
    assert sorted(offered(asked)) == ["tools__echo", "tools__pid"]
    assert [tool.description for tool in asked.tools if tool.name == "tools__echo"] == ["Mine."]
