"""The servers that people set up: rows of the database, and their secrets in a file of mode 0600.

A secret belongs to the program or the address that it was entered for: when that is changed, the secrets are
forgotten unless new ones come along. So nobody who may change a server can read what is write-only.
"""

from __future__ import annotations

import asyncio
import sqlite3
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

from ..errors import ConflictError, InvalidInputError
from ..store import Store
from ..store.mcp_servers import (
    delete_mcp_server,
    get_mcp_server,
    insert_mcp_server,
    list_mcp_servers,
    update_mcp_server,
)
from .config import McpServerConfig, check_config
from .secret_file import SecretFile, ServerSecrets, split_secrets, with_secrets


class StoredServers:
    """Reads and changes them. Lives as long as the extension.

    Args:
        store: Returns the store; it need not be open before the first call.
        secrets: The file, which may be replaced by others at any time.
        forget: `McpManager.forget`: turns under way must not go on with a server that was changed.

    Every method may raise `PrivateFileError`, when the file of secrets cannot be used.
    """

    def __init__(
        self,
        store: Callable[[], Store],
        secrets: SecretFile,
        *,
        forget: Callable[[str], Awaitable[None]],
    ) -> None:
        self._store = store
        self._secrets = secrets
        self._forget = forget
        self._changing = asyncio.Lock()

    async def list_bare(self) -> tuple[McpServerConfig, ...]:
        """Return all servers without their secrets, by slug."""
        return await self._store().read(list_mcp_servers)

    async def list(self) -> tuple[McpServerConfig, ...]:
        """Return all servers with their secrets, by slug."""
        bare = await self.list_bare()
        if not bare:  # most turns: no look into the file
            return ()
        secrets = await asyncio.to_thread(self._secrets.all)
        return tuple(with_secrets(config, secrets.get(config.id, ServerSecrets())) for config in bare)

    async def get(self, config_id: str) -> McpServerConfig:
        """Return a server with its secrets.

        Raises:
            NotFoundError: there is none with that id.
        """
        bare = await self._store().read(lambda conn: get_mcp_server(conn, config_id))
        return with_secrets(bare, await self._find_secrets(config_id))

    async def create(self, config: McpServerConfig) -> McpServerConfig:
        """Set up a server, and return it with an id of its own.

        Raises:
            InvalidInputError: a field is wrong.
            ConflictError: the slug is taken.
        """
        config = replace(config, id=str(uuid.uuid4()))
        _check(config)
        bare, secrets = split_secrets(config)
        store = self._store()
        async with self._changing:
            await _write(store, lambda conn: insert_mcp_server(conn, bare, now=store.clock()))
            try:
                await asyncio.to_thread(self._secrets.set, config.id, secrets)
            except BaseException:  # all or nothing
                await store.write(lambda conn: delete_mcp_server(conn, config.id))
                raise
        return config

    async def change(self, config_id: str, changes: Mapping[str, Any]) -> McpServerConfig:
        """Change the fields that are given, and return the server.

        Another transport takes away what the old one needed.

        Raises:
            NotFoundError: there is none with that id.
            InvalidInputError, ConflictError: as for `create`.
        """
        store = self._store()
        async with self._changing:
            before = await store.read(lambda conn: get_mcp_server(conn, config_id))
            config = _changed(before, await self._find_secrets(config_id), changes)
            _check(config)
            bare, secrets = split_secrets(config)
            # Secrets last: those of another place are not used, so a crash in between gives none away.
            await _write(store, lambda conn: update_mcp_server(conn, bare, now=store.clock()))
            try:
                await asyncio.to_thread(self._secrets.set, config_id, secrets)
            except BaseException:
                await store.write(lambda conn: update_mcp_server(conn, before, now=store.clock()))
                raise
            await self._forget(config_id)
        return config

    async def delete(self, config_id: str) -> None:
        """Remove a server and its secrets.

        Raises:
            NotFoundError: there is none with that id.
        """
        store = self._store()
        async with self._changing:
            await store.read(lambda conn: get_mcp_server(conn, config_id))
            await asyncio.to_thread(self._secrets.delete, config_id)
            await store.write(lambda conn: delete_mcp_server(conn, config_id))
            await self._forget(config_id)

    async def _find_secrets(self, config_id: str) -> ServerSecrets:
        return (await asyncio.to_thread(self._secrets.all)).get(config_id, ServerSecrets())


def _changed(before: McpServerConfig, secrets: ServerSecrets, changes: Mapping[str, Any]) -> McpServerConfig:
    if changes.get("transport", before.transport) != before.transport:
        before = replace(before, command=None, args=(), cwd=None, url=None)
    values = dict(changes)
    secret = {name: values.pop(name) for name in ("env", "headers") if name in values}
    if (url := values.get("url")) is not None:
        values["url"] = url.partition("?")[0]
        secret |= {"url": url} if "?" in url else {}
    return replace(with_secrets(replace(before, **values), secrets), **secret)


def _check(config: McpServerConfig) -> None:
    try:
        check_config(config)
    except ValueError as error:
        raise InvalidInputError("Invalid MCP server.", detail=str(error)) from error


async def _write(store: Store, run: Callable[[sqlite3.Connection], None]) -> None:
    try:
        await store.write(run)
    except sqlite3.IntegrityError as error:
        raise ConflictError(
            "An MCP server with that slug exists already. Change that one, or choose another slug.",
            state="exists",
            transition="create",
        ) from error
