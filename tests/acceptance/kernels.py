"""Kernels of a Jupyter server, started by it as a notebook would have them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from jupyter_client.blocking.client import BlockingKernelClient
from servers import JupyterServer

READY_TIMEOUT = 60.0  # seconds
TIMEOUT = 60.0  # seconds that a cell may take


@dataclass(frozen=True)
class Kernel:
    """A running kernel."""

    url: str
    """The kernel's route."""
    headers: Mapping[str, str]
    client: BlockingKernelClient

    def interrupt_while(self, code: str, *, after_s: float) -> str:
        """Run *code*, interrupt the kernel as its button does, and return the name of what was raised.

        What is run next is run: without `stop_on_error=False` a kernel aborts what comes right after.
        """
        request = self.client.execute(code, stop_on_error=False)
        self._wait_until_busy(request)
        time.sleep(after_s)
        interrupt = f"{self.url}/interrupt"
        httpx.post(interrupt, headers=dict(self.headers), timeout=READY_TIMEOUT).raise_for_status()
        while True:
            reply = self.client.get_shell_msg(timeout=TIMEOUT)
            if reply["parent_header"]["msg_id"] == request:
                return reply["content"].get("ename", "")

    def run(self, code: str) -> str:
        """Return what *code* prints.

        Raises:
            AssertionError: it raises; the text is its traceback.
        """
        return "".join(message["content"]["text"] for message in self.messages(code, "stream"))

    def error(self, code: str) -> str:
        """Run *code* and return what it says that is wrong, in IPython's words or as an exception's."""
        messages: list[dict[str, Any]] = []
        self.client.execute_interactive(
            code, timeout=TIMEOUT, stop_on_error=False, output_hook=messages.append
        )
        said = [one["content"] for one in messages if one["msg_type"] in ("stream", "error")]
        return "".join(content.get("text") or content["evalue"] for content in said)

    def show(self, code: str) -> str:
        """Return the HTML that *code* displays."""
        return "".join(_html(message) for message in self.messages(code, "display_data"))

    def next_update(self) -> str:
        """Return the next HTML that takes the place of what was displayed before."""
        while True:
            message = self.client.get_iopub_msg(timeout=TIMEOUT)
            if message["msg_type"] == "update_display_data":
                return _html(message)

    def _wait_until_busy(self, request: str) -> None:
        while True:
            message = self.client.get_iopub_msg(timeout=TIMEOUT)
            if message["parent_header"].get("msg_id") == request and message["msg_type"] == "execute_input":
                return

    def messages(self, code: str, kind: str) -> list[dict[str, Any]]:
        """Run *code* and return the messages of one kind that it made."""
        messages: list[dict[str, Any]] = []
        reply = self.client.execute_interactive(code, timeout=TIMEOUT, output_hook=messages.append)
        content = reply["content"]
        assert content["status"] == "ok", "\n".join(content.get("traceback", [content["status"]]))
        return [message for message in messages if message["msg_type"] == kind]


@contextmanager
def kernel_of(server: JupyterServer) -> Iterator[Kernel]:
    """Let the server start a kernel, and talk to it; it is ended with the context."""
    with started_kernel(server) as path:
        kernel_id = path.stem.removeprefix("kernel-")
        client = BlockingKernelClient(connection_file=str(path))
        client.load_connection_file()
        client.start_channels()
        try:
            _wait_for_ready(client)
            url = f"{server.url}api/kernels/{kernel_id}"
            yield Kernel(url=url, headers=server.headers, client=client)
        finally:
            client.stop_channels()


@contextmanager
def started_kernel(server: JupyterServer) -> Iterator[Path]:
    """Let the server start a kernel; gives its connection file."""
    kernels, kind = f"{server.url}api/kernels", {"name": "python3"}
    started = httpx.post(kernels, headers=server.headers, json=kind, timeout=READY_TIMEOUT)
    started.raise_for_status()
    kernel_id = started.json()["id"]
    try:
        yield _existing(server.dirs.runtime / f"kernel-{kernel_id}.json")
    finally:
        httpx.delete(f"{server.url}api/kernels/{kernel_id}", headers=server.headers, timeout=READY_TIMEOUT)


def _wait_for_ready(client: BlockingKernelClient) -> None:
    """Wait, also where a busy machine makes a slow kernel look dead."""
    give_up_at = time.monotonic() + READY_TIMEOUT
    while True:
        try:
            client.wait_for_ready(timeout=READY_TIMEOUT)
        except RuntimeError:
            assert time.monotonic() < give_up_at, "the kernel did not start"
        else:
            return


def _existing(path: Path) -> Path:
    give_up_at = time.monotonic() + READY_TIMEOUT
    while not path.exists() and time.monotonic() < give_up_at:
        time.sleep(0.02)
    return path


def _html(message: dict[str, Any]) -> str:
    return message["content"]["data"]["text/html"]
