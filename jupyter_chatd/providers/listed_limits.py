"""Context limits in what an endpoint tells of its models.

There is no standard: vLLM says `max_model_len`, OpenRouter and Together `context_length`, Groq
`context_window`, Mistral `max_context_length`, gateways what their vendor says, at any depth. Source:
spec/chatd.md §3.13.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from .overflow import LEAST, MOST

NAMES = frozenset(
    {
        "contextlength",
        "contextlimit",
        "contextsize",
        "contextwindow",
        "inputtokenlimit",
        "maxcontext",
        "maxcontextlength",
        "maxcontexttokens",
        "maxcontextwindow",
        "maxinputtoken",
        "maxinputtokens",
        "maxmodellen",
        "maxpromptlength",
    }
)
"""Names of the limit, without their punctuation and capitals."""

DEEPEST = 5
"""Levels that are looked through: enough for what is known, and an end for what is not."""


def find_listed_limit(entry: Any) -> int | None:
    """Return the context limit in tokens that *entry*, parsed JSON, names; the largest of several.

    >>> find_listed_limit({"id": "m", "max_model_len": 32768})
    32768
    """
    return max(_limits(entry, DEEPEST), default=None)


def _limits(value: Any, depth: int) -> Iterator[int]:
    if not depth:
        return
    if isinstance(value, dict):
        for name, inner in value.items():  # pyright: ignore[reportUnknownVariableType]
            if re.sub(r"[^a-z0-9]", "", str(name).lower()) in NAMES:  # pyright: ignore[reportUnknownArgumentType]
                yield from _number(inner)
            yield from _limits(inner, depth - 1)
    elif isinstance(value, list):
        for inner in value:  # pyright: ignore[reportUnknownVariableType]
            yield from _limits(inner, depth - 1)


def _number(value: Any) -> Iterator[int]:
    """*value* as a limit, if it can be one: a whole number, also as a float or as text."""
    if isinstance(value, str) and value.isdecimal() and len(value) < 12:
        value = int(value)
    if isinstance(value, int | float) and LEAST <= value <= MOST and value == int(value):
        yield int(value)
