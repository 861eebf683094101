"""From our prompt to the messages of the model library.

Repairs, ids and the choice of rows are the loop's (`loop/prompt.py`); here each part only changes its form.
Importing this module imports the model library: only from the worker thread that loads a provider.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, cast

from pydantic_ai import messages as library

from ..messages import (
    ContextFilePart,
    FilePart,
    FileReferencePart,
    Part,
    ReasoningPart,
    Role,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    UnknownPart,
)
from ..pacing import paced
from ..wire.jsontext import dump_json
from .prompt_text import context_file_text, error_text, fence, file_reference_text
from .protocol import PromptMessage
from .vendor_parts import Origin, origin_of, to_library

MAX_INLINE_TEXT = 128 * 1024  # characters of a text file that is put into the prompt
TRUNCATED = "\n[cut here: the file is longer]"

Content = str | library.BinaryContent | library.CachePoint


@dataclass(frozen=True, slots=True, kw_only=True)
class LibraryPrompt:
    """A prompt as the library takes it."""

    messages: list[library.ModelMessage]
    caches: bool = False
    """The system prompt ends with a cache mark; the library wants that as a setting."""


def any_reasoning(part: library.ThinkingPart) -> bool:
    """Every piece of reasoning may go back."""
    return True


def build_prompt(
    messages: Sequence[PromptMessage],
    *,
    system: str | None,
    cache_points: bool,
    takes_reasoning: Callable[[library.ThinkingPart], bool] = any_reasoning,
) -> LibraryPrompt:
    """Translate *messages* for the service that the library calls *system*; `None` sends no reasoning at all.

    With *cache_points*, marks of messages become explicit points: after the message's last block, which for
    an assistant's message means before whatever follows it. What is empty after translation is left out.
    Reasoning goes back only to the service it came from, and only if it *takes_reasoning* of that form:
    anything else would be read as something that was said.
    """
    builder = _Builder(system=system, cache_points=cache_points, takes_reasoning=takes_reasoning)
    for message in paced(messages):
        builder.add(message)
    builder.close_response(is_last=True)
    caches = any(message.cache for message in messages if message.role is Role.SYSTEM)
    return LibraryPrompt(messages=builder.messages, caches=caches)


class _Builder:
    """Collects library messages.

    Neighbours that speak from the same side become one: vendors want turns to alternate.
    """

    def __init__(
        self,
        *,
        system: str | None,
        cache_points: bool,
        takes_reasoning: Callable[[library.ThinkingPart], bool],
    ) -> None:
        self.messages: list[library.ModelMessage] = []
        self._system = system
        self._takes_reasoning = takes_reasoning
        self._cache_points = cache_points
        self._point_is_due = False
        """The assistant's message before was marked; its point opens the next request."""

    def add(self, message: PromptMessage) -> None:
        if message.role is Role.ASSISTANT:
            self._add_response(message)
        else:
            self._add_request(message)

    def _add_request(self, message: PromptMessage) -> None:
        self.close_response(is_last=False)
        parts = list(_request_parts(message, marked=self._cache_points and message.cache))
        if not parts:
            return
        last = self.messages[-1] if self.messages else None
        if (
            self._point_is_due
            and isinstance(last, library.ModelResponse)
            and _may_carry_point(last.parts[-1])
        ):
            parts.insert(0, library.UserPromptPart([library.CachePoint()]))
        self._point_is_due = False
        if isinstance(last, library.ModelRequest):
            last.parts = [*last.parts, *parts]
        else:
            self.messages.append(library.ModelRequest(parts=parts))

    def _add_response(self, message: PromptMessage) -> None:
        parts = [mapped for part in message.parts if (mapped := self._response_part(part)) is not None]
        if not parts:
            return
        last = self.messages[-1] if self.messages else None
        if isinstance(last, library.ModelResponse):
            last.parts = [*last.parts, *parts]
        else:
            self.messages.append(_response(parts, message.parts))
        self._point_is_due = self._cache_points and message.cache

    def _response_part(self, part: Part) -> library.ModelResponsePart | None:
        mapped = _response_part(part)
        if not isinstance(mapped, library.ThinkingPart):
            return mapped
        is_own = self._system is not None and mapped.provider_name == self._system
        return mapped if is_own and self._takes_reasoning(mapped) else None

    def close_response(self, *, is_last: bool) -> None:
        """Take out of a response what its vendor would refuse, now that it is complete.

        That is reasoning at the end of a broken-off answer, without what it led to (unless the vendor is to
        go on with it), and results of tools that the vendor ran whose calls are missing.
        """
        response = self.messages[-1] if self.messages else None
        if not isinstance(response, library.ModelResponse):
            return
        calls = {part.tool_call_id for part in response.parts if isinstance(part, library.NativeToolCallPart)}
        parts = [part for part in response.parts if not _is_orphan(part, calls)]
        while parts and not is_last and isinstance(parts[-1], library.ThinkingPart):
            parts.pop()
        response.parts = parts
        if not parts:
            self.messages.pop()


