"""The analysis runs from top to bottom with the demo model: real data, a table, a plot, subagents."""

from __future__ import annotations

import base64
import re
from typing import Any

import nbformat
import pytest
from acceptance.notebooks import check_saved, outputs_of, run_notebook
from nbformat import NotebookNode
from servers import ROOT, JupyterServer

PATH = ROOT / "notebooks" / "analysis.ipynb"
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def executed(shared_server: JupyterServer) -> NotebookNode:
    return run_notebook(PATH, shared_server)


def shown_as(notebook: NotebookNode, media_type: str) -> list[Any]:
    """What the cells show that has this media type."""
    outputs = (output for cell in notebook.cells for output in cell.get("outputs", ()))
    return [data[media_type] for output in outputs if media_type in (data := output.get("data", {}))]


def test_it_does_what_it_says(executed: NotebookNode, shared_server: JupyterServer) -> None:
    _, look, *_, messages, calls, end = outputs_of(executed)
    assert "Date,IBM,AAPL" in look
    assert "|  | 2020 |" in messages
    assert re.search(r"execute_code +4\n.*savings_plan +3\n", calls, re.DOTALL)
    assert end == "'waiting'"
    assert not (shared_server.dirs.work / "stocks.csv").exists()


def test_its_answers_are_tables_and_values(executed: NotebookNode) -> None:
    table, plot, plan, reports = shown_as(executed, "text/markdown")
    assert re.search(r"\n\| AAPL \| 0\.3\d+ \|.*\n\| AMZN \| 0\.2", table)
    assert "The code showed a picture" in plot
    assert plan.count('"paid in": 21000') == 3
    assert "| 2000 to 2002 |" in reports
    assert "| 2007 to 2009 |" in reports


def test_its_plot_is_a_picture_of_the_notebook_too(executed: NotebookNode) -> None:
    (picture,) = shown_as(executed, "image/png")
    assert base64.b64decode(picture).startswith(PNG)


def test_nothing_failed(executed: NotebookNode) -> None:
    text = "\n".join([*outputs_of(executed), *shown_as(executed, "text/markdown")])
    assert "failed" not in text
    assert "I do not understand" not in text


def test_what_is_saved_shows_a_run_and_tells_nothing_of_where(executed: NotebookNode) -> None:
    check_saved(PATH)
    saved = nbformat.read(PATH, as_version=4)
    assert len(shown_as(saved, "image/png")) == 1
    assert list(map(bool, outputs_of(saved))) == list(map(bool, outputs_of(executed)))
