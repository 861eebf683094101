"""The notebook about subagents runs from top to bottom with the demo model: no key, no network."""

from __future__ import annotations

import re

import nbformat
import pytest
from acceptance.notebooks import check_saved, outputs_of, run_notebook, stable
from nbformat import NotebookNode
from servers import ROOT, JupyterServer

from jupyter_chatd.widgets.boxes import SAVED

PATH = ROOT / "notebooks" / "subagents.ipynb"


@pytest.fixture(scope="module")
def executed(shared_server: JupyterServer) -> NotebookNode:
    return run_notebook(PATH, shared_server)


def widgets_of(notebook: NotebookNode) -> list[str]:
    """The views of the widgets that its cells show."""
    shown = (output.get("data", {}) for cell in notebook.cells for output in cell.get("outputs", ()))
    return [data[SAVED]["_view"] for data in shown if SAVED in data]


def at_any_time(text: str) -> str:
    """Leave out what differs from run to run, and whether a subagent had begun when it was looked at."""
    return stable(re.sub(r": (pending|running)\b", ": at work", text))


def test_it_does_what_it_says(executed: NotebookNode) -> None:
    _, text, tree, took, at_work, stopped = outputs_of(executed)
    assert text.count("reports: `sleep 5` ended well") == 3
    assert re.findall(r"└─ (.*)  ", tree) == ["run `sleep 5` (general): done"] * 3
    assert took == "True"
    assert at_any_time(at_work).count("run `sleep 600` (general): at work") == 3
    assert stopped == "{'waiting'}"


def test_what_is_saved_is_what_it_gives(executed: NotebookNode) -> None:
    saved = nbformat.read(PATH, as_version=4)
    shown = [list(map(at_any_time, outputs_of(notebook)[1:])) for notebook in (saved, executed)]
    assert shown[0] == shown[1]
    assert widgets_of(saved) == widgets_of(executed) == ["Chat", "AgentTree", "AgentTree"]


def test_what_is_saved_tells_nothing_of_where_it_ran() -> None:
    check_saved(PATH)
