"""The model that needs no key and no network: it follows simple instructions through the real tools.

What it does next follows from the prompt alone, so that a chat with it goes on after a crash like any other.
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
import struct
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from ..messages import ReasoningPart, Role, StopReason, TextPart, ToolCallPart, ToolResultPart, Usage
from .demo_instructions import Collect, Instruction, Plan, Ponder, Tell, UseTool, parse_plan
from .prompt_text import error_text
from .protocol import (
    Finished,
    Model,
    ModelCall,
    ModelEvent,
    PartDone,
    PromptMessage,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
)
from .scripted import words

PACE = 0.004  # seconds between words
PICTURE = re.compile(r"^\[image/\w+\]\n?", re.MULTILINE)
"""Stands in the words beside pictures where one was."""
MAX_QUOTE = 2000  # characters of a tool's output in an answer
CONTEXT_LIMIT = 200_000
SUMMARY_REQUEST = "Summarise the conversation above"
"""How the request for a summary begins (`loop/compaction.md`)."""

GREETING = "I am the demo model of jupyter_chatd: a small program, not a language model."
HELP = """I understand these instructions:

- run `ls -l` (add "in the background" for something that goes on)
- run the code `1 + 1` (in a kernel), inspect variables, interrupt the kernel, restart the kernel
- in JupyterLab: read the notebook, look at cell 2, replace "1" with "2" in cell 2 and run it, run cell 2,
  insert the cell `x = 1` after cell 2, list the notebooks, inspect the variables of the notebook
- read notes.txt
- write "hello" to notes.txt
- replace "hello" with "good day" in notes.txt
- list processes, check process ID, stop process ID
- ask an explore agent to read notes.txt, ask an agent to count to 3
- delegate "count to 3" and delegate "say hello", then wait for the subagents
- open the desktop and open a terminal, type "ls", press Return and look at the screen
- call TOOL with {"argument": "value"}
- say TEXT, think about TEXT, count to N

