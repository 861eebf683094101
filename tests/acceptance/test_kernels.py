"""Kernels of chats on a whole server: they end with it, however it ends."""

from __future__ import annotations

import time
from collections.abc import Callable

import httpx
import pytest
from servers import JupyterServer

from jupyter_chatd.workspace import procfs

CODE = "import time; open('begun', 'w').close(); time.sleep(600)"
WAIT = 60.0  # seconds

pytestmark = pytest.mark.slow


def until(is_so: Callable[[], bool]) -> None:
    give_up_at = time.monotonic() + WAIT
    while not is_so():
        assert time.monotonic() < give_up_at
        time.sleep(0.05)


@pytest.mark.parametrize("end", ["kill", "terminate"])
def test_a_server_that_ends_leaves_no_kernel(make_server: Callable[..., JupyterServer], end: str) -> None:
    server = make_server()
    body = {"content": [{"type": "text", "text": f"run the code `{CODE}` with timeout 1h"}]}
    chat = httpx.post(server.chats_url, json=body, headers=server.headers).raise_for_status().json()
    until((server.dirs.work / "begun").exists)

    def kernels() -> list[int]:
        return procfs.find_marked("JUPYTER_CHATD_CHAT_ID", chat["id"])

    assert kernels()
    getattr(server, end)()
    until(lambda: not kernels())


def test_no_kernel_of_a_chat_is_among_those_of_notebooks(make_server: Callable[..., JupyterServer]) -> None:
    server = make_server()
    body = {"content": [{"type": "text", "text": f"run the code `{CODE}` with timeout 1h"}]}
    httpx.post(server.chats_url, json=body, headers=server.headers).raise_for_status()
    until((server.dirs.work / "begun").exists)
    assert httpx.get(f"{server.url}api/kernels", headers=server.headers).json() == []
