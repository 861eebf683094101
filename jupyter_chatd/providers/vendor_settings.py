"""Call settings in the words of the model library."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .protocol import CallSettings

Option = tuple[str, Callable[[Any], Any]]
"""The library's setting, and how the option's value becomes its value."""


def same(value: Any) -> Any:
    """The value as it is."""
    return value


def common_settings(settings: CallSettings) -> dict[str, Any]:
    """What every vendor has a word for."""
    given = {
        "max_tokens": settings.max_output_tokens,
        "temperature": settings.temperature,
        "top_p": settings.top_p,
    }
    return {name: value for name, value in given.items() if value is not None}


def option_settings(options: Mapping[str, Any], known: Mapping[str, Option]) -> dict[str, Any]:
    """What `provider_options` ask for. Options that are `None` are left out.

    Raises:
        ValueError: an option is unknown; the text lists those that exist.
    """
    if unknown := sorted(set(options) - set(known)):
        raise ValueError(
            f"Unknown provider option {', '.join(unknown)}. Known are: {', '.join(sorted(known))}."
        )
    settings: dict[str, Any] = {}
    for name, value in options.items():
        if value is not None:
            setting, convert = known[name]
            settings[setting] = convert(value)
    return settings
