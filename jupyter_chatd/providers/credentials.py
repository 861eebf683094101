"""API keys that people entered in the settings: one JSON file that only its owner may read."""

from __future__ import annotations

from pathlib import Path

from ..private_file import PrivateFile
from .endpoint import check_api_key

FILE_NAME = "keys.json"


class Credentials:
    """Keys by provider name, in a file of mode 0600.

    Each key is stored with the base URL that it was entered for and given out for no other, so that a changed
    address can never receive it, whatever crashes between the database and this file. Lives as long as the
    server; safe to use from any thread, and the file may be edited or replaced at any time.
    """

    def __init__(self, path: Path) -> None:
        self._file = PrivateFile(path)

    def __repr__(self) -> str:
        return f"Credentials({str(self._file.path)!r})"

    def find(self, provider: str, *, base_url: str | None) -> str | None:
        """The key of *provider*, `None` when there is none for this *base_url* (`None`: the vendor's own).

        Raises:
            PrivateFileError: the file cannot be used.
        """
        entry = self._file.read().get(provider, {})
        if isinstance(entry, str):  # written by hand: a key for the vendor's own address
            entry = {"api_key": entry}
        return entry.get("api_key") if entry.get("base_url") == base_url else None

    def set(self, provider: str, api_key: str, *, base_url: str | None) -> None:
        """Store a key in place of an older one.

        Raises:
            ValueError: *api_key* cannot be a key.
            PrivateFileError: the file cannot be used.
        """
        key = check_api_key(api_key)
        with self._file.changed() as entries:
            entries[provider] = {"api_key": key, "base_url": base_url}

    def delete(self, provider: str) -> None:
        """Forget the key of *provider*; nothing happens when there is none."""
        if provider in self._file.read():
            with self._file.changed() as entries:
                entries.pop(provider, None)
