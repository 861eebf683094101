"""The fake vendors themselves: they refuse what the real ones refuse, and run as programs."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from fakes.openai_server import FakeOpenAI
from fakes.responder import Conversation, respond
from fakes.steps import Call, Hang, Refuse, Say, Think, from_json, say

from jupyter_chatd.errors import ModelError
from jupyter_chatd.messages import Part, TextPart, ToolCallPart, ToolResultPart
from jupyter_chatd.providers.bridge import BridgeModel
from jupyter_chatd.providers.discovery import discover_models
from jupyter_chatd.providers.endpoint import Kind
from jupyter_chatd.providers.protocol import PromptMessage

from .asking import API_KEY, ask, assistant, endpoint, parts_of, tool, user
from .conftest import Call as Connect

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[3]
CALL = ToolCallPart(tool_call_id="c1", tool_name="execute", args={"command": "ls"})
RESULT = ToolResultPart(tool_call_id="c1", tool_name="execute", result={"output": "x"})


@pytest.mark.parametrize("kind", [Kind.OPENAI_COMPAT, Kind.ANTHROPIC])
@pytest.mark.parametrize(
    "messages",
    [
        [user("x"), assistant(CALL), user("y")],
        [user("x"), assistant(CALL)],
        [user("x"), tool(RESULT)],
        [user("x"), assistant(CALL), tool(RESULT, RESULT)],
    ],
    ids=["unanswered", "open", "orphan", "twice"],
)
async def test_histories_that_vendors_refuse(
    connect: Connect, kind: Kind, messages: list[PromptMessage]
) -> None:
    called = await connect(kind, [say("accepted")])

    with pytest.raises(ModelError) as caught:
        await ask(called.model, *messages)

    assert caught.value.error.status_code == 400


# Rules.


def conversation(text: str, *results: str, steps: int = 0) -> Conversation:
    return Conversation(model="m", system="", users=[text], results=results, steps=steps)


def commands(text: str, *results: str) -> list[Any]:
    return [step.args["command"] for step in respond(conversation(text, *results)) if isinstance(step, Call)]


def test_lines_are_appended_all_at_once_or_one_by_one() -> None:
    assert commands("append it's to /tmp/a b 2 times") == []
    assert commands("append hi to /tmp/a 2 times") == ["echo 'hi 1' >> /tmp/a", "echo 'hi 2' >> /tmp/a"]
    assert commands("append hi to /tmp/a 3 times one by one", "r") == ["echo 'hi 2' >> /tmp/a"]
    assert commands("sleep 0.5 and append hi to f 1 times") == ["sleep 0.5; echo 'hi 1' >> f"]
    assert respond(conversation("append hi to f 2 times", "r", "r")) == [Say("Appended 2 lines.")]


def test_other_rules() -> None:
    assert respond(conversation('call plot with {"x": 1}')) == [Call("plot", {"x": 1})]
    assert respond(conversation('call plot with {"x": 1}', "done")) == [Say("plot gave done")]
    assert respond(conversation("say hi there")) == [Say("hi there")]
    assert isinstance(respond(conversation("think hm"))[0], Think)
    assert respond(conversation("refuse 429")) == [Refuse(status=429)]
    assert Hang() in respond(conversation("hang"))
    assert respond(conversation("what?")) == [Say("You said: what?")]


def test_scripts_are_read() -> None:
    steps = from_json([{"say": "a"}, {"wait": 0.5}, {"call": ["t", {"x": 1}]}, {"refuse": 429}])

    assert [type(step).__name__ for step in steps] == ["Say", "Wait", "Call", "Refuse"]
    with pytest.raises(ValueError, match="Unknown step 'sing'"):
        from_json([{"sing": "a"}])


# Programs.


@contextlib.asynccontextmanager
async def program(name: str, *options: str) -> AsyncIterator[int]:
    """A fake as a process of its own; gives its port."""
    command = [sys.executable, "-m", f"tests.fakes.{name}_server", *options]
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
    assert process.stdout
    try:
        yield int(await process.stdout.readline())
    finally:
        process.terminate()
        await process.wait()


async def asked(model: BridgeModel, *messages: PromptMessage | str) -> list[Part]:
    return parts_of(await ask(model, *messages))


@pytest.mark.parametrize(
    "kind,name,path", [(Kind.OPENAI_COMPAT, "openai", "/v1"), (Kind.ANTHROPIC, "anthropic", "")]
)
async def test_a_program_survives_its_clients(kind: Kind, name: str, path: str, tmp_path: Path) -> None:
    log = tmp_path / "requests.jsonl"
    async with program(name, "--api-key", API_KEY, "--model", "m1", "--log", str(log)) as port:
        at = endpoint(kind, f"http://127.0.0.1:{port}{path}")
        model = BridgeModel(at, "m1")
        (text, first, second) = await asked(model, "append hi to f 2 times")
        await model.aclose()
        again = BridgeModel(at, "m1")
        results = [
            ToolResultPart(tool_call_id=part.tool_call_id, tool_name="execute", result={"output": ""})
            for part in (first, second)
            if isinstance(part, ToolCallPart)
        ]
        end = await asked(
            again, user("append hi to f 2 times"), assistant(text, first, second), tool(*results)
        )
        await again.aclose()
        assert await discover_models(at) == {"m1": None}
        assert await discover_models(endpoint(kind, at.base_url, api_key="wrong")) is None

    assert end == [TextPart(text="Appended 2 lines.")]
    assert [json.loads(line)["path"] for line in log.read_text().splitlines()].count("/v1/models") == 2


async def test_a_program_plays_a_script(tmp_path: Path) -> None:
    script = tmp_path / "script.json"
    script.write_text(
        json.dumps([[{"say": "first"}, {"call": ["execute", {"command": "ls"}]}], [{"say": "second"}]])
    )
    async with program("openai", "--script", str(script), "--pace-ms", "1") as port:
        model = BridgeModel(endpoint(Kind.OPENAI_COMPAT, f"http://127.0.0.1:{port}/v1"), "m")
        text, call = await asked(model, "go")
        rest = await asked(model, user("go"), assistant(text, call), tool(_answer(call)))
        await model.aclose()

    assert (text, rest) == (TextPart(text="first"), [TextPart(text="second")])


def _answer(call: Part) -> ToolResultPart:
    assert isinstance(call, ToolCallPart)
    return ToolResultPart(tool_call_id=call.tool_call_id, tool_name=call.tool_name, result={})


# Discovery.


async def test_models_that_answer_no_chat_are_left_out() -> None:
    async with FakeOpenAI([], models=["text-embedding-3", "llama", "whisper-1", "qwen"]) as vendor:
        assert await discover_models(endpoint(Kind.OPENAI_COMPAT, vendor.base_url)) == {
            "llama": None,
            "qwen": None,
        }


async def test_an_endpoint_without_a_list_tells_nothing() -> None:
    assert await discover_models(endpoint(Kind.OPENAI_COMPAT, "http://127.0.0.1:9/v1")) is None
    async with FakeOpenAI([], models=["m"]) as vendor:
        assert await discover_models(endpoint(Kind.OPENAI_COMPAT, f"{vendor.origin}/wrong")) is None
