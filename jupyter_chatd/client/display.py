"""How a chat looks in a notebook: HTML without script or style sheet, and plain text.

Everything that people, models or tools wrote is escaped: output of a running notebook is trusted by the page,
and a model may repeat what it read anywhere. Colours are the page's own or see-through greys.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from html import escape

from ..messages import (
    Chat,
    ContextFilePart,
    FilePart,
    FileReferencePart,
    Message,
    Part,
    ReasoningPart,
    Role,
    SkillPart,
    SourcePart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from ..usage import Totals
from .calls import ToolCall, calls_of, live_calls
from .tree import child_line
from .usage import dollars, message_costs
from .view import ChatView

SHOWN_MESSAGES = 60  # older ones are only counted
SHOWN_CHARACTERS = 6000  # of one text or output
SMALL = 8_000  # characters of both forms of a picture, where a file keeps many
_SMALLER = ((60, 6000), (30, 1500), (12, 400), (4, 200))  # messages, and characters of each text

_LINE = "rgba(128, 128, 128, 0.35)"
_BOX = f"border: 1px solid {_LINE}; border-radius: 6px; padding: 0.6em 1em; max-width: 60em"
_USER = "border-left: 3px solid rgba(64, 128, 255, 0.7); padding-left: 0.7em; margin: 0.8em 0 0.5em"
_PROSE = "white-space: pre-wrap; overflow-wrap: anywhere; margin: 0.5em 0"
_CODE = f"white-space: pre-wrap; overflow-wrap: anywhere; padding: 0.4em 0.7em; border: 1px solid {_LINE}"
_QUIET = "opacity: 0.7"

STATUS_WORDS = {
    "": "not loaded yet",
    "waiting": "done",
    "pending": "about to start",
    "running": "working …",
    "interrupting": "stopping …",
    "requires_action": "waits for an answer",
    "error": "failed",
}

_FENCE = re.compile(r"^```[^\n]*\n(.*?)(?:^```[^\S\n]*$\n?|\Z)", re.MULTILINE | re.DOTALL)
_INLINE_CODE = re.compile(r"`([^`\n]+)`")
_BOLD = re.compile(r"\*\*([^*\n]+)\*\*")


def html(
    chat: Chat, view: ChatView, *, messages: int = SHOWN_MESSAGES, characters: int = SHOWN_CHARACTERS
) -> str:
    """Return a chat as HTML: its last *messages*, of each text and output at most so many *characters*."""
    state = f'<span style="{_QUIET}">{escape(_state_line(chat, view))}</span>'
    body = "".join(_body(view, messages, characters))
    return f'<div style="{_BOX}"><div><b>{escape(chat.title)}</b> {state}</div>{body}</div>'


def small_picture(chat: Chat, view: ChatView) -> dict[str, str]:
    """Return the fullest picture, as text and as HTML, that is no larger than `SMALL`, or else the least."""
    picture: dict[str, str] = {}
    for messages, characters in _SMALLER:
        fit = {"messages": messages, "characters": characters}
        picture = {"text/plain": plain_text(chat, view, **fit), "text/html": html(chat, view, **fit)}
        if sum(map(len, picture.values())) <= SMALL:
            break
    return picture


def plain_text(
    chat: Chat, view: ChatView, *, messages: int = SHOWN_MESSAGES, characters: int = SHOWN_CHARACTERS
) -> str:
    """Return a chat as text: its last *messages*, of each text and output at most so many *characters*."""
    head = f"{chat.title} ({_state_line(chat, view)})"
    family = ["\n".join(f"└─ {child_line(child)}" for child in view.children)] if view.children else []
    return "\n\n".join([head, *transcript(view, messages=messages, characters=characters), *family])


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return an HTML table; long cells are cut."""
    head = "".join(f'<th style="text-align: left">{escape(column)}</th>' for column in columns)
    lines = ("".join(_cell(value) for value in row) for row in rows)
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cell(value: object) -> str:
    text = "" if value is None else _cut(str(value).strip(), 200)
    return f'<td style="text-align: left; white-space: pre-wrap; overflow-wrap: anywhere">{escape(text)}</td>'


def _state_line(chat: Chat, view: ChatView) -> str:
    tokens, cost = _spent(view)
    facts = [STATUS_WORDS.get(view.status, view.status), chat.model]
    facts += [f"{tokens:,} tokens"] if tokens else []
    facts += [dollars(cost)] if cost is not None else []
    facts += [f"{len(view.queue)} queued"] if view.queue else []
    return " · ".join(facts)


def _spent(view: ChatView) -> tuple[int, int | None]:
    """Return tokens and cost of chat and subagents. Its own are counted here: a told sum may come later."""
    told = [message.usage for message in view.messages if message.usage is not None]
    tokens = sum((usage.input_tokens or 0) + (usage.output_tokens or 0) for usage in told)
    tokens += sum(child.usage.total_input_tokens + child.usage.total_output_tokens for child in view.children)
    costs = [message_costs(view.messages), *(_cost(child.usage) for child in view.children)]
    known = [cost for cost in costs if cost is not None]
    return tokens, sum(known) if known else None


def _cost(usage: Totals) -> int | None:
    """Return what calls cost; `None` when there were none with a price."""
    return usage.total_cost_micros if usage.priced_message_count else None


# HTML


