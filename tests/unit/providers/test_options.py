"""Every option of every vendor, on the wire."""

from __future__ import annotations

import importlib
import json
import re
from typing import Any

import pytest
from fakes.steps import say

from jupyter_chatd.providers.endpoint import Kind
from jupyter_chatd.providers.protocol import CallSettings
from jupyter_chatd.providers.vendor import MODULES

from .asking import MODEL, asking, collect
from .conftest import CLAUDE_ON_BEDROCK, OTHER_ON_BEDROCK, Call
from .vendors import ask_with, called

pytestmark = pytest.mark.anyio

Sent = dict[str, Any] | str
"""A part of the body, or a word that is somewhere in it."""

RESPONSES: dict[str, tuple[Any, Sent]] = {
    "prompt_cache_key": ("mine", {"prompt_cache_key": "mine"}),
    "user": ("u1", {"user": "u1"}),
    "reasoning_effort": ("low", {"reasoning": {"effort": "low"}}),
    "reasoning_summary": ("concise", {"reasoning": {"summary": "concise"}}),
    "max_completion_tokens": (77, {"max_output_tokens": 77}),
    "text_verbosity": ("low", {"text": {"verbosity": "low"}}),
    "parallel_tool_calls": (False, {"parallel_tool_calls": False}),
    "service_tier": ("flex", {"service_tier": "flex"}),
    "store": (False, {"store": False}),
    "extra_body": ({"extra": 1}, {"extra": 1}),
}
CHAT = {
    **RESPONSES,
    "reasoning_effort": ("low", {"reasoning_effort": "low"}),
    "reasoning_summary": None,  # of the responses API only
    "max_completion_tokens": (77, {"max_completion_tokens": 77}),
    "text_verbosity": ("low", {"verbosity": "low"}),
}
CLAUDE: dict[str, tuple[Any, Sent]] = {
    "thinking": ({"budget_tokens": 2000}, {"thinking": {"type": "enabled", "budget_tokens": 2000}}),
    "effort": ("low", {"output_config": {"effort": "low"}}),
    "disable_parallel_tool_use": (True, {"tool_choice": {"type": "auto", "disable_parallel_tool_use": True}}),
    "service_tier": ("standard_only", {"service_tier": "standard_only"}),
    "extra_body": ({"extra": 1}, {"extra": 1}),
}
GOOGLE: dict[str, tuple[Any, Sent]] = {
    "thinking_config": ({"thinking_budget": 9}, {"thinkingConfig": {"thinking_budget": 9}}),
    "safety_settings": (
        [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}],
        "HARM_CATEGORY_HARASSMENT",
    ),
}
OPENROUTER: dict[str, tuple[Any, Sent]] = {
    "reasoning": ({"max_tokens": 9}, {"reasoning": {"max_tokens": 9}}),
    "provider": ({"order": ["anthropic"]}, {"provider": {"order": ["anthropic"]}}),
    "models": (["a/b"], {"models": ["a/b"]}),
    "parallel_tool_calls": (False, {"parallel_tool_calls": False}),
    "user": ("u1", {"user": "u1"}),
    "extra_body": ({"extra": 1}, {"extra": 1}),
}
BEDROCK: dict[str, tuple[Any, Sent]] = {
    "additional_model_request_fields": ({"k": 1}, {"additionalModelRequestFields": {"k": 1}}),
    "inference_profile": (None, ""),  # takes the model's place in the path: see below
    "service_tier": ("flex", {"serviceTier": {"type": "flex"}}),
}
VENDORS: dict[str, tuple[Kind, str, str, dict[str, Any]]] = {
    "azure": (Kind.AZURE, "gpt-5.4", "openai", RESPONSES),
    "compatible": (Kind.OPENAI_COMPAT, MODEL, "openaicompat", CHAT),
    "anthropic": (Kind.ANTHROPIC, "claude-opus-4-5", "anthropic", CLAUDE),
    "bedrock-claude": (Kind.BEDROCK, CLAUDE_ON_BEDROCK, "anthropic", CLAUDE),
    "google": (Kind.GOOGLE, "gemini-3.8-flash", "google", GOOGLE),
    "openrouter": (Kind.OPENROUTER, "a/b", "openrouter", OPENROUTER),
    "bedrock": (Kind.BEDROCK, OTHER_ON_BEDROCK, "bedrock", BEDROCK),
}
CASES = [(name, option) for name, (*_, table) in VENDORS.items() for option in table if table[option]]


async def request(connect: Call, name: str, options: dict[str, Any]) -> Any:
    kind, model, key, _ = VENDORS[name]
    at = await connect(kind, [say("ok")], model=model)
    await collect(at.model.stream(asking(settings=CallSettings(provider_options={key: options}))))
    return at.vendor.generations[-1]


@pytest.mark.parametrize(("name", "option"), CASES)
async def test_an_option_reaches_the_vendor(connect: Call, name: str, option: str) -> None:
    value, sent = VENDORS[name][3][option]

    body = (await request(connect, name, {option: value})).json

    if isinstance(sent, str):
        assert sent in json.dumps(body)
    else:
        ((field, expected),) = sent.items()
        found = body.get(field, body.get("generationConfig", {}).get(field))
        assert found == expected or expected.items() <= found.items()


async def test_an_inference_profile_takes_the_models_place(connect: Call) -> None:
    profile = "arn:aws:bedrock:us-east-1:1:application-inference-profile/p"

    asked = await request(connect, "bedrock", {"inference_profile": profile})

    assert "application-inference-profile" in asked.path


@pytest.mark.parametrize("name", list(VENDORS))
def test_no_option_is_untried(name: str) -> None:
    kind, model, _, table = VENDORS[name]
    module = "vendor_anthropic" if "claude" in model else MODULES[kind]

    assert set(importlib.import_module(f"jupyter_chatd.providers.{module}").OPTIONS) == set(table)


async def test_a_chat_at_the_vendors_own_address_has_a_cache_key_of_its_own(
    connect: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By it the vendor finds the machine that still has the prompt; a gateway may not know the option."""
    at = await called(connect, "azure", [say("a")], [say("b")])
    elsewhere = await ask_with(at, {})
    monkeypatch.setattr("jupyter_chatd.providers.endpoint.AZURE_HOST", re.compile(r"127\.0\.0\.1"))
    own = await ask_with(at, {})

    assert "prompt_cache_key" not in elsewhere
    assert own["prompt_cache_key"] == "chat-1"