Join them with "and" to do them at once, with "then" or a new line to do one after the other.
For a real model set ANTHROPIC_API_KEY or OPENAI_API_KEY where the server starts; see docs/models.md."""

DIRECTORY = re.compile(r"^Working directory: (.+)$", re.MULTILINE)


class DemoModel:
    """`demo:demo`. Deterministic, stateless, offline; may be called by any number of chats at once."""

    def __init__(self, *, pace_s: float = PACE) -> None:
        self._pace_s = pace_s

    @property
    def ref(self) -> str:
        """`demo:demo`."""
        return "demo:demo"

    @property
    def prices(self) -> None:
        """Only model configs say."""
        return None

    @property
    def context_limit(self) -> int | None:
        """A size that a person can fill, so that compaction can be tried out."""
        return CONTEXT_LIMIT

    async def stream(self, call: ModelCall) -> AsyncIterator[ModelEvent]:
        """See `protocol.Model.stream`. Never fails."""
        spoken = 0
        instructions = answer(call)
        for block, instruction in enumerate(instructions):
            for event in _events(instruction, block, f"demo_{len(call.messages)}_{block}"):
                yield event
                spoken += 1
                await asyncio.sleep(self._pace_s)
        calls = any(isinstance(instruction, UseTool) for instruction in instructions)
        yield Finished(
            stop_reason=StopReason.TOOL_CALLS if calls else StopReason.END,
            usage=Usage(output_tokens=spoken or None),
        )

    async def aclose(self) -> None:
        """Nothing to release."""


def answer(call: ModelCall) -> list[Instruction]:
    """What the model says and calls next: a step of what the user asked for, or the report at the end."""
    said, turn = _last_turn(call.messages)
    if said.startswith(SUMMARY_REQUEST):
        return [Tell(_summary(call.messages))]
    plan = parse_plan(said, directory=_directory(call.messages))
    if plan.unknown or not plan.steps:
        return [Tell(_help(said, plan))]
    missing = _missing_tools(plan, call)
    if missing:
        return [Tell(f"{GREETING} This chat has no tool named {', '.join(missing)}.")]
    done = sum(1 for message in turn if message.role is Role.ASSISTANT)
    report = Tell(_report(turn))
    if done < len(plan.steps):
        return _step(_with_waits(plan.steps[done], turn), first=done == 0)
    return [report] if report.text else [Tell("Done.")]


def _summary(messages: Sequence[PromptMessage]) -> str:
    """What was asked so far, an earlier summary included; the request for the summary left out."""
    asked = [_text(message) for message in messages if message.role is Role.USER][:-1]
    return "\n".join(["The user asked:", *(f"- {text[:MAX_QUOTE]}" for text in asked if text)])


def _with_waits(step: Sequence[Instruction], turn: Sequence[PromptMessage]) -> list[Instruction]:
    """Put a call for each subagent of the turn in the place of waiting for all."""
    made = [
        str(_mapping(part.result)["chat_id"])
        for message in turn
        for part in message.parts
        if isinstance(part, ToolResultPart) and part.tool_name == "spawn_agent" and not part.is_error
    ]
    waits: list[Instruction] = [
        UseTool(tool="wait_agent", args={"chat_id": chat_id}, intent=f"wait for subagent {chat_id[:8]}")
        for chat_id in made
    ]
    nobody: list[Instruction] = [
        Tell("\n\n".join(filter(None, ("There is no subagent to wait for.", _report(turn)))))
    ]
    return [
        one
        for instruction in step
        for one in (waits or nobody if isinstance(instruction, Collect) else [instruction])
    ]


def _step(instructions: Sequence[Instruction], *, first: bool) -> list[Instruction]:
    """One step: what is to be said, an announcement of the calls, the calls."""
    uses = [instruction for instruction in instructions if isinstance(instruction, UseTool)]
    rest: list[Instruction] = [
        instruction for instruction in instructions if not isinstance(instruction, UseTool)
    ]
    if not uses:
        return rest
    start = f"{GREETING} I will" if first else "Next I will"
    return [*rest, Tell(f"{start} {' and '.join(use.intent for use in uses)}."), *uses]


def _last_turn(messages: Sequence[PromptMessage]) -> tuple[str, Sequence[PromptMessage]]:
    """What the user said last, and the messages after it."""
    for index in range(len(messages) - 1, -1, -1):
        if messages[index].role is Role.USER and (text := _text(messages[index])):
            return text, messages[index + 1 :]
    return "", ()


def _text(message: PromptMessage) -> str:
    return "\n".join(part.text for part in message.parts if isinstance(part, TextPart)).strip()


def _directory(messages: Sequence[PromptMessage]) -> str:
    """The working directory that a system message tells; the last one counts."""
    told = [match for m in messages if m.role is Role.SYSTEM for match in DIRECTORY.findall(_text(m))]
    return told[-1].strip() if told else "."


def _missing_tools(plan: Plan, call: ModelCall) -> list[str]:
    known = {tool.name for tool in call.tools}
    used = [
        instruction.tool if isinstance(instruction, UseTool) else "wait_agent"
        for step in plan.steps
        for instruction in step
        if isinstance(instruction, UseTool | Collect)
    ]
    return sorted({tool for tool in used if tool not in known})


def _help(said: str, plan: Plan) -> str:
    if plan.unknown and plan.steps:
        return f"{GREETING} I do not understand “{plan.unknown[0][:200]}”, so I did nothing.\n\n{HELP}"
    return f"{GREETING}\n\n{HELP}"


# The report.


def _report(turn: Sequence[PromptMessage]) -> str:
    """A sentence for each tool result of the turn, in call order."""
    parts = [part for message in turn for part in message.parts]
    calls = {part.tool_call_id: part for part in parts if isinstance(part, ToolCallPart)}
    results = (part for part in parts if isinstance(part, ToolResultPart))
    outcomes = (_outcome(result, calls.get(result.tool_call_id)) for result in results)
    return "\n\n".join(filter(None, outcomes))


def _outcome(result: ToolResultPart, call: ToolCallPart | None) -> str:
    value = _mapping(result.result)
    args = _mapping(call.args if call else None)
    if result.is_error:
        return f"{result.tool_name} failed: {error_text(result.result)}"
    match result.tool_name:
        case "execute":
            return _command_outcome(str(args.get("command")), value)
        case "execute_code" | "code_output":
            return _code_outcome(value)
        case "read_file":
            return f"{args.get('path')} says:\n{_quote(value.get('content'))}"
        case "write_file":
            return f"I wrote {args.get('path')}."
        case "spawn_agent":
            return f"Subagent {value.get('chat_id', '')[:8]} works on “{value.get('title')}”."
        case "wait_agent":
            return f"“{value.get('title')}” reports: {value.get('report')}"
        case "computer":
            return _desktop_outcome(args, value)
        case "edit_files":
            return f"I changed {', '.join(str(file['path']) for file in args.get('files', ()))}."
        case name:
            return f"{name} gave:\n{_quote(json.dumps(result.result, ensure_ascii=False, indent=1))}"


def _desktop_outcome(args: Mapping[str, Any], value: Mapping[str, Any]) -> str:
    """What an action did; of a look at the screen its size, as a demo cannot see more."""
    match args.get("action"):
        case "type":
            return f"I typed `{args.get('text')}`."
        case "key":
            return f"I pressed {args.get('keys')}."
        case "click":
            return f"I clicked at {args.get('at')}."
        case "screenshot" if value.get("data"):
            width, height = struct.unpack(">II", base64.b64decode(str(value["data"])[:44])[16:24])
            return f"I took a picture of the screen, {width}x{height} pixels."
        case _:
            return ""


def _mapping(value: object) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}


def _command_outcome(command: str, value: Mapping[str, Any]) -> str:
    output = f"\n{_quote(value['output'])}" if value.get("output") else ""
    if value.get("success") and value.get("background_process_id") and not output:
        return f"`{command}` runs in the background as process {value['background_process_id']}."
    if value.get("success"):
        return f"`{command}` printed:{output}" if output else f"`{command}` ended well and printed nothing."
    reason = value.get("error") or f"exit code {value.get('exit_code')}"
    return f"`{command}` failed ({reason}).{output}"


def _code_outcome(value: Mapping[str, Any]) -> str:
    """Say what code gave; of pictures, what stood beside them."""
    output = value.get("output") or PICTURE.sub("", str(value.get("text") or ""))
    shown = f" It gave:\n{_table_or_quote(str(output))}" if output else ""
    if value.get("data"):
        return f"The code showed a picture.{shown}"
    if value.get("success"):
        return f"The code ended well.{shown}"
    if value.get("running"):
        return f"The code still runs.{shown}"
    return f"The code failed ({value.get('error')}).{shown}"


def _table_or_quote(output: str) -> str:
    """A table is Markdown already."""
    lines = output.strip().splitlines()
    is_table = all(line.startswith("|") for line in lines) and len(output) <= MAX_QUOTE
    return f"\n{output.strip()}" if is_table else _quote(output)


def _quote(text: object) -> str:
    shown = str(text)
    cut = shown[:MAX_QUOTE] + ("\n…" if len(shown) > MAX_QUOTE else "")
    return f"```\n{cut.rstrip()}\n```"


# The stream.


def _events(instruction: Instruction, block: int, call_id: str) -> Iterator[ModelEvent]:
    match instruction:
        case Tell(text=text):
            yield from (TextDelta(block=block, text=piece) for piece in words(text))
            yield PartDone(block=block, part=TextPart(text=text))
        case Collect():  # was put into words before
            return
        case Ponder(text=text):
            thought = f"The user wants me to think about {text}. I am a demo, so that was it."
            yield from (ReasoningDelta(block=block, text=piece) for piece in words(thought))
            yield PartDone(block=block, part=ReasoningPart(text=thought))
        case UseTool(tool=tool, args=args):
            text = json.dumps(args, ensure_ascii=False)
            for piece in ("", *words(text)):
                yield ToolCallDelta(block=block, tool_call_id=call_id, tool_name=tool, args_delta=piece)
            yield PartDone(block=block, part=ToolCallPart(tool_call_id=call_id, tool_name=tool, args=args))


if TYPE_CHECKING:
    _: type[Model] = DemoModel
