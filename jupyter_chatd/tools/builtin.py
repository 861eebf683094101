"""What the tools of this package share: arguments from a dataclass, text from the `.md` beside the module."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from typing import Any, ClassVar, Generic, TypeVar

from ..messages import JsonValue
from ..providers.protocol import ToolDefinition
from ..workspace.protocol import WorkspaceError
from .arguments import Arguments, WrongArgumentsError
from .protocol import ToolContext, ToolOutput, error_output

A = TypeVar("A")

WRITES = "files"
"""The serial key of calls that write files: those of one step run one after another, in call order.

One key for all of them, not one per path: a call has one key but may name many files, the same file can be
reached by many paths, and finding that out would block the event loop. A write takes milliseconds.
"""


class BuiltinTool(Generic[A]):
    """A tool whose arguments are the dataclass `arguments_type`. Subclasses implement `call`."""

    name: ClassVar[str]
    package: ClassVar[str] = __spec__.parent or ""
    """Where `<name>.md` lies, the text for the model."""
    arguments_type: type[A]
    repeatable: bool = False
    """May run again after a crash without harm."""
    key: ClassVar[str | None] = None
    """The serial key of every call, `None` to run freely."""

    def __init__(self) -> None:
        self._arguments = Arguments(self.arguments_type)
        self._definition = ToolDefinition(
            name=self.name,
            description=text_of(self.package, self.name),
            input_schema=self._arguments.schema,
        )

    @property
    def definition(self) -> ToolDefinition:
        """Name, text and schema for the model."""
        return self._definition

    def serial_key(self, args: Mapping[str, Any], context: ToolContext) -> str | None:
        """Calls with the same key run one after another; `None` runs freely."""
        return self.key

    async def run(self, args: JsonValue, context: ToolContext) -> ToolOutput:
        """Check the arguments and run one call; what the workspace refuses is an error output."""
        try:
            arguments = self._arguments.parse(args)
        except WrongArgumentsError as error:
            return error_output(f"Wrong arguments for {self.name}: {error}")
        try:
            return await self.call(arguments, context)
        except WorkspaceError as error:
            return error_output(str(error))

    async def call(self, args: A, context: ToolContext) -> ToolOutput:
        """Do it.

        Raises:
            WorkspaceError: what the model should read as a flagged error.
        """
        raise NotImplementedError


def text_of(package: str, name: str) -> str:
    """Return the text `<name>.md` that lies in *package*."""
    return files(package).joinpath(f"{name}.md").read_text("utf-8").strip()
