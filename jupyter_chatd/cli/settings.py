"""What the server's configuration says about the extension, read without starting a server."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from jupyter_core.paths import jupyter_config_path, jupyter_data_dir
from traitlets.config import Application, Config

from ..runtime import DATABASE

_BASENAMES = ("jupyter_config", "jupyter_server_config", "jupyter_chatd_config")
"""Configuration files that the server reads for us, least specific first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """One configuration file that switches the extension on or off."""

    path: Path
    is_on: bool


def load_config() -> Config:
    """Return the configuration of Jupyter servers as they would read it now; this runs Python files."""
    reader = Application(log=logging.getLogger(__name__))
    for basename in _BASENAMES:
        reader.load_config_file(basename, path=jupyter_config_path())
    return reader.config


def data_folder(config: Config) -> Path:
    """Return the folder of the database."""
    named = config.JupyterChatd.get("data_dir", "")
    return Path(named or Path(jupyter_data_dir()) / "jupyter_chatd").expanduser().resolve()


def database_path(config: Config) -> Path:
    """Return the file that holds the chats."""
    return data_folder(config) / DATABASE


def switches() -> Iterator[Switch]:
    """Yield the files that switch the extension on or off; the first one counts."""
    for folder in map(Path, jupyter_config_path()):
        files = [
            folder / "jupyter_server_config.json",
            *sorted(folder.glob("jupyter_server_config.d/*.json")),
        ]
        for path in files:
            is_on = _extensions(path).get("jupyter_chatd")
            if is_on is not None:
                yield Switch(path=path, is_on=bool(is_on))


def _extensions(path: Path) -> Mapping[str, Any]:
    try:
        value = json.loads(path.read_text())
        return cast("Mapping[str, Any]", value["ServerApp"]["jpserver_extensions"])
    except (OSError, ValueError, KeyError, TypeError):
        return {}  # not there, not JSON, or says nothing of extensions: the server passes over it too
