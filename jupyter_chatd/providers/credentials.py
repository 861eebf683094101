"""API keys that people entered in the settings: one JSON file that only its owner may read."""

from __future__ import annotations

import contextlib
import json
import os
import stat
import tempfile
import threading
from collections.abc import Generator
from pathlib import Path
from typing import Any, cast

from ..errors import ChatdError
from .endpoint import check_api_key

OWNER_ONLY = 0o600
FOREIGN = stat.S_IRWXG | stat.S_IRWXO
"""Permissions that must not be set."""


class CredentialsError(ChatdError):
    """The key file cannot be used: others may read it, or it is damaged. The text says what to do."""


class Credentials:
    """Keys by provider name, in a file of mode 0600.

    Each key is stored with the base URL that it was entered for and given out for no other, so that a changed
    address can never receive it, whatever crashes between the database and this file. Lives as long as the
    server; safe to use from any thread, and the file may be edited or replaced at any time.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"Credentials({str(self._path)!r})"

    def find(self, provider: str, *, base_url: str | None) -> str | None:
        """The key of *provider*, `None` when there is none for this *base_url* (`None`: the vendor's own).

        Raises:
            CredentialsError: see there.
        """
        entry = self._read().get(provider, {})
        if isinstance(entry, str):  # written by hand: a key for the vendor's own address
            entry = {"api_key": entry}
        return entry.get("api_key") if entry.get("base_url") == base_url else None

    def set(self, provider: str, api_key: str, *, base_url: str | None) -> None:
        """Store a key in place of an older one.

        Raises:
            ValueError: *api_key* cannot be a key.
            CredentialsError: see there.
        """
        key = check_api_key(api_key)
        with self._changed() as entries:
            entries[provider] = {"api_key": key, "base_url": base_url}

    def delete(self, provider: str) -> None:
        """Forget the key of *provider*; nothing happens when there is none."""
        if provider in self._read():
            with self._changed() as entries:
                entries.pop(provider, None)

    @contextlib.contextmanager
    def _changed(self) -> Generator[dict[str, Any]]:
        """Give the entries to change, and write them when the block ends well."""
        with self._lock:
            entries = self._read()
            yield entries
            self._write(entries)

    def _read(self) -> dict[str, Any]:
        """All entries; empty when there is no file. Permissions are checked on the open file: no race."""
        try:
            with self._path.open(encoding="utf-8") as file:
                self._check_mode(os.fstat(file.fileno()))
                value = json.load(file)
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as problem:
            # The text of a JSON error could quote the file, so only its kind is told.
            message = f"The key file {self._path} cannot be read ({type(problem).__name__})."
            raise CredentialsError(f"{message} Repair or delete it, and enter the keys again.") from None
        if not isinstance(value, dict):
            raise CredentialsError(
                f"The key file {self._path} must hold a JSON object. Delete it, and enter the keys again."
            )
        return cast("dict[str, Any]", value)

    def _check_mode(self, status: os.stat_result) -> None:
        if status.st_mode & FOREIGN and os.name == "posix":
            mode = stat.S_IMODE(status.st_mode)
            raise CredentialsError(
                f"The key file {self._path} may be read by others (mode {mode:04o}), so it is not used. "
                f"If its keys are still secret, run: chmod 600 {self._path}"
            )

    def _write(self, entries: dict[str, Any]) -> None:
        """Replace the file at once: a reader sees the old or the new one, and a crash leaves one of them."""
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Created with mode 0600 by mkstemp, beside the target so that the rename stays on one disk.
        handle, name = tempfile.mkstemp(dir=self._path.parent, prefix=self._path.name)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(entries, file, indent=2)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(name, OWNER_ONLY)
            os.replace(name, self._path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(name)
            raise
