"""Prompts that are too long are made shorter without breaking what vendors insist on."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from jupyter_chatd.loop.shorten import LEFT_OUT, prompt_size, shorten
from jupyter_chatd.messages import FilePart, Part, Role, TextPart, ToolCallPart, ToolResultPart
from jupyter_chatd.providers.protocol import PromptMessage


def message(role: Role, *parts: Part) -> PromptMessage:
    return PromptMessage(role=role, parts=parts)


def said(text: str, role: Role = Role.USER) -> PromptMessage:
    return message(role, TextPart(text=text))


def step(number: int, output: str = "ok") -> list[PromptMessage]:
    name: dict[str, Any] = {"tool_call_id": f"c{number}", "tool_name": "execute"}
    return [
        message(Role.ASSISTANT, ToolCallPart(**name, args={"command": "ls"})),
        message(Role.TOOL, ToolResultPart(**name, result={"output": output})),
    ]


SYSTEM = said("Be helpful.", Role.SYSTEM)
ASK = said("Summarise.")


def test_what_is_short_enough_stays_as_it_is() -> None:
    prompt = (SYSTEM, said("Hello."), said("Hi.", Role.ASSISTANT), ASK)
    assert shorten(prompt, characters=1000) == prompt


def test_long_texts_and_results_lose_their_middle() -> None:
    prompt = (SYSTEM, said("a" * 3000 + "end"), *step(1, "x" * 9000), ASK)
    system, user, call, result, ask = shorten(prompt, characters=6000)
    assert (system, call, ask) == (SYSTEM, prompt[2], ASK)
    (text,) = user.parts
    assert isinstance(text, TextPart)
    assert text.text.startswith("aaa")
    assert text.text.endswith("aend")
    assert "2503 characters left out" in text.text
    (part,) = result.parts
    assert isinstance(part, ToolResultPart)
    assert part.tool_call_id == "c1"
    assert len(str(part.result)) < 700


def test_files_and_images_become_notes() -> None:
    image = ToolResultPart(tool_call_id="c", tool_name="look", result={"data": "AAAA"}, is_media=True)
    prompt = (message(Role.USER, FilePart(file_id="f", name="a.png")), message(Role.TOOL, image), ASK)
    shown, result, _ = shorten(prompt, characters=1000)
    assert shown.parts == (TextPart(text="[file] a.png: left out"),)
    (part,) = result.parts
    assert isinstance(part, ToolResultPart)
    assert not part.is_media


def test_the_oldest_go_first_and_no_result_without_its_call() -> None:
    steps = [one for number in range(20) for one in step(number, "x" * 100)]
    prompt = (SYSTEM, said("Do it."), *steps, ASK)
    shorter = shorten(prompt, characters=prompt_size(steps) // 2)
    assert shorter[0] == SYSTEM
    assert shorter[1] == said(LEFT_OUT)
    assert shorter[2].role is Role.ASSISTANT
    assert shorter[2:] == prompt[-len(shorter[2:]) :]
    assert 10 < len(shorter) < 25


@given(st.lists(st.integers(0, 5000), max_size=30), st.integers(2000, 40_000))
def test_it_keeps_to_the_size(lengths: list[int], characters: int) -> None:
    prompt = (SYSTEM, *(said("x" * length) for length in lengths), ASK)
    shorter = shorten(prompt, characters=characters)
    assert prompt_size(shorter) <= characters + len(LEFT_OUT)
    assert (shorter[0], shorter[-1]) == (SYSTEM, ASK)
