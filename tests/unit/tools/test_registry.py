from __future__ import annotations

import pytest

from jupyter_chatd.tools.protocol import ToolContext
from jupyter_chatd.tools.read_file import ReadFile
from jupyter_chatd.tools.registry import Toolbox, builtin_tools

NAMES = (
    "execute",
    "process_output",
    "process_list",
    "process_signal",
    "read_file",
    "write_file",
    "edit_files",
    "attach_file",
    "execute_code",
    "code_output",
    "interrupt_kernel",
    "restart_kernel",
    "inspect_variables",
)
KERNEL = {"execute_code", "code_output", "restart_kernel", "inspect_variables"}
"""The kernel does one thing after the other; an interrupt does not wait for what it interrupts."""


def test_the_tools_in_order() -> None:
    box = Toolbox(builtin_tools())
    assert box.names == NAMES
    assert [definition.name for definition in box.definitions()] == list(NAMES)
    assert [tool.definition.name for tool in box] == list(NAMES)
    assert len(box) == len(NAMES)
    assert box.get("execute") is box.find("execute")


def test_an_unknown_name() -> None:
    box = Toolbox(builtin_tools())
    assert box.find("nothing") is None
    with pytest.raises(KeyError):
        box.get("nothing")


def test_names_are_unique() -> None:
    with pytest.raises(ValueError, match="two tools are called 'read_file'"):
        Toolbox([ReadFile(), ReadFile()])


@pytest.mark.parametrize("name", NAMES)
def test_the_model_is_told_everything(name: str) -> None:
    """A text of its own, an object schema that allows nothing else, and a description of every argument."""
    definition = Toolbox(builtin_tools()).get(name).definition
    assert len(definition.description) > 80
    assert definition.input_schema["type"] == "object"
    assert definition.input_schema["additionalProperties"] is False
    for argument in definition.input_schema["properties"].values():
        assert argument["description"]
        assert "$ref" not in str(argument)


def test_what_may_run_again_and_what_runs_one_after_another(context: ToolContext) -> None:
    box = Toolbox(builtin_tools())
    assert {tool.definition.name for tool in box if tool.repeatable} == {
        "process_output",
        "process_list",
        "read_file",
        "attach_file",
        "code_output",
        "inspect_variables",
    }
    keys = {tool.definition.name: tool.serial_key({"path": "/a"}, context) for tool in box}
    assert {name for name, key in keys.items() if key is not None} == {"write_file", "edit_files"} | KERNEL
    assert keys["write_file"] == keys["edit_files"] != keys["execute_code"]
    assert len({keys[name] for name in KERNEL}) == 1
