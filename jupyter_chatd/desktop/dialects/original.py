"""The body that the original's agent takes: Anthropic's names, but times are milliseconds with defaults."""

from __future__ import annotations

from dataclasses import dataclass

from ..actions import Action
from ..errors import ActionError
from ..geometry import Size
from .anthropic import parse_anthropic
from .fields import Fields

_HOLD = 1000  # milliseconds
_FIELDS = (
    "action",
    "coordinate",
    "start_coordinate",
    "text",
    "duration",
    "scroll_amount",
    "scroll_direction",
)
_WITH_TIME = ("hold_key", "wait")


@dataclass(frozen=True, slots=True, kw_only=True)
class OriginalRequest:
    """What the body asks for."""

    actions: tuple[Action, ...]
    told: Size | None
    """The size of the screen that its points refer to; `None`: the screen's own."""


def parse_original(value: object) -> OriginalRequest:
    """Return what a decoded body asks for.

    Raises:
        ActionError: there is no such action, or a field is not as it must be.
    """
    fields = Fields(value)
    name, told = fields.text("action"), _told(fields)
    fields.skip(*_FIELDS)
    fields.end()
    body = {key: fields.value(key) for key in _FIELDS if fields.has(key)}
    if name == "scroll":
        body.setdefault("scroll_direction", "down")
    elif name in _WITH_TIME:
        body["duration"] = fields.number("duration", _HOLD) / 1000
    elif name == "zoom":
        raise ActionError("There is no action 'zoom' here. Take a screenshot.")
    return OriginalRequest(actions=parse_anthropic(body), told=told)


def _told(fields: Fields) -> Size | None:
    fields.skip("scaled_width", "scaled_height")
    if not (fields.has("scaled_width") or fields.has("scaled_height")):
        return None
    size = Size(width=fields.integer("scaled_width"), height=fields.integer("scaled_height"))
    if min(size.width, size.height) < 1 or max(size.width, size.height) > 8192:
        raise ActionError(f"Expected scaled_width and scaled_height from 1 to 8192, came {size}.")
    return size
