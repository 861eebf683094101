"""The programs that people would use instead, each in an environment of its own, run beside ours."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
ENVIRONMENTS = FOLDER.parents[1] / ".venv-bench"
"""Kept between runs; git ignores it."""
LINE_LIMIT = 1 << 20  # bytes of a reply
PIP_OPTIONS = ("-qq", "--disable-pip-version-check")


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """One of them."""

    name: str
    program: str
    """A file in `peer_programs/`, run by the environment's Python."""
    requirements: tuple[str, ...]
    """Pinned, so that numbers can be compared over time."""

    @property
    def label(self) -> str:
        """Name and version."""
        return self.requirements[0].replace("==", " ")

    @property
    def python(self) -> Path:
        """The environment's Python."""
        return ENVIRONMENTS / self.name / "bin" / "python"


PYDANTIC_AI = Peer(
    name="pydantic-ai", program="pydantic_ai_peer.py", requirements=("pydantic-ai-slim==2.68.0",)
)
OPENAI_AGENTS = Peer(
    name="openai-agents", program="openai_agents_peer.py", requirements=("openai-agents==0.24.0",)
)
LANGGRAPH = Peer(
    name="langgraph",
    program="langgraph_peer.py",
    requirements=("langgraph==1.2.22", "langgraph-checkpoint-sqlite==3.1.2"),
)
PEERS = (PYDANTIC_AI, OPENAI_AGENTS, LANGGRAPH)


class PeerProcess:
    """A peer's program that waits for requests."""

    def __init__(self, peer: Peer, process: asyncio.subprocess.Process) -> None:
        self.peer = peer
        self._process = process

    async def ask(self, task: str, **arguments: Any) -> dict[str, float]:
        """Run a task and return what it measured.

        Raises:
            RuntimeError: the program has ended; what it wrote to stderr was shown.
        """
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(json.dumps({"task": task, **arguments}).encode() + b"\n")
        line = await stdout.readline()
        if not line:
            raise RuntimeError(f"The program of {self.peer.name} has ended; see above.")
        return json.loads(line)


@contextlib.asynccontextmanager
async def running(peers: Sequence[Peer]) -> AsyncGenerator[list[PeerProcess], None]:
    """Start those that are installed or can be; the others are missing from the list."""
    async with contextlib.AsyncExitStack() as stack:
        installed = [peer for peer in peers if await asyncio.to_thread(install, peer)]
        yield [await stack.enter_async_context(_running(peer)) for peer in installed]


@contextlib.asynccontextmanager
async def _running(peer: Peer) -> AsyncGenerator[PeerProcess, None]:
    process = await asyncio.create_subprocess_exec(
        str(peer.python),
        str(FOLDER / "peer_programs" / peer.program),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        limit=LINE_LIMIT,
    )
    try:
        yield PeerProcess(peer, process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()


def install(peer: Peer) -> bool:
    """Make the peer's environment, unless it is there; false when pip cannot."""
    folder = ENVIRONMENTS / peer.name
    make = [sys.executable, "-m", "venv", "--clear", str(folder)]
    fill = [str(peer.python), "-m", "pip", "install", *PIP_OPTIONS, *peer.requirements]
    return _install(folder, peer.requirements, [make, fill])


def install_beside(requirement: str) -> Path | None:
    """Return a folder for PYTHONPATH that holds what our own environment may lack; `None` when pip cannot."""
    folder = ENVIRONMENTS / requirement.partition("==")[0]
    fill = [sys.executable, "-m", "pip", "install", *PIP_OPTIONS, "--target", str(folder), requirement]
    return folder if _install(folder, (requirement,), [fill]) else None


def _install(folder: Path, requirements: Sequence[str], commands: Sequence[Sequence[str]]) -> bool:
    """Run *commands*, unless a stamp in *folder* says that it was done."""
    stamp, wanted = folder / "installed.txt", "\n".join(requirements)
    if stamp.exists() and stamp.read_text() == wanted:
        return True
    ENVIRONMENTS.mkdir(exist_ok=True)
    (ENVIRONMENTS / ".gitignore").write_text("*\n")
    if any(subprocess.run(command, stdout=sys.stderr).returncode for command in commands):
        return False
    stamp.write_text(wanted)
    return True
