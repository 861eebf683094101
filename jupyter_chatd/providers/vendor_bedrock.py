"""AWS Bedrock: Claude through Anthropic's client, every other model through the Converse API.

Needs the extra `bedrock`.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import boto3  # pyright: ignore[reportMissingTypeStubs]
import httpx2
from anthropic import (
    AsyncAnthropicBedrock,  # pyright: ignore[reportPrivateImportUsage]
    DefaultAsyncHttpxClient,
)
from anthropic._models import FinalRequestOptions
from anthropic._utils._json import openapi_dumps
from anthropic._utils._prepare import serialize_data
from botocore import UNSIGNED  # pyright: ignore[reportMissingTypeStubs]
from botocore.config import Config  # pyright: ignore[reportMissingTypeStubs]
from pydantic_ai.messages import ModelMessage, ThinkingPart
from pydantic_ai.models.bedrock import BedrockConverseModel
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.bedrock import BedrockProvider

from .. import handshakes
from ..pacing import PacedList, paced
from .converse_body import encode_messages_apart
from .endpoint import BEDROCK_HOST, Endpoint
from .long_body import join_body
from .offload import LONG_PROMPT, body_size, run_off_loop
from .protocol import ModelCall
from .vendor import CONNECT_TIMEOUT, SILENCE_TIMEOUT, Vendor
from .vendor_anthropic import TRAITS, AnthropicVendorModel
from .vendor_settings import Option, common_settings, effort_settings, option_settings, options_of, same

NO_KEY = "no-key"

DEFAULT_REGION = "us-east-1"
"""For signing requests to an address that tells no region, when the environment does not either."""

OPTIONS_KEYS = ("bedrock", "anthropic")

OPTIONS: dict[str, Option] = {
    "additional_model_request_fields": ("bedrock_additional_model_requests_fields", same),
    "inference_profile": ("bedrock_inference_profile", same),
    "service_tier": ("bedrock_service_tier", lambda value: {"type": value}),
}


def connect(endpoint: Endpoint, model: str) -> Vendor:
    """A client of *endpoint* and the model on it."""
    return _connect_claude(endpoint, model) if "anthropic.claude" in model else _connect_any(endpoint, model)


def region_of(endpoint: Endpoint) -> str:
    """The region that requests are signed for: the address's, else the environment's."""
    if match := BEDROCK_HOST.fullmatch(str(urlsplit(endpoint.base_url).hostname)):
        return match["region"]
    return os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or DEFAULT_REGION


def _key(endpoint: Endpoint) -> str | None:
    """The key to send; `None` signs with the machine's own credentials."""
    return endpoint.api_key or (None if endpoint.may_use_cloud_identity else NO_KEY)


# Claude.


def _connect_claude(endpoint: Endpoint, model: str) -> Vendor:
    client = _ClaudeClient(
        api_key=_key(endpoint),
        aws_region=region_of(endpoint),
        base_url=endpoint.base_url,
        max_retries=0,
        timeout=httpx2.Timeout(SILENCE_TIMEOUT, connect=CONNECT_TIMEOUT),
        http_client=DefaultAsyncHttpxClient(event_hooks={"request": [handshakes.watch]}),
    )
    if not endpoint.from_environment:
        client._custom_headers = {}  # pyright: ignore[reportPrivateUsage]  # were set for another address
    library_model = AnthropicVendorModel(model, provider=AnthropicProvider(anthropic_client=client))
    return Vendor(model=library_model, close=client.close, **TRAITS)


@dataclass(frozen=True, slots=True)
class _Encoded:
    """Messages as JSON, in the place of those that they are made of."""

    json: list[str]

    def __deepcopy__(self, _: object) -> _Encoded:
        return self


class _ClaudeClient(AsyncAnthropicBedrock):
    """Makes JSON of long conversations in a thread, before the client would copy them, twice."""

    async def post(self, path: str, *, body: Any = None, **kwargs: Any) -> Any:
        """Send a POST request; see the client."""
        if body_size(body) > LONG_PROMPT:
            body = {**body, "messages": _Encoded(await asyncio.to_thread(_encode_all, body["messages"]))}
        return await super().post(path, body=body, **kwargs)

    async def _prepare_options(self, options: FinalRequestOptions) -> FinalRequestOptions:
        prepared = await super()._prepare_options(options)
        body: Any = prepared.json_data
        if isinstance(body.get("messages"), _Encoded):
            encoded = body.pop("messages").json
            prepared.content, prepared.json_data = join_body("messages", encoded, openapi_dumps(body)), None
        return prepared


def _encode_all(messages: Iterable[Any]) -> list[str]:
    return [serialize_data(message, location="body") for message in paced(messages)]


# Every other model.


def _connect_any(endpoint: Endpoint, model: str) -> Vendor:
    client = _converse_client(endpoint)
    return Vendor(
        model=_ConverseModel(model, provider=BedrockProvider(bedrock_client=client)),
        settings=_settings,
        close=lambda: asyncio.to_thread(client.close),
        options_keys=OPTIONS_KEYS,
        takes_reasoning=takes_reasoning,
        cache_points=True,
        cache_settings={"bedrock_cache_instructions": True, "bedrock_cache_tool_definitions": True},
    )


def takes_reasoning(model: Any, part: ThinkingPart) -> bool:
    """What is signed, if the model is one that knows what to do with it."""
    return bool(part.signature) and model.profile.get("bedrock_send_back_thinking_parts", False)


def _converse_client(endpoint: Endpoint) -> Any:
    config: dict[str, Any] = {
        "read_timeout": SILENCE_TIMEOUT,
        "connect_timeout": CONNECT_TIMEOUT,
        "retries": {"total_max_attempts": 1},
    }
    key = _key(endpoint)
    if key is not None:
        config["signature_version"] = UNSIGNED
    session: Any = boto3.Session(region_name=region_of(endpoint))
    client: Any = session.client("bedrock-runtime", endpoint_url=endpoint.base_url, config=Config(**config))
    encode_messages_apart(client)
    if key is not None:
        # The client's own bearer tokens are found in the environment before they are taken from us, and
        # refuse addresses of this machine, which have no certificate.
        client.meta.events.register("before-sign.bedrock-runtime", partial(_add_key, key))
    return client


def _add_key(key: str, request: Any, **_: Any) -> None:
    request.headers["Authorization"] = f"Bearer {key}"


class _ConverseModel(BedrockConverseModel):
    """Maps long prompts in a thread."""

    async def _map_messages(self, messages: list[ModelMessage], *args: Any, **kwargs: Any) -> Any:
        map_messages: Any = super()._map_messages  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        mapping = map_messages(PacedList(messages), *args, **kwargs)
        return await run_off_loop(mapping, size=len(messages))


def _settings(call: ModelCall) -> Mapping[str, Any]:
    settings = common_settings(call.settings) | effort_settings(call.settings)
    return settings | option_settings(options_of(call, OPTIONS_KEYS), OPTIONS)
