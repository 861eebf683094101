"""What a fake vendor can do in one answer: the steps of the scripted model, and what only a wire can do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from jupyter_chatd.providers.scripted import Call, Say, Think, Wait, call, say, think, wait

__all__ = [
    "Answer",
    "Break",
    "Call",
    "Drop",
    "Hang",
    "Raw",
    "Refuse",
    "Say",
    "Search",
    "Spend",
    "Step",
    "Stop",
    "Think",
]
__all__ += ["Wait", "call", "say", "think", "wait"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refuse:
    """Answer with an HTTP error. Must be the only step."""

    status: int
    message: str = "refused by the fake vendor"
    kind: str | None = None
    """The vendor's `error.type`; each vendor has a default per status."""
    code: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True, kw_only=True)
class Break:
    """An error event in the middle of a stream that began with 200."""

    message: str = "broken by the fake vendor"
    kind: str = "overloaded_error"
    code: str | None = None


@dataclass(frozen=True, slots=True)
class Drop:
    """Cut the connection without a word."""


@dataclass(frozen=True, slots=True)
class Hang:
    """Say nothing more until the client goes away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spend:
    """Tokens to report at the end of the answer; input excludes cached tokens."""

    input_tokens: int = 12
    output_tokens: int = 7
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    cost: float | None = None
    """Dollars that were charged, from vendors that tell."""


@dataclass(frozen=True, slots=True)
class Stop:
    """End with this reason, in the vendor's own word, instead of the one that follows from the steps."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Raw:
    """Bytes to send as they are, for recorded streams. Must be the only step."""

    body: bytes
    status: int = 200
    content_type: str = "text/event-stream; charset=utf-8"
    piece_bytes: int = 97
    """Size of each write: small enough that no event arrives whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """The vendor looks something up on the web by itself, and says a text that cites what it found."""

    query: str
    url: str
    title: str
    text: str


Step: TypeAlias = Say | Think | Call | Search | Wait | Refuse | Break | Drop | Hang | Spend | Stop | Raw
Answer: TypeAlias = Sequence[Step]


def spend_of(answer: Answer) -> Spend:
    """The tokens that *answer* reports."""
    return next((step for step in answer if isinstance(step, Spend)), Spend())


def stop_of(answer: Answer, *, calls: str, end: str) -> str:
    """The vendor's stop word of *answer*: its own `Stop`, else *calls* when it calls tools, else *end*."""
    for step in answer:
        if isinstance(step, Stop):
            return step.reason
    return calls if any(isinstance(step, Call) for step in answer) else end


def from_json(steps: Sequence[Mapping[str, Any]]) -> list[Step]:
    """Read an answer of a script file.

    `[{"say": "hello"}, {"wait": 0.5}, {"call": ["execute", {"command": "ls"}]}, {"refuse": 429}, {"drop":
    true}]`
    """
    return [_step(item) for item in steps]


def _step(item: Mapping[str, Any]) -> Step:
    ((name, value),) = item.items()
    match name:
        case "say":
            return say(value)
        case "think":
            return think(value)
        case "call":
            return call(value[0], value[1])
        case "wait":
            return wait(float(value))
        case "refuse":
            return Refuse(status=int(value))
        case "break":
            return Break(kind=str(value))
        case "drop":
            return Drop()
        case "hang":
            return Hang()
        case _:
            raise ValueError(
                f"Unknown step {name!r}; expected say, think, call, wait, refuse, break, drop or hang."
            )
