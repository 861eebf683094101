"""What is known of vendors without being configured."""

from __future__ import annotations

from dataclasses import dataclass

from .endpoint import ANTHROPIC_URL, OPENAI_URL, Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """A vendor that a key is enough for."""

    kind: Kind
    label: str
    base_url: str
    key_variable: str
    url_variable: str
    models: tuple[str, ...]
    """Offered when nobody chose models; the first is the default."""
    prefixes: tuple[str, ...]
    """How names of its models begin."""


PRESETS: dict[str, Preset] = {
    "anthropic": Preset(
        kind=Kind.ANTHROPIC,
        label="Anthropic",
        base_url=ANTHROPIC_URL,
        key_variable="ANTHROPIC_API_KEY",
        url_variable="ANTHROPIC_BASE_URL",
        models=("claude-sonnet-5-5", "claude-opus-5-5", "claude-haiku-5-5"),
        prefixes=("claude-",),
    ),
    "openai": Preset(
        kind=Kind.OPENAI,
        label="OpenAI",
        base_url=OPENAI_URL,
        key_variable="OPENAI_API_KEY",
        url_variable="OPENAI_BASE_URL",
        models=("gpt-6.1-terra", "gpt-6.1-sol", "gpt-6-luna"),
        prefixes=("gpt-", "chatgpt-"),
    ),
}
"""In the order in which a default is looked for."""

COMPATIBLE_LABEL = "OpenAI Compatible"
DEMO = "demo"


def label_of(provider: str, display_name: str | None = None) -> str:
    """How messages name a provider."""
    if preset := PRESETS.get(provider):
        return preset.label
    named = display_name and display_name != provider
    return str(display_name) if named else COMPATIBLE_LABEL if provider == Kind.OPENAI_COMPAT else provider
