"""Asking an endpoint which models it has."""

from __future__ import annotations

import asyncio
import logging
import re
from typing import Any

from pydantic import BaseModel

from .. import handshakes
from .endpoint import Endpoint, Kind

LOG = logging.getLogger(__name__)

TIMEOUT = 3.0  # seconds
MAX_MODELS = 200

UNLISTED = (Kind.AZURE, Kind.BEDROCK, Kind.GOOGLE)
"""These tell what exists, in ways of their own, but not what the account may call."""

NOT_FOR_CHAT = re.compile(
    r"embed|rerank|whisper|tts|dall-e|moderation|image|audio|realtime|transcribe", re.IGNORECASE
)
"""Names of models that answer no chat; local servers list them beside the others."""


async def discover_models(endpoint: Endpoint) -> tuple[str, ...] | None:
    """Names of the chat models at *endpoint*, in its order; `None` when it does not tell."""
    if endpoint.kind in UNLISTED:
        return None
    try:
        async with asyncio.timeout(TIMEOUT):
            client = await asyncio.to_thread(_client, endpoint)
            async with client:
                response = await client.get(_path(endpoint))
                response.raise_for_status()
                names = [model.id for model in _Models.model_validate(response.json()).data]
    except Exception as error:  # noqa: BLE001 - a courtesy call to a foreign server: any failure means "it does not tell"
        LOG.info("The models of %s could not be listed: %s", endpoint.host, type(error).__name__)
        return None
    return tuple(name for name in names if not NOT_FOR_CHAT.search(name))[:MAX_MODELS]


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
    id: str


class _Models(BaseModel):
    """What both OpenAI and Anthropic answer; other fields are not read."""

    data: list[_Model]
