"""The panel in JupyterLab, in a real browser: a long answer as it comes, a long chat, and what is loaded."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import importlib.util
import json
import shutil
import subprocess
import sys
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from jupyter_chatd.wire.times import utc_seconds

from .harness import Bench, Measured, Plan, Samples, at_most
from .machine import scratch

if TYPE_CHECKING:
    from acceptance.browser import Panel
    from acceptance.vendor import Vendor
    from playwright.sync_api import Browser
    from servers import JupyterServer

TESTS = Path(__file__).parents[1]
BUNDLE = TESTS.parent / "jupyter_chatd/labextension"
OF_DESKTOPS = "RFB 003.008"  # stands in what is loaded only when a desktop is looked at
ANSWER, QUICK_ANSWER = 16, 4  # seconds: 800 updates of 60 characters; 200 of 240
MESSAGES, FEW_MESSAGES = 2000, 100
LONG_TASK = 50.0  # ms


def bundle_size() -> float:
    """Return the KiB of the compressed scripts that every page loads."""
    scripts = [path.read_bytes() for path in (BUNDLE / "static").glob("*.js")]
    needed = [script for script in scripts if OF_DESKTOPS.encode() not in script]
    return sum(len(gzip.compress(script)) for script in needed) / 1024


class Page:
    """JupyterLab with the panel, and a model that says what it is told to."""

    def __init__(self, panel: Panel, browser: Browser, server: JupyterServer, vendor: Vendor) -> None:
        self._panel, self._browser, self._server, self._vendor = panel, browser, server, vendor

    def stream(self, folder: Path, *, seconds: int) -> Mapping[str, float]:
        """Follow an answer of 48 KB, 50 updates a second."""
        from acceptance.panel_speed import paced, tasks_of, trace_until_at_rest
        from playwright.sync_api import expect

        self._panel.begin()
        self._vendor.answers.append(list(paced(seconds)))
        self._panel.say("Go")
        expect(self._panel.transcript).to_contain_text("Part 1")
        shown_at = trace_until_at_rest(self._browser, self._panel.page, folder / "trace.json")
        spent = [ms for _, ms in tasks_of(folder / "trace.json")]
        return {
            "lag": shown_at - self._stored_at(),
            "longest": max(spent),
            "long": sum(ms > LONG_TASK for ms in spent),
            "cpu": sum(spent) / 1000,
        }

    def open(self, title: str, *, count: int) -> Mapping[str, float]:
        """Open a long chat from the list."""
        from acceptance.panel_speed import open_chat

        self._panel.begin()
        row = self._panel.root.get_by_role("list", name="Chats").get_by_role("button", name=title)
        row.wait_for()
        return {"open": open_chat(row, count=count)}

    def _stored_at(self) -> float:
        """When the newest answer was stored, UTC seconds."""
        chat = self._get("", limit=1)[0]
        return utc_seconds(self._get(f"/{chat['id']}/messages", limit=1)["messages"][0]["created_at"])

    def _get(self, path: str, **params: int) -> Any:
        url = f"{self._server.chats_url}{path}"
        return httpx.get(url, headers=self._server.headers, params=params).raise_for_status().json()


@contextlib.contextmanager
def opened(folder: Path, *, messages: int) -> Generator[Page]:
    """Start all of it, with a chat named Long of that many messages."""
    from acceptance.browser import NO_PREFERENCE, opened_panel, started_browser, with_front_end
    from acceptance.panel_speed import long_export
    from acceptance.vendor import Vendor
    from fakes.openai_server import FakeOpenAI
    from fakes.threaded import in_thread
    from servers import Dirs, JupyterServer

    dirs, vendor = with_front_end(Dirs(folder / "user").make()), Vendor()
    settings = {"JupyterChatd": {"generate_titles": False, "default_model": "openai:fake-model"}}
    with in_thread(FakeOpenAI(vendor)) as fake:
        env = {**NO_PREFERENCE, "OPENAI_API_KEY": "sk-bench", "OPENAI_BASE_URL": fake.base_url}
        with JupyterServer(dirs, env=env, settings=settings) as server, started_browser() as browser:
            export = folder / "long.jsonl"
            export.write_text("\n".join(map(json.dumps, long_export("Long", count=messages))))
            command = [sys.executable, "-m", "jupyter_chatd.cli", "import", str(export)]
            subprocess.run(command, env=dirs.environ(), check=True, capture_output=True)
            with opened_panel(browser, server) as panel:
                yield Page(panel, browser, server, vendor)


def measure_pages(plan: Plan) -> Samples:
    """Run the rounds. Playwright wants a thread without a loop."""
    samples = Samples()
    seconds, messages = plan.size(ANSWER, QUICK_ANSWER), plan.size(MESSAGES, FEW_MESSAGES)
    with scratch() as folder, opened(folder, messages=messages) as page:
        if not plan.is_quick:
            page.stream(folder, seconds=QUICK_ANSWER)  # loads what math needs, and the vendor's library
        for _ in range(plan.rounds):
            samples.add(page.stream(folder, seconds=seconds))
            samples.add(page.open("Long", count=messages))
    return samples


async def measure(plan: Plan) -> Sequence[Measured]:
    if not (BUNDLE / "static").is_dir():
        return [Measured(what="the panel's bundle", note="not built: make bundle")]
    size = Measured(
        what="the panel's bundle, gzipped, without noVNC",
        values=(bundle_size(),),
        unit="KiB",
        goal=at_most(150.0),
    )
    if not (importlib.util.find_spec("playwright") and shutil.which("chromium")):
        return [size, Measured(what="the panel in a browser", note="chromium or playwright not installed")]
    sys.path.insert(0, str(TESTS))  # where the acceptance tests find each other
    samples = await asyncio.to_thread(measure_pages, plan)
    return [
        Measured(
            what="48 KB at 50 updates a second: the end is shown after it was stored by",
            values=samples["lag"],
            unit="s",
            goal=at_most(0.5),
        ),
        Measured(
            what="the longest task meanwhile, CPU time",
            values=samples["longest"],
            unit="ms",
            goal=at_most(LONG_TASK),
        ),
        Measured(what="tasks over 50 ms meanwhile", values=samples["long"], unit="", goal=at_most(0.0)),
        Measured(what="CPU time of all tasks meanwhile", values=samples["cpu"], unit="s"),
        Measured(
            what="a chat of 2,000 messages opens in", values=samples["open"], unit="ms", goal=at_most(1000.0)
        ),
        size,
    ]


BENCH = Bench(
    title="The panel in a browser",
    method="""
        Chromium without a window shows JupyterLab; a fake vendor says 48 KB of headings, lists, formulas and
        code in 800 pieces, 50 a second. Tasks are those of the page's main thread, from the browser's trace,
        by the CPU time that they took. A long chat is opened from the list, until its last message is on the
        screen.
    """,
    run=measure,
)
