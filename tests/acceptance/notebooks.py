"""Running the notebooks of this project in kernels of a real server, and comparing what they show."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import nbformat
from acceptance.kernels import started_kernel
from jupyter_client.manager import KernelManager
from nbclient import NotebookClient
from nbformat import NotebookNode
from servers import TOKEN, JupyterServer

CELL_TIMEOUT = 60  # seconds


class RunningKernel(KernelManager):
    """A kernel that somebody else started and ends."""

    has_kernel = True  # pyright: ignore - a property there; nbclient must not start a kernel

    def __init__(self, connection_file: Path) -> None:
        super().__init__(connection_file=str(connection_file), owns_kernel=False)
        self.load_connection_file()


def run_notebook(path: Path, server: JupyterServer) -> NotebookNode:
    """Execute a notebook in a kernel that the server started, as JupyterLab would."""
    notebook = without_outputs(path)
    with started_kernel(server) as connection_file:
        client = NotebookClient(
            notebook, km=RunningKernel(connection_file), timeout=CELL_TIMEOUT, coalesce_streams=True
        )
        try:
            return client.execute()
        finally:
            if client.kc is not None:
                client.kc.stop_channels()


def without_outputs(path: Path) -> NotebookNode:
    """Return a notebook as it was before it ran."""
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return notebook


def outputs_of(notebook: NotebookNode) -> list[str]:
    """All that each code cell shows, as plain text."""
    return [_shown(cell) for cell in notebook.cells if cell.cell_type == "code"]


def _shown(cell: Any) -> str:
    texts = (output.get("text") or output.get("data", {}).get("text/plain", "") for output in cell.outputs)
    return "".join(texts)


def stable(text: str) -> str:
    """Leave out what differs from run to run: times, token counts, ids, and the folder."""
    text = re.sub(r"\d+(\.\d+)? m?s\b", "TIME", text)
    text = re.sub(r"\d+ tokens|\(\d+, \d+\)", "COUNT", text)
    text = re.sub(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|\b[0-9a-f]{8}\b", "ID", text)
    return re.sub(r"/\S+/quickstart-notes", "FOLDER/quickstart-notes", text)


def check_saved(path: Path) -> None:
    """Check that a saved notebook is valid and tells nothing of where it ran."""
    text = path.read_text()
    assert TOKEN not in text
    assert not re.search(r"/(root|tmp|work|Users|mnt|private)/", text)
    nbformat.validate(nbformat.reads(text, as_version=4))
