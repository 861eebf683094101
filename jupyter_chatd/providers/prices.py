"""What a model call cost: tokens by price, in millionths of a dollar.

Prices come from the model config, else from `genai-prices`, a list that the model library brings along.
What is not known is `None`, never zero.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal, InvalidOperation
from typing import Any, cast

from ..messages import Usage

LOG = logging.getLogger(__name__)

PRICE_LISTS = {
    "anthropic": "anthropic",
    "azure": "azure",
    "bedrock": "aws",
    "google": "google",
    "openai": "openai",
    "openrouter": "openrouter",
}
"""Our providers in the list's words. Servers of one's own are in no list, whatever they call their models."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """Dollars per million tokens; `None` is not known, zero is free."""

    input: Decimal | None = None
    output: Decimal | None = None
    cache_read: Decimal | None = None
    """`None`: as input."""
    cache_write: Decimal | None = None
    """`None`: as input."""


FIELDS = {
    "input": "input_price_per_million_tokens",
    "output": "output_price_per_million_tokens",
    "cache_read": "cache_read_price_per_million_tokens",
    "cache_write": "cache_write_price_per_million_tokens",
}
"""Fields of `Prices`, and what a model config calls them."""


def prices_of(options: Mapping[str, Any]) -> Prices | None:
    """The prices in a model config's options, under `cost` or, as they once were, beside it.

    `None` when there are none.

    Raises:
        ValueError: a price is no number, or negative; the text names it.
    """
    given = {**options, **cast("Mapping[str, Any]", options.get("cost") or {})}
    known = {
        field: _price(name, given[name]) for field, name in FIELDS.items() if given.get(name) is not None
    }
    return Prices(**known) if known else None


def _price(name: str, value: Any) -> Decimal:
    try:
        price = Decimal(str(value))
    except InvalidOperation:
        price = Decimal(-1)
    if isinstance(value, bool) or not price.is_finite() or price < 0:
        raise ValueError(f"Model option {name} must be a price in dollars, but is {value!r}.")
    return price


def cost_micros(ref: str, usage: Usage | None, prices: Prices | None) -> int | None:
    """What one call cost, in millionths of a dollar rounded up; `None` when tokens or prices are not known.

    Reasoning is part of the output. With *prices* the list is not asked; it takes 0.2 ms once it is loaded.

    Args:
        ref: `provider:model`.
        usage: Input without what was read from and written to the cache.
        prices: Those of the model config.
    """
    if usage is None or not _tokens(usage):
        return None
    dollars = _listed(ref, usage) if prices is None else _configured(usage, prices)
    return None if dollars is None else micros(dollars)


def micros(dollars: Decimal) -> int:
    """Return millionths of a dollar, rounded up."""
    return int((dollars * 1_000_000).to_integral_value(ROUND_CEILING))


def load_prices() -> None:
    """Load the list: 50 ms, and 0.25 s without the model library. For the worker thread that loads that."""
    _listed("openai:gpt-4o", Usage(input_tokens=1))


def _tokens(usage: Usage) -> int:
    counts = (usage.input_tokens, usage.output_tokens, usage.cache_read_tokens, usage.cache_creation_tokens)
    return sum(count or 0 for count in counts)


def _configured(usage: Usage, prices: Prices) -> Decimal | None:
    amounts = (
        (usage.input_tokens, prices.input),
        (usage.output_tokens, prices.output),
        (usage.cache_read_tokens, prices.input if prices.cache_read is None else prices.cache_read),
        (usage.cache_creation_tokens, prices.input if prices.cache_write is None else prices.cache_write),
    )
    total = Decimal(0)
    for tokens, price in amounts:
        if tokens and price is None:
            return None
        total += (tokens or 0) * (price or 0)
    return total / 1_000_000


def _listed(ref: str, usage: Usage) -> Decimal | None:
    provider, _, model = ref.partition(":")
    if provider not in PRICE_LISTS:
        return None
    import genai_prices

    cached = (usage.cache_read_tokens or 0, usage.cache_creation_tokens or 0)
    counted = genai_prices.Usage(
        input_tokens=(usage.input_tokens or 0) + sum(cached),
        output_tokens=usage.output_tokens or 0,
        cache_read_tokens=cached[0],
        cache_write_tokens=cached[1],
    )
    try:
        return genai_prices.calc_price(counted, model, provider_id=PRICE_LISTS[provider]).total_price
    except LookupError:
        return None
    except ValueError as problem:  # tokens that the list has no price for, in a model that it has
        LOG.info("The cost of %s cannot be calculated: %s", ref, type(problem).__name__)
        return None
