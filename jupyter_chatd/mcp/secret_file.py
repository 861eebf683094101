"""What of a config is secret and kept out of the database, in a file of mode 0600.

Environment and headers, and what follows the `?` of an address.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

from ..private_file import PrivateFile
from ..wire.jsontext import dump_json
from .config import McpServerConfig

FILE_NAME = "mcp_secrets.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSecrets:
    """The secret half of a `McpServerConfig`."""

    env: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    query: str = field(default="", repr=False)
    """Of the address, without its `?`."""
    place: str = ""
    """A hash of the program or the address that they were entered for; they are given to no other."""


def split_secrets(config: McpServerConfig) -> tuple[McpServerConfig, ServerSecrets]:
    """Return the two halves of a config: what may be told, and what not."""
    url, _, query = (config.url or "").partition("?")
    bare = replace(config, env={}, headers={}, url=url or None)
    return bare, ServerSecrets(env=config.env, headers=config.headers, query=query, place=_place(bare))


def with_secrets(config: McpServerConfig, secrets: ServerSecrets) -> McpServerConfig:
    """Return the whole config; one without secrets when they were entered for something else."""
    if secrets.place != _place(config):
        return config
    url = f"{config.url}?{secrets.query}" if config.url and secrets.query else config.url
    return replace(config, env=secrets.env, headers=secrets.headers, url=url)


def _place(config: McpServerConfig) -> str:
    parts = (config.transport, config.command, config.args, config.cwd, config.url)
    return hashlib.sha256(dump_json(parts).encode()).hexdigest()


class SecretFile:
    """`{config id: {"env": {…}, "headers": {…}, "query": "…", "place": "…"}}`.

    Every method blocks, and may raise `PrivateFileError`.
    """

    def __init__(self, folder: Path) -> None:
        self._file = PrivateFile(folder / FILE_NAME)

    def all(self) -> dict[str, ServerSecrets]:
        """Return everything, by config id."""
        return {config_id: _secrets(entry) for config_id, entry in self._file.read().items()}

    def set(self, config_id: str, secrets: ServerSecrets) -> None:
        """Store them in place of older ones."""
        with self._file.changed() as entries:
            entries[config_id] = {
                "env": dict(secrets.env),
                "headers": dict(secrets.headers),
                "query": secrets.query,
                "place": secrets.place,
            }

    def delete(self, config_id: str) -> None:
        """Forget them; nothing happens when there are none."""
        if config_id in self._file.read():
            with self._file.changed() as entries:
                entries.pop(config_id, None)


def _secrets(entry: Any) -> ServerSecrets:
    return ServerSecrets(
        env=_texts(entry, "env"),
        headers=_texts(entry, "headers"),
        query=_text(entry, "query"),
        place=_text(entry, "place"),
    )


def _text(entry: Any, name: str) -> str:
    value: Any = cast("dict[str, Any]", entry).get(name) if isinstance(entry, dict) else None
    return value if isinstance(value, str) else ""


def _texts(entry: Any, name: str) -> dict[str, str]:
    """Return one of its two halves; empty when somebody broke it by hand."""
    values: Any = cast("dict[str, Any]", entry).get(name) if isinstance(entry, dict) else None
    if not isinstance(values, dict):
        return {}
    return {key: value for key, value in cast("dict[str, Any]", values).items() if isinstance(value, str)}