def _is_orphan(part: library.ModelResponsePart, calls: set[str]) -> bool:
    return isinstance(part, library.NativeToolReturnPart) and part.tool_call_id not in calls


# Requests: what the system, the user and our tools said.


def _request_parts(message: PromptMessage, *, marked: bool) -> Iterator[library.ModelRequestPart]:
    match message.role:
        case Role.SYSTEM:
            texts = [part.text for part in message.parts if isinstance(part, TextPart) and part.text.strip()]
            yield from (library.SystemPromptPart(text) for text in texts[:1])
        case Role.TOOL:
            results = [_tool_return(part) for part in message.parts if isinstance(part, ToolResultPart)]
            yield from results
            if results and marked:
                yield library.UserPromptPart([library.CachePoint()])
        case _:
            content = [item for part in message.parts for item in _user_content(part)]
            if content:
                yield library.UserPromptPart(_user_prompt(content, marked=marked))


def _user_prompt(content: Sequence[Content], *, marked: bool) -> str | list[Content]:
    """Plain text as a string, which every endpoint understands; anything more as a list."""
    if not marked and all(isinstance(item, str) for item in content):
        return "\n\n".join(cast("Sequence[str]", content))
    return [*content, library.CachePoint()] if marked else list(content)


def _user_content(part: Part) -> Iterable[Content]:
    match part:
        case TextPart(text=text):
            return [text] if text.strip() else []
        case FileReferencePart():
            return [file_reference_text(part)]
        case ContextFilePart():
            return [context_file_text(part)]
        case FilePart(data=str(data)):
            return [_file(part, data)]
        case _:
            return []


def _file(part: FilePart, data: str) -> str | library.BinaryContent:
    """Images and PDF as they are, text as text, and of anything else a note that it exists."""
    name = part.name or "unnamed"
    try:
        content = base64.b64decode(data, validate=True)
    except binascii.Error:
        return f"[file] {name}: its content is damaged"
    if part.media_type.startswith("image/") or part.media_type == "application/pdf":
        return library.BinaryContent(content, media_type=part.media_type)
    if part.media_type.startswith("text/") or part.media_type == "application/json":
        text = content.decode("utf-8", "replace")
        cut = text[:MAX_INLINE_TEXT] + (TRUNCATED if len(text) > MAX_INLINE_TEXT else "")
        return f"[file] {name}\n{fence(cut)}"
    return f"[file] {name} ({part.media_type or 'unknown type'}, {len(content)} bytes): cannot be shown here"


# Tool results.


def _tool_return(part: ToolResultPart) -> library.ToolReturnPart:
    outcome = "failed" if part.is_error else "success"
    return library.ToolReturnPart(part.tool_name, _result(part), part.tool_call_id, outcome=outcome)


def _result(part: ToolResultPart) -> Any:
    """The result as the model reads it: an error's words, media as an image, JSON as text."""
    result = part.result
    if part.is_error:
        return error_text(result)
    if part.is_media and isinstance(result, Mapping) and (media := _media(result)):
        return media
    return dump_json({} if result in (None, "") else result)


def _media(result: Mapping[str, Any]) -> list[Any] | None:
    """`{"data": base64, "mime_type": …, "text": …, "more": [{"data", …}]}` as content, if it is."""
    first = _picture(result)
    if first is None:
        return None
    text, more = result.get("text"), result.get("more")
    others = cast("list[Any]", more) if isinstance(more, list) else []
    shown = [first, *(picture for one in others if (picture := _picture(one)) is not None)]
    return [text, *shown] if isinstance(text, str) and text.strip() else shown


def _picture(value: object) -> str | library.BinaryContent | None:
    fields: Mapping[str, Any] = cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}
    data, media_type = fields.get("data"), fields.get("mime_type")
    if not (isinstance(data, str) and isinstance(media_type, str)):
        return None
    return _file(FilePart(media_type=media_type, name="result"), data)


# Responses: what the model said.


def _response_part(part: Part) -> library.ModelResponsePart | None:
    match part:
        case TextPart(text=text):
            return to_library(part) if text.strip() else None
        case ToolResultPart(provider_executed=False):
            return None
        case ReasoningPart() | ToolCallPart() | ToolResultPart():
            return to_library(part)
        case _:
            return None


def _response(parts: list[library.ModelResponsePart], ours: Sequence[Part]) -> library.ModelResponse:
    origins = (origin_of(part) for part in ours if not isinstance(part, UnknownPart))
    origin = next((origin for origin in origins if origin is not None), Origin())
    return library.ModelResponse(parts=parts, **asdict(origin))


def _may_carry_point(part: library.ModelResponsePart) -> bool:
    """Vendors take a cache mark on text and calls, and refuse it on reasoning and on what they ran."""
    return isinstance(part, (library.TextPart, library.ToolCallPart))
