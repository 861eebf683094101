"""What a model config's options mean for a call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..model_settings import CompactionChoice, ModelConfig, ProviderConfig, StoredModels
from .protocol import CallSettings

EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
"""Words for how much a model reasons; each vendor gets the nearest that it has."""

__all__ = ["ModelConfig", "ProviderConfig", "StoredModels", "call_settings", "compaction_choice"]


def call_settings(options: Mapping[str, Any]) -> CallSettings:
    """The settings that a model config's options ask for; what is absent leaves the vendor's default.

    Raises:
        ValueError: an option has the wrong type, or there is no such effort; the text names it.
    """
    effort = _option(options, "reasoning_effort", str)
    if effort not in (None, *EFFORTS):
        raise ValueError(f"Model option reasoning_effort must be one of {', '.join(EFFORTS)}.")
    given: Mapping[str, Any] = _option(options, "provider_options", dict) or {}
    for vendor in given:
        _option(given, vendor, dict, prefix="provider_options.")
    return CallSettings(
        max_output_tokens=_option(options, "max_output_tokens", int),
        temperature=_option(options, "temperature", int, float),
        top_p=_option(options, "top_p", int, float),
        top_k=_option(options, "top_k", int),
        presence_penalty=_option(options, "presence_penalty", int, float),
        frequency_penalty=_option(options, "frequency_penalty", int, float),
        reasoning_effort=effort,
        provider_options=given,
    )


def compaction_choice(config: ModelConfig) -> CompactionChoice:
    """What a model config says about compaction; an option of the wrong type counts as absent."""
    model = config.options.get("compaction_model")
    return CompactionChoice(
        threshold_percent=config.compression_threshold, model=model if isinstance(model, str) else None
    )


def _option(options: Mapping[str, Any], name: str, *types: type, prefix: str = "") -> Any:
    value = options.get(name)
    if value is not None and (not isinstance(value, types) or isinstance(value, bool)):
        wanted = " or ".join(kind.__name__ for kind in types)
        raise ValueError(f"Model option {prefix}{name} must be {wanted}, but is {type(value).__name__}.")
    return value
