"""What is particular to each vendor, on the wire."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import pytest
from fakes.responses_server import FakeResponses
from fakes.steps import Break, Drop, Hang, Raw, Refuse, Spend, Step, Stop, call, say, think, wait

from jupyter_chatd.errors import ModelError
from jupyter_chatd.loop.prompt import mark_cache
from jupyter_chatd.messages import (
    FilePart,
    Part,
    ReasoningPart,
    StopReason,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    Usage,
)
from jupyter_chatd.providers.bridge import BridgeModel
from jupyter_chatd.providers.endpoint import ANTHROPIC_URL, OPENAI_URL, Endpoint, Kind
from jupyter_chatd.providers.protocol import CallSettings, ModelCall, PromptMessage

from .asking import (
    API_KEY,
    MODEL,
    ask,
    asking,
    assistant,
    collect,
    endpoint,
    finished,
    parts_of,
    system,
    tool,
    user,
)
from .conftest import CLAUDE_ON_BEDROCK, OTHER_ON_BEDROCK, SUBJECTS, Call, Called
from .vendors import ask_with, called, refusal

pytestmark = pytest.mark.anyio

every_vendor = pytest.mark.parametrize("name", list(SUBJECTS))

PNG = FilePart(media_type="image/png", data=base64.b64encode(b"\x89PNG").decode())
PDF = FilePart(media_type="application/pdf", data=base64.b64encode(b"%PDF-1.4").decode(), name="a.pdf")


# A whole step, and back.


@every_vendor
async def test_what_a_vendor_said_goes_back_and_is_taken(connect: Call, name: str) -> None:
    """The fakes refuse histories that the vendors would."""
    at = await called(
        connect,
        name,
        [think("Look first.", signature="c2lnbmVk"), say("I look."), call("execute", {"command": "ls"})],
        [say("Two files.")],
    )
    said = parts_of(await ask(at.model))
    (asked,) = [part for part in said if isinstance(part, ToolCallPart)]
    result = ToolResultPart(tool_call_id=asked.tool_call_id, tool_name="execute", result={"output": "a b"})

    events = await ask(at.model, system("Be brief."), user("hello"), assistant(*said), tool(result))

    assert [part.text for part in parts_of(events) if isinstance(part, TextPart)] == ["Two files."]
    assert "Be brief." in at.vendor.generations[-1].raw.decode()
    assert any(isinstance(part, ReasoningPart) and part.text == "Look first." for part in said)


SIGNATURE = "c2lnbmVk"
REASONED = [think("Hm.", signature=SIGNATURE), say("Yes.")]


async def sent_back(at: Called, said: Sequence[Part]) -> str:
    """The body of a request that holds what the model said before."""
    await ask(at.model, "hello", assistant(*said), "and now?")
    return at.vendor.generations[-1].raw.decode()


@pytest.mark.parametrize("name", ["anthropic", "openrouter", "azure", "bedrock-claude"])
async def test_reasoning_goes_back_with_its_signature(connect: Call, name: str) -> None:
    kind, model = SUBJECTS[name]
    at = await connect(kind, REASONED, [say("ok")], model="gpt-5.4" if name == "azure" else model)

    sent = await sent_back(at, parts_of(await ask(at.model)))

    assert SIGNATURE in sent
    assert "Hm." in sent
    assert "think>" not in sent, "as reasoning, not as something that was said"


async def test_google_gets_the_signature_back_beside_what_it_led_to(connect: Call) -> None:
    at = await called(connect, "google", REASONED, [say("ok")])

    sent = await sent_back(at, parts_of(await ask(at.model)))

    assert f'"thoughtSignature": "{base64.b64encode(SIGNATURE.encode()).decode()}"' in sent
    assert "Hm." not in sent, "the vendor's summary for people"


@pytest.mark.parametrize("name", ["azure", "bedrock-other"])
async def test_reasoning_that_a_model_does_not_take_back_stays_here(connect: Call, name: str) -> None:
    at = await called(connect, name, REASONED, [say("ok")])

    sent = await sent_back(at, parts_of(await ask(at.model)))

    assert "Yes." in sent
    assert "Hm." not in sent


async def test_reasoning_of_one_api_does_not_go_to_the_other(connect: Call) -> None:
    at = await connect(Kind.AZURE, REASONED, [say("ok")], model="gpt-5.4")
    said = parts_of(await ask(at.model))
    settings = CallSettings(provider_options={"openai": {"api": "chat"}})

    messages = (user("hello"), assistant(*said), user("and now?"))
    await collect(at.model.stream(ModelCall(messages=messages, settings=settings)))

    assert set(at.body["messages"][1]) == {"role", "content"}


async def test_reasoning_may_be_left_out(connect: Call) -> None:
    at = await called(connect, "anthropic", [think("Hm.", signature="s"), say("Yes.")], [say("ok")])
    said = parts_of(await ask(at.model))
    settings = CallSettings(provider_options={"anthropic": {"send_reasoning": False}})

    messages = (user("hello"), assistant(*said), user("and now?"))
    await collect(at.model.stream(ModelCall(messages=messages, settings=settings)))

    assert "Hm." not in at.vendor.generations[-1].raw.decode()


USAGE = {
    "azure": Usage(input_tokens=5, cache_read_tokens=7, output_tokens=9, reasoning_tokens=4, total_tokens=21),
    "google": Usage(
        input_tokens=5, cache_read_tokens=7, output_tokens=9, reasoning_tokens=4, total_tokens=21
    ),
    "openrouter": Usage(
        input_tokens=5, cache_read_tokens=7, output_tokens=9, reasoning_tokens=4, total_tokens=21
    ),
    "bedrock-claude": Usage(
        input_tokens=5, cache_read_tokens=7, cache_creation_tokens=2, output_tokens=9, total_tokens=23
    ),
    "bedrock-other": Usage(
        input_tokens=5, cache_read_tokens=7, cache_creation_tokens=2, output_tokens=9, total_tokens=23
    ),
}


@pytest.mark.parametrize(("cost", "micros"), [(0.0012345, 1235), (None, None)])
async def test_openrouter_tells_what_it_charged(
    connect: Call, cost: float | None, micros: int | None
) -> None:
    at = await called(connect, "openrouter", [say("x"), Spend(cost=cost)])
    assert finished(await ask(at.model)).cost_micros == micros


@pytest.mark.parametrize("name", list(USAGE))
async def test_usage_counts_cached_tokens_apart(connect: Call, name: str) -> None:
    writes = 2 if name.startswith("bedrock") else 0
    spend = Spend(
        input_tokens=5, cache_read_tokens=7, cache_write_tokens=writes, output_tokens=9, reasoning_tokens=4
    )
    at = await called(connect, name, [say("x"), spend])

    usage = finished(await ask(at.model)).usage

    assert usage is not None
    fields = ("input_tokens", "cache_read_tokens", "cache_creation_tokens", "output_tokens", "total_tokens")
    assert {f: getattr(usage, f) for f in fields} == {f: getattr(USAGE[name], f) for f in fields}
    assert usage.reasoning_tokens == USAGE[name].reasoning_tokens


CUT = {"azure": "length", "google": "MAX_TOKENS", "openrouter": "length"}
CUT |= {"bedrock-claude": "max_tokens", "bedrock-other": "max_tokens"}


@pytest.mark.parametrize("name", list(CUT))
async def test_an_answer_cut_at_its_limit_says_so(connect: Call, name: str) -> None:
    at = await called(connect, name, [say("half"), Stop(CUT[name])])

    assert finished(await ask(at.model)).stop_reason is StopReason.LENGTH


# Errors.

OVERFLOW = {
    "azure": (400, "Your input exceeds the context window of this model.", "context_length_exceeded"),
    "google": (400, "The input token count (2000001) exceeds the maximum number of tokens allowed.", None),
    "openrouter": (400, "This endpoint's maximum context length is 4096 tokens.", None),
    "bedrock-claude": (400, "prompt is too long: 210000 tokens > 200000 maximum", None),
    "bedrock-other": (400, "Input is too long for requested model.", None),
}


@pytest.mark.parametrize("name", list(OVERFLOW))
async def test_refusals_are_classified(connect: Call, name: str) -> None:
    status, message, code = OVERFLOW[name]
    answers = [
        [Refuse(status=403 if "bedrock" in name or name == "google" else 401, message="no")],
        [Refuse(status=503, message="Service unavailable")],
        [Refuse(status=status, message=message, code=code)],
        [say("begun"), Break(message="The model is overloaded.")],
    ]
    at = await called(connect, name, *answers)
    kinds: list[tuple[str, bool]] = []
    for _ in answers:
        with pytest.raises(ModelError) as caught:
            await ask(at.model)
        kinds.append((caught.value.error.kind, caught.value.error.retryable))

    assert kinds[0] == ("auth", False)
    assert kinds[1][1], "another try helps"
    assert kinds[2] == ("context_window", False)
    assert kinds[3][1], f"a stream that breaks off is tried again: {kinds[3]}"


@every_vendor
async def test_a_stopped_stream_is_noticed_by_the_vendor(connect: Call, name: str) -> None:
    at = await called(connect, name, [say("one two"), wait(30)])
    stream = at.model.stream(asking())
    await anext(stream)
    await stream.aclose()

    (request,) = at.vendor.generations
    await request.done.wait()
    assert request.aborted


@pytest.mark.parametrize(
    "options,words",
    [
        ({"web_search": True, "allowed_domains": ["a"], "blocked_domains": ["b"]}, "exclude each other"),
        ({"web_search": "yes"}, "web_search must be bool"),
        ({"api": "chat"}, "Unknown provider option api"),
        ({"thinking": "much"}, "thinking must be an object"),
    ],
)
async def test_options_that_make_no_sense_are_refused(
    connect: Call, options: dict[str, Any], words: str
) -> None:
    assert words in await refusal(await called(connect, "anthropic"), {"anthropic": options})


# Options.


async def test_options_of_google(connect: Call) -> None:
    at = await connect(Kind.GOOGLE, [say("a")], [say("b")], model="gemini-3.8-flash")

    body = await ask_with(at, {"google": {"thinking_config": {"thinking_budget": 99}}}, top_k=4, top_p=0.5)
    assert body["generationConfig"]["thinkingConfig"] == {"thinking_budget": 99}
    assert (body["generationConfig"]["topK"], body["generationConfig"]["topP"]) == (4, 0.5)

    body = await ask_with(at, {}, reasoning_effort="low")
    assert body["generationConfig"]["thinkingConfig"] == {"include_thoughts": True, "thinking_level": "LOW"}


async def test_options_of_openrouter(connect: Call) -> None:
    at = await called(connect, "openrouter", [say("a")], [say("b")])
    options = {"provider": {"order": ["anthropic"], "allow_fallbacks": False}, "reasoning": {"max_tokens": 9}}

    body = await ask_with(at, {"openrouter": options})
    assert (body["provider"], body["reasoning"]) == (options["provider"], options["reasoning"])
    assert body["usage"] == {"include": True}

    body = await ask_with(at, {}, reasoning_effort="high")
    assert body["reasoning"] == {"effort": "high", "enabled": True}


async def test_options_of_bedrock(connect: Call) -> None:
    claude = await connect(Kind.BEDROCK, [say("a")], model=CLAUDE_ON_BEDROCK)
    body = await ask_with(claude, {"anthropic": {"disable_parallel_tool_use": True}}, max_output_tokens=77)
    assert (body["max_tokens"], body["tool_choice"]["disable_parallel_tool_use"]) == (77, True)

    other = await connect(Kind.BEDROCK, [say("a")], model=OTHER_ON_BEDROCK)
    body = await ask_with(other, {"bedrock": {"additional_model_request_fields": {"k": 1}}}, temperature=0.5)
    assert body["additionalModelRequestFields"] == {"k": 1}
    assert body["inferenceConfig"]["temperature"] == 0.5


async def test_azure_answers_through_either_api(connect: Call) -> None:
    at = await called(connect, "azure", [say("a")], [say("b")])

    await ask_with(at, {"openai": {"text_verbosity": "low"}})
    assert at.vendor.generations[-1].path == "/openai/v1/responses"
    assert at.body["text"] == {"verbosity": "low"}

    await ask_with(at, {"openai": {"api": "chat"}})
    assert at.vendor.generations[-1].path == "/openai/v1/chat/completions"

    assert "chat or responses" in await refusal(at, {"openai": {"api": "telegraph"}})


async def test_a_gateway_is_called_through_the_responses_api_when_asked(connect: Call) -> None:
    async with FakeResponses([[say("a")], [think("Hm."), say("b")]]) as vendor:
        at = Called(BridgeModel(endpoint(Kind.OPENAI_COMPAT, vendor.base_url), MODEL), vendor)
        await ask_with(at, {})
        await ask_with(at, {"openaicompat": {"api": "responses"}})
        await at.model.aclose()

    assert [request.path for request in vendor.generations] == ["/v1/chat/completions", "/v1/responses"]


async def test_openai_itself_is_called_through_the_responses_api() -> None:
    from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel

    from jupyter_chatd.providers.vendor_openai import connect

    vendor = connect(endpoint(Kind.OPENAI, OPENAI_URL, provider="openai"), "gpt-6.1-terra")
    chat = CallSettings(provider_options={"openai": {"api": "chat"}})
    await vendor.close()

    assert isinstance(vendor.model_for(asking()), OpenAIResponsesModel)
    assert isinstance(vendor.model_for(asking(settings=chat)), OpenAIChatModel)


@pytest.mark.parametrize(
    "model, asked, sent",
    [
        ("gpt-5", "high", "high"),
        ("gpt-5", "none", "minimal"),
        ("gpt-5.1", "none", "none"),
        ("o3", "minimal", "low"),
        ("gpt-4o", "high", None),
    ],
)
async def test_openais_own_models_get_an_effort_that_they_know(
    monkeypatch: pytest.MonkeyPatch, model: str, asked: str, sent: str | None
) -> None:
    """What a model has no word for becomes the nearest that it has, or nothing: it would be refused."""
    async with FakeResponses([[say("a")]]) as vendor:
        monkeypatch.setattr("jupyter_chatd.providers.endpoint.OPENAI_URL", vendor.base_url)
        at = Called(BridgeModel(endpoint(Kind.OPENAI, vendor.base_url, provider="openai"), model), vendor)
        body = await ask_with(at, {}, reasoning_effort=asked)
        await at.model.aclose()

    assert (body.get("reasoning") or {}).get("effort") == sent


# Keys.

HEADERS = {
    "azure": {"api-key": API_KEY},
    "google": {"x-goog-api-key": API_KEY},
    "openrouter": {"authorization": f"Bearer {API_KEY}"},
    "bedrock-claude": {"authorization": f"Bearer {API_KEY}"},
    "bedrock-other": {"authorization": f"Bearer {API_KEY}"},
}


@pytest.mark.parametrize("name", list(HEADERS))
async def test_keys_go_where_the_vendor_looks(
    connect: Call, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("AWS_BEARER_TOKEN_BEDROCK", "GOOGLE_API_KEY", "AZURE_OPENAI_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.setenv(variable, "of-another-address")
    at = await called(connect, name, [say("a")])
    await ask(at.model)

    headers = at.vendor.generations[-1].headers
    assert {header: headers[header] for header in HEADERS[name]} == HEADERS[name]
    assert "of-another-address" not in str(headers)


async def test_anthropic_itself_gets_the_key_in_its_documented_header_only() -> None:
    """Its client would send it as a bearer token, which its documentation keeps for other credentials."""
    from jupyter_chatd.providers.vendor_anthropic import connect

    vendor = connect(endpoint(Kind.ANTHROPIC, ANTHROPIC_URL, provider="anthropic"), "claude-sonnet-5-5")
    client: Any = vendor.model.client  # type: ignore[attr-defined]
    from anthropic._models import FinalRequestOptions

    request = client._build_request(FinalRequestOptions(method="post", url="/v1/messages", json_data={}))
    await vendor.close()

    assert request.headers["x-api-key"] == API_KEY
    assert "authorization" not in request.headers


async def test_bedrock_signs_with_the_machines_credentials_where_it_may(
    connect: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    for model in (CLAUDE_ON_BEDROCK, OTHER_ON_BEDROCK):
        at = await connect(Kind.BEDROCK, [say("a")], [say("b")], model=model)
        fields = {"provider": "bedrock", "kind": Kind.BEDROCK, "base_url": at.vendor.base_url, "label": "B"}
        for is_allowed in (True, False):
            signing = BridgeModel(Endpoint(**fields, may_use_cloud_identity=is_allowed), model)
            await ask(signing)
            await signing.aclose()

        signed, unsigned = (request.headers["authorization"] for request in at.vendor.generations)
        assert signed.startswith("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/")
        assert "/eu-west-1/bedrock/" in signed
        assert "AKIDEXAMPLE" not in unsigned


# Files, and cache marks.

MARKS = {
    "anthropic": ("cache_control", 4),
    "bedrock-claude": ("cache_control", 4),
    "bedrock-other": ("cachePoint", 3),  # Nova does not cache tools
    "openrouter": ("cache_control", 3),
}
"""What a mark looks like, and how many there are: tools, system prompt, the last messages."""


@every_vendor
@pytest.mark.parametrize("file", [PNG, PDF], ids=["image", "pdf"])
async def test_files_reach_the_vendor(connect: Call, name: str, file: FilePart) -> None:
    at = await called(connect, name, [say("seen")])

    await ask(at.model, user("Look:", file))

    sent = at.vendor.generations[-1].raw.decode()
    assert str(file.data).rstrip("=") in sent.replace("-", "+").replace("_", "/")


def turn_of(count: int) -> list[PromptMessage]:
    """A turn with calls and results, marked as the loop does it."""
    ids = [f"call{number}" for number in range(count)]
    calls = [ToolCallPart(tool_call_id=one, tool_name="execute", args={}) for one in ids]
    results = [ToolResultPart(tool_call_id=one, tool_name="execute", result={"output": "x"}) for one in ids]
    steps = [m for c, r in zip(calls, results, strict=True) for m in (assistant("Look.", c), tool(r))]
    return list(mark_cache([system("Rules."), user("Go."), *steps]))


@pytest.mark.parametrize("name", list(MARKS))
@pytest.mark.parametrize("steps", [0, 1, 3])
async def test_cache_marks_reach_the_vendor(connect: Call, name: str, steps: int) -> None:
    kind, model = SUBJECTS[name]
    model = "anthropic/claude-sonnet-4.5" if name == "openrouter" else model
    at = await connect(kind, [say("a")], model=model)

    await ask(at.model, *turn_of(steps))

    word, count = MARKS[name]
    missing = 1 if steps == 0 and name != "openrouter" else 0  # only one message to mark
    assert at.vendor.generations[-1].raw.decode().count(word) == count - missing


async def test_models_that_cache_by_themselves_get_no_marks(connect: Call) -> None:
    for name in ("openai-compat", "google", "azure", "openrouter"):
        at = await called(connect, name, [say("a")])
        await ask(at.model, *turn_of(1))
        assert "cache" not in at.vendor.generations[-1].raw.decode().replace("prompt_cache_key", "")


async def test_a_model_is_named_as_people_named_it(connect: Call) -> None:
    at = await called(connect, "google", [say("a")])

    assert at.model.ref == f"google:{MODEL}"


# Streams that end too soon.


@every_vendor
@pytest.mark.parametrize("cut", [[Drop()], [Hang()]], ids=["dropped", "silent"])
async def test_a_stream_that_is_cut_or_falls_silent_is_tried_again(
    connect: Call, name: str, cut: list[Step], monkeypatch: pytest.MonkeyPatch
) -> None:
    import importlib

    from jupyter_chatd.providers.vendor import MODULES

    for module in {*MODULES.values(), "vendor"}:
        loaded = importlib.import_module(f"jupyter_chatd.providers.{module}")
        monkeypatch.setattr(loaded, "SILENCE_TIMEOUT", 0.5, raising=False)
    at = await called(connect, name, [say("begun "), *cut], [say("again")])

    error = (await failure(at)).error
    assert (error.kind, error.retryable) == ("timeout", True)
    assert [part.text for part in parts_of(await ask(at.model)) if isinstance(part, TextPart)] == ["again"]


@every_vendor
async def test_a_damaged_stream_is_tried_again(connect: Call, name: str) -> None:
    at = await called(connect, name, [Raw(body=b'data: {"x": \n\n')], [say("again")])
    error = (await failure(at)).error
    if name == "anthropic":
        assert "base URL" in error.message, (
            "its reader skips what is no event: nothing came that could be read"
        )
    else:
        assert (error.kind, error.retryable) == ("generic", True)

    assert [part.text for part in parts_of(await ask(at.model)) if isinstance(part, TextPart)] == ["again"]


async def failure(at: Called) -> ModelError:
    """What an ordinary call ends with."""
    with pytest.raises(ModelError) as caught:
        await ask(at.model)
    return caught.value
