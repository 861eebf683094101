"""Every vendor's way to say that a prompt is too long, and the limit that it names."""

from __future__ import annotations

import pytest

from jupyter_chatd.providers.errors import Cause, classify
from jupyter_chatd.providers.overflow import find_limit, is_overflow

REFUSALS = [
    (
        "This model's maximum context length is 128000 tokens. However, your messages resulted in 130001 "
        "tokens. Please reduce the length of the messages.",
        128000,
    ),
    ("Your input exceeds the context window of this model. Please adjust your input and try again.", None),
    ("prompt is too long: 208310 tokens > 200000 maximum", 200000),
    (
        "input length and `max_tokens` exceed context limit: 188240 + 21333 > 200000, decrease input length",
        200000,
    ),
    ("The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).", 1048576),
    ("Input is too long for requested model.", None),
    ("Input Tokens Exceeded: Number of input tokens exceeds maximum length.", None),
    (
        "This model's maximum context length is 8192 tokens. However, you requested 33024 tokens (1024 in "
        "the messages, 32000 in the completion).",
        8192,
    ),
    ("The decoder prompt (length 5000) is longer than the maximum model length of 4096.", 4096),
    ("the request exceeds the available context size (4096 tokens), try increasing it", 4096),
    ("prompt too long; exceeded max context length by 123 tokens", None),
    (
        "Trying to keep the first 5000 tokens when context the overflows. However, the model is loaded with "
        "context length of only 4096 tokens",
        4096,
    ),
    ("Prompt contains 50000 tokens, too large for model with 32768 maximum context length", 32768),
    (
        "Please reduce the length of the messages or completion. Current length is 9000 while limit is 8192",
        8192,
    ),
    ("`inputs` tokens + `max_new_tokens` must be <= 8193. Given: 9000 `inputs` tokens", 8193),
    ("too many tokens: total number of tokens in the prompt cannot exceed 4081", 4081),
    ("This model's maximum prompt length is 131072 but the request contains 537812 tokens.", 131072),
    ("prompt token count of 10000 exceeds the limit of 8000", 8000),
    ("Invalid request: Your request exceeded model token limit: 8192", 8192),
]

OTHERS = [
    (400, "max_tokens is too large: 50000. This model supports at most 16384 completion tokens."),
    (400, "Invalid value for 'temperature'"),
    (429, "Request too large for gpt-4o on tokens per min (TPM): Limit 30000, Requested 40000."),
    (429, "Extra usage is required for requests that exceed the context length of 200000"),
    (500, "The server had an error while processing your request"),
    (401, "invalid api key"),
    (None, "connection reset by peer"),
]


@pytest.mark.parametrize("text,limit", REFUSALS)
@pytest.mark.parametrize("status", [400, 413, 422, 500, None])
def test_it_is_recognised_with_any_status(text: str, limit: int | None, status: int | None) -> None:
    assert classify(status, text) is Cause.CONTEXT_WINDOW
    assert find_limit(text) == limit


@pytest.mark.parametrize("status,text", OTHERS)
def test_other_refusals_are_not_taken_for_it(status: int | None, text: str) -> None:
    assert not is_overflow(status, text)
    assert classify(status, text) is not Cause.CONTEXT_WINDOW


def test_numbers_that_are_no_limits_are_not_taken() -> None:
    assert find_limit("prompt is too long: 12 tokens > 3") is None
    assert find_limit("context length 999999999999") is None
    assert find_limit("This model's maximum context length is 128,000 tokens") == 128000
