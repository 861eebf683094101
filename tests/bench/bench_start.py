"""What the extension adds to the start of a Jupyter server."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Generator, Sequence
from pathlib import Path

import httpx

from tests.servers import CHATS, ROOT, Dirs, free_port

from .harness import Bench, Case, Measured, Plan, at_most, cpu_of, interleave
from .machine import scratch
from .peers import install_beside

BESIDE = "jupyter-server-proxy==4.6.0"
MORE_ROUNDS = 2
POLL = 0.01  # seconds between looks whether the server answers
START_TIMEOUT = 60.0  # seconds
HEADERS = {"Authorization": "token t"}
MODEL_LIBRARIES = ("pydantic_ai", "openai", "anthropic", "google.genai", "boto3", "mcp")
"""What is imported when a model is first used, and not before."""


@contextlib.contextmanager
def started(dirs: Dirs, *, with_chatd: bool, beside: Path | None) -> Generator[tuple[int, str], None, None]:
    """Start a server; gives its process and its address at once, before it answers."""
    port = free_port()
    extensions = {
        "jupyter_chatd": with_chatd,
        "tests.bench.probe": True,
        "jupyter_server_proxy": beside is not None,
    }
    config = {
        "ServerApp": {
            "jpserver_extensions": extensions,
            "port": port,
            "port_retries": 0,
            "ip": "127.0.0.1",
            "open_browser": False,
            "allow_root": True,
            "root_dir": str(dirs.work),
        },
        "IdentityProvider": {"token": "t"},
    }
    (dirs.config / "jupyter_server_config.json").write_text(json.dumps(config))
    search_path = os.pathsep.join(str(folder) for folder in (ROOT, beside) if folder)
    with open(dirs.root / "server.log", "ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "jupyter_server"],
            cwd=dirs.work,
            env={**dirs.environ(), "PYTHONPATH": search_path},
            stdout=log,
            stderr=log,
        )
    try:
        yield process.pid, f"http://127.0.0.1:{port}/"
    finally:
        process.terminate()
        process.wait()


def start_case(name: str, dirs: Dirs, *, with_chatd: bool, beside: Path | None) -> Case:
    """Start a server and stop it once it answers."""

    async def run() -> dict[str, float]:
        began = time.perf_counter()
        with started(dirs, with_chatd=with_chatd, beside=beside) as (pid, url):
            async with httpx.AsyncClient(base_url=url) as client:
                await _until_it_answers(client)
                measured = {f"{name} wall": time.perf_counter() - began, f"{name} cpu": cpu_of(pid)}
                if with_chatd:
                    await _until_the_agent_answers(client)
                    measured |= {"agent wall": time.perf_counter() - began, "agent cpu": cpu_of(pid)}
                imported = await _modules(client)
        assert ("jupyter_chatd.runtime" in imported) == with_chatd, "the servers are not what they should be"
        if with_chatd:
            measured["libraries"] = float(len(imported.intersection(MODEL_LIBRARIES)))
        return measured

    return run


async def _until_it_answers(client: httpx.AsyncClient) -> None:
    async with asyncio.timeout(START_TIMEOUT):
        while True:
            try:
                (await client.get("api")).raise_for_status()
            except httpx.TransportError:
                await asyncio.sleep(POLL)
            else:
                return


async def _until_the_agent_answers(client: httpx.AsyncClient) -> None:
    """A request waits while the agent is loaded."""
    reply = await client.get(CHATS, headers=HEADERS, timeout=START_TIMEOUT)
    reply.raise_for_status()


async def _modules(client: httpx.AsyncClient) -> set[str]:
    reply = await client.get("bench/modules", headers=HEADERS)
    return set(reply.raise_for_status().json()["modules"])


async def measure(plan: Plan) -> Sequence[Measured]:
    beside = None if plan.is_quick else await asyncio.to_thread(install_beside, BESIDE)
    with scratch() as folder:
        dirs = Dirs(folder).make()
        cases = [
            start_case("with", dirs, with_chatd=True, beside=beside),
            start_case("without", dirs, with_chatd=False, beside=beside),
        ]
        samples = await interleave(cases, plan.times(MORE_ROUNDS))
    note = "" if beside else "jupyter-server-proxy not installed: without it, more is loaded by us"
    return [
        Measured(
            what="time added until the server answers",
            values=samples.differences("with wall", "without wall"),
            unit="s",
            goal=at_most(0.3),
            note=note,
        ),
        Measured(
            what="model libraries imported before first use",
            values=samples["libraries"],
            unit="",
            goal=at_most(0),
        ),
        Measured(what="CPU time added", values=samples.differences("with cpu", "without cpu"), unit="s"),
        Measured(
            what="time added until the agent answers",
            values=samples.differences("agent wall", "without wall"),
            unit="s",
        ),
        Measured(
            what="CPU time added until the agent answers",
            values=samples.differences("agent cpu", "without cpu"),
            unit="s",
        ),
        Measured(what="start without the extension", values=samples["without wall"], unit="s"),
    ]


BENCH = Bench(
    title="Time that the extension adds to the start of a server that already loads jupyter-server-proxy",
    method=f"""
        Jupyter servers with and without the extension are started in turn on the same folders; the time is
        from the start of the process until `api` answers; the agent itself, which is loaded in a thread
        after that, is asked for next. Model libraries: {", ".join(MODEL_LIBRARIES)}.
    """,
    run=measure,
)
