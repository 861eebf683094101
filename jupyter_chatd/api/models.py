"""`chats/models`, `chats/providers`, `chats/model-configs`: what can be chosen, and setting it up.

Keys go in and never come out: they are in the 0600 file, and replies say only whether there is one.
"""

from __future__ import annotations

import asyncio
import sqlite3
import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from .. import wire
from ..capabilities import Capability
from ..errors import ConflictError, InvalidInputError
from ..model_settings import ModelConfig, ProviderConfig
from ..private_file import PrivateFileError
from ..providers.catalog import ListedProvider
from ..providers.endpoint import check_api_key, check_base_url
from ..providers.presets import PRESETS, label_of
from ..store import configs
from . import requests
from .base import BASE, ChatdHandler, permission

ID = r"/(?P<config_id>[^/]+)"


class ModelsHandler(ChatdHandler):
    """`/chats/models`."""

    @permission("read", "chats")
    async def get(self) -> None:
        """List the models that can be chosen, by provider, and why a provider cannot be used."""
        catalog = self.extension.catalog
        listing, default = await asyncio.gather(catalog.listing(), catalog.default_ref())
        self.reply({"providers": [_listed(provider) for provider in listing], "default_model": default})


def _listed(provider: ListedProvider) -> dict[str, object]:
    reply: dict[str, object] = {
        "provider": provider.provider,
        "display_name": provider.display_name,
        "available": provider.available,
        "models": [
            {
                "id": model.id,
                "provider": model.provider,
                "model": model.model,
                "display_name": model.display_name,
            }
            for model in provider.models
        ],
    }
    if provider.unavailable_reason:
        reply["unavailable_reason"] = provider.unavailable_reason
        reply["unavailable_detail"] = provider.unavailable_detail
    return reply


class _ConfigHandler(ChatdHandler):
    """Reads and writes what the store holds about models."""

    async def change(self, run: Callable[[sqlite3.Connection], None]) -> None:
        """Write to the store.

        Raises:
            ConflictError: the name is taken.
        """
        try:
            await self.service.store.write(run)
        except sqlite3.IntegrityError as error:
            raise ConflictError(
                "A provider of that name exists already. Change that one instead.",
                state="exists",
                transition="create",
            ) from error

    async def set_key(self, provider: ProviderConfig, api_key: str) -> None:
        """Put a key into the 0600 file, or take it out when it is empty."""
        credentials = self.extension.catalog.credentials
        try:
            if api_key:
                await asyncio.to_thread(
                    credentials.set, provider.provider, api_key, base_url=checked_url(provider.base_url)
                )
            else:
                await asyncio.to_thread(credentials.delete, provider.provider)
        except (PrivateFileError, OSError) as error:
            raise InvalidInputError("The key file cannot be used.", detail=str(error)) from error

    async def provider_reply(
        self, provider: ProviderConfig, *, source: str = "database"
    ) -> dict[str, object]:
        """Return a provider as clients see it."""
        return {
            "id": provider.id,
            "provider": provider.provider,
            "display_name": provider.display_name or label_of(provider.provider),
            "base_url": provider.base_url or "",
            "enabled": provider.enabled,
            "has_api_key": await self.extension.catalog.has_api_key(provider.provider),
            "source": source,
        }


def checked_url(base_url: str | None) -> str | None:
    """Return a base URL as it is stored, `None` for the vendor's own.

    Raises:
        InvalidInputError: it is no address of an HTTP service.
    """
    if not base_url:
        return None
    try:
        return check_base_url(base_url)
    except ValueError as error:
        raise InvalidInputError("Invalid provider.", detail=f"base_url: {error}") from error


def _checked_key(api_key: str) -> str:
    try:
        return check_api_key(api_key) if api_key else ""
    except ValueError as error:
        raise InvalidInputError("Invalid provider.", detail=f"api_key: {error}") from error


class ProvidersHandler(_ConfigHandler):
    """`/chats/providers`."""

    @permission("read", "chats")
    async def get(self) -> None:
        """List the providers that were set up, then those that only need a key."""
        stored = await self.service.store.read(configs.list_providers)
        replies = [await self.provider_reply(provider) for provider in stored]
        names = {provider.provider for provider in stored}
        replies += [await self._unstored(name) for name in PRESETS if name not in names]
        self.reply(replies)

    async def _unstored(self, name: str) -> dict[str, object]:
        reply = await self.provider_reply(ProviderConfig(id="", provider=name))
        reply["source"] = "env_preset" if reply["has_api_key"] else "supported"
        return reply

    @permission("write", "settings")
    async def post(self) -> None:
        """Set up a provider."""
        self.require(Capability.PROVIDERS)
        body = self.body(requests.ProviderCreate)
        if body.provider == "demo":
            raise InvalidInputError(
                "Invalid provider.", detail="provider: demo is built in; choose another name"
            )
        provider = ProviderConfig(
            id=str(uuid.uuid4()),
            provider=body.provider,
            display_name=body.display_name,
            base_url=checked_url(body.base_url),
            enabled=body.enabled,
        )
        api_key = _checked_key(body.api_key)
        now = self.service.store.clock()
        await self.change(lambda conn: configs.insert_provider(conn, provider, now=now))
        try:
            if api_key:
                await self.set_key(provider, api_key)
        except InvalidInputError:  # all or nothing
            await self.change(lambda conn: configs.delete_provider(conn, provider.id))
            raise
        self.reply(await self.provider_reply(provider), status=201)


