"""Asking an endpoint which models it has, and how much each of them can read."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict

from .. import handshakes
from .endpoint import Endpoint, Kind
from .listed_limits import find_listed_limit

LOG = logging.getLogger(__name__)

TIMEOUT = 3.0  # seconds

UNLISTED = (Kind.AZURE, Kind.BEDROCK, Kind.GOOGLE)
"""These tell what exists, in ways of their own, but not what the account may call."""

NOT_FOR_CHAT = re.compile(
    r"embed|rerank|whisper|tts|dall-e|moderation|image|audio|realtime|transcribe", re.IGNORECASE
)
"""Names of models that answer no chat; local servers list them beside the others."""


async def discover_models(endpoint: Endpoint) -> Mapping[str, int | None] | None:
    """Ask for the chat models at *endpoint*; `None` when it does not tell.

    Returns:
        Names in its order, each with its context limit in tokens, `None` where it is not told.
    """
    if endpoint.kind in UNLISTED:
        return None
    try:
        async with asyncio.timeout(TIMEOUT):
            client = await asyncio.to_thread(_client, endpoint)
            async with client:
                response = await client.get(_path(endpoint))
                response.raise_for_status()
                return await asyncio.to_thread(_read, response.content)
    except Exception as error:  # noqa: BLE001 - a courtesy call to a foreign server: any failure means "it does not tell"
        LOG.info("The models of %s could not be listed: %s", endpoint.host, type(error).__name__)
        return None


def _read(body: bytes) -> dict[str, int | None]:
    """The chat models of a list. In a thread: the lists of brokers are long."""
    models = _Models.model_validate_json(body).data
    return {
        model.id: find_listed_limit(model.model_extra)
        for model in models
        if not NOT_FOR_CHAT.search(model.id)
    }


def _client(endpoint: Endpoint) -> Any:
    """An HTTP client with the endpoint's key. The import and the certificates take a while."""
    import httpx

    headers = {"anthropic-version": "2023-06-01"} if endpoint.kind is Kind.ANTHROPIC else {}
    if endpoint.api_key:
        headers["authorization"] = f"Bearer {endpoint.api_key}"
    if endpoint.api_key and endpoint.kind is Kind.ANTHROPIC:
        headers["x-api-key"] = endpoint.api_key
    hooks = {"request": [handshakes.watch]}
    return httpx.AsyncClient(headers=headers, timeout=TIMEOUT, event_hooks=hooks)


def _path(endpoint: Endpoint) -> str:
    prefix = "/v1" if endpoint.kind is Kind.ANTHROPIC else ""
    return f"{endpoint.base_url}{prefix}/models"


class _Model(BaseModel):
    model_config = ConfigDict(extra="allow")

    id: str


class _Models(BaseModel):
    """What both OpenAI and Anthropic answer; each vendor adds fields of its own."""

    data: list[_Model]
