"""What can go wrong for a client.

    ChatdError
     └─ ClientError
         ├─ NoServerError      no server was found; nothing was sent
         ├─ UnreachableError   the server does not answer
         ├─ RefusedError       the server answered with an error
         └─ ChatFailedError    the turn ended in an error

Each message says what was expected, what came, and what to try.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import ChatdError, FieldProblem
from ..messages import ErrorDetail


class ClientError(ChatdError):
    """Root of the errors that only clients see."""


class NoServerError(ClientError):
    """No server was found. `tried` names the places that were looked at, in order."""

    def __init__(self, tried: Sequence[str], *, advice: str) -> None:
        places = "\n".join(f"  - {place}" for place in tried)
        super().__init__(f"Found no Jupyter server to talk to. Tried:\n{places}\n{advice}")
        self.tried = tuple(tried)


class UnreachableError(ClientError):
    """The server does not answer. What was sent last may or may not have arrived."""


class RefusedError(ClientError):
    """The server answered with an error."""

    def __init__(
        self,
        message: str,
        *,
        status: int,
        detail: str | None = None,
        problems: tuple[FieldProblem, ...] = (),
    ) -> None:
        super().__init__(f"{message} {detail}" if detail else message)
        self.status = status
        """The HTTP status."""
        self.detail = detail
        self.problems = problems


class ChatFailedError(ClientError):
    """The turn ended in an error. Send a message to try again once its cause is fixed."""

    def __init__(self, chat_id: str, error: ErrorDetail) -> None:
        detail = f"\n{error.detail}" if error.detail else ""
        super().__init__(f"{error.message}{detail}")
        self.chat_id = chat_id
        self.error = error
