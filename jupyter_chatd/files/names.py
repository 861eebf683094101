"""Names of files: made safe to store, and spelled in headers (RFC 6266)."""

from __future__ import annotations

import re
import unicodedata
from email.message import Message
from email.utils import collapse_rfc2231_value
from typing import Any, cast
from urllib.parse import quote

MAX_NAME = 255  # bytes in UTF-8, as most file systems have it

_PASTED = re.compile(r"pasted-text-\d{4}-\d\d-\d\d-\d\d-\d\d-\d\d\.txt")
_DIRECTIONS = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Characters that turn the direction of text: with them `exe.txt` can be made to read `txt.exe`."""


def clean_name(text: str) -> str:
    """Return the last step of a path without control characters, in at most `MAX_NAME` bytes of UTF-8."""
    last = re.split(r"[/\\]", text)[-1]
    kept = "".join(character for character in last if not _is_unwanted(character)).strip()
    name = kept.encode("utf-8", "ignore")[:MAX_NAME].decode("utf-8", "ignore")
    return "" if name in (".", "..") else name


def _is_unwanted(character: str) -> bool:
    return character in _DIRECTIONS or unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp")


def is_pasted_text(name: str) -> bool:
    """Whether a front end made the file of text that was pasted into the input."""
    return _PASTED.fullmatch(name) is not None


def name_from_header(disposition: str | None) -> str:
    """Return the file name of a Content-Disposition header, `""` when it has none; `filename*` goes first.

    Tornado hands headers over as latin-1; browsers and curl send UTF-8.
    """
    if not disposition:
        return ""
    message = Message()
    message["Content-Disposition"] = _as_utf8(disposition)
    params = cast("list[tuple[str, Any]]", message.get_params([], header="Content-Disposition"))
    names = [value for key, value in params if key.lower() == "filename"]
    names.sort(key=lambda value: isinstance(value, str))  # what `filename*` said is a tuple
    return clean_name(collapse_rfc2231_value(names[0])) if names else ""


def _as_utf8(text: str) -> str:
    try:
        return text.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return text


def disposition_header(name: str, *, inline: bool) -> str:
    """Return a Content-Disposition header: shown in place, or saved."""
    kind = "inline" if inline else "attachment"
    if not name:
        return kind
    plain = re.sub(r"[^ !#-\[\]-~]|%", "_", name)
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
