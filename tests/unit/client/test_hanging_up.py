"""A stream that is followed no more lets go of its socket, also where the server never says goodbye."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing

import pytest
from tornado.websocket import WebSocketProtocol13

from jupyter_chatd.client.errors import UnreachableError
from jupyter_chatd.client.server import Server
from jupyter_chatd.client.stream import follow

PATIENCE = 10.0  # seconds
FRAME = b'{"type": "data", "data": []}'


class Mute:
    """Takes one WebSocket, sends one frame, and answers nothing that comes then."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._listening.settimeout(PATIENCE)
        self._is_let_go = False
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}/"

    def _serve(self) -> None:
        with self._listening, self._listening.accept()[0] as peer:
            peer.settimeout(PATIENCE)
            asked = b""
            while b"\r\n\r\n" not in asked:
                asked += peer.recv(4096)
            peer.sendall(accepting(asked) + bytes([0x81, len(FRAME)]) + FRAME)
            with contextlib.suppress(TimeoutError):
                while peer.recv(4096):
                    pass
                self._is_let_go = True

    def is_let_go(self) -> bool:
        """Whether the client closes its socket in time."""
        self._thread.join()
        return self._is_let_go


def accepting(asked: bytes) -> bytes:
    """The answer to a WebSocket's handshake."""
    found = re.search(rb"(?i)sec-websocket-key: (\S+)", asked)
    assert found is not None
    accept = WebSocketProtocol13.compute_accept_value(found[1])
    lines = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade"]
    return "\r\n".join([*lines, f"Sec-WebSocket-Accept: {accept}", "", ""]).encode()


async def look_once(url: str) -> None:
    """Follow until the first frame."""
    async with aclosing(follow(Server(url=url), "chat-1")) as updates:
        await anext(updates)  # before the first connection
        await anext(updates)


def test_a_loop_that_ends_with_its_stream_leaves_no_socket() -> None:
    """Nobody collects it either: the loop's timers know it, and it would be told of in another test."""
    mute = Mute()
    asyncio.run(look_once(mute.url))
    assert mute.is_let_go()


async def look_at_the_end(url: str) -> None:
    """Follow with a loop whose threads have been ended, as those of an interpreter that ends have."""
    threads = ThreadPoolExecutor()
    threads.shutdown()
    asyncio.get_running_loop().set_default_executor(threads)
    async with aclosing(follow(Server(url=url), "chat-1", give_up_s=0)) as updates:
        async for _ in updates:
            pass


def test_a_process_that_ends_makes_no_noise() -> None:
    with pytest.raises(UnreachableError):
        asyncio.run(look_at_the_end("http://localhost:9/"))
