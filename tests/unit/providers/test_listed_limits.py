"""What endpoints tell of how much their models read, as each of them spells it."""

from __future__ import annotations

from typing import Any

import pytest

from jupyter_chatd.providers.listed_limits import find_listed_limit

TOLD: list[tuple[dict[str, Any], int]] = [
    ({"id": "m", "owned_by": "vllm", "max_model_len": 32768, "permission": [{"id": "p"}]}, 32768),
    ({"id": "m", "context_length": 200000, "top_provider": {"context_length": 128000}}, 200000),
    ({"id": "m", "active": True, "context_window": 131072, "max_completion_tokens": 8192}, 131072),
    ({"id": "m", "capabilities": {"completion_chat": True}, "max_context_length": 40960}, 40960),
    ({"id": "m", "model_info": {"max_input_tokens": "65536", "max_output_tokens": 4096}}, 65536),
    ({"id": "m", "limits": [{"inputTokenLimit": 1048576.0}]}, 1048576),
    ({"id": "m", "Context-Window": 4096}, 4096),
]

NOT_TOLD: list[dict[str, Any]] = [
    {"id": "m", "object": "model", "created": 1700000000, "owned_by": "someone"},
    {"max_tokens": 8192, "max_output_tokens": 8192, "max_completion_tokens": 8192},
    {"context_length": 0},
    {"context_length": -1},
    {"context_length": True},
    {"context_length": None},
    {"context_length": "much"},
    {"context_length": 1.5e3 + 0.5},
    {"context_length": float("inf")},
    {"context_length": float("nan")},
    {"context_length": 10**15},
    {"a": {"b": {"c": {"d": {"e": {"f": {"context_length": 4096}}}}}}},
]


@pytest.mark.parametrize(("entry", "limit"), TOLD)
def test_limits_that_are_told(entry: dict[str, Any], limit: int) -> None:
    assert find_listed_limit(entry) == limit


@pytest.mark.parametrize("entry", NOT_TOLD)
def test_what_is_no_limit(entry: dict[str, Any]) -> None:
    assert find_listed_limit(entry) is None
