"""The tools that one chat may call, by name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from ..providers.protocol import ToolDefinition
from .attach_file import AttachFile
from .code_output import CodeOutputTool
from .edit_files import EditFiles
from .execute import Execute
from .execute_code import ExecuteCode
from .inspect_variables import InspectVariables
from .interrupt_kernel import InterruptKernel
from .process_list import ProcessList
from .process_output import ProcessOutput
from .process_signal import ProcessSignal
from .protocol import Tool
from .read_file import ReadFile
from .restart_kernel import RestartKernel
from .write_file import WriteFile


class Toolbox:
    """Tools in the order in which the model is told of them. Not changed after it was made.

    Raises:
        ValueError: two tools have the same name.
    """

    def __init__(self, tools: Iterable[Tool]) -> None:
        self._tools: dict[str, Tool] = {}
        for tool in tools:
            name = tool.definition.name
            if name in self._tools:
                raise ValueError(f"two tools are called {name!r}; each needs a name of its own")
            self._tools[name] = tool

    def __iter__(self) -> Iterator[Tool]:
        return iter(self._tools.values())

    def __len__(self) -> int:
        return len(self._tools)

    @property
    def names(self) -> tuple[str, ...]:
        """All names, in order."""
        return tuple(self._tools)

    def definitions(self) -> tuple[ToolDefinition, ...]:
        """What the model is told, in order."""
        return tuple(tool.definition for tool in self)

    def find(self, name: str) -> Tool | None:
        """Return the tool called *name*, `None` when there is none."""
        return self._tools.get(name)

    def get(self, name: str) -> Tool:
        """Return the tool called *name*.

        Raises:
            KeyError: there is none.
        """
        return self._tools[name]


def builtin_tools() -> Sequence[Tool]:
    """The tools for files, processes and kernels, which every chat has."""
    return (
        Execute(),
        ProcessOutput(),
        ProcessList(),
        ProcessSignal(),
        ReadFile(),
        WriteFile(),
        EditFiles(),
        AttachFile(),
        ExecuteCode(),
        CodeOutputTool(),
        InterruptKernel(),
        RestartKernel(),
        InspectVariables(),
    )
