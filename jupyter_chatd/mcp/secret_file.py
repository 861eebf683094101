"""What of a config is secret, kept out of the database: environment and headers, in a file of mode 0600."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from .private_file import PrivateFile

FILE_NAME = "mcp_secrets.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSecrets:
    """The secret half of a `McpServerConfig`."""

    env: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)


class SecretFile:
    """`{config id: {"env": {…}, "headers": {…}}}`. Every method blocks, and may raise `PrivateFileError`."""

    def __init__(self, folder: Path) -> None:
        self._file = PrivateFile(folder / FILE_NAME)

    def all(self) -> dict[str, ServerSecrets]:
        """Return everything, by config id."""
        return {config_id: _secrets(entry) for config_id, entry in self._file.read().items()}

    def set(self, config_id: str, secrets: ServerSecrets) -> None:
        """Store them in place of older ones."""
        with self._file.changed() as entries:
            entries[config_id] = {"env": dict(secrets.env), "headers": dict(secrets.headers)}

    def delete(self, config_id: str) -> None:
        """Forget them; nothing happens when there are none."""
        if config_id in self._file.read():
            with self._file.changed() as entries:
                entries.pop(config_id, None)


def _secrets(entry: Any) -> ServerSecrets:
    return ServerSecrets(env=_texts(entry, "env"), headers=_texts(entry, "headers"))


def _texts(entry: Any, name: str) -> dict[str, str]:
    """Return one of its two halves; empty when somebody broke it by hand."""
    values: Any = cast("dict[str, Any]", entry).get(name) if isinstance(entry, dict) else None
    if not isinstance(values, dict):
        return {}
    return {key: value for key, value in cast("dict[str, Any]", values).items() if isinstance(value, str)}
