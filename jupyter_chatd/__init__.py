"""An AI agent that lives in your own Jupyter server.

This package is a door: it names the extension points and imports nothing heavy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._version import __version__

if TYPE_CHECKING:
    from .client.chat import Chat

__all__ = ["Chat", "__version__"]


def __getattr__(name: str) -> Any:
    """Load `Chat` when it is first asked for: the server extension does without the client."""
    if name != "Chat":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .client.chat import Chat

    return Chat


def load_ipython_extension(shell: Any) -> None:
    """Add `%chat` and `%%chat`: `%load_ext jupyter_chatd`."""
    from .magics import ChatMagics

    shell.register_magics(ChatMagics)


def _jupyter_server_extension_points() -> list[dict[str, Any]]:  # pyright: ignore[reportUnusedFunction]
    """Tell jupyter_server which application to load."""
    from .loading import collector_at_rest

    with collector_at_rest():
        from .extension import JupyterChatd

    return [{"module": "jupyter_chatd.extension", "app": JupyterChatd}]


def _jupyter_labextension_paths() -> list[dict[str, str]]:  # pyright: ignore[reportUnusedFunction]
    """Tell JupyterLab where the prebuilt front end lies."""
    return [{"src": "labextension", "dest": "jupyter-chatd"}]
