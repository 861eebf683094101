"""Histories for tests of what is pure, written row by row."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from jupyter_chatd.loop.decide import CallSite
from jupyter_chatd.messages import (
    CallKey,
    Chat,
    ChatStatus,
    Message,
    Part,
    Role,
    StopReason,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    Usage,
    Visibility,
)

CHAT = "chat-1"


def chat(status: ChatStatus = ChatStatus.RUNNING, *, archived: bool = False, **fields: Any) -> Chat:
    """A chat in some state."""
    return Chat(
        id=CHAT,
        owner_id="local",
        title="A chat",
        status=status,
        model="scripted:model",
        created_at=0.0,
        updated_at=0.0,
        archived=archived,
        **fields,
    )


def text(words: str) -> TextPart:
    """A text part."""
    return TextPart(text=words)


def call(
    name: str, call_id: str | None = None, *, args: Any = MappingProxyType({}), **fields: Any
) -> ToolCallPart:
    """A tool call; its id is made of the name."""
    return ToolCallPart(
        tool_call_id=f"id-{name}" if call_id is None else call_id,
        tool_name=name,
        args=dict(args) if isinstance(args, Mapping) else args,
        **fields,
    )


def result_of(asked: ToolCallPart, value: Any = None, *, is_error: bool = False) -> ToolResultPart:
    """A result of that call."""
    return ToolResultPart(
        tool_call_id=asked.tool_call_id,
        tool_name=asked.tool_name,
        result={"ok": True} if value is None else value,
        is_error=is_error,
    )


class Rows(list[Message]):
    """A history under construction; ids count up from 1."""

    def add(self, role: Role, *parts: Part, **fields: Any) -> Message:
        """Append a row."""
        row = Message(
            id=len(self) + 1, chat_id=CHAT, role=role, parts=parts, created_at=0.0, revision=1, **fields
        )
        self.append(row)
        return row

    def system(self, words: str) -> Message:
        """Append a system row."""
        return self.add(Role.SYSTEM, text(words), visibility=Visibility.MODEL)

    def user(self, words: str = "Do it.") -> Message:
        """Append a user row."""
        return self.add(Role.USER, text(words))

    def assistant(self, *parts: Part, usage: Usage | None = None, paused: bool = False) -> Message:
        """Append an assistant row."""
        reason = StopReason.PAUSED if paused else StopReason.END
        return self.add(Role.ASSISTANT, *parts, usage=usage, stop_reason=reason)

    def answer(self, row: Message, index: int, value: Any = None, *, is_error: bool = False) -> Message:
        """Append the result of a row's call."""
        asked = row.parts[index]
        assert isinstance(asked, ToolCallPart)
        return self.add(
            Role.TOOL,
            result_of(asked, value, is_error=is_error),
            answers=CallKey(message_id=row.id, index=index),
        )

    def summary(self, words: str, *, covers_until: int) -> None:
        """Append the three rows of a compaction."""
        self.add(
            Role.USER,
            text(words),
            visibility=Visibility.MODEL,
            compressed=True,
            covers_until=covers_until,
        )
        shown = call("chat_summarized")
        self.add(Role.ASSISTANT, shown, visibility=Visibility.USER, compressed=True)
        self.add(Role.TOOL, result_of(shown), compressed=True)


class Rules:
    """What tools are, by the first letter of their names."""

    def site(self, call: ToolCallPart) -> CallSite:
        return {"c": CallSite.CLIENT, "q": CallSite.QUESTION}.get(call.tool_name[0], CallSite.SERVER)

    def is_repeatable(self, name: str) -> bool:
        return name[0] == "r"

    def is_exclusive(self, name: str) -> bool:
        return name[0] == "x"

    def stops_turn(self, name: str) -> bool:
        return name[0] == "p"

    def needs_approval(self, call: ToolCallPart) -> bool:
        return call.tool_name[0] == "a"
