"""What it costs that a chat's files are another program's to read."""

from __future__ import annotations

import contextlib
import os
import statistics
import tempfile
import time
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

from jupyter_chatd.messages import CallKey
from jupyter_chatd.store import Store
from jupyter_chatd.tools.protocol import ToolContext
from jupyter_chatd.tools.read_file import ReadFile
from jupyter_chatd.workspace.environment import scrubbed
from jupyter_chatd.workspace.protocol import WorkspaceAgent
from jupyter_chatd.workspace.server import ServerAgent
from jupyter_chatd.workspaces.lookup import AgentLookup, WorkspaceOfChat
from jupyter_chatd.workspaces.manager import WorkspaceManager
from jupyter_chatd.workspaces.process import ProcessProvisioner, ProcessSettings
from jupyter_chatd.workspaces.templates import TemplateCatalog
from jupyter_chatd.workspaces.values import Transition

from .harness import Bench, Case, Measured, Plan, at_most, interleave

LINES = 300  # of the file
READS = 200  # of which each value is the median


def case(name: str, agent: WorkspaceAgent, file: Path) -> Case:
    """Call the tool some times."""
    tool = ReadFile()
    context = ToolContext(
        chat_id="c",
        key=CallKey(message_id=1, index=0),
        tool_call_id="call",
        workspace=lambda: agent,
        emit=lambda _text: None,
    )

    async def read() -> float:
        began = time.perf_counter()
        output = await tool.run({"path": str(file)}, context)
        took = time.perf_counter() - began
        assert not output.is_error, output.result
        return took

    async def run() -> dict[str, float]:
        return {name: statistics.median([await read() for _ in range(READS)]) * 1000}

    return run


async def measure(plan: Plan) -> Sequence[Measured]:
    with tempfile.TemporaryDirectory(prefix="chatd-bench") as name:
        folder = Path(name)
        file = folder / "file"
        file.write_text("a line of the file\n" * LINES)
        async with contextlib.AsyncExitStack() as stack:
            own = ServerAgent(directory=folder, home=folder, state_folder=folder / "state")
            stack.push_async_callback(own.aclose)
            other = await stack.enter_async_context(_workspace(folder, own))
            cases = [case("server", own, file), case("process", other, file)]
            samples = await interleave(cases, plan.times(2))
    return [
        Measured(
            what="read_file through `process` beyond `server`, p50",
            values=samples.differences("process", "server"),
            unit="ms",
            goal=at_most(3.0),
        ),
        Measured(what="read_file through `process`, p50", values=samples["process"], unit="ms"),
        Measured(what="read_file through `server`, p50", values=samples["server"], unit="ms"),
    ]


@contextlib.asynccontextmanager
async def _workspace(folder: Path, own: WorkspaceAgent) -> AsyncGenerator[WorkspaceAgent, None]:
    """Start a workspace of the kind `process`, and stop it at the end."""
    settings = ProcessSettings(
        root=folder / "workspaces", agents=folder / "agents", home=folder, env=scrubbed(os.environ)
    )
    templates = TemplateCatalog(allowed=["empty"])
    async with Store(folder / "chats.db") as store:
        manager = WorkspaceManager(
            store,
            {"process": ProcessProvisioner(settings)},
            templates,
            worker_id="bench",
            dead_workers=lambda _: frozenset(),
        )
        lookup = AgentLookup(manager, own)
        workspace, build = await manager.create("local", template_id=templates.list()[0].id)
        await manager.wait(build.id)
        try:
            yield WorkspaceOfChat(lookup, workspace.id)
        finally:
            await lookup.close()
            await manager.wait((await manager.build(workspace, Transition.STOP)).id)
            await manager.close()


BENCH = Bench(
    title="read_file in a workspace with an agent of its own, beside the server's own folder",
    method=f"""
        The tool reads a file of {LINES} lines: through the agent in the server's process, and through the
        agent of a workspace of the kind `process`, found as a chat finds it and asked over its unix socket.
        Each value is the median of {READS} calls one after another.
    """,
    run=measure,
)
