"""Calls that wait for an approval, or did, and who decided about them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Self, TypeAlias

from ..messages import Approval, CallKey, JsonValue, Scope
from ..wire.times import with_seconds
from ..wire.values import adapter_of
from .calls import gist
from .errors import ClientError

Allowed: TypeAlias = Literal["once", "chat"]
"""How far it goes to allow a call: this one, or all of its tool in this chat."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedCall:
    """A call that asks for an approval, or did; `propose_plan` is a plan."""

    message_id: int
    call_index: int
    tool_call_id: str
    tool_name: str
    args: JsonValue
    approval: Approval
    scope: Scope | None = None
    """How far an approval goes; `None` as the rule that asked says."""
    decided_by: str | None = None
    decided_at: float | None = None
    """UTC seconds."""

    @classmethod
    def of_json(cls, value: Mapping[str, Any]) -> Self:
        """Return what `GET /{chat_id}/approvals` has."""
        return adapter_of(cls).validate_python(with_seconds(value, ("decided_at",)))

    @property
    def key(self) -> CallKey:
        """Names it within the chat."""
        return CallKey(message_id=self.message_id, index=self.call_index)

    @property
    def name(self) -> str:
        """The same as a word: `17.1`."""
        return f"{self.message_id}.{self.call_index}"

    @property
    def is_pending(self) -> bool:
        """Nobody has decided."""
        return self.approval is Approval.PENDING

    @property
    def summary(self) -> str:
        """One line: `execute: ls -la`."""
        return f"{self.tool_name}: {gist(self.args)}" if self.args else self.tool_name

    @property
    def outcome(self) -> str:
        """How it stands: `pending`, `allowed for the chat by ada, 2026-11-21 12:00`."""
        how = {None: "", Scope.ONCE: " once", Scope.CHAT: " for the chat"}[self.scope]
        who = f" by {self.decided_by}" if self.decided_by else ""
        at = datetime.fromtimestamp(self.decided_at).astimezone() if self.decided_at is not None else None
        return f"{self.approval.value}{how}{who}{f', {at:%Y-%m-%d %H:%M}' if at else ''}"


class ApprovalList(tuple[AskedCall, ...]):
    """Calls, oldest first. In a notebook it shows itself as a table."""

    __slots__ = ()

    @property
    def pending(self) -> ApprovalList:
        """Those that wait for a decision."""
        return ApprovalList(call for call in self if call.is_pending)

    def the_pending(self, name: str | None = None) -> AskedCall:
        """Return the one that waits; where several do, the one of that name, `17.1`.

        Raises:
            ClientError: none does, or several do and no name says which.
        """
        found = [call for call in self.pending if name in (None, call.name)]
        if len(found) == 1:
            return found[0]
        raise ClientError(_which(self.pending, name))

    def __repr__(self) -> str:
        return "\n".join(f"{call.name}  {call.summary}  {call.outcome}" for call in self) or "no approvals"

    def _repr_html_(self) -> str:
        from .display import table

        rows = [(call.name, call.tool_name, gist(call.args), call.outcome) for call in self]
        return table(("call", "tool", "arguments", "approval"), rows)


def _which(pending: Iterable[AskedCall], name: str | None) -> str:
    waiting = ", ".join(f"{call.name} ({call.summary})" for call in pending)
    if not waiting:
        return "No call of this chat waits for an approval."
    asked = f"There is no {name} among" if name else "Expected one of"
    return f"{asked} the calls that wait for an approval: {waiting}."
