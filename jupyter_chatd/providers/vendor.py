"""One open connection to a model, as a vendor module hands it to the bridge."""

from __future__ import annotations

import gc
import importlib
import sys
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .computer import NativeTool, find_native_tool
from .endpoint import Endpoint, Kind
from .prices import load_prices
from .protocol import ModelCall
from .vendor_settings import options_of

if TYPE_CHECKING:
    from pydantic_ai.messages import ThinkingPart
    from pydantic_ai.models import Model as LibraryModel

CONNECT_TIMEOUT = 10.0  # seconds
SILENCE_TIMEOUT = 600.0
"""Longest silence of a stream that began, in seconds. The wait for its first part is the loop's to limit."""

MODULES = {
    Kind.ANTHROPIC: "vendor_anthropic",
    Kind.OPENAI: "vendor_openai",
    Kind.OPENAI_COMPAT: "vendor_openai",
    Kind.AZURE: "vendor_openai",
    Kind.OPENROUTER: "vendor_openrouter",
    Kind.GOOGLE: "vendor_google",
    Kind.BEDROCK: "vendor_bedrock",
}

_LOADING = threading.Lock()
"""Model code takes seconds of CPU to import: one provider at a time, so that kernels get their turn."""


def always(model: LibraryModel, part: ThinkingPart) -> bool:
    """Reasoning of one's own may always go back."""
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Vendor:
    """A model of the library with what the bridge must know about it. Lives until `close`."""

    model: LibraryModel
    settings: Callable[[ModelCall], Mapping[str, Any]]
    """The library's settings for a call; raises ValueError for options that do not exist."""
    close: Callable[[], Awaitable[None]]
    options_keys: tuple[str, ...]
    """Names of this vendor's `provider_options`; the first that a call has counts."""
    cache_points: bool = False
    """Takes explicit prompt-cache points."""
    cache_settings: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Settings that put cache marks where no point can stand: after the tools and the system prompt."""
    by_api: Mapping[str, LibraryModel] = field(default_factory=dict[str, Any])
    """The same model through other APIs, by the value of the option `api` that chooses them."""
    takes_reasoning: Callable[[LibraryModel, ThinkingPart], bool] = always
    """Whether the vendor takes a piece of its own reasoning back as such; the library would send any other
    as text."""
    computer_tools: Mapping[str, Sequence[NativeTool]] = field(default_factory=dict[str, Any])
    """Computer tools of the vendor's own, by the class of the library's model that can tell of them."""

    def options(self, call: ModelCall) -> Mapping[str, Any]:
        """The call's options for this vendor."""
        return options_of(call, self.options_keys)

    def model_for(self, call: ModelCall) -> LibraryModel:
        """The model, through the API that the call's options choose."""
        return self.by_api.get(self.options(call).get("api") or "", self.model)

    def computer_tool(self, call: ModelCall) -> NativeTool | None:
        """The vendor's own computer tool for this call, `None` for a plain function.

        Raises:
            ValueError: the options name one that there is not.
        """
        model = self.model_for(call)
        tools = self.computer_tools.get(type(model).__name__, ())
        return find_native_tool(tools, model=model.model_name, options=self.options(call))


def open_vendor(endpoint: Endpoint, model: str) -> Vendor:
    """Import the vendor's code and make a client. Takes seconds the first time: for a worker thread."""
    with _LOADING:
        name = f"{__package__}.{MODULES[endpoint.kind]}"
        is_new = name not in sys.modules
        vendor = importlib.import_module(name).connect(endpoint, model)
        if is_new:
            load_prices()
            _spare_collector()
        return vendor


def _spare_collector() -> None:
    """Take what is loaded now out of full garbage collections, which it made stop the server for 100 ms.

    The vendors' types live as long as the process. Garbage of this very moment is collected first, as far as
    that is quick. Measured: DECISIONS.md.
    """
    gc.collect(1)
    gc.freeze()
