"""The extension as it ships, with two more models.

bench:scripted    the scripted provider: as many words as the last user message says, 50 a second
bench:responses   OpenAI's responses API at BENCH_RESPONSES_URL, through the bridge
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncIterator
from typing import Any

from jupyter_chatd.assembly import Assembly
from jupyter_chatd.extension import JupyterChatd
from jupyter_chatd.messages import Role, TextPart
from jupyter_chatd.providers.bridge import BridgeModel
from jupyter_chatd.providers.catalog import ModelCatalog
from jupyter_chatd.providers.endpoint import Endpoint, Kind
from jupyter_chatd.providers.protocol import Model, ModelCall, ModelEvent, TextDelta
from jupyter_chatd.providers.scripted import Answer, ScriptedModel, say

from .vendor import RESPONSES_URL, count_of, counted

PACE = 0.02  # seconds between two deltas of the scripted provider


class OfficialEndpoint(Endpoint):
    """Called through the responses API wherever it is; others are only at OpenAI's own address."""

    @property
    def is_official(self) -> bool:
        return True


class PacedModel(ScriptedModel):
    """The scripted provider, paced by the clock: a late delta does not delay the next."""

    async def stream(self, call: ModelCall) -> AsyncIterator[ModelEvent]:
        """Begin at a random moment, so that chats are not in step."""
        loop = asyncio.get_running_loop()
        due = loop.time() + random.uniform(0, PACE)
        async for event in super().stream(call):
            if isinstance(event, TextDelta):
                await asyncio.sleep(due - loop.time())
                due += PACE
            yield event


def script(call: ModelCall) -> Answer:
    """As many words as the last user message asks for."""
    user = next(message for message in reversed(call.messages) if message.role is Role.USER)
    text = counted(count_of("".join(part.text for part in user.parts if isinstance(part, TextPart))))
    return [say(text)]


def bench_models() -> dict[str, Model]:
    """The models that only a bench has, by name."""
    models: dict[str, Model] = {"bench:scripted": PacedModel(script, ref="bench:scripted")}
    if url := os.environ.get(RESPONSES_URL):
        endpoint = OfficialEndpoint(
            provider="bench", kind=Kind.OPENAI, base_url=f"{url}/v1", label="Bench", api_key="k"
        )
        models["bench:responses"] = BridgeModel(endpoint, "gpt-5")
    return models


class BenchCatalog:
    """A catalog that finds the bench's models too."""

    def __init__(self, catalog: ModelCatalog) -> None:
        self._catalog = catalog
        self._models = bench_models()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._catalog, name)

    async def canonical_ref(self, model: str, **arguments: Any) -> str:
        return model if model in self._models else await self._catalog.canonical_ref(model, **arguments)

    async def resolve(self, model: str, model_config_id: str | None = None) -> Model:
        return self._models.get(model) or await self._catalog.resolve(model, model_config_id)

    async def aclose(self) -> None:
        for model in self._models.values():
            await model.aclose()
        await self._catalog.aclose()


class BenchAssembly(Assembly):
    """The parts, over `BenchCatalog`."""

    def _build_catalog(self) -> Any:
        return BenchCatalog(super()._build_catalog())


class BenchChatd(JupyterChatd):
    """The extension with these parts."""

    def _make_assembly(self) -> Assembly:
        return BenchAssembly(self, self.serverapp, self._policy)


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    return [{"module": __name__, "app": BenchChatd}]
