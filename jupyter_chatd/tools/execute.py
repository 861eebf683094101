"""The tool that runs a shell command."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import with_config

from ..messages import JsonValue
from ..workspace.protocol import (
    ProcessOutput,
    ProcessSpec,
    WorkspaceAgent,
    WorkspaceError,
    WorkspaceUnavailableError,
)
from .arguments import STRICT_OBJECT
from .builtin import BuiltinTool
from .durations import DurationError, parse_seconds
from .live_output import emit_live
from .protocol import ToolContext, ToolOutput, error_output
from .results import exit_error, json_output, truncation_fields
from .text import OUTPUT_BYTES, clip_text

DEFAULT_TIMEOUT = 10.0  # seconds

ENVIRONMENT: Mapping[str, str] = {
    # Nobody is there to answer an editor, a prompt or a pager.
    **dict.fromkeys(("GIT_EDITOR", "GIT_SEQUENCE_EDITOR", "EDITOR", "VISUAL"), "true"),
    **dict.fromkeys(("PAGER", "GIT_PAGER"), "cat"),
    "GIT_TERMINAL_PROMPT": "0",
    "NO_COLOR": "1",
    "TERM": "dumb",
    "CODER_CHAT_AGENT": "true",
}

_FINAL_AMPERSAND = re.compile(r"(?<![&|>\\])&\s*$")
_FILE_DUMP = re.compile(r"\s*(cat\s+[^<>]+$|(rg|grep)\s+(.*\s)?--include-all|(rg|grep)\s+(.*\s)?-l\s)")
_FILE_DUMP_NOTE = "To look into files, use read_file: it numbers the lines and reads them page by page."
_BACKGROUND_NOTE = (
    "Started in the background. See its output with process_output, end it with process_signal."
)
_UNCONFINED_NOTE = (
    "There is no sandbox here, so nothing kept this command from changing files. "
    "This chat is to change nothing: run only commands that read."
)
_LINGERING_NOTE = (
    "The command has ended but left processes running. "
    "End them with process_signal and this background_process_id."
)


@with_config(STRICT_OBJECT)
@dataclass(frozen=True, slots=True, kw_only=True)
class ExecuteArguments:
    """What `execute` takes."""

    command: str
    """The command, given to `sh -c`."""
    timeout: str | None = None
    """How long to wait for it, such as `30s`, `5m` or `1m30s`; at most `4h`. Default `10s`."""
    workdir: str | None = None
    """The folder to run in. Default: the workspace's folder."""
    run_in_background: bool = False
    """Return at once with a background_process_id, for servers and other commands that do not end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    """A command that was started."""

    context: ToolContext
    agent: WorkspaceAgent
    process_id: str
    command: str
    began: float
    """Seconds of the monotonic clock."""
    timeout_s: float
    warning: str | None
    """What the model must know besides the result."""

    def result(self, **fields: JsonValue) -> ToolOutput:
        """A result with the time that it took."""
        return json_output({**fields, "wall_duration_ms": _elapsed_ms(self.began)})


class Execute(BuiltinTool[ExecuteArguments]):
    """`{success, output?, exit_code, wall_duration_ms, error?, truncated?, note?, background_process_id?}`.

    An exit code other than 0, a timeout, an interrupt and a command that cannot be started are `success:
    false`, not flagged errors.
    """

    name = "execute"
    arguments_type = ExecuteArguments

    async def call(self, args: ExecuteArguments, context: ToolContext) -> ToolOutput:
        """Start the command; in the foreground, wait for it and stream its output."""
        command, background = _split_ampersand(args.command)
        background = background or args.run_in_background
        if not command:
            return error_output("The command is empty: give the shell command to run.")
        try:
            timeout_s = DEFAULT_TIMEOUT if background else _timeout(args.timeout)
        except DurationError as error:
            return error_output(f"Wrong timeout: {error}")
        spec = ProcessSpec(
            command=command,
            chat_id=context.chat_id,
            work_dir=args.workdir,
            background=background,
            env=ENVIRONMENT,
            read_only=context.restraint is not None,
        )
        agent = context.workspace()
        began = time.monotonic()
        try:
            process_id = await agent.start_process(spec)
        except WorkspaceUnavailableError:
            raise
        except WorkspaceError as error:
            return _not_started(str(error), began)
        call = _Call(
            context=context,
            agent=agent,
            process_id=process_id,
            command=command,
            began=began,
            timeout_s=timeout_s,
            warning=await _warning(context, agent),
        )
        return _started_in_background(call) if background else await _foreground(call)


async def _warning(context: ToolContext, agent: WorkspaceAgent) -> str | None:
    """Say so when a command that should change nothing could."""
    if context.restraint is None or (await agent.facts()).confined is not None:
        return None
    return _UNCONFINED_NOTE


def _split_ampersand(command: str) -> tuple[str, bool]:
    """Return the command without blanks and one `&` at its end, and whether there was one."""
    stripped, count = _FINAL_AMPERSAND.subn("", command)
    return stripped.strip(), count > 0


def _timeout(text: str | None) -> float:
    seconds = DEFAULT_TIMEOUT if text is None else parse_seconds(text)
    if seconds <= 0:
        raise DurationError(f"{text!r} is not more than zero: leave it out for 10s.")
    return seconds


async def _foreground(call: _Call) -> ToolOutput:
    chat_id, process_id = call.context.chat_id, call.process_id
    following = call.agent.follow_process(chat_id, process_id)
    live = asyncio.create_task(
        emit_live(call.context, following, run_id=process_id), name=f"live output of {process_id}"
    )
    try:
        output = await call.agent.wait_process(chat_id, process_id, timeout_s=call.timeout_s)
        if not output.running:
            await live
    except asyncio.CancelledError:
        return await _interrupted(call)
    finally:
        live.cancel()
        await asyncio.gather(live, return_exceptions=True)
    return _timed_out(call, output) if output.running else _ended(call, output)


async def _interrupted(call: _Call) -> ToolOutput:
    """End all that the command started and return what it had written; a result that was there stays."""
    chat_id, process_id = call.context.chat_id, call.process_id
    before = await call.agent.wait_process(chat_id, process_id, timeout_s=0)
    if not before.running:
        return _ended(call, before)
    error = "The command was interrupted and ended, with all that it had started."
    try:
        await call.agent.kill_process(chat_id, process_id)
    except WorkspaceError as failure:
        error = f"The command was interrupted. {failure}"
    output = await call.agent.wait_process(chat_id, process_id, timeout_s=0)
    return _with_output(call, output, success=False, exit_code=-1, error=error)


def _ended(call: _Call, output: ProcessOutput) -> ToolOutput:
    error = exit_error(output.exit_code)
    return _with_output(
        call,
        output,
        success=error is None,
        exit_code=output.exit_code,
        error=error,
        note=_note(call, output),
        background_process_id=call.process_id if output.lingering else None,
    )


def _timed_out(call: _Call, output: ProcessOutput) -> ToolOutput:
    return _with_output(
        call,
        output,
        success=False,
        exit_code=-1,
        error=f"The command did not end within {call.timeout_s:g} s and keeps running in the background. "
        "Wait for it with process_output, or end it with process_signal.",
        note=_note(call, output),
        background_process_id=call.process_id,
    )


def _with_output(call: _Call, output: ProcessOutput, **fields: JsonValue) -> ToolOutput:
    return call.result(
        **fields,
        output=clip_text(output.output, OUTPUT_BYTES) or None,
        truncated=truncation_fields(output.truncated),
    )


def _started_in_background(call: _Call) -> ToolOutput:
    return call.result(
        success=True,
        exit_code=0,
        background_process_id=call.process_id,
        note=f"{_BACKGROUND_NOTE} {call.warning or ''}".strip(),
    )


def _not_started(reason: str, began: float) -> ToolOutput:
    return json_output(
        {"success": False, "exit_code": -1, "wall_duration_ms": _elapsed_ms(began), "error": reason}
    )


def _note(call: _Call, output: ProcessOutput) -> str | None:
    notes = [
        call.warning or "",
        _FILE_DUMP_NOTE if _FILE_DUMP.match(call.command) else "",
        _LINGERING_NOTE if output.lingering else "",
    ]
    return " ".join(note for note in notes if note) or None


def _elapsed_ms(began: float) -> int:
    return round((time.monotonic() - began) * 1000)


if TYPE_CHECKING:
    from .protocol import Tool

    _: Tool = Execute()
