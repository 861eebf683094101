"""The quickstart runs from top to bottom with the demo model: no key, no network."""

from __future__ import annotations

import re

import nbformat
import pytest
from acceptance.notebooks import check_saved, outputs_of, run_notebook, stable
from nbformat import NotebookNode
from servers import ROOT, JupyterServer

PATH = ROOT / "notebooks" / "quickstart.ipynb"


@pytest.fixture(scope="module")
def executed(shared_server: JupyterServer) -> NotebookNode:
    return run_notebook(PATH, shared_server)


def test_it_does_what_it_says(executed: NotebookNode, shared_server: JupyterServer) -> None:
    hello, counted, _, report, files, shop, tree, _, asked, stopped, edited, again = outputs_of(executed)
    assert "[execute: echo Hello from the agent] exit code 0" in hello
    assert counted == " ".join(map(str, range(1, 21)))
    assert "slow" in report
    assert "`ls /no-such-folder` failed" in report
    assert "apples, plums" in files
    assert not (shared_server.dirs.work / "quickstart-notes.txt").exists()
    assert "[count_fruit: plums]\n    12" in shop
    assert tree.count("└─") == 2
    assert tree.count(": done") == 2
    assert asked.endswith("that was **easy**")
    assert stopped == "'waiting'"
    assert edited == "'that is better'"
    assert re.fullmatch(r"\(\d+, \d+\)", again)


def test_what_is_saved_is_what_it_gives(executed: NotebookNode) -> None:
    saved = nbformat.read(PATH, as_version=4)
    assert list(map(stable, outputs_of(saved))) == list(map(stable, outputs_of(executed)))


def test_what_is_saved_tells_nothing_of_where_it_ran() -> None:
    check_saved(PATH)
