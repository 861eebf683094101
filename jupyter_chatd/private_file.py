"""A small JSON object in a file that only its owner may read."""

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

from .errors import ChatdError

_FOREIGN = stat.S_IRWXG | stat.S_IRWXO
"""Permissions that must not be set."""


class PrivateFileError(ChatdError):
    """The file cannot be used: others may read it, or it is damaged. The text says what to do."""


class PrivateFile:
    """Reads and replaces the object. Safe in threads; the file may be replaced by others at any time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()

    def read(self) -> dict[str, Any]:
        """Return the object; empty when there is no file.

        Raises:
            PrivateFileError: see there.
        """
        try:
            with self.path.open(encoding="utf-8") as file:
                # Looked at on the open file: no race.
                self._check_mode(os.fstat(file.fileno()))
                value = json.load(file)
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as problem:
            # The text of a JSON error could quote the file, so only its kind is told.
            raise self._unusable(f"cannot be read ({type(problem).__name__})") from None
        if not isinstance(value, dict):
            raise self._unusable("must hold a JSON object")
        return cast("dict[str, Any]", value)

    @contextlib.contextmanager
    def changed(self) -> Generator[dict[str, Any]]:
        """Give the object to change, and write it when the block ends well."""
        with self._lock:
            value = self.read()
            yield value
            self._write(value)

    def _check_mode(self, status: os.stat_result) -> None:
        if status.st_mode & _FOREIGN and os.name == "posix":
            mode = stat.S_IMODE(status.st_mode)
            raise PrivateFileError(
                f"{self.path} may be read by others (mode {mode:04o}), so it is not used. "
                f"If nobody did, run: chmod 600 {self.path}"
            )

    def _unusable(self, problem: str) -> PrivateFileError:
        return PrivateFileError(f"{self.path} {problem}. Repair or delete it, and enter again what it held.")

    def _write(self, value: dict[str, Any]) -> None:
        """Replace the file at once: a reader sees the old or the new one, and a crash leaves one of them."""
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Created with mode 0600 by mkstemp, beside the target so that the rename stays on one disk.
        handle, name = tempfile.mkstemp(dir=self.path.parent, prefix=self.path.name)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(value, file, indent=2, ensure_ascii=False)
                file.flush()
                os.fsync(file.fileno())
            os.replace(name, self.path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(name)
            raise
