"""Looking at real processes from tests."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from jupyter_chatd.workspace import procfs
from jupyter_chatd.workspace.protocol import ProcessOutput, ProcessSpec, WorkspaceAgent

CHAT = "chat-1"


async def start(agent: WorkspaceAgent, command: str, *, background: bool = False) -> str:
    return await agent.start_process(ProcessSpec(command=command, chat_id=CHAT, background=background))


async def run(agent: WorkspaceAgent, command: str) -> ProcessOutput:
    return await agent.wait_process(CHAT, await start(agent, command), timeout_s=60)


async def until(claim: Callable[[], bool], *, limit_s: float = 30.0) -> None:
    """Wait until *claim* is true; fail when it is not in time."""
    deadline = time.monotonic() + limit_s
    while not claim():
        assert time.monotonic() < deadline, "it did not become true in time"
        await asyncio.sleep(0.01)


async def pids_in(file: Path, count: int) -> list[int]:
    """The *count* pids that a command writes to *file*, one a line."""

    def pids() -> list[int]:
        return [int(pid) for pid in file.read_text().split()] if file.exists() else []

    await until(lambda: len(pids()) >= count)
    return pids()


def alive(pids: Sequence[int]) -> list[int]:
    """Those of *pids* that run, which zombies do not."""
    return [pid for pid in pids if (stat := procfs.find_stat(pid)) is not None and stat.is_alive]
