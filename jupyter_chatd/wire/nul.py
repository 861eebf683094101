"""NUL in texts of the original system, whose database could not hold the character.

It stored NUL as U+E000 U+E001, and U+E000 itself as U+E000 U+E000. Our own rows need none of this (JSON text
escapes NUL), so only the import of foreign rows calls here: ../DECISIONS.md, "NUL and lone surrogates".
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, cast

_ESCAPE = "\ue000"
_NUL = "\ue001"
_ESCAPED = re.compile(f"{_ESCAPE}([{_ESCAPE}{_NUL}])")


def encode_nul(value: Any) -> Any:
    """Return the JSON value with NUL encoded in every text and key."""
    return _map_texts(value, _encode)


def decode_nul(value: Any) -> Any:
    """Return the JSON value with NUL restored in every text and key; an unpaired U+E000 stays as it is."""
    return _map_texts(value, _decode)


def _encode(text: str) -> str:
    return text.replace(_ESCAPE, _ESCAPE * 2).replace("\0", _ESCAPE + _NUL)


def _decode(text: str) -> str:
    return _ESCAPED.sub(lambda found: "\0" if found[1] == _NUL else _ESCAPE, text)


def _map_texts(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [_map_texts(item, change) for item in cast("list[Any]", value)]
    if isinstance(value, dict):
        return {change(key): _map_texts(item, change) for key, item in cast("dict[str, Any]", value).items()}
    return value
