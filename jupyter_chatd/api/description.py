"""`GET chats/openapi.yaml`: what all routes take and give, for programs.

`openapi.yaml` beside this file is written by hand. The tests compare it with the routes and with the bodies
of `requests.py`, and hold every reply of theirs against it.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from urllib.parse import quote

from .base import BASE, ChatdHandler, permission

NAME = "openapi.yaml"

_ANY_SERVER = "  - url: /\n"


@cache
def description() -> str:
    """Return the description as it is in the package: of a server whose base URL is `/`."""
    return (files("jupyter_chatd.api") / NAME).read_text("utf-8")


def description_for(base_url: str) -> str:
    """Return the description of a server.

    Args:
        base_url: With a slash at both ends, as Jupyter has it; may hold characters of a user's name.
    """
    path = quote(base_url.rstrip("/"), safe="/%@") or "/"
    return description().replace(_ANY_SERVER, f'  - url: "{path}"\n', 1)


class DescriptionHandler(ChatdHandler):
    """`/chats/openapi.yaml`."""

    @permission("read", "chats")
    async def get(self) -> None:
        """Return the description, with this server's address."""
        self.finish(description_for(self.base_url), set_content_type="application/yaml")


ROUTES = [(f"{BASE}/{NAME}".replace(".", r"\."), DescriptionHandler)]
