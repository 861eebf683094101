"""Lines to a file, packed when its name ends with `.gz`. Private, and whole or not at all."""

from __future__ import annotations

import gzip
import os
import secrets
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from ..errors import ChatdError


class TargetError(ChatdError):
    """The export cannot be written there."""


def write_lines(path: Path, lines: Iterable[str], *, replaces: bool = False) -> int:
    """Write an export and return its size in bytes. Nothing is left when it fails.

    Args:
        path: The file; its folder exists.
        lines: Without line breaks.
        replaces: An existing file may be replaced; it stays until the new one is complete.

    Raises:
        TargetError: the file exists, or cannot be written.
    """
    if not replaces and path.exists():
        raise TargetError(f"{path} exists. Name another file, or replace it with --force.")
    try:
        with _scratch(path) as file:
            for line in lines:
                file.write(line.encode() + b"\n")
    except OSError as error:
        raise TargetError(f"{path} cannot be written: {error.strerror}.") from error
    return path.stat().st_size


@contextmanager
def _scratch(path: Path) -> Generator[IO[bytes]]:
    """Give a new file, which takes the place of *path* when all went well."""
    scratch = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as raw:
            if path.name.endswith(".gz"):
                # Without name and time: the same chats give the same bytes.
                with gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as packed:
                    yield cast("IO[bytes]", packed)
            else:
                yield raw
            raw.flush()
            os.fsync(raw.fileno())
        os.replace(scratch, path)
    finally:
        scratch.unlink(missing_ok=True)
