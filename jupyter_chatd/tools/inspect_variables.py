"""The tool that looks at what the chat's kernel holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, cast

from pydantic import with_config

from ..messages import JsonObject, JsonValue
from ..workspace.environment import looks_secret
from ..workspace.kernels.protocol import Variable, Variables
from .arguments import STRICT_OBJECT
from .builtin import BuiltinTool
from .execute_code import KERNEL
from .protocol import ToolContext, ToolOutput
from .results import json_output
from .text import OUTPUT_BYTES, clip_text

_FIELD_BYTES = 2048
_BUSY = "Code runs meanwhile, so these may change."
_HIDDEN = "(not shown: its name looks like a secret)"


@with_config(STRICT_OBJECT)
@dataclass(frozen=True, slots=True, kw_only=True)
class InspectVariablesArguments:
    """What `inspect_variables` takes."""

    names: Sequence[str] = field(default_factory=tuple[str, ...])
    """Names of variables; default: all, without modules and names that begin with `_`."""


class InspectVariables(BuiltinTool[InspectVariablesArguments]):
    """`{variables: [{name, type, shape?, length?, size_bytes?, columns?, value}], left_out?, note?}`."""

    name = "inspect_variables"
    arguments_type = InspectVariablesArguments
    repeatable = True
    key = KERNEL

    async def call(self, args: InspectVariablesArguments, context: ToolContext) -> ToolOutput:
        """Return the variables, also while code runs."""
        found = await context.workspace().kernels.inspect(context.chat_id, names=args.names)
        return json_output(
            {
                "variables": _fitting(found),
                "left_out": found.left_out or None,
                "missing": _missing(args.names, found),
                "note": _BUSY if found.is_busy else None,
            }
        )


def _fitting(found: Variables) -> list[JsonValue]:
    """Return as many as there is room for; of the others only the names are told."""
    room = OUTPUT_BYTES
    told: list[JsonValue] = []
    for variable in found.variables:
        fields = _fields(variable)
        room -= sum(len(str(value).encode("utf-8", "replace")) + 20 for value in fields.values())
        told.append(fields if room > 0 else {"name": fields["name"]})
    return told


def _fields(variable: Variable) -> JsonObject:
    shown = replace(variable, value=_HIDDEN) if looks_secret(variable.name) else variable
    fields = cast(JsonObject, asdict(shown))
    return {
        name: clip_text(value, _FIELD_BYTES) if isinstance(value, str) else value
        for name, value in fields.items()
        if value is not None
    }


def _missing(names: Sequence[str], found: Variables) -> Sequence[JsonValue] | None:
    return sorted(set(names).difference(variable.name for variable in found.variables)) or None


if TYPE_CHECKING:
    from .protocol import Tool

    _: Tool = InspectVariables()