class ProviderHandler(_ConfigHandler):
    """`/chats/providers/{id}`."""

    @permission("write", "settings")
    async def patch(self, config_id: str) -> None:
        """Change a provider; a new base URL clears the stored key, unless a key comes along."""
        self.require(Capability.PROVIDERS)
        body = self.body(requests.ProviderPatch)
        before = await self.service.store.read(lambda conn: configs.get_provider(conn, config_id))
        provider = replace(
            before,
            display_name=before.display_name if body.display_name is None else body.display_name,
            base_url=before.base_url if body.base_url is None else checked_url(body.base_url),
            enabled=before.enabled if body.enabled is None else body.enabled,
        )
        api_key = None if body.api_key is None else _checked_key(body.api_key)
        now = self.service.store.clock()
        if api_key is not None or provider.base_url != before.base_url:
            await self.set_key(provider, api_key or "")  # first: it may fail, and then nothing changes
        await self.change(lambda conn: configs.update_provider(conn, provider, now=now))
        self.reply(await self.provider_reply(provider))

    @permission("write", "settings")
    async def delete(self, config_id: str) -> None:
        """Remove a provider and its key."""
        provider = await self.service.store.read(lambda conn: configs.get_provider(conn, config_id))
        await self.set_key(provider, "")
        await self.change(lambda conn: configs.delete_provider(conn, config_id))
        self.reply_empty()


def _config_reply(config: ModelConfig) -> dict[str, object]:
    return {
        "id": config.id,
        "provider": config.provider,
        "model": config.model,
        "display_name": config.display_name or config.model,
        "enabled": config.enabled,
        "is_default": config.is_default,
        "context_limit": config.context_limit,
        "compression_threshold": config.compression_threshold,
        "options": config.options,
    }


def _options(options: requests.ModelOptions) -> Any:
    return wire.load_json(wire.dump_value(options))


class ModelConfigsHandler(_ConfigHandler):
    """`/chats/model-configs`."""

    @permission("read", "chats")
    async def get(self) -> None:
        """List the model configs."""
        stored = await self.service.store.read(configs.list_model_configs)
        self.reply([_config_reply(config) for config in stored])

    @permission("write", "settings")
    async def post(self) -> None:
        """Set up a model."""
        body = self.body(requests.ModelConfigCreate)
        config = ModelConfig(
            id=str(uuid.uuid4()),
            provider=body.provider,
            model=body.model,
            display_name=body.display_name,
            enabled=body.enabled,
            is_default=body.is_default,
            context_limit=body.context_limit,
            compression_threshold=body.compression_threshold,
            options=_options(body.options),
        )
        now = self.service.store.clock()
        await self.change(lambda conn: configs.put_model_config(conn, config, now=now))
        self.reply(_config_reply(config), status=201)


class ModelConfigHandler(_ConfigHandler):
    """`/chats/model-configs/{id}`."""

    @permission("write", "settings")
    async def patch(self, config_id: str) -> None:
        """Change a model config; running turns keep what they began with."""
        body = self.body(requests.ModelConfigPatch)
        before = await self.service.store.read(lambda conn: configs.get_model_config(conn, config_id))
        names = ("provider", "model", "display_name", "enabled", "is_default", "context_limit")
        values = {name: getattr(body, name) for name in (*names, "compression_threshold")}
        config = replace(before, **{name: value for name, value in values.items() if value is not None})
        if body.options is not None:
            config = replace(config, options=_options(body.options))
        now = self.service.store.clock()
        await self.change(lambda conn: configs.put_model_config(conn, config, now=now))
        self.reply(_config_reply(config))

    @permission("write", "settings")
    async def delete(self, config_id: str) -> None:
        """Remove a model config; chats that named it go on with the model of the same name."""
        await self.service.store.read(lambda conn: configs.get_model_config(conn, config_id))
        now = self.service.store.clock()
        await self.change(lambda conn: configs.delete_model_config(conn, config_id, now=now))
        self.reply_empty()


ROUTES = [
    (BASE + r"/models", ModelsHandler),
    (BASE + r"/providers", ProvidersHandler),
    (BASE + r"/providers" + ID, ProviderHandler),
    (BASE + r"/model-configs", ModelConfigsHandler),
    (BASE + r"/model-configs" + ID, ModelConfigHandler),
]
