"""How much the panel costs its page: long answers, long chats are in `test_panel.py`, and what is loaded."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from acceptance.browser import BUNDLE, Panel
from acceptance.vendor import Vendor
from fakes.steps import Step, say, wait
from playwright.sync_api import Browser, expect

MOST = 150 * 1024  # bytes of the bundle, compressed, without what is loaded only for desktops
LENGTH = 48_000  # characters
RATE = 50  # updates each second
SECONDS = 4.0
PART = """## Part {n}

Some *text* with `code`, **bold words** and a [link](https://example.org/{n}), long enough to be a paragraph.

- one item of a list
- another one with $x_{{{n}}}^2$

```python
def f_{n}(x):
    return [x * {n} for _ in range(10)]
```

"""
UNTIL_AT_REST = """() => new Promise(resolve => {
    const timer = setInterval(() => {
        if (document.querySelector('#jupyter-chatd-panel [role=log]')?.ariaBusy === 'false') {
            clearInterval(timer);
            requestAnimationFrame(() => setTimeout(() => resolve(performance.now())));
        }
    }, 20);
})"""


def test_the_bundle_is_small() -> None:
    sizes = {path.name: len(gzip.compress(path.read_bytes())) for path in (BUNDLE / "static").glob("*.js")}
    needed = {name: size for name, size in sizes.items() if not is_for_desktops(BUNDLE / "static" / name)}
    assert sum(needed.values()) < MOST, sizes


def is_for_desktops(path: Path) -> bool:
    """Whether a file holds the viewer of desktops, which is loaded when one is looked at."""
    return "RFB 003.008" in path.read_text()


def test_a_long_answer_keeps_up_and_its_end_costs_no_more_than_its_beginning(
    panel: Panel, vendor: Vendor, browser: Browser, tmp_path: Path
) -> None:
    vendor.answers.append(list(paced()))
    panel.say("Go")
    expect(panel.transcript).to_contain_text("Part 1")
    trace = tmp_path / "trace.json"
    browser.start_tracing(page=panel.page, path=trace, categories=["disabled-by-default-devtools.timeline"])
    panel.page.evaluate(UNTIL_AT_REST)
    browser.stop_tracing()
    expect(panel.transcript).to_contain_text("The end.")
    tasks = tasks_of(trace)
    half = (tasks[0][0] + tasks[-1][0]) / 2
    first = sum(spent for at, spent in tasks if at < half)
    second = sum(spent for at, spent in tasks if at >= half)
    assert second < 3 * first, (first, second)  # all rendered anew each time would make it many times as much


def paced() -> Iterator[Step]:
    """The answer, in pieces of the same size."""
    parts = "".join(PART.format(n=n) for n in range(1, LENGTH // len(PART) + 1))
    text = f"{parts}The end."
    size = round(len(text) / (RATE * SECONDS))
    for start in range(0, len(text), size):
        yield say(text[start : start + size])
        yield wait(1 / RATE)


def tasks_of(trace: Path) -> list[tuple[float, float]]:
    """When tasks of the page's main thread began, and what CPU time they took, in ms; in order."""
    events: list[dict[str, Any]] = json.loads(trace.read_text())["traceEvents"]
    named = {(one["pid"], one["tid"]): one["args"]["name"] for one in events if one["name"] == "thread_name"}
    threads: dict[tuple[int, int], list[tuple[float, float]]] = {}
    for event in events:
        thread = (event["pid"], event["tid"])
        if event["name"] == "RunTask" and named.get(thread) == "CrRendererMain":
            spent = event.get("tdur", event.get("dur", 0))
            threads.setdefault(thread, []).append((event["ts"] / 1000, spent / 1000))
    return sorted(max(threads.values(), key=lambda tasks: sum(spent for _, spent in tasks)))
