"""The environment of what the agent runs: an allow-list, so that no token or key of the server passes.

Rule: DESIGN "Security, said honestly". A name that looks like a secret never passes, whichever list it is on.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping

log = logging.getLogger(__name__)

ALLOWED_NAMES = frozenset(
    {"PATH", "HOME", "USER", "LOGNAME", "LANG", "LANGUAGE", "TMPDIR", "SHELL", "TZ", "VIRTUAL_ENV"}
)
ALLOWED_PREFIXES = ("LC_", "CONDA_")
FIXED = {"TERM": "dumb"}
"""Whatever the server's own terminal is, nobody sees one here."""

CHAT_ID_VARIABLES = ("CODER_CHAT_ID", "JUPYTER_CHATD_CHAT_ID")
"""Tell a command which chat it runs for: the original's name and ours."""
PROCESS_ID_VARIABLE = "JUPYTER_CHATD_PROCESS_ID"
"""Marks every process of a command, so that a later server knows what an earlier one left."""

_OF_LOADER = ("LD_", "GLIBC_TUNABLES")
"""What the dynamic loader heeds (ld.so(8)): in bubblewrap too, before there is a sandbox."""

_SECRET = re.compile(r"TOKEN|SECRET|PASSW|PASSPHRASE|CREDENTIAL|COOKIE|(^|_|API|ACCESS|PRIVATE)KEYS?(_|$)")
_DEFAULT_PATH = "/usr/local/bin:/usr/bin:/bin"


def scrubbed(server: Mapping[str, str], *, extra_names: Iterable[str] = ()) -> dict[str, str]:
    """Return what of the *server*'s environment its commands may see.

    Args:
        server: The server's environment.
        extra_names: Exact names that a user allows besides the built-in ones. Those that look like a secret
            are left out with a warning: a credential helper or a file is the way to give a command a
            secret.
    """
    extra = frozenset(extra_names)
    for name in sorted(extra):
        if looks_secret(name):
            log.warning("The variable %s looks like a secret and is not given to commands", name)
    passed = {name: value for name, value in server.items() if _is_allowed(name, extra)}
    return {"PATH": _DEFAULT_PATH} | passed | FIXED


def of_command(chat_id: str, process_id: str) -> dict[str, str]:
    """Return what tells a command whose it is."""
    return dict.fromkeys(CHAT_ID_VARIABLES, chat_id) | {PROCESS_ID_VARIABLE: process_id}


def looks_secret(name: str) -> bool:
    """True for names such as `OPENAI_API_KEY`, `JUPYTER_TOKEN` and `PGPASSWORD`."""
    return _SECRET.search(name.upper()) is not None


def why_unconfinable(env: Mapping[str, str]) -> str | None:
    """Say why a program that is given *env* cannot be confined; `None` when it can."""
    early = sorted(name for name in env if name.startswith(_OF_LOADER))
    return f"env: {', '.join(early)} would work before the sandbox does; remove it." if early else None


def _is_allowed(name: str, extra: frozenset[str]) -> bool:
    listed = name in ALLOWED_NAMES or name in extra or name.startswith(ALLOWED_PREFIXES)
    return listed and not looks_secret(name)