def _body(view: ChatView, messages: int, characters: int) -> Iterator[str]:
    hidden = max(0, len(view.messages) - messages)
    if hidden:
        yield f'<div style="{_QUIET}">… {hidden} earlier messages</div>'
    for place in range(hidden, len(view.messages)):
        yield from _message(view.messages[place], calls_of(view, place), characters)
    said = (block.part for block in view.live if block.role is Role.ASSISTANT)
    yield from _parts(said, live_calls(view), characters)
    for child in view.children:
        yield f'<div style="{_QUIET}">└─ {escape(child_line(child))}</div>'
    if view.retry is not None:
        yield _note(f"{view.retry.error} Trying again (attempt {view.retry.attempt}).")
    if view.error is not None:
        yield _note(view.error.message)
    for queued in view.queue:
        text = "".join(part.text for part in queued.parts if isinstance(part, TextPart))
        yield f'<div style="{_USER}; {_QUIET}"><i>queued:</i> {_prose(text, characters)}</div>'


def _message(message: Message, calls: Sequence[ToolCall], characters: int) -> Iterator[str]:
    if message.role is Role.USER:
        yield f'<div style="{_USER}">{"".join(_parts(message.parts, (), characters))}</div>'
    elif message.role is not Role.TOOL:  # results are shown with their calls
        yield from _parts(message.parts, calls, characters)


def _parts(parts: Iterable[Part], calls: Sequence[ToolCall], characters: int) -> Iterator[str]:
    coming = iter(calls)
    for part in parts:
        match part:
            case TextPart():
                yield _prose(part.text, characters)
            case ReasoningPart():
                yield _folded("<i>reasoning</i>", _prose(part.text, characters)) if part.text.strip() else ""
            case ToolCallPart():
                yield _tool(next(coming), characters)
            case ToolResultPart():
                pass
            case _:
                yield f'<div style="{_QUIET}">{escape(_mention(part))}</div>'


def _tool(call: ToolCall, characters: int) -> str:
    state = f'<span style="{_QUIET}">{escape(call.outcome)}</span>'
    summary = f"<code>{escape(_cut(call.summary.splitlines()[0], 120))}</code> {state}"
    shown = [call.summary] if "\n" in call.summary or len(call.summary) > 120 else []
    shown += [call.output] if call.output.strip() else []
    return _folded(summary, "".join(_code(text, characters) for text in shown))


def _folded(summary: str, content: str) -> str:
    return f'<details style="margin: 0.3em 0"><summary>{summary}</summary>{content}</details>'


def _code(text: str, characters: int) -> str:
    return f'<pre style="{_CODE}">{escape(_cut(text.rstrip(), characters))}</pre>'


def _note(text: str) -> str:
    return f'<div style="{_PROSE}">⚠ {escape(text)}</div>'


def _prose(text: str, characters: int) -> str:
    """Text with the three marks that models use most: fenced code, inline code and bold."""
    text = _cut(text.strip(), characters)
    pieces: list[str] = []
    end = 0
    for fence in _FENCE.finditer(text):
        pieces += [_inline(text[end : fence.start()]), _code(fence[1], characters)]
        end = fence.end()
    return "".join([*pieces, _inline(text[end:])])


def _inline(text: str) -> str:
    if not text.strip():
        return ""
    marked = _INLINE_CODE.sub(r"<code>\1</code>", escape(text.strip()))
    marked = _BOLD.sub(r"<b>\1</b>", marked)
    return f'<div style="{_PROSE}">{marked}</div>'


# Text


def transcript(view: ChatView, *, messages: int, characters: int) -> Iterator[str]:
    """Yield the last *messages* of a chat as paragraphs, the user's marked with `>`."""
    hidden = max(0, len(view.messages) - messages)
    if hidden:
        yield f"… {hidden} earlier messages"
    for place in range(hidden, len(view.messages)):
        message = view.messages[place]
        if text := written(message, characters):
            yield quoted(text) if message.role is Role.USER else text
        yield from (_call_text(call, characters) for call in calls_of(view, place))
    yield from (_call_text(call, characters) for call in live_calls(view))
    if view.error is not None:
        yield f"Error: {view.error.message}"


def written(message: Message, characters: int = SHOWN_CHARACTERS) -> str:
    """Return what a message says, with the names of the files that go along."""
    named = [part for part in message.parts if isinstance(part, FilePart | FileReferencePart)]
    lines = [_cut(message.text.strip(), characters), *(f"[{_mention(part)}]" for part in named)]
    return "\n".join(line for line in lines if line)


def quoted(text: str) -> str:
    """Return what a user wrote, marked as such."""
    return "\n".join(f"> {line}" for line in text.splitlines())


def _call_text(call: ToolCall, characters: int) -> str:
    head = f"[{_cut(call.summary.splitlines()[0], 120)}] {call.outcome}".rstrip()
    return "\n    ".join([head, *_cut(call.output.rstrip(), characters).splitlines()])


def _mention(part: Part) -> str:
    match part:
        case FilePart():
            return f"file: {part.name or part.media_type}"
        case FileReferencePart():
            lines = f", lines {part.start_line} to {part.end_line}" if part.start_line is not None else ""
            return f"about {part.file_name}{lines}"
        case SourcePart():
            return f"source: {part.title or part.url}"
        case ContextFilePart():
            return f"instructions: {part.context_file_path}"
        case SkillPart():
            return f"skill: {part.skill_name}"
        case _:
            return "unsupported part"


def _cut(text: str, characters: int) -> str:
    return (
        text
        if len(text) <= characters
        else f"{text[:characters]} … ({len(text) - characters} more characters)"
    )
