"""One open connection to a model, as a vendor module hands it to the bridge."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .endpoint import Endpoint, Kind
from .protocol import ModelCall

if TYPE_CHECKING:
    from pydantic_ai.models import Model as LibraryModel

CONNECT_TIMEOUT = 10.0  # seconds
SILENCE_TIMEOUT = 600.0
"""Longest silence of a stream that began, in seconds. The wait for its first part is the loop's to limit."""

MODULES = {
    Kind.ANTHROPIC: "vendor_anthropic",
    Kind.OPENAI: "vendor_openai",
    Kind.OPENAI_COMPAT: "vendor_openai",
}

_LOADING = threading.Lock()
"""Model code takes seconds of CPU to import: one provider at a time, so that kernels get their turn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vendor:
    """A model of the library with what the bridge must know about it. Lives until `close`."""

    model: LibraryModel
    settings: Callable[[ModelCall], Mapping[str, Any]]
    """The library's settings for a call; raises ValueError for options that do not exist."""
    close: Callable[[], Awaitable[None]]
    cache_points: bool = False
    """Takes explicit prompt-cache points."""


def open_vendor(endpoint: Endpoint, model: str) -> Vendor:
    """Import the vendor's code and make a client. Takes seconds the first time: for a worker thread."""
    with _LOADING:
        module = importlib.import_module(f".{MODULES[endpoint.kind]}", __package__)
        return module.connect(endpoint, model)
