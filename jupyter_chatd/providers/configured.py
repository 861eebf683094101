"""A model with the settings that a model config gives it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from .prices import Prices
from .protocol import CallSettings, Model, ModelCall, ModelEvent

T = TypeVar("T", int, float)


class ConfiguredModel:
    """Adds a config's settings to every call. Shares the connections of the model that it wraps."""

    def __init__(
        self, model: Model, *, settings: CallSettings, context_limit: int | None, prices: Prices | None = None
    ) -> None:
        self._model = model
        self._settings = settings
        self._context_limit = context_limit
        self._prices = prices

    @property
    def ref(self) -> str:
        """`provider:model`."""
        return self._model.ref

    @property
    def context_limit(self) -> int | None:
        """The config's, else the model's own."""
        return self._context_limit or self._model.context_limit

    @property
    def prices(self) -> Prices | None:
        """The config's."""
        return self._prices

    def stream(self, call: ModelCall) -> AsyncIterator[ModelEvent]:
        """See `protocol.Model.stream`."""
        return self._model.stream(replace(call, settings=merge_settings(call.settings, self._settings)))

    async def aclose(self) -> None:
        """Nothing: the catalog owns the connections."""


def merge_settings(asked: CallSettings, configured: CallSettings) -> CallSettings:
    """The config's settings, but the effort that was asked for this very turn wins."""
    return CallSettings(
        max_output_tokens=configured.max_output_tokens or asked.max_output_tokens,
        temperature=_first(configured.temperature, asked.temperature),
        top_p=_first(configured.top_p, asked.top_p),
        top_k=_first(configured.top_k, asked.top_k),
        presence_penalty=_first(configured.presence_penalty, asked.presence_penalty),
        frequency_penalty=_first(configured.frequency_penalty, asked.frequency_penalty),
        reasoning_effort=asked.reasoning_effort or configured.reasoning_effort,
        provider_options={**configured.provider_options, **asked.provider_options},
    )


def _first(value: T | None, otherwise: T | None) -> T | None:
    """*value*, unless there is none; zero is one."""
    return otherwise if value is None else value


if TYPE_CHECKING:
    _: type[Model] = ConfiguredModel
