"""A model with the settings that a model config gives it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import TYPE_CHECKING

from .protocol import CallSettings, Model, ModelCall, ModelEvent


class ConfiguredModel:
    """Adds a config's settings to every call. Shares the connections of the model that it wraps."""

    def __init__(self, model: Model, *, settings: CallSettings, context_limit: int | None) -> None:
        self._model = model
        self._settings = settings
        self._context_limit = context_limit

    @property
    def ref(self) -> str:
        """`provider:model`."""
        return self._model.ref

    @property
    def context_limit(self) -> int | None:
        """The config's, else the model's own."""
        return self._context_limit or self._model.context_limit

    def stream(self, call: ModelCall) -> AsyncIterator[ModelEvent]:
        """See `protocol.Model.stream`."""
        return self._model.stream(replace(call, settings=merge_settings(call.settings, self._settings)))

    async def aclose(self) -> None:
        """Nothing: the catalog owns the connections."""


def merge_settings(asked: CallSettings, configured: CallSettings) -> CallSettings:
    """The config's settings, but the effort that was asked for this very turn wins."""
    return CallSettings(
        max_output_tokens=configured.max_output_tokens or asked.max_output_tokens,
        temperature=asked.temperature if configured.temperature is None else configured.temperature,
        top_p=asked.top_p if configured.top_p is None else configured.top_p,
        reasoning_effort=asked.reasoning_effort or configured.reasoning_effort,
        provider_options={**configured.provider_options, **asked.provider_options},
    )


if TYPE_CHECKING:
    _: type[Model] = ConfiguredModel
