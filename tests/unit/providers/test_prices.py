from __future__ import annotations

import subprocess
import sys
from decimal import Decimal
from typing import Any

import pytest

from jupyter_chatd.messages import Usage
from jupyter_chatd.providers.configured import ConfiguredModel
from jupyter_chatd.providers.prices import Prices, cost_micros, prices_of
from jupyter_chatd.providers.protocol import CallSettings
from jupyter_chatd.providers.scripted import ScriptedModel

CACHED = Usage(
    input_tokens=10_000, cache_read_tokens=100_000, cache_creation_tokens=10_000, output_tokens=2_000
)
OWN = Prices(input=Decimal(3), output=Decimal(15), cache_read=Decimal("0.3"), cache_write=Decimal("3.75"))


@pytest.mark.parametrize(
    "ref,micros",
    [
        ("anthropic:claude-sonnet-4-5", 127_500),
        ("openai:gpt-5", 57_500),
        ("azure:gpt-5", 57_500),
        ("google:gemini-2.5-pro", 57_500),
        ("openrouter:anthropic/claude-sonnet-4.5", 127_500),
        ("bedrock:us.anthropic.claude-sonnet-4-6", 140_250),
    ],
)
def test_prices_of_the_list_count_cached_tokens_apart(ref: str, micros: int) -> None:
    assert cost_micros(ref, CACHED, None) == micros


@pytest.mark.parametrize(
    "ref", ["openai:nothing-like-it", "vllm:gpt-5", "ollama:llama4", "demo:demo", "gpt-5"]
)
def test_what_is_in_no_list_has_no_cost(ref: str) -> None:
    assert cost_micros(ref, CACHED, None) is None


def test_prices_of_the_config_count_before_the_list() -> None:
    # 0.03 + 0.03 + 0.03 + 0.0375 dollars
    assert cost_micros("vllm:any", CACHED, OWN) == 127_500
    free = Prices(input=Decimal(0), output=Decimal(0))
    assert cost_micros("openai:gpt-5", CACHED, free) == 0, "free is known, and no gap to fill from the list"


def test_fractions_are_rounded_up() -> None:
    prices = Prices(input=Decimal("0.1"), output=Decimal("0.1"))

    assert cost_micros("x:y", Usage(input_tokens=1), prices) == 1
    assert cost_micros("x:y", Usage(input_tokens=10), prices) == 1
    assert cost_micros("x:y", Usage(input_tokens=11), prices) == 2


def test_cached_tokens_without_a_price_cost_what_input_does() -> None:
    assert cost_micros("x:y", Usage(cache_read_tokens=10), Prices(input=Decimal(2))) == 20


def test_reasoning_is_part_of_the_output() -> None:
    assert cost_micros("x:y", Usage(output_tokens=10, reasoning_tokens=8), OWN) == 150


@pytest.mark.parametrize("usage", [None, Usage(), Usage(context_limit=5), Usage(reasoning_tokens=1)])
def test_unknown_tokens_have_no_cost(usage: Usage | None) -> None:
    assert cost_micros("openai:gpt-5", usage, None) is None
    assert cost_micros("x:y", usage, OWN) is None


def test_tokens_of_a_kind_without_any_price_make_the_cost_unknown() -> None:
    assert cost_micros("x:y", Usage(input_tokens=1, output_tokens=1), Prices(input=Decimal(1))) is None
    assert cost_micros("x:y", Usage(input_tokens=1), Prices(input=Decimal(1))) == 1


def test_options_hold_prices_under_cost_or_as_they_once_did_beside_it() -> None:
    new: dict[str, Any] = {
        "cost": {"input_price_per_million_tokens": 3, "output_price_per_million_tokens": "15"}
    }
    old = {"input_price_per_million_tokens": "1", "cache_read_price_per_million_tokens": "0.3"}

    assert prices_of(new) == Prices(input=Decimal(3), output=Decimal(15))
    assert prices_of(old) == Prices(input=Decimal(1), cache_read=Decimal("0.3"))
    assert prices_of({**old, **new}) == Prices(
        input=Decimal(3), output=Decimal(15), cache_read=Decimal("0.3")
    )
    assert prices_of({"temperature": 1, "cost": None}) is None


@pytest.mark.parametrize("value", ["a lot", -1, True, "NaN", []])
def test_what_is_no_price_is_named(value: Any) -> None:
    with pytest.raises(ValueError, match="input_price_per_million_tokens must be a price"):
        prices_of({"cost": {"input_price_per_million_tokens": value}})


def test_a_configured_model_knows_its_prices() -> None:
    inner = ScriptedModel([])

    assert ConfiguredModel(inner, settings=CallSettings(), context_limit=None, prices=OWN).prices is OWN
    assert inner.prices is None


def test_whoever_loads_model_code_loads_the_list_too() -> None:
    """In its worker thread: it takes 50 ms, which the event loop does not have."""
    code = (
        "import sys; from jupyter_chatd.providers.endpoint import Endpoint, Kind\n"
        "from jupyter_chatd.providers.vendor import open_vendor\n"
        "openai = Endpoint(provider='openai', kind=Kind.OPENAI, label='', api_key='k',\n"
        "    base_url='http://127.0.0.1:9')\n"
        "open_vendor(openai, 'gpt-4o')\n"
        "assert 'genai_prices.data' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
