"""Parts of the library that no fake and no recording gives: stored, and given back unchanged."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from jupyter_chatd import wire
from jupyter_chatd.messages import (
    CONTENT_VERSION,
    FilePart,
    KnownPart,
    ReasoningPart,
    Role,
    SourcePart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)


def stored(part: KnownPart) -> Any:
    (loaded,) = wire.load_parts(wire.dump_parts([part]), version=CONTENT_VERSION, role=Role.ASSISTANT)
    assert loaded == part
    return loaded


def library_parts() -> list[Any]:
    from pydantic_ai.messages import (
        CompactionPart,
        NativeToolCallPart,
        NativeToolReturnPart,
        TextPart,
        ThinkingPart,
        ToolCallPart,
    )

    vendor: dict[str, Any] = {"provider_name": "anthropic", "provider_details": {"deep": [1, {"a": None}]}}
    return [
        TextPart("plain"),
        TextPart("with an id", id="msg_1", **vendor),
        ThinkingPart("hm", signature="s", id="rs_1", **vendor),
        ThinkingPart("", signature="redacted", id="redacted_thinking", **vendor),
        ToolCallPart("execute", {"command": "ls"}, "c1"),
        ToolCallPart("execute", {"command": "ls"}, "c2", id="fc_1", **vendor),
        NativeToolCallPart("web_search", {"query": "x"}, "n1", **vendor),
        NativeToolReturnPart("web_search", [{"title": "ü", "n": 1}], "n1", **vendor),
        NativeToolReturnPart("web_search", {"error_code": "x"}, "n2", outcome="failed", **vendor),
        CompactionPart("a summary", id="cmp_1", **vendor),
        CompactionPart(None, **vendor),
    ]


@pytest.mark.parametrize("number", range(11))
def test_every_part_makes_the_round_trip(number: int) -> None:
    from jupyter_chatd.providers.vendor_parts import ADAPTER, Origin, to_library, to_ours

    part = library_parts()[number]
    origin = Origin(provider_name="anthropic", provider_url="https://x", model_name="m")

    again = to_library(stored(to_ours(part, origin)))

    def comparable(value: Any) -> Any:
        return {k: v for k, v in ADAPTER.dump_python(value, mode="json").items() if k != "timestamp"}

    assert comparable(again) == comparable(part)


def test_who_ran_a_tool_is_kept() -> None:
    from jupyter_chatd.providers.vendor_parts import Origin, to_ours

    call, result, failed = (to_ours(library_parts()[number], Origin()) for number in (6, 7, 8))

    assert isinstance(call, ToolCallPart)
    assert isinstance(result, ToolResultPart)
    assert isinstance(failed, ToolResultPart)
    assert (call.provider_executed, call.args) == (True, {"query": "x"})
    assert (result.provider_executed, result.is_error, result.result) == (
        True,
        False,
        [{"title": "ü", "n": 1}],
    )
    assert failed.is_error


def test_files_of_the_model_are_stored_with_their_bytes() -> None:
    from pydantic_ai.messages import BinaryContent
    from pydantic_ai.messages import FilePart as LibraryFile

    from jupyter_chatd.providers.vendor_parts import Origin, to_ours

    part = to_ours(LibraryFile(BinaryContent(b"png", media_type="image/png")), Origin())

    assert isinstance(part, FilePart)
    assert (part.media_type, base64.b64decode(part.data or "")) == ("image/png", b"png")


@pytest.mark.parametrize(
    "part",
    [
        ReasoningPart(text="unsigned"),
        ReasoningPart(text="of another program", provider_metadata={"anthropic": {"signature": "s"}}),
        ToolCallPart(tool_call_id="n", tool_name="web_search", provider_executed=True),
        ToolResultPart(tool_call_id="n", tool_name="web_search", provider_executed=True),
        ReasoningPart(text="broken", provider_metadata={"pydantic_ai": {"part_kind": "nonsense"}}),
        ReasoningPart(text="broken", provider_metadata={"pydantic_ai": 3}),
    ],
)
def test_what_no_vendor_would_take_back_is_nothing(part: Any) -> None:
    from jupyter_chatd.providers.vendor_parts import to_library

    assert to_library(part) is None


def test_metadata_of_another_program_leaves_a_plain_text() -> None:
    from pydantic_ai.messages import TextPart as LibraryText

    from jupyter_chatd.providers.vendor_parts import to_library

    assert to_library(TextPart(text="x", provider_metadata={"openai": {}})) == LibraryText("x")


def test_calls_and_results_of_the_vendor_go_back_together() -> None:
    from pydantic_ai.messages import ModelResponse

    from jupyter_chatd.providers.prompt import build_prompt
    from jupyter_chatd.providers.vendor_parts import Origin, to_ours

    from .asking import assistant, user

    call, result, orphan = (to_ours(library_parts()[number], Origin()) for number in (6, 7, 8))
    said = [user("x"), assistant(call, result, orphan, SourcePart(url="https://x"), "So."), user("y")]

    response = build_prompt(said, system="anthropic", cache_points=False).messages[1]

    assert isinstance(response, ModelResponse)
    assert [part.part_kind for part in response.parts] == ["builtin-tool-call", "builtin-tool-return", "text"]


def test_answers_of_one_paused_turn_become_one_message() -> None:
    from pydantic_ai.messages import ModelResponse

    from jupyter_chatd.providers.prompt import build_prompt

    from .asking import assistant, user

    messages = build_prompt(
        [user("x"), assistant("first half"), assistant("second half")], system="s", cache_points=True
    ).messages

    assert isinstance(messages[-1], ModelResponse)
    assert [part.content for part in messages[-1].parts] == ["first half", "second half"]  # type: ignore[union-attr]
    assert len(messages) == 2
