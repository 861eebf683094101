"""A page that has nothing but a widget's comm, as in an editor whose pages belong to no Jupyter server."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from acceptance.kernels import TIMEOUT, Kernel

Message = dict[str, Any]


@dataclass(frozen=True)
class Reply:
    """An answer of the server, as the page gets it."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body."""
        return json.loads(self.body)


class CommPage:
    """Shows a widget of a kernel, and knows only what the kernel tells it.

    Args:
        kernel: Where the widget lives.
        code: Displays it.
    """

    def __init__(self, kernel: Kernel, code: str) -> None:
        self._client = kernel.client
        self._ids = map(str, itertools.count())
        opened = [one for one in kernel.messages(code, "comm_open") if "_chat_id" in _state(one)]
        self.comm_id = opened[0]["content"]["comm_id"]
        self.state: Message = _state(opened[0])

    def ask_for_bundle(self) -> bytes:
        """Return the source that draws."""
        self._say({"type": "bundle", "name": self.state["_bundle"]})
        return self._hear(lambda message: message["type"] == "bundle")[1]

    def fetch(self, method: str, path: str, body: Any = None) -> Reply:
        """Return the answer to a request; status 0 when there is none, with the reason as its body."""
        data = b"" if body is None else json.dumps(body).encode()
        return self.ask({"method": method, "path": path, "headers": {"accept": "*/*"}}, data)

    def ask(self, request: Message, body: bytes = b"") -> Reply:
        """Return the answer to a request, which may be none that a page of ours would make."""
        sent = self._say_new("request", body, **request)
        message, content = self._hear(lambda told: (told["type"], told.get("id")) == ("response", sent))
        return Reply(message["status"], message["headers"], content or message["reason"].encode())

    def open(self, path: str) -> str:
        """Ask for a stream; return its id."""
        return self._say_new("open", path=path)

    def close(self, stream: str) -> None:
        """Say that a stream is not needed any more."""
        self._say({"type": "close", "id": stream})

    def taken(self, stream: str, count: int) -> None:
        """Say that so many bytes of a stream have been taken in."""
        self._say({"type": "taken", "id": stream, "bytes": count})

    def next_of(self, stream: str) -> Message:
        """Return what is told next of a stream."""
        return self._hear(lambda message: message.get("id") == stream)[0]

    def bytes_of(self, stream: str) -> bytes:
        """Return the next bytes of a stream."""
        return self._hear(lambda message: message.get("id") == stream)[1]

    def until(self, path: str, test: Callable[[Any], bool]) -> Any:
        """Ask again and again until the answer passes, and return it."""
        give_up_at = time.monotonic() + TIMEOUT
        while not test(answer := self.fetch("GET", path).json):
            assert time.monotonic() < give_up_at, answer
            time.sleep(0.1)
        return answer

    def events_until(self, stream: str, test: Callable[[Message], bool]) -> list[Message]:
        """Return the events of a stream up to the first that passes."""
        seen: list[Message] = []
        give_up_at = time.monotonic() + TIMEOUT
        while True:
            assert time.monotonic() < give_up_at, seen[-3:]
            message = self.next_of(stream)
            frame = json.loads(message.get("text", '{"type": "ping"}'))
            for event in frame["data"] if frame["type"] == "data" else ():
                seen.append(event)
                if test(event):
                    return seen

    def _say_new(self, kind: str, *buffers: bytes, **fields: Any) -> str:
        self._say({"type": kind, "id": (key := next(self._ids)), **fields}, *buffers)
        return key

    def _say(self, content: Message, *buffers: bytes) -> None:
        data = {"comm_id": self.comm_id, "data": {"method": "custom", "content": content}}
        socket = self._client.shell_channel.socket
        self._client.session.send(socket, "comm_msg", data, buffers=list(buffers))

    def _hear(self, test: Callable[[Message], bool]) -> tuple[Message, bytes]:
        while True:
            message = self._client.get_iopub_msg(timeout=TIMEOUT)
            content = message["content"]
            if message["msg_type"] != "comm_msg" or content["comm_id"] != self.comm_id:
                continue
            if content["data"]["method"] == "custom" and test(content["data"]["content"]):
                return content["data"]["content"], b"".join(map(bytes, message["buffers"]))


def _state(opened: Message) -> Message:
    return opened["content"]["data"]["state"]
