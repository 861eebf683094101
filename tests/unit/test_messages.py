from __future__ import annotations

from jupyter_chatd.messages import (
    CallKey,
    Chat,
    ChatStatus,
    Message,
    ReasoningPart,
    Role,
    TextPart,
    ToolCallPart,
    ToolRun,
    UnknownPart,
)


def _message(*parts: object) -> Message:
    return Message(id=1, chat_id="c", role=Role.ASSISTANT, parts=parts, created_at=0.0)  # pyright: ignore[reportArgumentType]


def _chat(**fields: str) -> Chat:
    return Chat(
        id="own",
        owner_id="local",
        title="t",
        status=ChatStatus.WAITING,
        archived=False,
        model="demo:demo",
        created_at=0.0,
        updated_at=0.0,
        **fields,  # pyright: ignore[reportArgumentType]
    )


def test_text_joins_the_text_parts_and_nothing_else() -> None:
    message = _message(TextPart(text="a"), ReasoningPart(text="hmm"), TextPart(text="b"))
    assert message.text == "ab"


def test_tool_calls_are_those_the_engine_answers_with_their_place_in_the_row() -> None:
    ours = ToolCallPart(tool_call_id="1", tool_name="execute")
    theirs = ToolCallPart(tool_call_id="2", tool_name="web_search", provider_executed=True)
    assert _message(TextPart(text="a"), theirs, ours).tool_calls == ((2, ours),)


def test_a_family_is_named_by_its_root_then_its_parent_then_the_chat_itself() -> None:
    assert _chat(root_chat_id="root", parent_chat_id="parent").family_id == "root"
    assert _chat(parent_chat_id="parent").family_id == "parent"
    assert _chat().family_id == "own"


def test_an_unknown_part_has_a_type_only_if_it_is_a_word() -> None:
    assert UnknownPart(raw={"type": "hologram"}).type == "hologram"
    assert UnknownPart(raw={"type": {"secret": 1}}).type == ""
    assert UnknownPart(raw={}).type == ""


def test_call_keys_sort_by_row_then_place() -> None:
    run = ToolRun(message_id=2, call_index=0, chat_id="c", tool_call_id="x", tool_name="execute")
    keys = [run.key, CallKey(message_id=1, index=5), CallKey(message_id=1, index=2)]
    assert sorted(keys) == [CallKey(message_id=1, index=2), CallKey(message_id=1, index=5), run.key]
