"""How vendors say that a prompt is longer than the model can read, and how long it may be."""

from __future__ import annotations

import re

_WORDS = re.compile(
    # OpenAI, vLLM, OpenRouter, llama.cpp, Ollama; Anthropic where the answer has no room
    r"context.?(length|window|size|limit)"
    r"|(prompt|input|conversation)s? (is|are) (too long|longer than)|prompt too long"  # Anthropic, Bedrock
    r"|(input|prompt) tokens? (count )?.{0,40}exceed"  # Google, Amazon's models, Copilot
    r"|longer than the maximum model length|maximum prompt length"  # vLLM, xAI
    r"|exceed\w*.{0,40}(number of (input )?tokens|token limit|max length)"  # Moonshot, Zhipu
    r"|too many tokens|too large for model"  # Cohere, Mistral
    r"|reduce the length of the (messages|prompt|input)"  # Groq, Cerebras
    r"|inputs` tokens \+",  # Together
    re.IGNORECASE,
)

_LIMITS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"> (\d[\d,]*)",  # Anthropic: 208310 tokens > 200000 maximum
        r"(?:context|prompt|model)[ _]?(?:length|window|size|limit)(?: of| is|:)?(?: only)? \(?(\d[\d,]*)",
        r"(\d[\d,]*) (?:tokens? )?maximum context length",  # Mistral
        r"tokens allowed \((\d[\d,]*)\)",  # Google
        r"token limit: ?(\d[\d,]*)|must be <= ?(\d[\d,]*)",  # Moonshot, Together
        r"cannot exceed (\d[\d,]*)|limit (?:is|of) (\d[\d,]*)",  # Cohere, Cerebras, Copilot
    )
)

_NEVER = frozenset({401, 402, 403, 404, 429})
"""Statuses that mean something else, whatever the words: a limit of tokens per minute, say."""

LEAST = 256
MOST = 100_000_000
"""Numbers outside these bounds are no context limits, in tokens."""


def is_overflow(status: int | None, text: str) -> bool:
    """Whether a refusal says that the prompt is too long for the model."""
    return status not in _NEVER and _WORDS.search(text) is not None


def find_limit(text: str) -> int | None:
    """Return the context limit in tokens that a refusal names; `None` when it names none.

    >>> find_limit("prompt is too long: 208310 tokens > 200000 maximum")
    200000
    """
    for pattern in _LIMITS:
        if match := pattern.search(text):
            number = int(next(group for group in match.groups() if group).replace(",", ""))
            if LEAST <= number <= MOST:
                return number
    return None
