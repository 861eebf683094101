"""Why a server or a call did not work. All of these end as text for people and the model.

McpError
├── ServerUnavailableError   no connection: nothing was called
└── CallError                the call reached a connection
    ├── CallLostError        the connection broke: the outcome is unknown
    ├── CallTimeoutError     no answer in time: the outcome is unknown
    └── CallRefusedError     the server answered with an error, or with what is not MCP
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A reason in two parts, because only the first may be logged."""

    reason: str
    """In our words: what happened and what to try, the beginning of a sentence without a full stop."""
    detail: str = ""
    """In the server's words, secrets hidden; for people and the model."""

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}" if self.detail else f"{self.reason}."


class McpError(Exception):
    """See the tree above."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(str(failure))
        self.failure = failure


class ServerUnavailableError(McpError):
    """There is no connection to the server, and none could be made."""


class CallError(McpError):
    """A call failed."""


class CallLostError(CallError):
    """The connection broke during the call."""


class CallTimeoutError(CallError):
    """The server did not answer in time."""


class CallRefusedError(CallError):
    """The server refused the call, or answered with something that MCP does not know."""
