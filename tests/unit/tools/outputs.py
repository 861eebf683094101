"""Looking at what tools give back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from jupyter_chatd.tools.protocol import ToolOutput


def fields(output: ToolOutput) -> dict[str, Any]:
    """The fields of a result that is not flagged, without the time that it took."""
    assert not output.is_error, output
    assert isinstance(output.result, Mapping)
    return {
        key: value
        for key, value in cast(Mapping[str, Any], output.result).items()
        if key != "wall_duration_ms"
    }


def error(output: ToolOutput) -> str:
    """The text of a flagged error."""
    assert output.is_error, output
    assert isinstance(output.result, Mapping)
    result = cast(Mapping[str, Any], output.result)
    assert set(result) == {"error"}
    return str(result["error"])
