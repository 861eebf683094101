"""Old pictures of the screen leave the prompt, in batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from jupyter_chatd.loop.prompt import PromptBuilder
from jupyter_chatd.loop.screenshots import LEFT_OUT, without_old_screenshots
from jupyter_chatd.messages import CallKey, JsonObject, Role, ToolCallPart, ToolResultPart
from jupyter_chatd.providers.protocol import PromptMessage

from .rows import Rows, call, result_of

PICTURE: JsonObject = {"data": "aGk=", "mime_type": "image/png", "text": "Done."}


def steps(count: int, *, tool: str = "computer") -> list[PromptMessage]:
    messages: list[PromptMessage] = []
    for number in range(count):
        call_id = f"call_{number}"
        call = ToolCallPart(tool_call_id=call_id, tool_name=tool, args={"action": "screenshot"})
        result = ToolResultPart(tool_call_id=call_id, tool_name=tool, result=PICTURE, is_media=True)
        messages += [
            PromptMessage(role=Role.ASSISTANT, parts=(call,)),
            PromptMessage(role=Role.TOOL, parts=(result,)),
        ]
    return messages


def seen(messages: Sequence[PromptMessage]) -> list[bool]:
    results = [part for message in messages for part in message.parts if isinstance(part, ToolResultPart)]
    return [result.is_media for result in results]


def test_the_newest_stay_and_the_others_leave_in_batches() -> None:
    assert [sum(seen(without_old_screenshots(steps(count)))) for count in (0, 5, 14, 15, 24, 25)] == [
        *(0, 5, 14),
        *(5, 14, 5),
    ]


def test_what_leaves_is_the_oldest_and_keeps_its_words() -> None:
    pruned = without_old_screenshots(steps(7), kept=2, batch=5)
    assert seen(pruned) == [*[False] * 5, True, True]
    (result,) = pruned[1].parts
    assert isinstance(result, ToolResultPart)
    assert result.result == {"output": f"Done. {LEFT_OUT}"}


def test_a_prompt_begins_as_the_one_before_until_the_next_batch_leaves() -> None:
    before, after = (without_old_screenshots(steps(count)) for count in (20, 24))
    assert after[: len(before)] == before


def test_pictures_of_other_tools_stay() -> None:
    messages = steps(30, tool="camera")
    assert without_old_screenshots(messages) is messages


def test_a_history_that_grows_leaves_them_out_too() -> None:
    rows, builder = Rows(), PromptBuilder()
    kept: list[int] = []
    for _ in range(25):
        asked = rows.assistant(call("computer"))
        result = replace(result_of(call("computer"), PICTURE), is_media=True)
        rows.add(Role.TOOL, result, answers=CallKey(message_id=asked.id, index=0))
        builder.extend(rows[-2:])
        kept.append(sum(seen(builder.build())))
    assert kept == [*range(1, 15), *range(5, 15), 5]
