"""How fast the panel is in a real browser: what the tests bound generously, and `make bench` measures."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fakes.steps import Step, say, wait
from playwright.sync_api import Browser, Locator, Page

LENGTH = 48_000  # characters of the answer
RATE = 50  # updates each second
PART = """## Part {n}

Some *text* with `code`, **bold words** and a [link](https://example.org/{n}), long enough to be a paragraph.

- one item of a list
- another one with $x_{{{n}}}^2$

```python
def f_{n}(x):
    return [x * {n} for _ in range(10)]
```

"""
END = "The end."
UNTIL_AT_REST = """() => new Promise(resolve => {
    const timer = setInterval(() => {
        if (document.querySelector('#jupyter-chatd-panel [role=log]')?.ariaBusy === 'false') {
            clearInterval(timer);
            requestAnimationFrame(() => setTimeout(() => resolve(Date.now() / 1000)));
        }
    }, 20);
})"""
"""Returns the time, UTC seconds, at which the page shows that nothing runs any more."""
OPEN = """async (row, text) => {
    const start = performance.now();
    row.click();
    while (!document.querySelector('.jp-chatd-transcript')?.textContent.includes(text)) {
        await new Promise(resolve => setTimeout(resolve, 5));
    }
    await new Promise(resolve => requestAnimationFrame(() => setTimeout(resolve)));
    return performance.now() - start;
}"""
"""Clicks, and returns the milliseconds until the text stands on the screen."""
TRACED = ["disabled-by-default-devtools.timeline"]


def paced(seconds: float) -> Iterator[Step]:
    """An answer of 48 KB in pieces of the same size, 50 a second."""
    parts = "".join(PART.format(n=n) for n in range(1, LENGTH // len(PART) + 1))
    text = f"{parts}{END}"
    size = round(len(text) / (RATE * seconds))
    for start in range(0, len(text), size):
        yield say(text[start : start + size])
        yield wait(1 / RATE)


def trace_until_at_rest(browser: Browser, page: Page, trace: Path) -> float:
    """Follow an answer to its end, write what the page did meanwhile; return when it ended, UTC seconds."""
    browser.start_tracing(page=page, path=trace, categories=TRACED)
    ended_at = page.evaluate(UNTIL_AT_REST)
    browser.stop_tracing()
    return ended_at


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


def open_chat(row: Locator, *, count: int) -> float:
    """Open a chat of `long_export`; return the ms until its end is on the screen."""
    return row.evaluate(OPEN, f"Answer {count}.")


def long_export(title: str, *, count: int) -> Iterator[dict[str, Any]]:
    """Questions and answers in the format of exports (docs/export.md)."""
    at = {"created_at": "2026-11-21T07:30:00Z"}
    yield {"type": "export", "format": "jupyter_chatd", "version": 1}
    yield {"type": "chat", "id": str(uuid.uuid4()), "title": title, "model": "demo:demo", **at}
    for number in range(1, count + 1):
        role, word = ("user", "Question") if number % 2 else ("assistant", "Answer")
        text = f"{word} {number}.\n\n- **one**\n- two\n\n```python\nprint({number})\n```"
        content = [{"type": "text", "text": text}]
        row = {"type": "message", "number": number, "role": role, "content_version": 1, "content": content}
        yield {**row, **at, **({} if number % 2 else {"model": "demo:demo", "stop_reason": "end"})}
    yield {"type": "end", "chats": 1, "files": 0, "messages": count}
