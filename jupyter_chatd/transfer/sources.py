"""A file to drafts, whatever kind of export it is."""

from __future__ import annotations

import gzip
import sys
import zlib
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from .. import wire
from ..errors import InvalidInputError
from .draft import DraftFamily
from .lines import UnreadableExportError, header_of
from .original import read_original
from .own import read_own
from .spool import Spool

MAX_LINE = 256 * 1024 * 1024  # bytes of one line, which is read as a whole
MAX_DOCUMENT = 1024 * 1024 * 1024  # bytes of a JSON document, which is read as a whole

SUFFIXES = (".jsonl", ".jsonl.gz", ".json", ".json.gz")
"""What is looked for in a folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOptions:
    """What a file does not say."""

    owner_id: str
    """Who will own the chats."""
    default_model: str = ""
    """The model of chats that do not name one, `provider:model`."""
    system_prompt: str = ""
    """For chats of the original system that come without one."""


def find_sources(words: tuple[str, ...]) -> list[str]:
    """Return the files that are meant: each word is one, a folder of some, or `-` for standard input.

    Raises:
        UnreadableExportError: there is no such file, or a folder has none.
    """
    found: list[str] = []
    for word in words:
        path = Path(word)
        if word != "-" and path.is_dir():
            inside = sorted(str(one) for one in path.iterdir() if one.name.endswith(SUFFIXES))
            if not inside:
                raise UnreadableExportError(f"{word} has no file that ends with {', '.join(SUFFIXES)}.")
            found += inside
        else:
            found.append(word)
    return found


def read_source(source: str, spool: Spool, options: ReadOptions) -> list[DraftFamily]:
    """Return the families of a file; their rows and bytes are in the spool.

    Raises:
        UnreadableExportError: it cannot be read, or is not an export that this release understands.
    """
    try:
        with _opened(source) as file:
            return list(_read(source, file, spool, options))
    except (OSError, EOFError, zlib.error) as error:
        # gzip says EOFError of a file that is cut off, and BadGzipFile, an OSError, of a damaged one.
        raise UnreadableExportError(f"{source} cannot be read: {_why(error)}.") from error


def _why(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error).rstrip(".")


@contextmanager
def _opened(source: str) -> Generator[IO[bytes]]:
    """Open a file, or standard input, and unpack it when it is packed."""
    with open(sys.stdin.fileno() if source == "-" else source, "rb", closefd=source != "-") as file:
        is_packed = file.peek(2)[:2] == b"\x1f\x8b"
        yield cast("IO[bytes]", gzip.GzipFile(fileobj=file)) if is_packed else file


def _read(source: str, file: IO[bytes], spool: Spool, options: ReadOptions) -> Iterator[DraftFamily]:
    lines = _lines(source, file)
    number, first = next(((number, line) for number, line in lines if line.strip()), (1, b""))
    try:
        header = header_of(first)
    except InvalidInputError as error:
        raise UnreadableExportError(f"{source}, line {number}: {error}") from error
    if header is not None:
        yield from read_own(lines, source=source, spool=spool, owner_id=options.owner_id)
        return
    document = _document(source, first, file)
    yield from read_original(
        document,
        source=source,
        spool=spool,
        owner_id=options.owner_id,
        default_model=options.default_model,
        system_prompt=options.system_prompt,
    )


def _lines(source: str, file: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    number = 0
    while line := file.readline(MAX_LINE + 1):
        number += 1
        if len(line) > MAX_LINE:
            raise UnreadableExportError(
                f"{source}, line {number}: expected at most {MAX_LINE} bytes, came more."
            )
        yield number, line


def _document(source: str, first: bytes, file: IO[bytes]) -> object:
    """Read the rest of a JSON document."""
    text = first + file.read(MAX_DOCUMENT + 1 - len(first))
    if len(text) > MAX_DOCUMENT:
        raise UnreadableExportError(
            f"{source}: expected a JSON document of at most {MAX_DOCUMENT} bytes. Split it, one chat a file."
        )
    try:
        return wire.load_json(text)
    except ValueError as error:
        raise UnreadableExportError(
            f"{source} is neither an export of jupyter chatd (its first line would say so) nor JSON: {error}."
        ) from error
