"""The error tree.

    ChatdError
     ├─ InvalidInputError        the caller sent something malformed            400
     ├─ SwitchedOffError         the policy of the server, or its user, took it away  403
     ├─ NotFoundError            no such thing, or not the caller's             404
     │   └─ ChatNotFoundError
     ├─ ConflictError            not possible in the chat's present state       409
     │   └─ AlreadyDecidedError  an action was answered differently before
     ├─ QueueFullError           the chat's queue is at its limit               429
     ├─ TooManySubagentsError    a chat has as many at work as it may; its model is told
     ├─ FileTooLargeError        a file has too many bytes                      413
     ├─ StaleWorkError           a runner lost its claim; it stops quietly
     ├─ StoreError               the database cannot be used
     │   ├─ NewerSchemaError     the file was written by a newer release
     │   └─ UnknownContentVersionError
     ├─ DesktopError             a desktop cannot be used; its tree is in desktop/errors.py  500, 429
     └─ ModelError               a model call failed; carries an ErrorDetail

A class exists because some caller does something different on it. Messages say what was expected, what came,
and what to try. Only `api/` turns these into HTTP statuses.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .messages import ErrorDetail


class ChatdError(Exception):
    """Root of all errors raised by jupyter_chatd."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldProblem:
    """One thing wrong with a request: the field's path and what to do about it."""

    field: str
    detail: str


class InvalidInputError(ChatdError):
    """A request is malformed. `problems` names each field."""

    def __init__(
        self, message: str, *, detail: str | None = None, problems: tuple[FieldProblem, ...] = ()
    ) -> None:
        super().__init__(message)
        self.detail = detail
        self.problems = problems


class SwitchedOffError(ChatdError):
    """The agent cannot do that here: whoever runs the server, or its user, switched it off."""


class NotFoundError(ChatdError):
    """There is no such thing, or the caller may not know of it."""


class ChatNotFoundError(NotFoundError):
    """The chat never existed, was deleted, or belongs to someone else."""

    def __init__(self, chat_id: str) -> None:
        super().__init__(f"Chat {chat_id} was not found.")
        self.chat_id = chat_id


class ConflictError(ChatdError):
    """A transition is not possible in the state that the chat is in."""

    def __init__(self, message: str, *, state: str, transition: str, detail: str | None = None) -> None:
        super().__init__(message)
        self.state = state
        self.transition = transition
        self.detail = detail


class AlreadyDecidedError(ConflictError):
    """An action has been answered before, differently, or claimed by another client."""


class QueueFullError(ChatdError):
    """The queue holds as many messages as it may."""

    def __init__(self, *, limit: int) -> None:
        super().__init__(f"The queue of this chat is full: it holds {limit} messages, which is the maximum.")
        self.limit = limit


class TooManySubagentsError(ChatdError):
    """A chat has as many subagents at work as it may."""

    def __init__(self, *, limit: int) -> None:
        super().__init__(
            f"This chat has {limit} subagents that have not ended, which is the most. Wait for one with "
            "wait_agent, or stop one with close_agent, and try again."
        )
        self.limit = limit


class FileTooLargeError(ChatdError):
    """A file has more bytes than one may have."""

    def __init__(self, *, limit: int, size_bytes: int | None = None) -> None:
        came = "more" if size_bytes is None else f"{size_bytes} bytes"
        super().__init__(
            f"Expected a file of at most {limit} bytes, came {came}. Make it smaller, or leave it in "
            "the workspace and name its path."
        )
        self.limit = limit
        self.size_bytes = size_bytes


class StaleWorkError(ChatdError):
    """Work was started for a state that no longer holds; whoever did it must stop quietly."""

    def __init__(self, chat_id: str, what: str) -> None:
        super().__init__(f"{what} of chat {chat_id} came after its claim had ended.")
        self.chat_id = chat_id


class StoreError(ChatdError):
    """The database cannot be used as it is."""


class NewerSchemaError(StoreError):
    """The file was written by a newer release of jupyter_chatd and is left untouched."""


class UnknownContentVersionError(StoreError):
    """A row has a content version that this release cannot read."""

    def __init__(self, version: int) -> None:
        super().__init__(
            f"Message content version {version} is unknown; this release reads 0 and 1. "
            "Upgrade jupyter_chatd to open chats written by a newer release."
        )
        self.version = version


class ModelError(ChatdError):
    """A model call failed; `error` holds what to show and whether to try again.

    Where the prompt was too long (`is_overflow`), `context_limit` is what the vendor said how many tokens the
    model can read.
    """

    OVERFLOW = "context_window"
    """The `kind` of an error that a shorter prompt would not have had."""

    def __init__(
        self, error: ErrorDetail, *, retry_after_s: float | None = None, context_limit: int | None = None
    ) -> None:
        super().__init__(error.message)
        self.error = error
        self.retry_after_s = retry_after_s
        self.context_limit = context_limit

    @property
    def is_overflow(self) -> bool:
        """Whether the prompt was longer than the model can read."""
        return self.error.kind == self.OVERFLOW
