"""The `content` column: parts as JSON text, in the versions that this release reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import StoreError, UnknownContentVersionError
from ..messages import CONTENT_VERSION, Part, Role
from .jsontext import dump_json, load_json
from .legacy import LEGACY_VERSION, read_legacy
from .parts import read_parts, stored_part


def dump_parts(parts: Sequence[Part]) -> str:
    """Return *parts* as content of version `CONTENT_VERSION`, internal fields included.

    Raises:
        ValueError: a part holds what JSON or UTF-8 cannot; see `clean_json`.
    """
    return dump_json(stored_parts(parts))


def stored_parts(parts: Sequence[Part]) -> list[Mapping[str, Any]]:
    """Return *parts* as `dump_parts` writes them."""
    return [stored_part(part) for part in parts]


def load_parts(content: str | None, *, version: int, role: Role) -> tuple[Part, ...]:
    """Return the parts of a row; none when its content is null or empty.

    A part of an unknown type is kept whole, so that a newer release finds it as it was.

    Raises:
        UnknownContentVersionError: a newer release wrote the row.
        StoreError: the content is not what its version promises.
    """
    try:
        return read_content(load_json(content) if content else None, version=version, role=role)
    except ValueError as error:
        raise StoreError(
            f"The content of a {role} message (content version {version}) is damaged: {error}. "
            "Restore the database from a backup, or delete the chat."
        ) from error


def read_content(value: object, *, version: int, role: Role) -> tuple[Part, ...]:
    """Return the parts that decoded content stands for; none for null.

    Raises:
        UnknownContentVersionError: a newer release wrote it.
        ValueError: it is not what its version promises.
    """
    if version not in (LEGACY_VERSION, CONTENT_VERSION):
        raise UnknownContentVersionError(version)
    if value is None:
        return ()
    return read_legacy(value, role) if version == LEGACY_VERSION else read_parts(value)
