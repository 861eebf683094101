"""What goes along with a message: files, lines of files, standard input."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

import click

from ..client.client import AsyncClient, Content, input_parts
from ..client.errors import ClientError
from ..client.files import ChatFile, Upload, file_reference, pasted_text

STDIN = "-"

F = TypeVar("F", bound=Callable[..., Any])

_LINES = re.compile(r"(?P<path>.+?)(?::(?P<first>\d+)(?:-(?P<last>\d+))?)?", re.DOTALL)


def attach_options(command: F) -> F:
    """Give a command `--file` and `--lines`."""
    lines = click.option(
        "--lines",
        "-l",
        multiple=True,
        metavar="PATH[:FIRST[-LAST]]",
        help="Lines of a text file that the message is about; the path alone names the file.",
    )
    files = click.option(
        "--file",
        "-f",
        "files",
        multiple=True,
        type=click.Path(exists=True, dir_okay=False, allow_dash=True),
        metavar="PATH",
        help="An image, PDF or text to send along; - sends standard input, as text that was pasted.",
    )
    return files(lines(command))


def check_one_stdin(text: str, files: Sequence[str]) -> None:
    """Refuse to read standard input twice.

    Raises:
        UsageError: it is asked for twice.
    """
    if [text, *files].count(STDIN) > 1:
        raise click.UsageError("Expected - once: standard input can be read only once.")


def with_lines(text: str, lines: Sequence[str]) -> Content:
    """Return a message about lines of files.

    Raises:
        ClientError: a file cannot be read, or has no such lines.
    """
    return [*input_parts(text), *map(_reference, lines)]


def _reference(word: str) -> Mapping[str, Any]:
    found = _LINES.fullmatch(word)
    if found is None:
        raise ClientError("Expected the path of a file, came an empty one.")
    first, last = (int(number) if number else None for number in (found["first"], found["last"]))
    return file_reference(found["path"], first, last)


async def upload(client: AsyncClient, files: Sequence[str]) -> list[ChatFile]:
    """Send files to the server, and standard input as text that was pasted.

    Raises:
        ClientError: a file cannot be read.
        RefusedError: the server does not take it.
    """
    return [await client.upload(_stdin() if file == STDIN else file) for file in files]


def _stdin() -> Upload:
    text = sys.stdin.read()
    if not text:
        raise ClientError("Expected text on standard input, came nothing.")
    return pasted_text(text, now=datetime.now().astimezone())
