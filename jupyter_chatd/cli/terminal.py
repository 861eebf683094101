"""A turn on a terminal: what the agent says on standard output as it comes, what it does beside it."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable, Coroutine, Generator
from contextlib import aclosing, contextmanager
from typing import Any, TypeVar

import click

from ..client.calls import CallStatus, ToolCall, tool_calls
from ..client.display import quoted, written
from ..client.session import ChatSession
from ..client.text import TextGrowth, last_user_id, said_since
from ..client.tree import child_line
from ..client.view import SETTLED, ChatView
from ..messages import CallKey, Role

T = TypeVar("T")

WIDTH = 120  # characters of a line on standard error


class TurnPrinter:
    """Prints one turn. *quiet* keeps standard error for errors."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._growth = TextGrowth()
        self._calls: dict[CallKey, CallStatus] = {}
        self._children: dict[str, str] = {}
        """Their statuses as they were told, by id."""
        self._user_id: int | None = None
        self._since = 0
        self._retry = 0
        self._is_line_open = False

    async def print_turn(self, session: ChatSession) -> None:
        """Print until the chat settles.

        Raises:
            ChatFailedError: the turn ended in an error.
            ClientError: the chat can no longer be followed.
        """
        try:
            async with aclosing(session.views()) as views:
                async for view in views:
                    self._show(view)
        finally:
            self._end_line()

    def note(self, text: str) -> None:
        """Print a line on standard error."""
        if self._quiet:
            return
        if sys.stdout.isatty():
            self._end_line()
        click.secho(text, err=True, dim=True)

    def _show(self, view: ChatView) -> None:
        if self._user_id is None:
            self._user_id = self._since = last_user_id(view)
        self._say(self._growth.next(said_since(view, self._since)))
        for call in tool_calls(view, after_id=self._since):
            if call.key is not None:
                self._note_call(call.key, call)
        self._note_children(view)
        self._note_messages(view)
        if view.retry is not None and view.retry.attempt != self._retry:
            self.note(f"{view.retry.error} Trying again in {view.retry.delay_ms / 1000:.0f} s.")
        self._retry = view.retry.attempt if view.retry else 0

    def _note_call(self, key: CallKey, call: ToolCall) -> None:
        """Tell of a call when it begins, and when it did not end well."""
        if key not in self._calls:
            self.note(f"→ {_line(call.summary)}")
        if call.status is not self._calls.get(key) and (trouble := _trouble(call)):
            self.note(f"  {_line(call.summary)}: {trouble}")
        self._calls[key] = call.status

    def _note_children(self, view: ChatView) -> None:
        """Tell of subagents that stand otherwise than before; those that had ended before are old news."""
        for child in view.children:
            before = self._children.get(child.id, child.status if child.status in SETTLED else "")
            if child.status != before:
                self.note(f"  {_line(child_line(child))}")
            self._children[child.id] = child.status

    def _note_messages(self, view: ChatView) -> None:
        """Tell of messages that came out of the queue meanwhile."""
        for message in view.messages:
            if message.role is Role.USER and message.id > (self._user_id or 0):
                self.note(quoted(written(message)))
                self._user_id = message.id

    def _say(self, piece: str) -> None:
        if not piece:
            return
        click.echo(piece, nl=False)
        self._is_line_open = not piece.endswith("\n")

    def _end_line(self) -> None:
        if self._is_line_open:
            click.echo()
            self._is_line_open = False


def _trouble(call: ToolCall) -> str | None:
    if call.status is CallStatus.FAILED:
        return f"failed: {_line(call.output)}"
    return f"exit code {call.exit_code}" if call.exit_code else None


def _line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= WIDTH else f"{line[: WIDTH - 1]}…"


class StoppedError(Exception):
    """Ctrl-C was pressed."""


async def until_ctrl_c(
    work: Coroutine[Any, Any, T], *, stop: Callable[[], Coroutine[Any, Any, object]] | None = None
) -> T:
    """Run *work*. Ctrl-C runs *stop*, which should make it end; the second, or any without *stop*, leaves.

    Raises:
        StoppedError: Ctrl-C was pressed; *work* has ended.
    """
    task = asyncio.ensure_future(work)
    stops: list[asyncio.Future[object]] = []
    was_pressed = False

    def pressed() -> None:
        nonlocal was_pressed
        if stop is None or was_pressed:
            task.cancel()
        else:
            stops.append(asyncio.ensure_future(stop()))
        was_pressed = True

    try:
        with _ctrl_c(pressed):
            await asyncio.wait([task])
    finally:
        for pending in (task, *stops):
            pending.cancel()
        await asyncio.gather(task, *stops, return_exceptions=True)
    if was_pressed:
        raise StoppedError
    return task.result()


@contextmanager
def _ctrl_c(act: Callable[[], None]) -> Generator[None, None, None]:
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, act)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGINT)
