"""Pictures among what a client's tool gave back."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, cast

from ..files.kind import detect

TYPES = ("image/png", "image/jpeg", "image/gif", "image/webp")
MAX_PICTURES = 10


def check_pictures(result: object) -> None:
    """Check a result of pictures: `{data, mime_type, text?, more?: [{data, mime_type}]}`.

    Raises:
        ValueError: it is something else, or a picture is not what it is called.
    """
    fields = _fields(result)
    more = fields.get("more", [])
    if not isinstance(more, list):
        raise ValueError("Expected as more an array of pictures.")
    pictures = [fields, *map(_fields, cast("list[object]", more))]
    if len(pictures) > MAX_PICTURES:
        raise ValueError(f"Expected at most {MAX_PICTURES} pictures, came {len(pictures)}.")
    for picture in pictures:
        _check(picture)


def _check(picture: Mapping[str, Any]) -> None:
    data, mime_type = picture.get("data"), picture.get("mime_type")
    if mime_type not in TYPES or not isinstance(data, str):
        raise ValueError(f"Expected pictures as data, in base64, with a mime_type of {', '.join(TYPES)}.")
    try:
        found = detect(base64.b64decode(data, validate=True))
    except ValueError as error:
        raise ValueError("Expected the data of a picture in base64.") from error
    if found != mime_type:
        raise ValueError(f"Expected the data of {mime_type}, came {found}.")


def _fields(value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError("Expected of pictures an object with data and mime_type.")
    return cast("Mapping[str, Any]", value)
