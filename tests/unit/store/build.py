"""Short words for the values that tests put into a store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jupyter_chatd.messages import (
    ActionKind,
    CallKey,
    Chat,
    ChatStatus,
    ErrorDetail,
    NewMessage,
    QueuedMessage,
    RetryState,
    Role,
    StopReason,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    TurnOptions,
    Usage,
    Visibility,
)
from jupyter_chatd.store import Claim
from jupyter_chatd.store.actions import Ask
from jupyter_chatd.store.work import CallStart, Reconcile


def chat(chat_id: str = "c", *, parent: str | None = None, by: CallKey | None = None, **values: Any) -> Chat:
    """A chat that is about to be created; a child when *parent* is given."""
    return Chat(
        **{
            "id": chat_id,
            "owner_id": "ada",
            "title": f"chat {chat_id}",
            "status": ChatStatus.WAITING,
            "archived": False,
            "model": "demo:demo",
            "created_at": 0.0,
            "updated_at": 0.0,
            "parent_chat_id": parent,
            "root_chat_id": parent,
            "spawned_by": by,
            **values,
        }
    )


def shown_clearing(marker_id: int) -> list[NewMessage]:
    """The call and the result by which people see that the context was cleared."""
    call_id = f"chat_cleared_{marker_id}"
    rest: dict[str, Any] = {"visibility": Visibility.USER, "compressed": True}
    call = ToolCallPart(tool_call_id=call_id, tool_name="chat_cleared", args={"source": "manual"})
    result = ToolResultPart(tool_call_id=call_id, tool_name="chat_cleared", result={"source": "manual"})
    return [
        NewMessage(role=Role.ASSISTANT, parts=(call,), **rest),
        NewMessage(role=Role.TOOL, parts=(result,), **rest),
    ]


def user(text: str = "hello", *, by: str = "ada", options: TurnOptions | None = None) -> NewMessage:
    return NewMessage(role=Role.USER, parts=(TextPart(text=text),), created_by=by, turn_options=options)


def assistant(text: str = "answer", *calls: str) -> NewMessage:
    """An assistant row with a text and calls of these tools, all with the same id: vendors reuse them."""
    parts = (TextPart(text=text), *(call(name) for name in calls))
    return NewMessage(
        role=Role.ASSISTANT,
        parts=parts,
        model="demo:demo",
        usage=Usage(input_tokens=7, output_tokens=3),
        stop_reason=StopReason.TOOL_CALLS if calls else StopReason.END,
    )


def call(name: str = "execute") -> ToolCallPart:
    return ToolCallPart(tool_call_id="call_0", tool_name=name, args={"of": name})


def output(text: str = "done", name: str = "execute") -> ToolResultPart:
    return ToolResultPart(tool_call_id="call_0", tool_name=name, result={"output": text})


def summary(text: str, covers_until: int | None) -> NewMessage:
    return NewMessage(
        role=Role.USER,
        parts=(TextPart(text=text),),
        visibility=Visibility.MODEL,
        compressed=True,
        covers_until=covers_until,
    )


def claim(of: Chat) -> Claim:
    """What work on a chat in this state is started for."""
    return Claim(
        chat_id=of.id,
        runner_id=of.runner_id or "nobody",
        history_version=of.history_version,
        status=of.status,
    )


def start(key: CallKey, name: str = "execute") -> CallStart:
    return CallStart(key=key, call=call(name))


def ask(key: CallKey, kind: ActionKind, name: str = "execute") -> Ask:
    return Ask(key=key, tool_call_id="call_0", tool_name=name, args_json=None, kind=kind)


def asks(keys: Sequence[CallKey], kind: ActionKind) -> tuple[Ask, ...]:
    return tuple(ask(key, kind) for key in keys)


FAILED = ErrorDetail(message="The key was refused.", kind="auth", provider="demo", status_code=401)


def retry(attempt: int = 1) -> RetryState:
    return RetryState(attempt=attempt, delay_ms=1000, error="overloaded", retrying_at=2.0 * attempt)


def queued_row(queued_id: int, chat_id: str) -> QueuedMessage:
    """An empty message that lies in a queue."""
    return QueuedMessage(id=queued_id, chat_id=chat_id, parts=(), created_at=1.0, created_by="ada")


def result_row_without_key(text: str) -> NewMessage:
    """A tool row as it comes from elsewhere: it names its call by the vendor's id only."""
    return NewMessage(role=Role.TOOL, parts=(output(text),))


def reconcile(chat_id: str = "c") -> Reconcile:
    return Reconcile(chat_id=chat_id)
