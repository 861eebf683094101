"""Our prompts as the vendors get them."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from fakes.steps import say

from jupyter_chatd.messages import (
    ContextFilePart,
    FilePart,
    FileReferencePart,
    Part,
    ReasoningPart,
    SkillPart,
    SourcePart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    UnknownPart,
)
from jupyter_chatd.providers.endpoint import Kind
from jupyter_chatd.providers.protocol import PromptMessage

from .asking import TOOLS, assistant, collect, parts_of, system, tool, user
from .conftest import Call

pytestmark = pytest.mark.anyio

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n fake").decode()
CLAUDE = "claude-sonnet-5"


def called(call_id: str, **args: Any) -> ToolCallPart:
    return ToolCallPart(tool_call_id=call_id, tool_name="execute", args=args)


def result(call_id: str, value: Any, **fields: Any) -> ToolResultPart:
    return ToolResultPart(tool_call_id=call_id, tool_name="execute", result=value, **fields)


def signed(text: str, provider: str = "anthropic") -> ReasoningPart:
    vendor = {"part_kind": "thinking", "signature": "sig", "provider_name": provider}
    metadata = {"pydantic_ai": {**vendor, "response": {"provider_name": provider}}}
    return ReasoningPart(text=text, provider_metadata=metadata)


async def sent(connect: Call, kind: Kind, *messages: PromptMessage) -> Any:
    """The body of the request that *messages* become."""
    from jupyter_chatd.providers.protocol import ModelCall

    to = await connect(kind, [say("ok")], model=CLAUDE if kind is Kind.ANTHROPIC else "gpt-x")
    events = await collect(to.model.stream(ModelCall(messages=messages, tools=TOOLS)))
    assert parts_of(events) == [TextPart(text="ok")]
    return to.body


async def chat_messages(connect: Call, *messages: PromptMessage) -> Any:
    return (await sent(connect, Kind.OPENAI_COMPAT, *messages))["messages"]


async def anthropic_messages(connect: Call, *messages: PromptMessage) -> Any:
    return (await sent(connect, Kind.ANTHROPIC, *messages))["messages"]


TURN = (
    system("You help."),
    user("List."),
    assistant("Let me see.", called("c1", command="ls"), called("c2", command="pwd")),
    tool(result("c1", {"output": "a\nb", "exit_code": 0})),
    tool(result("c2", {"error": "no such folder"}, is_error=True)),
    assistant("Two files."),
    user("Thanks."),
)


async def test_a_turn_as_chat_completions(connect: Call) -> None:
    def function(call_id: str, arguments: str) -> dict[str, Any]:
        return {"id": call_id, "type": "function", "function": {"name": "execute", "arguments": arguments}}

    assert await chat_messages(connect, *TURN) == [
        {"role": "system", "content": "You help."},
        {"role": "user", "content": "List."},
        {
            "role": "assistant",
            "content": "Let me see.",
            "tool_calls": [function("c1", '{"command":"ls"}'), function("c2", '{"command":"pwd"}')],
        },
        {"role": "tool", "tool_call_id": "c1", "content": '{"output":"a\\nb","exit_code":0}'},
        {"role": "tool", "tool_call_id": "c2", "content": '{"error":"no such folder"}'},
        {"role": "assistant", "content": "Two files."},
        {"role": "user", "content": "Thanks."},
    ]


async def test_a_turn_as_anthropic_messages(connect: Call) -> None:
    body = await sent(connect, Kind.ANTHROPIC, *TURN)

    def text(words: str) -> dict[str, Any]:
        return {"type": "text", "text": words}

    def use(call_id: str, command: str) -> dict[str, Any]:
        return {"type": "tool_use", "id": call_id, "name": "execute", "input": {"command": command}}

    def answer(call_id: str, words: str, *, is_error: bool) -> dict[str, Any]:
        return {"type": "tool_result", "tool_use_id": call_id, "content": [text(words)], "is_error": is_error}

    assert body["system"] == "You help."
    assert body["messages"] == [
        {"role": "user", "content": [text("List.")]},
        {"role": "assistant", "content": [text("Let me see."), use("c1", "ls"), use("c2", "pwd")]},
        {
            "role": "user",
            "content": [
                answer("c1", '{"output":"a\\nb","exit_code":0}', is_error=False),
                answer("c2", "no such folder", is_error=True),
            ],
        },
        {"role": "assistant", "content": [text("Two files.")]},
        {"role": "user", "content": [text("Thanks.")]},
    ]


def marks(body: Any) -> list[str]:
    """Where cache marks stand: `role:index of the block` of each message, and the system prompt."""
    system_blocks = body.get("system", [])
    found = ["system" for block in system_blocks if isinstance(block, dict) and "cache_control" in block]
    for number, message in enumerate(body["messages"]):
        for index, block in enumerate(message["content"]):
            if "cache_control" in block:
                found.append(f"{number}:{index}")
    return found


@pytest.mark.parametrize(
    "messages,places",
    [
        ([system("s", cache=True), user("u", cache=True)], ["system", "0:0"]),
        ([user("u"), assistant("a", cache=True), user("v", cache=True)], ["1:0", "2:0"]),
        (
            [user("u"), assistant(called("c1")), tool(result("c1", 1), cache=True)],
            ["2:0"],
        ),
        (
            [
                user("u"),
                assistant("a", called("c1"), called("c2"), cache=True),
                tool(result("c1", 1)),
                tool(result("c2", 2), cache=True),
            ],
            ["1:2", "2:1"],
        ),
        (
            [
                user("u"),
                assistant(called("c1"), called("c2")),
                tool(result("c1", 1), cache=True),
                tool(result("c2", 2), cache=True),
                user("go on"),
            ],
            ["2:0", "2:1"],
        ),
        ([user("u"), assistant("a", signed("dangling"), cache=True), user("v", cache=True)], ["1:0", "2:0"]),
        ([system("s"), user("u")], []),
    ],
)
async def test_cache_marks_stand_after_their_message(
    connect: Call, messages: list[PromptMessage], places: list[str]
) -> None:
    assert marks(await sent(connect, Kind.ANTHROPIC, *messages)) == places


async def test_cache_marks_leave_chat_completions_alone(connect: Call) -> None:
    marked = [
        system("s", cache=True),
        user("u", cache=True),
        assistant("a", cache=True),
        user("v", cache=True),
    ]
    plain = [system("s"), user("u"), assistant("a"), user("v")]

    assert await chat_messages(connect, *marked) == await chat_messages(connect, *plain)


@pytest.mark.parametrize(
    "part,text",
    [
        (
            FileReferencePart(file_name="a.py", start_line=3, end_line=9, content="x = 1"),
            "[file-reference] a.py:3-9\n```\nx = 1\n```",
        ),
        (FileReferencePart(file_name="a.py", start_line=3, end_line=3), "[file-reference] a.py:3"),
        (FileReferencePart(file_name="a.py", content="```"), "[file-reference] a.py\n````\n```\n````"),
        (
            ContextFilePart(
                context_file_path="/w/AGENTS.md",
                context_file_content="Use tabs.",
                context_file_os="linux",
                context_file_directory="/w",
                context_file_truncated=True,
            ),
            "<workspace-context>\nOperating system: linux\nWorking directory: /w\n"
            "Source: /w/AGENTS.md (cut to its first 64 KiB)\n\nUse tabs.\n</workspace-context>",
        ),
        (
            FilePart(media_type="text/plain", name="log.txt", data=base64.b64encode(b"one\ntwo").decode()),
            "[file] log.txt\n```\none\ntwo\n```",
        ),
        (
            FilePart(media_type="application/zip", name="x.zip", data=base64.b64encode(b"zip").decode()),
            "[file] x.zip (application/zip, 3 bytes): cannot be shown here",
        ),
        (FilePart(media_type="image/png", name="x.png", data="%%%"), "[file] x.png: its content is damaged"),
    ],
)
async def test_parts_that_become_text(connect: Call, part: Part, text: str) -> None:
    assert await chat_messages(connect, user("Before.", part, "After.")) == [
        {"role": "user", "content": f"Before.\n\n{text}\n\nAfter."}
    ]


async def test_images_of_users_go_along(connect: Call) -> None:
    message = user("Look:", FilePart(media_type="image/png", data=PNG))
    (chat,) = await chat_messages(connect, message)
    (anthropic,) = await anthropic_messages(connect, message)

    assert chat["content"] == [
        {"type": "text", "text": "Look:"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
    ]
    source = {"type": "base64", "media_type": "image/png", "data": PNG}
    assert anthropic["content"][1] == {"type": "image", "source": source}


async def test_all_images_of_a_result_go_along(connect: Call) -> None:
    one = {"data": PNG, "mime_type": "image/png"}
    media = {**one, "text": "plots", "more": [one, {"data": 1}, "none"]}
    turn = [user("Show."), assistant(called("c1")), tool(result("c1", media, is_media=True))]
    anthropic = await anthropic_messages(connect, *turn)
    kinds = [block["type"] for block in anthropic[2]["content"][0]["content"]]
    assert kinds == ["text", "image", "image"]


async def test_images_of_tools_go_along(connect: Call) -> None:
    media = {"data": PNG, "mime_type": "image/png", "text": "a screenshot"}
    turn = [user("Show."), assistant(called("c1")), tool(result("c1", media, is_media=True))]
    chat = await chat_messages(connect, *turn)
    anthropic = await anthropic_messages(connect, *turn)

    text, image = anthropic[2]["content"][0]["content"]
    assert text == {"type": "text", "text": "a screenshot"}
    assert image["source"] == {"type": "base64", "media_type": "image/png", "data": PNG}
    # Chat completions take no image in a tool message: the library puts it into a user message behind it.
    assert chat[2]["role"] == "tool"
    assert "a screenshot" in chat[2]["content"]
    assert {"url": f"data:image/png;base64,{PNG}"} in [part.get("image_url") for part in chat[3]["content"]]


async def test_what_says_nothing_is_left_out(connect: Call) -> None:
    messages = [
        system("  "),
        user("", " \n"),
        user("Hi.", FilePart(media_type="image/png", file_id="f1")),
        assistant(" ", ReasoningPart(text="unsigned"), SourcePart(url="https://example.org")),
        user(SkillPart(skill_name="s"), UnknownPart(raw={"type": "hologram"}), "Go on."),
    ]

    assert await chat_messages(connect, *messages) == [
        {"role": "user", "content": "Hi."},
        {"role": "user", "content": "Go on."},
    ]


@pytest.mark.parametrize(
    "value,fields,text",
    [
        (None, {}, "{}"),
        ("", {}, "{}"),
        ({}, {}, "{}"),
        ([1, 2], {}, "[1,2]"),
        ({"error": ""}, {"is_error": True}, '{"error":""}'),
        (None, {"is_error": True}, "The tool failed and did not say why."),
        ({"type": "busy", "error": "Wait."}, {"is_error": True}, "Wait."),
        ({"data": PNG}, {"is_media": True}, f'{{"data":"{PNG}"}}'),
    ],
)
async def test_tool_results_as_text(connect: Call, value: Any, fields: dict[str, Any], text: str) -> None:
    messages = [user("x"), assistant(called("c1")), tool(result("c1", value, **fields))]
    (block,) = (await anthropic_messages(connect, *messages))[2]["content"]

    assert block["content"] == [{"type": "text", "text": text}]


@pytest.mark.parametrize("args", [None, [], "ls", 3])
async def test_arguments_are_always_an_object(connect: Call, args: Any) -> None:
    turn = [user("x"), assistant(ToolCallPart(tool_call_id="c1", tool_name="execute", args=args))]
    messages = await chat_messages(connect, *turn, tool(result("c1", 1)))

    assert messages[1]["tool_calls"][0]["function"]["arguments"] == "{}"


# Reasoning.


async def test_signed_reasoning_goes_back_as_it_was(connect: Call) -> None:
    turn = [user("x"), assistant(signed("Hm."), called("c1")), tool(result("c1", 1))]
    block = (await anthropic_messages(connect, *turn))[1]["content"][0]

    assert block == {"type": "thinking", "thinking": "Hm.", "signature": "sig"}


@pytest.mark.parametrize("kind", [Kind.OPENAI_COMPAT, Kind.ANTHROPIC])
async def test_reasoning_that_this_service_did_not_sign_stays_home(connect: Call, kind: Kind) -> None:
    foreign = [signed("Foreign.", "somebody-else"), ReasoningPart(text="Unsigned.")]
    body = await sent(connect, kind, user("x"), assistant(*foreign, "Answer."), user("y"))

    assert "Foreign" not in str(body)
    assert "Unsigned" not in str(body)
    assert "Answer" in str(body)


async def test_reasoning_at_the_end_of_a_broken_off_answer_is_dropped(connect: Call) -> None:
    messages = await anthropic_messages(connect, user("x"), assistant(signed("Hm.")), user("y"))

    assert [block["text"] for message in messages for block in message["content"]] == ["x", "y"]


async def test_reasoning_in_a_field_goes_back_in_that_field(connect: Call) -> None:
    vendor = {"part_kind": "thinking", "id": "reasoning_content", "provider_name": "openai-compat"}
    metadata = {"pydantic_ai": {**vendor, "response": {"provider_name": "openai-compat"}}}
    reasoning = ReasoningPart(text="Hm.", provider_metadata=metadata)

    messages = await chat_messages(connect, user("x"), assistant(reasoning, "Answer."), user("y"))

    assert messages[1] == {"role": "assistant", "reasoning_content": "Hm.", "content": "Answer."}


async def test_unreadable_metadata_is_left_out(connect: Call, caplog: pytest.LogCaptureFixture) -> None:
    text = TextPart(text="Answer.", provider_metadata={"pydantic_ai": {"part_kind": "text", "citations": 3}})

    messages = await chat_messages(connect, user("x"), assistant(text), user("y"))

    assert messages[1] == {"role": "assistant", "content": "Answer."}
    assert "cannot be read" in caplog.text


# Long prompts.


@pytest.mark.parametrize("kind", [Kind.OPENAI_COMPAT, Kind.ANTHROPIC])
async def test_long_prompts_become_the_same_request(
    connect: Call, kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns = [
        message
        for number in range(40)
        for message in (
            assistant(f"Step {number} – ü.", called(f"c{number}", command="ls")),
            tool(result(f"c{number}", {"output": "x"})),
        )
    ]
    in_a_thread = await sent(connect, kind, system("s", cache=True), user("x"), *turns, user("y", cache=True))
    for module in ("offload", "openai_client", "vendor_anthropic"):
        monkeypatch.setattr(f"jupyter_chatd.providers.{module}.LONG_PROMPT", 10_000)
    on_the_loop = await sent(connect, kind, system("s", cache=True), user("x"), *turns, user("y", cache=True))

    assert in_a_thread == on_the_loop


@pytest.mark.parametrize("kind", [Kind.OPENAI_COMPAT, Kind.ANTHROPIC])
async def test_long_prompts_are_mapped_off_the_loop(
    connect: Call, kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards the hook of the library that the vendor modules override: a rename would silently end it."""
    import asyncio

    from jupyter_chatd.providers import offload

    threaded: list[Any] = []
    to_thread = asyncio.to_thread

    async def spy(function: Any, *args: Any, **kwargs: Any) -> Any:
        threaded.append(function)
        return await to_thread(function, *args, **kwargs)

    to = await connect(kind, [say("warm")], [say("ok")], model=CLAUDE)
    from jupyter_chatd.providers.protocol import ModelCall

    await collect(to.model.stream(ModelCall(messages=(user("x"),))))
    monkeypatch.setattr(asyncio, "to_thread", spy)
    turns = tuple(message for n in range(40) for message in (user(f"u{n}"), assistant(f"a{n}")))
    await collect(to.model.stream(ModelCall(messages=(*turns, user("y")))))

    assert len(threaded) == 4, "prompt, asking, mapping and JSON"
    assert threaded[2] is offload._finish
