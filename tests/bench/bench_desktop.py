"""A real desktop: pictures, clicks, keys, and how long it takes to be there."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import statistics
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from pathlib import Path

from jupyter_chatd.desktop.actions import Click, Key
from jupyter_chatd.desktop.defaults import DEFAULT_SIZE
from jupyter_chatd.desktop.driver import Driver
from jupyter_chatd.desktop.geometry import Point
from jupyter_chatd.desktop.launchers.xvnc import XvncLauncher
from jupyter_chatd.desktop.manager import DesktopManager
from jupyter_chatd.desktop.rfb import Connection

from .harness import Bench, Case, Measured, Plan, Samples, at_least, at_most, interleave
from .machine import scratch

NEEDED = ("Xvnc", "openbox", "xterm")
TEXT = "for i in $(seq 60); do echo $i $(head -c 60 /dev/urandom | base64); done; exec cat"
MIDDLE = Point(x=640, y=400)
FOCUS = 2.0  # seconds for the terminal to fill itself


async def typical(times: int, act: Callable[[], Awaitable[object]]) -> float:
    """Return the median milliseconds of *act*."""
    took: list[float] = []
    for _ in range(times):
        start = time.perf_counter()
        await act()
        took.append((time.perf_counter() - start) * 1000)
    return statistics.median(took)


@contextlib.asynccontextmanager
async def terminal(environment: Mapping[str, str]) -> AsyncGenerator[None]:
    """A window full of text."""
    process = await asyncio.create_subprocess_exec(
        *("xterm", "-fa", "Monospace", "-fs", "11", "-geometry", "130x42+20+20", "-e", "sh", "-c", TEXT),
        env={**os.environ, **environment},
    )
    try:
        await asyncio.sleep(FOCUS)
        yield
    finally:
        process.kill()
        await process.wait()


def cold_case(folder: Path) -> Case:
    """From nothing to the first picture, window manager included."""

    async def run() -> dict[str, float]:
        manager = DesktopManager(XvncLauncher(folder, opens_application=False))
        start = time.perf_counter()
        await manager.get("bench").picture()
        took = time.perf_counter() - start
        await manager.close()
        return {"cold": took}

    return run


def screenshot_case(driver: Driver, plan: Plan) -> Case:
    async def run() -> dict[str, float]:
        return {"screenshot": await typical(plan.size(20, 2), driver.picture)}

    return run


def ffmpeg_case(environment: Mapping[str, str], plan: Plan) -> Case:
    """The same picture as the original takes it: a process each."""
    command = ("ffmpeg", "-loglevel", "error", "-f", "x11grab", "-video_size", str(DEFAULT_SIZE))
    output = ("-frames:v", "1", "-f", "image2pipe", "-c:v", "png", "-")

    async def grab() -> None:
        process = await asyncio.create_subprocess_exec(
            *(*command, "-i", environment["DISPLAY"], *output),
            env={**os.environ, **environment},
            stdout=asyncio.subprocess.PIPE,
        )
        png, _ = await process.communicate()
        if not png.startswith(b"\x89PNG"):
            raise RuntimeError("ffmpeg gave no picture")

    async def run() -> dict[str, float]:
        return {"ffmpeg": await typical(plan.size(5, 1), grab)}

    return run


def click_case(driver: Driver, plan: Plan) -> Case:
    async def run() -> dict[str, float]:
        click = Click(at=MIDDLE)
        return {"click": await typical(plan.size(20, 2), lambda: driver.perform(click))}

    return run


def key_case(driver: Driver, plan: Plan) -> Case:
    """From a key to the first pixel that it changed, on a screen at rest."""

    async def run() -> dict[str, float]:
        took: list[float] = []
        for number in range(plan.size(20, 2)):
            await driver.settle(quiet_s=0.05)
            start = time.perf_counter()
            if not await driver.perform_and_see(Key(keys="abcdefghij"[number % 10]), limit_s=1.0):
                raise RuntimeError("a key changed nothing")
            took.append((time.perf_counter() - start) * 1000)
        return {"key": statistics.median(took)}

    return run


async def measure_running(folder: Path, plan: Plan) -> Samples:
    manager = DesktopManager(XvncLauncher(folder, opens_application=False))
    desktop = manager.get("bench")
    path = await desktop.socket()
    driver = Driver(await Connection.open(path))
    try:
        async with terminal(desktop.environment):
            await driver.perform(Click(at=MIDDLE))
            cases = [screenshot_case(driver, plan), click_case(driver, plan), key_case(driver, plan)]
            if shutil.which("ffmpeg"):
                cases.append(ffmpeg_case(desktop.environment, plan))
            return await interleave(cases, plan)
    finally:
        await driver.close()
        await manager.close()


async def measure(plan: Plan) -> Sequence[Measured]:
    if not all(map(shutil.which, NEEDED)):
        note = "tigervnc-standalone-server, openbox or xterm not installed"
        return [Measured(what="screenshot, click, key, cold start", note=note)]
    with scratch() as folder:
        cold = await interleave([cold_case(folder)], plan)
        running = await measure_running(folder, plan)
    has_ffmpeg = "ffmpeg" in running
    return [
        Measured(
            what="screenshot of 1280x800 as PNG", values=running["screenshot"], unit="ms", goal=at_most(25.0)
        ),
        Measured(
            what="`ffmpeg x11grab` of the same screen takes longer by",
            values=running.ratios("ffmpeg", "screenshot") if has_ffmpeg else (),
            goal=at_least(8.0),
            note="" if has_ffmpeg else "ffmpeg not installed",
        ),
        Measured(
            what="a click, held for 12 ms on purpose", values=running["click"], unit="ms", goal=at_most(25.0)
        ),
        Measured(
            what="a key to the first pixel that it changed",
            values=running["key"],
            unit="ms",
            goal=at_most(15.0),
        ),
        Measured(what="cold start to the first picture", values=cold["cold"], unit="s", goal=at_most(1.5)),
    ]


BENCH = Bench(
    title="The desktop: pictures, clicks, keys and its start",
    method="""
        TigerVNC's Xvnc with openbox and a terminal full of text, driven over RFB as the computer tool does.
        In each round medians of 20 screenshots, clicks and keys, and of 5 pictures by an ffmpeg process
        each. A key counts until the first update of the screen after it; Xvnc sends 60 a second at most.
        A cold start begins with no process and ends with the first PNG.
    """,
    run=measure,
)
