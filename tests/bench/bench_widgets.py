"""Widgets in the cells of a notebook, in a real browser: when they are seen, what they add to the file."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

from acceptance.browser import NO_PREFERENCE, started_browser, with_front_end
from acceptance.cells import NotebookPage
from servers import Dirs, JupyterServer

from .harness import Bench, Measured, Plan, Samples, at_most

BEGIN = """
from jupyter_chatd import Chat, widgets
chat = Chat("run `seq 1 5`", model="demo:demo", approvals="auto").wait()
chat
"""
TEN = "for _ in range(10): display(widgets.Chat(chat))"
VIEWS = {
    "Chat": "seq 1 5",
    "ToolCalls": "1 tool call",
    "AgentTree": "seq 1 5",
    "Approval": "nothing waits",
    "Desktop": "is off",
}
"""What each shows when it is there."""
FIRST_PAINT = 300.0  # ms
ADDED = 100.0  # KB
WARM_UP = 1  # rounds


async def measure(plan: Plan) -> Sequence[Measured]:
    """Measure in a thread: Playwright has a loop of its own."""
    return await asyncio.to_thread(_measure, plan)


def _measure(plan: Plan) -> Sequence[Measured]:
    with tempfile.TemporaryDirectory(prefix="widgets") as folder, started_browser() as browser:
        dirs = with_front_end(Dirs(Path(folder)).make())
        with JupyterServer(dirs, env=NO_PREFERENCE) as server:
            notebook = NotebookPage(browser.new_page(viewport={"width": 1100, "height": 1000}), server)
            notebook.open(BEGIN, TEN, *(f"widgets.{view}(chat)" for view in VIEWS))
            notebook.run(0).locator(".jp-chatd-widget").wait_for()
            added = _added_by_ten(notebook)
            painted = _first_paints(notebook, plan)
    goal = at_most(FIRST_PAINT)
    return [
        Measured(
            what="ten live widgets in a saved notebook", values=(added,), unit="KB", goal=at_most(ADDED)
        ),
        *(
            Measured(what=f"first paint: {view}", values=painted[view], unit="ms", goal=goal)
            for view in VIEWS
        ),
    ]


def _added_by_ten(notebook: NotebookPage) -> float:
    """Return by how many KB ten widgets make the saved cells larger."""
    before = len(json.dumps(notebook.save()["cells"]))
    notebook.run(1).locator(".jp-chatd-widget").nth(9).get_by_text("seq 1 5").first.wait_for()
    return (len(json.dumps(notebook.save()["cells"])) - before) / 1000


def _first_paints(notebook: NotebookPage, plan: Plan) -> Samples:
    """Return how long each view took, by its name."""
    samples = Samples()
    for number in range(WARM_UP + plan.times(2).rounds):
        took = {view: notebook.time_paint(2 + cell, text) for cell, (view, text) in enumerate(VIEWS.items())}
        if number >= WARM_UP:
            samples.add(took)
    return samples


BENCH = Bench(
    title="Widgets in the cells of a notebook, in JupyterLab",
    method="""
        Chromium without a window shows one notebook of a whole Jupyter server. Its first cell has shown a
        chat, so that the page has what draws widgets. First paint: a cell with a widget is run; from the
        arrival of its output in the page until the frame after the text of the chat (for the desktop, its
        state) is there, requests to the server included. Ten widgets: by how much the JSON of the saved cells
        grows with a cell that shows ten of one short chat.
    """,
    run=measure,
)
