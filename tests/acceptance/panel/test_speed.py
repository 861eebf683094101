"""How much the panel costs its page: long answers, long chats are in `test_panel.py`, and what is loaded."""

from __future__ import annotations

import gzip
from pathlib import Path

from acceptance.browser import BUNDLE, Panel
from acceptance.panel_speed import END, paced, tasks_of, trace_until_at_rest
from acceptance.vendor import Vendor
from playwright.sync_api import Browser, expect

MOST = 150 * 1024  # bytes of the bundle, compressed, without what is loaded only for desktops
SECONDS = 4.0


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
    vendor.answers.append(list(paced(SECONDS)))
    panel.say("Go")
    expect(panel.transcript).to_contain_text("Part 1")
    trace = tmp_path / "trace.json"
    trace_until_at_rest(browser, panel.page, trace)
    expect(panel.transcript).to_contain_text(END)
    tasks = tasks_of(trace)
    half = (tasks[0][0] + tasks[-1][0]) / 2
    first = sum(spent for at, spent in tasks if at < half)
    second = sum(spent for at, spent in tasks if at >= half)
    assert second < 3 * first, (first, second)  # all rendered anew each time would make it many times as much
