"""The secret that lets a program use an X display, as the file that `XAUTHORITY` names. No `xauth` needed."""

from __future__ import annotations

import os
import secrets
import socket
import struct
from pathlib import Path

_NAME = b"MIT-MAGIC-COOKIE-1"
_LOCAL = 256
_WILD = 65535


class Cookie:
    """A secret of one display, made anew."""

    def __init__(self) -> None:
        self._secret = secrets.token_bytes(16)

    def write(self, path: Path, display: int | None = None) -> None:
        """Write the file, for its owner only; *display* is `None` while its number is not known.

        Some programs look for their own entry by host and display, some take one for any.
        """
        entries = self._entry(_WILD, b"", b"")
        if display is not None:
            entries = self._entry(_LOCAL, socket.gethostname().encode(), str(display).encode()) + entries
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(entries)

    def _entry(self, family: int, address: bytes, display: bytes) -> bytes:
        fields = (address, display, _NAME, self._secret)
        return struct.pack(">H", family) + b"".join(struct.pack(">H", len(each)) + each for each in fields)
