"""The front matter of a SKILL.md: YAML between two lines of `---` at the beginning of the file.

---
name: release
description: How a release is made here. Use it when a version is to be published.
---
# Releasing
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import cast

import yaml

_FENCED = re.compile(r"\A\ufeff?---[ \t]*\r?\n(.*?)^---[ \t]*(?:\r?\n|\Z)", re.DOTALL | re.MULTILINE)
_PLAIN_LINE = re.compile(r"^([A-Za-z_-]+):[ \t]*(.*?)[ \t]*$", re.MULTILINE)
_LONGEST = 8 * 1024  # characters; YAML takes about 10 µs for each, and nobody needs that much


def split_front_matter(text: str) -> tuple[dict[str, str], str]:
    """Return the fields that are plain text, and what follows the front matter.

    A description with an unquoted colon is no YAML but common: then every line of `key: value` is a field.
    """
    match = _FENCED.match(text)
    if match is None:
        return {}, text
    source, body = match.group(1)[:_LONGEST], text[match.end() :]
    try:
        loaded: object = yaml.safe_load(source)
    except (yaml.YAMLError, ValueError, RecursionError):  # a wrong date is a ValueError
        return dict(_PLAIN_LINE.findall(source)), body
    if not isinstance(loaded, Mapping):
        return {}, body
    fields = cast("Mapping[object, object]", loaded)
    return {str(key): value for key, value in fields.items() if isinstance(value, str)}, body
