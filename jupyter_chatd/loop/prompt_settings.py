"""Prompts that people set: what every new chat begins with, and what each user wants of all answers.

Source: spec/chatd.md §3.14.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import cache, partial
from importlib.resources import files
from typing import Any

from ..store import Store
from ..store.settings import find_setting, put_setting

MAX_BYTES = 128 * 1024
"""Of one prompt that somebody sets, in UTF-8."""

_SYSTEM = "system_prompt"
_USER = "user_prompt"

_JOINERS = "\u200c\u200d"
"""Invisible, but parts of words and emoji."""
_GAP = re.compile(r"\n[ \t]*(?:\n[ \t]*){2,}")


@cache
def default_system_prompt() -> str:
    """Return the built-in system prompt of new chats."""
    return files("jupyter_chatd.loop").joinpath("system.md").read_text("utf-8")


def clean_prompt(text: str) -> str:
    """Return a prompt without invisible characters (instructions can hide in them) and large gaps."""
    visible = "".join(
        character
        for character in text.replace("\r\n", "\n")
        if character in "\n\t" or character in _JOINERS or unicodedata.category(character) not in ("Cc", "Cf")
    )
    return _GAP.sub("\n\n", visible).strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemPrompt:
    """What the system prompt of new chats is made of."""

    configured: str = ""
    """From the server's configuration, which no route changes."""
    custom: str = ""
    """What was set while the server ran."""
    include_default: bool = True

    @property
    def text(self) -> str:
        """The whole prompt: the built-in part, the configured one, the custom one."""
        default = default_system_prompt() if self.include_default else ""
        parts = (clean_prompt(part) for part in (default, self.configured, self.custom))
        return "\n\n".join(part for part in parts if part)


class PromptSettings:
    """Reads and writes prompts. One per server.

    Args:
        store: Open as long as this lives.
        configured: What the server's configuration adds to the system prompt.
        include_default: Whether new chats get the built-in prompt, unless a setting says otherwise.
    """

    def __init__(self, store: Store, *, configured: str = "", include_default: bool = True) -> None:
        self._store = store
        self._configured = configured
        self._include_default = include_default

    async def system(self) -> SystemPrompt:
        """Return what the system prompt of new chats is made of now."""
        stored: dict[str, Any] = await self._store.read(lambda conn: find_setting(conn, _SYSTEM)) or {}
        include = stored.get("include_default")
        return SystemPrompt(
            configured=self._configured,
            custom=stored.get("custom") or "",
            include_default=self._include_default if include is None else include,
        )

    async def set_system(self, custom: str, *, include_default: bool | None = None) -> None:
        """Set the custom part for new chats; *include_default* `None` leaves that as it is."""
        now = self._store.clock()

        def run(conn: Any) -> None:
            stored: dict[str, Any] = find_setting(conn, _SYSTEM) or {}
            stored["custom"] = clean_prompt(custom)
            if include_default is not None:
                stored["include_default"] = include_default
            put_setting(conn, _SYSTEM, stored, now=now)

        await self._store.write(run)

    async def user(self, owner_id: str) -> str:
        """Return what a user wants of all answers; empty when that is nothing special."""
        return await self._store.read(partial(find_setting, name=_USER, owner_id=owner_id)) or ""

    async def set_user(self, owner_id: str, text: str) -> str:
        """Set what a user wants of all answers, from the next turn on; return it as it is kept."""
        cleaned, now = clean_prompt(text), self._store.clock()
        await self._store.write(partial(put_setting, name=_USER, value=cleaned, now=now, owner_id=owner_id))
        return cleaned


def describe_user_prompt(text: str) -> tuple[str, ...]:
    """Return one system message with what the user wants, none when that is nothing."""
    return (f"<user-instructions>\n{text}\n</user-instructions>",) if text else ()
