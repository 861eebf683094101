"""An AI agent that lives in your own Jupyter server.

This package is a door: it names the extension points and imports nothing heavy.
"""

from __future__ import annotations

from typing import Any

from ._version import __version__

__all__ = ["__version__"]


def _jupyter_server_extension_points() -> list[dict[str, Any]]:  # pyright: ignore[reportUnusedFunction]
    """Tell jupyter_server which application to load."""
    from .extension import JupyterChatd

    return [{"module": "jupyter_chatd.extension", "app": JupyterChatd}]


def _jupyter_labextension_paths() -> list[dict[str, str]]:  # pyright: ignore[reportUnusedFunction]
    """Tell JupyterLab where the prebuilt front end lies."""
    return [{"src": "labextension", "dest": "jupyter-chatd"}]
