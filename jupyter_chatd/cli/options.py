"""What commands share: options, and how an async command runs."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, TypeVar

import click

from ..errors import ChatdError
from .target import AUTO
from .terminal import StoppedError

INTERRUPTED = 130  # what shells give a program that Ctrl-C ended

F = TypeVar("F", bound=Callable[..., Any])

SERVER = "auto: the server that this terminal belongs to, else the only one that runs. Or the address of one."
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")


def server_option(text: str) -> Callable[[F], F]:
    """`--server WHICH`."""
    return click.option("--server", default=AUTO, metavar="WHICH", show_default=True, help=text)


def guarded(command: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run an async command; its errors become a sentence on standard error and an exit code."""

    @wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        try:
            asyncio.run(command(*args, **kwargs))
        except ChatdError as error:
            raise click.ClickException(str(error)) from error
        except (StoppedError, KeyboardInterrupt):
            sys.exit(INTERRUPTED)

    return run
