"""Names of workspaces."""

from __future__ import annotations

import re
import secrets

BASE = 27  # characters before the suffix
LONGEST = 32  # characters

_VALID = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


def name_for(wanted: str | None, template_name: str) -> str:
    """Return the name of a new workspace: the wanted one if it is valid, else one derived from it.

    Without a wanted one it is derived from the template's. Rule: spec/chatd.md §6.1.
    """
    wanted = (wanted or "").strip()
    if _VALID.fullmatch(wanted) and len(wanted) <= LONGEST:
        return wanted
    base = _legal(wanted or template_name) or "workspace"
    return f"{base}-{secrets.token_hex(2)}"


def _legal(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:BASE].strip("-")
