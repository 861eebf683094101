"""What people configure about models, as plain values. The store keeps them; the catalog reads them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .messages import JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderConfig:
    """One provider that someone set up. Its key is in the key file, never here."""

    id: str
    provider: str
    """`anthropic`, `openai`, `openai-compat`, or a name of one's own for an OpenAI-compatible endpoint."""
    display_name: str | None = None
    base_url: str | None = None
    """`None`: the vendor's own, or what environment and configuration say."""
    enabled: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelConfig:
    """One model that someone set up, with its call settings."""

    id: str
    provider: str
    model: str
    display_name: str | None = None
    enabled: bool = True
    is_default: bool = False
    context_limit: int | None = None
    """Tokens; overrides what is known of the model."""
    compression_threshold: int | None = None
    """Percent of the context limit at which the history is compacted."""
    options: JsonObject = field(default_factory=dict[str, Any])
    """The original's `ChatModelCallConfig`: `max_output_tokens`, `temperature`, `provider_options` …"""

    @property
    def ref(self) -> str:
        """`provider:model`."""
        return f"{self.provider}:{self.model}"


@dataclass(frozen=True, slots=True, kw_only=True)
class CompactionChoice:
    """What a model config says about summarising long histories; `None` leaves it to the server."""

    threshold_percent: int | None = None
    model: str | None = None
    """The model that writes the summary."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredModels:
    """What the store holds about models, read together."""

    providers: tuple[ProviderConfig, ...] = ()
    models: tuple[ModelConfig, ...] = ()
