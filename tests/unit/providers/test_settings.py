from __future__ import annotations

from typing import Any

import pytest

from jupyter_chatd.messages import TextPart
from jupyter_chatd.providers.configured import ConfiguredModel, merge_settings
from jupyter_chatd.providers.protocol import CallSettings
from jupyter_chatd.providers.scripted import ScriptedModel, say
from jupyter_chatd.providers.settings import call_settings

from .asking import asking, collect, parts_of


def test_options_become_settings() -> None:
    options = {
        "max_output_tokens": 5,
        "temperature": 1,
        "reasoning_effort": "high",
        "provider_options": {"openai": {"store": False}},
        "cost": {"input_price_per_million_tokens": 1.5},
    }

    assert call_settings(options) == CallSettings(
        max_output_tokens=5,
        temperature=1,
        reasoning_effort="high",
        provider_options={"openai": {"store": False}},
    )
    assert call_settings({}) == CallSettings()


@pytest.mark.parametrize(
    "name,value",
    [("max_output_tokens", "5"), ("temperature", True), ("provider_options", []), ("top_k", 1.5)],
)
def test_options_of_a_wrong_type_are_named(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"{name} must be"):
        call_settings({name: value})


def test_options_of_a_provider_are_an_object() -> None:
    with pytest.raises(ValueError, match=r"provider_options.openai must be dict, but is bool"):
        call_settings({"provider_options": {"openai": True}})


def test_the_turn_chooses_the_effort_and_the_config_the_rest() -> None:
    configured = CallSettings(max_output_tokens=10, temperature=0.0, reasoning_effort="low")
    asked = CallSettings(max_output_tokens=99, temperature=0.7, top_p=0.5, reasoning_effort="high")

    assert merge_settings(asked, configured) == CallSettings(
        max_output_tokens=10, temperature=0.0, top_p=0.5, reasoning_effort="high"
    )
    assert merge_settings(CallSettings(max_output_tokens=99), configured).reasoning_effort == "low"


@pytest.mark.anyio
async def test_a_configured_model_calls_with_its_settings() -> None:
    inner = ScriptedModel([[say("hi")]], context_limit=100)
    model = ConfiguredModel(inner, settings=CallSettings(temperature=0.5), context_limit=None)

    assert parts_of(await collect(model.stream(asking()))) == [TextPart(text="hi")]
    assert inner.calls[0].settings.temperature == 0.5
    assert (model.ref, model.context_limit) == (inner.ref, 100)
    assert ConfiguredModel(inner, settings=CallSettings(), context_limit=7).context_limit == 7
    await model.aclose()
    assert not inner.closed, "other models share its connections"


def test_an_effort_that_does_not_exist_is_refused_with_those_that_do() -> None:
    with pytest.raises(ValueError, match="reasoning_effort must be one of none, minimal, low"):
        call_settings({"reasoning_effort": "very much"})
