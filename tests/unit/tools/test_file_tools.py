from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from jupyter_chatd.tools.protocol import ToolContext, ToolOutput
from jupyter_chatd.tools.read_file import ReadFile
from jupyter_chatd.workspace.protocol import WorkspaceAgent, WorkspaceUnavailableError

from .conftest import Call
from .outputs import error, fields
from .places import Place

pytestmark = pytest.mark.anyio


async def test_a_file_is_written_read_and_edited(call: Call, folder: Path) -> None:
    path = f"{folder}/sub/a.txt"
    assert await call("write_file", path=path, content="one\ntwo\n") == ToolOutput(result={"ok": True})
    edits = [{"search": "two", "replace": "2"}, {"search": "e", "replace": "E", "replace_all": True}]
    assert await call("edit_files", files=[{"path": path, "edits": edits}]) == ToolOutput(result={"ok": True})
    assert await call("read_file", path=path, offset=1, limit=2) == ToolOutput(
        result={"content": "1\tonE\n2\t2", "file_size": 6, "total_lines": 3, "lines_read": 2}
    )


async def test_a_binary_file_gives_clean_json(call: Call, folder: Path) -> None:
    (folder / "f").write_bytes(b"a\0\xff\xed\xa0\x80b")
    content = fields(await call("read_file", path=f"{folder}/f"))["content"]
    assert content.encode().decode() == content
    assert content.startswith("1\ta␀\N{REPLACEMENT CHARACTER}")


async def test_what_the_workspace_refuses_is_a_flagged_error(call: Call, folder: Path, place: Place) -> None:
    assert "does not exist" in error(await call("read_file", path=f"{folder}/none"))
    assert "must be absolute" in error(await call("write_file", path="a", content=""))
    assert "Nothing was written" in error(
        await call("edit_files", files=[{"path": f"{folder}/none", "edits": []}])
    )
    assert "is protected" in error(await call("write_file", path=f"{place.protected}/x", content=""))


async def test_wrong_arguments_are_a_flagged_error(call: Call) -> None:
    assert error(await call("read_file", file="/a")).startswith("Wrong arguments for read_file: ")
    assert "surrogate pair" in error(await call("write_file", path="/tmp/never", content="\ud800"))
    assert "files.0.edits" in error(await call("edit_files", files=[{"path": "/a"}]))


async def test_a_chat_without_a_workspace_is_told_what_to_do(context: ToolContext) -> None:
    def none() -> WorkspaceAgent:
        raise WorkspaceUnavailableError("This chat has no workspace; create one first.")

    output = await ReadFile().run({"path": "/a"}, replace(context, workspace=none))
    assert error(output) == "This chat has no workspace; create one first."
