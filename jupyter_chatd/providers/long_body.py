"""Bodies of long requests, encoded message by message.

One call of `json.dumps` for a thousand turns keeps the interpreter's lock for 5 to 8 ms. So long the event
loop stands still, whichever thread calls.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..pacing import paced

LISTS = ("messages", "input")
"""What vendors call the conversation."""


def encode_apart(body: Mapping[str, Any], encode: Callable[[Any], str]) -> bytes:
    """Return a request's body as JSON, made by *encode* in pieces. For a thread; see `pacing`.

    >>> encode_apart({"model": "m", "messages": [1, 2]}, json.dumps)
    b'{"messages":[1,2],"model": "m"}'
    """
    name = next((name for name in LISTS if isinstance(body.get(name), list)), None)
    if name is None:
        return encode(body).encode()
    rest = encode({key: value for key, value in body.items() if key != name})
    return join_body(name, map(encode, paced(body[name])), rest.encode())


def join_body(name: str, items: Iterable[str], rest: bytes) -> bytes:
    """Return the JSON object *rest* with a list of *items*, which are JSON, as its first member.

    >>> join_body("messages", ['{"role":"user"}'], b'{"system": []}')
    b'{"messages":[{"role":"user"}],"system": []}'
    """
    members = rest.strip()[1:-1].strip()
    return f'{{"{name}":[{",".join(items)}]'.encode() + (b"," + members if members else b"") + b"}"
