"""The quickstart runs from top to bottom with the demo model: no key, no network."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from acceptance.kernels import started_kernel
from jupyter_client.manager import KernelManager
from nbclient import NotebookClient
from nbformat import NotebookNode
from servers import ROOT, TOKEN, JupyterServer

PATH = ROOT / "notebooks" / "quickstart.ipynb"
CELL_TIMEOUT = 60  # seconds


class RunningKernel(KernelManager):
    """A kernel that somebody else started and ends."""

    has_kernel = True  # pyright: ignore - a property there; nbclient must not start a kernel

    def __init__(self, connection_file: Path) -> None:
        super().__init__(connection_file=str(connection_file), owns_kernel=False)
        self.load_connection_file()


def run_notebook(notebook: NotebookNode, server: JupyterServer) -> NotebookNode:
    """Execute a notebook in a kernel that the server started, as JupyterLab would."""
    with started_kernel(server) as connection_file:
        client = NotebookClient(
            notebook, km=RunningKernel(connection_file), timeout=CELL_TIMEOUT, coalesce_streams=True
        )
        try:
            return client.execute()
        finally:
            if client.kc is not None:
                client.kc.stop_channels()


def outputs_of(cell: Any) -> str:
    """All that a cell shows, as plain text."""
    texts = (output.get("text") or output.get("data", {}).get("text/plain", "") for output in cell.outputs)
    return "".join(texts)


@pytest.fixture(scope="module")
def executed(shared_server: JupyterServer) -> NotebookNode:
    notebook = nbformat.read(PATH, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return run_notebook(notebook, shared_server)


def _outputs(notebook: NotebookNode) -> list[str]:
    return [outputs_of(cell) for cell in notebook.cells if cell.cell_type == "code"]


def test_it_does_what_it_says(executed: NotebookNode, shared_server: JupyterServer) -> None:
    hello, counted, _, report, files, shop, stopped, edited, again = _outputs(executed)
    assert "[execute: echo Hello from the agent] exit code 0" in hello
    assert counted == " ".join(map(str, range(1, 21)))
    assert "slow" in report
    assert "`ls /no-such-folder` failed" in report
    assert "apples, plums" in files
    assert not (shared_server.dirs.work / "quickstart-notes.txt").exists()
    assert "[count_fruit: plums]\n    12" in shop
    assert stopped == "'waiting'"
    assert edited == "'that is better'"
    assert re.fullmatch(r"\(\d+, \d+\)", again)


def test_what_is_saved_is_what_it_gives(executed: NotebookNode) -> None:
    saved = nbformat.read(PATH, as_version=4)
    assert [_stable(text) for text in _outputs(saved)] == [_stable(text) for text in _outputs(executed)]


def _stable(text: str) -> str:
    """Leave out what differs from run to run: times, token counts, and the folder."""
    text = re.sub(r"\d+(\.\d+)? m?s\b", "TIME", text)
    text = re.sub(r"\d+ tokens|\(\d+, \d+\)", "COUNT", text)
    return re.sub(r"/\S+/quickstart-notes", "FOLDER/quickstart-notes", text)


def test_what_is_saved_tells_nothing_of_where_it_ran() -> None:
    text = PATH.read_text()
    assert TOKEN not in text
    assert not re.search(r"/(root|tmp|work|Users|mnt|private)/", text)
    nbformat.validate(nbformat.reads(text, as_version=4))
