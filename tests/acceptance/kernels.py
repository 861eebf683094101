"""Kernels of a Jupyter server, started by it as a notebook would have them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from jupyter_client.blocking.client import BlockingKernelClient
from servers import JupyterServer

READY_TIMEOUT = 30.0  # seconds


@dataclass(frozen=True)
class Kernel:
    """A running kernel."""

    connection_file: Path
    client: BlockingKernelClient

    def run(self, code: str, *, timeout: float = 30.0) -> str:
        """Return what *code* prints.

        Raises:
            AssertionError: it raises; the text is its traceback.
        """
        printed: list[str] = []
        reply = self.client.execute_interactive(
            code, timeout=timeout, output_hook=lambda message: printed.append(_text(message))
        )
        assert reply["content"]["status"] == "ok", "\n".join(reply["content"]["traceback"])
        return "".join(printed)


@contextmanager
def kernel_of(server: JupyterServer) -> Iterator[Kernel]:
    """Let the server start a kernel; it is ended with the context."""
    started = httpx.post(f"{server.url}api/kernels", headers=server.headers, json={"name": "python3"})
    started.raise_for_status()
    kernel_id = started.json()["id"]
    try:
        path = server.dirs.runtime / f"kernel-{kernel_id}.json"
        client = BlockingKernelClient(connection_file=str(_existing(path)))
        client.load_connection_file()
        client.start_channels()
        try:
            client.wait_for_ready(timeout=READY_TIMEOUT)
            yield Kernel(connection_file=path, client=client)
        finally:
            client.stop_channels()
    finally:
        httpx.delete(f"{server.url}api/kernels/{kernel_id}", headers=server.headers, timeout=30)


def _existing(path: Path) -> Path:
    give_up_at = time.monotonic() + READY_TIMEOUT
    while not path.exists() and time.monotonic() < give_up_at:
        time.sleep(0.02)
    return path


def _text(message: dict[str, Any]) -> str:
    content = message["content"]
    return content.get("text") or content.get("data", {}).get("text/plain", "")
