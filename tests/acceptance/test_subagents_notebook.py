"""The notebook about subagents runs from top to bottom with the demo model: no key, no network."""

from __future__ import annotations

import nbformat
import pytest
from acceptance.notebooks import check_saved, outputs_of, run_notebook, stable
from nbformat import NotebookNode
from servers import ROOT, JupyterServer

PATH = ROOT / "notebooks" / "subagents.ipynb"


@pytest.fixture(scope="module")
def executed(shared_server: JupyterServer) -> NotebookNode:
    return run_notebook(PATH, shared_server)


def test_it_does_what_it_says(executed: NotebookNode) -> None:
    _, text, tree, took, _, stopped = outputs_of(executed)
    assert text.count("reports: `sleep 1` ended well") == 3
    assert [line.split(" (")[0] for line in tree.splitlines()[1:]] == [
        "├─ run `sleep 1`",
        "├─ run `sleep 1`",
        "└─ run `sleep 1`",
    ]
    assert took == "True"
    assert stopped == "{'waiting'}"


def test_what_is_saved_is_what_it_gives(executed: NotebookNode) -> None:
    saved = nbformat.read(PATH, as_version=4)
    shown = [list(map(stable, outputs_of(notebook)[1:])) for notebook in (saved, executed)]
    assert shown[0] == shown[1]


def test_what_is_saved_tells_nothing_of_where_it_ran() -> None:
    check_saved(PATH)
