"""What vendors do wrong, on the wire: what becomes of the chat, what a person reads, that nothing is lost.

Worker, store, bridge and the vendor's own client are real; only the vendor is not. That kinds and words fit
the causes is for `providers/test_errors.py`; here each fault goes the whole way with each vendor.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from fakes.anthropic_server import FakeAnthropic
from fakes.azure_server import FakeResponses
from fakes.bedrock_server import FakeConverse
from fakes.google_server import FakeGoogle
from fakes.openai_server import FakeOpenAI
from fakes.openrouter_server import FakeOpenRouter
from fakes.steps import Answer, Break, Drop, Hang, Raw, Refuse, call, say
from fakes.vendor import FakeVendor
from world import World, outline, results

from jupyter_chatd.events import RetryEvent
from jupyter_chatd.loop.answer import Patience
from jupyter_chatd.loop.decide import Limits
from jupyter_chatd.messages import ChatStatus, StopReason
from jupyter_chatd.providers.bridge import BridgeModel
from jupyter_chatd.providers.endpoint import Endpoint, Kind
from jupyter_chatd.providers.vendor import open_vendor

from .conftest import Start

pytestmark = pytest.mark.anyio

KEY = "sk-test-0123456789"
KEY_SOURCE = "VENDOR_API_KEY"
SILENCE = 0.8  # seconds until a vendor is given up; a busy machine needs some of them to ask at all


@dataclass(frozen=True, slots=True, kw_only=True)
class Vendor:
    """A protocol, and how that vendor words its refusals."""

    kind: Kind
    fake: type[FakeVendor]
    too_long: Refuse
    """The prompt is."""
    spent: Refuse
    """There is no money left."""
    broken: tuple[str, int | None]
    """Kind and status of an error that comes in the middle of an answer."""
    model: str = "some-model"


VENDORS = {
    "anthropic": Vendor(
        kind=Kind.ANTHROPIC,
        fake=FakeAnthropic,
        too_long=Refuse(status=400, message="prompt is too long: 210000 tokens > 200000 maximum"),
        spent=Refuse(status=400, message="Your credit balance is too low to access the Anthropic API."),
        broken=("overloaded", 529),
    ),
    "openai-chat": Vendor(
        kind=Kind.OPENAI_COMPAT,
        fake=FakeOpenAI,
        too_long=Refuse(
            status=400,
            message="This model's maximum context length is 128000 tokens. However, your messages resulted "
            "in 130000 tokens. Please reduce the length of the messages.",
            code="context_length_exceeded",
        ),
        spent=Refuse(status=429, message="You exceeded your quota.", code="insufficient_quota"),
        broken=("overloaded", None),
    ),
    "openai-responses": Vendor(
        kind=Kind.OPENAI,
        fake=FakeResponses,
        too_long=Refuse(
            status=400,
            message="Your input exceeds the context window of this model. Please adjust your input and try "
            "again.",
            code="context_length_exceeded",
        ),
        spent=Refuse(status=429, message="You exceeded your quota.", code="insufficient_quota"),
        broken=("generic", 500),
    ),
    "google": Vendor(
        kind=Kind.GOOGLE,
        fake=FakeGoogle,
        too_long=Refuse(
            status=400,
            message="The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
        ),
        # Its 429 says the same of minutes and of money.
        spent=Refuse(status=403, message="Billing is disabled for this project."),
        broken=("overloaded", 503),
    ),
    "bedrock": Vendor(
        kind=Kind.BEDROCK,
        fake=FakeConverse,
        too_long=Refuse(status=400, message="Input is too long for requested model."),
        spent=Refuse(
            status=400, message="Your account's quota is used up.", kind="ServiceQuotaExceededException"
        ),
        broken=("generic", 424),
    ),
    "openrouter": Vendor(
        kind=Kind.OPENROUTER,
        fake=FakeOpenRouter,
        model="vendor/model",
        too_long=Refuse(
            status=400,
            message="This endpoint's maximum context length is 128000 tokens. However, you requested about "
            "130000 tokens.",
        ),
        spent=Refuse(status=402, message="This request requires more credits."),
        broken=("overloaded", None),
    ),
}


@dataclass(slots=True)
class Scene:
    """A world whose model is a fake vendor."""

    world: World
    vendor: FakeVendor
    at: Endpoint

    async def said_again(self, chat_id: str) -> str:
        """The answer to another message; fails unless the model was shown all that was said before."""
        await self.world.send(chat_id, "Again.")
        await self.world.settled(chat_id)
        asked = self.vendor.generations[-1].raw.decode()
        assert all(text in asked for text in ("Begin.", "Again."))
        return (await self.world.rows(chat_id))[-1].text


Play = Callable[..., Awaitable[Scene]]


@pytest.fixture(params=VENDORS)
def vendor(request: pytest.FixtureRequest) -> Vendor:
    return VENDORS[request.param]


@pytest.fixture
async def play(vendor: Vendor, start: Start, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Play]:
    """Starts a world over a fake of the vendor with such answers."""
    async with AsyncExitStack() as stack:

        async def begin(*answers: Answer, **options: Any) -> Scene:
            fake = await stack.enter_async_context(vendor.fake(answers))
            if vendor.kind is Kind.OPENAI:  # only OpenAI's own address is called through the responses API
                monkeypatch.setattr("jupyter_chatd.providers.endpoint.OPENAI_URL", fake.base_url)
            at = Endpoint(
                provider="vendor",
                kind=vendor.kind,
                base_url=fake.base_url,
                label="The vendor",
                api_key=KEY,
                key_source=KEY_SOURCE,
            )
            await load_code(at, vendor.model)
            model = BridgeModel(at, vendor.model)
            stack.push_async_callback(model.aclose)
            return Scene(await start(model, **options), fake, at)

        yield begin


async def load_code(at: Endpoint, model: str) -> None:
    """Import the vendor's code, which takes longer than a test waits for a vendor."""
    if at.kind not in _loaded:
        await (await asyncio.to_thread(open_vendor, at, model)).close()
        _loaded.add(at.kind)


_loaded: set[Kind] = set()


# What does not pass by itself


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """An answer that ends the turn."""

    refuse: Refuse
    kind: str
    told: str
    """The end of what a person reads."""


BAD_KEY = f"did not accept the API key. Check the key: {KEY_SOURCE}."

REFUSALS = {
    "401": Refusal(refuse=Refuse(status=401, message="no such key"), kind="auth", told=BAD_KEY),
    "403": Refusal(refuse=Refuse(status=403, message="this key may not do that"), kind="auth", told=BAD_KEY),
    "404": Refusal(
        refuse=Refuse(status=404, message="there is no such thing"),
        kind="config",
        told="",
    ),
    "a setting": Refusal(
        refuse=Refuse(status=400, message="temperature must be at most 2"),
        kind="config",
        told="rejected the request. Check the model's settings; the detail says why.",
    ),
}


@pytest.mark.parametrize("name", REFUSALS)
async def test_what_stays_wrong_ends_the_turn_at_once_and_says_what_to_do(play: Play, name: str) -> None:
    await check_refusal(play, REFUSALS[name])


async def test_an_account_without_money_ends_the_turn_at_once(play: Play, vendor: Vendor) -> None:
    spent = Refusal(
        refuse=vendor.spent,
        kind="usage_limit",
        told="the account's quota or credit is used up. Check its plan and billing.",
    )
    await check_refusal(play, spent)


async def check_refusal(play: Play, refusal: Refusal) -> None:
    scene = await play([refusal.refuse], [say("Better.")])
    chat_id = await scene.world.create()

    chat = await scene.world.settled(chat_id, ChatStatus.ERROR)

    error = chat.last_error
    assert error is not None
    assert (error.kind, error.retryable, error.status_code) == (refusal.kind, False, refusal.refuse.status)
    assert error.message.endswith(refusal.told)
    assert scene.at.subject in error.message
    assert refusal.refuse.message in str(error.detail)
    assert len(scene.vendor.generations) == 1, "it was tried again"
    assert outline(await scene.world.rows(chat_id)) == ["user: Begin."]
    assert await scene.said_again(chat_id) == "Better."


# What passes


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """An answer after which the same call is made again."""

    answer: Answer
    kind: str
    status: int | None = None
    least_ms: int = 0


TROUBLE = {
    "408": Trouble(answer=[Refuse(status=408)], kind="timeout", status=408),
    "429": Trouble(answer=[Refuse(status=429)], kind="rate_limit", status=429),
    "429 with Retry-After": Trouble(
        answer=[Refuse(status=429, headers={"Retry-After": "1"})],
        kind="rate_limit",
        status=429,
        least_ms=1000,
    ),
    "500": Trouble(answer=[Refuse(status=500)], kind="generic", status=500),
    "503": Trouble(answer=[Refuse(status=503)], kind="timeout", status=503),
    "529": Trouble(answer=[Refuse(status=529)], kind="overloaded", status=529),
    "a cut stream": Trouble(answer=[say("Half an"), Drop()], kind="timeout"),
    "silence at once": Trouble(answer=[Hang()], kind="startup_timeout"),
    "silence in the middle": Trouble(answer=[say("Half an"), Hang()], kind="timeout"),
}


@pytest.mark.parametrize("name", TROUBLE)
async def test_passing_trouble_is_tried_again_and_leaves_nothing_behind(play: Play, name: str) -> None:
    await check_trouble(play, TROUBLE[name])


async def test_an_error_in_the_middle_of_an_answer_is_tried_again(play: Play, vendor: Vendor) -> None:
    kind, status = vendor.broken
    answer = [say("Half an"), Break(message="Overloaded")]
    await check_trouble(play, Trouble(answer=answer, kind=kind, status=status))


def patience_for(answer: Answer) -> Patience:
    """Short where the vendor is silent only: a busy machine needs a while until a first part comes."""
    if answer[0] == Hang():
        return Patience(first_part_s=2 * SILENCE)
    return Patience(silence_s=SILENCE) if Hang() in answer else Patience()


async def check_trouble(play: Play, trouble: Trouble) -> None:
    scene = await play(
        trouble.answer, [say("Whole.")], [say("Better.")], patience=patience_for(trouble.answer)
    )
    chat_id = await scene.world.create()
    events = await scene.world.listen_in(chat_id)

    chat = await scene.world.settled(chat_id)

    assert (chat.last_error, chat.retry_state) == (None, None)
    assert outline(await scene.world.rows(chat_id)) == ["user: Begin.", "assistant: Whole."]
    assert len(scene.vendor.generations) == 2
    assert await scene.said_again(chat_id) == "Better."
    await scene.world.stop()
    # Of a vendor that is silent more than one: on a busy machine an attempt may be over before it has asked.
    retries = [event.retry for event in events if isinstance(event, RetryEvent)]
    assert {(retry.kind, retry.status_code) for retry in retries} == {(trouble.kind, trouble.status)}
    assert all(retry.delay_ms >= trouble.least_ms for retry in retries)


def wire(vendor: Vendor, answer: Answer) -> list[bytes]:
    """The events of an answer as the vendor sends them."""
    events = vendor.fake([]).encode({"model": vendor.model}, answer)
    return [event for event in events if isinstance(event, bytes)]


def raw(vendor: Vendor, body: bytes) -> Raw:
    return Raw(body=body, content_type=vendor.fake([]).stream_type)


async def test_an_event_that_cannot_be_read_is_tried_again(play: Play, vendor: Vendor) -> None:
    *begun, last = wire(vendor, [say("Half an answer of several words.")])[:4]
    is_binary = vendor.kind is Kind.BEDROCK
    torn = last[:-1] + bytes([last[-1] ^ 1]) if is_binary else b'event: x\ndata: {"type": "no\n\n'
    await check_trouble(play, Trouble(answer=[raw(vendor, b"".join([*begun, torn]))], kind="generic"))


async def test_a_stream_that_ends_before_its_last_event_is_tried_again(play: Play, vendor: Vendor) -> None:
    body = b"".join(wire(vendor, [say("Half an answer of several words.")])[:3])
    await check_trouble(play, Trouble(answer=[raw(vendor, body)], kind="timeout"))


async def test_trouble_that_stays_ends_after_the_last_attempt(play: Play) -> None:
    scene = await play(*[[Refuse(status=503)]] * 3, [say("Better.")], limits=Limits(attempts=3))
    chat_id = await scene.world.create()

    chat = await scene.world.settled(chat_id, ChatStatus.ERROR)

    assert len(scene.vendor.generations) == 3
    assert chat.last_error is not None
    assert (chat.last_error.kind, chat.last_error.status_code) == ("timeout", 503)
    assert chat.last_error.message.startswith("The model failed in 3 attempts.")
    assert await scene.said_again(chat_id) == "Better."


# A vendor that takes the connection and says nothing at all


@asynccontextmanager
async def mute() -> AsyncIterator[tuple[str, list[asyncio.StreamWriter]]]:
    """A server that reads and never answers: its address, and who has come."""
    come: list[asyncio.StreamWriter] = []

    async def ignore(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        come.append(writer)
        await reader.read()
        writer.close()

    server = await asyncio.start_server(ignore, "127.0.0.1")
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", come
        for writer in come:
            writer.transport.abort()


async def test_a_vendor_that_accepts_and_never_answers_is_given_up(vendor: Vendor, start: Start) -> None:
    async with mute() as (address, come):
        at = Endpoint(provider="vendor", kind=vendor.kind, base_url=address, label="The vendor", api_key=KEY)
        await load_code(at, vendor.model)
        model = BridgeModel(at, vendor.model)
        # Bedrock's client is made anew by each attempt, in a thread: on a busy machine that takes a while.
        first_part_s = 6 * SILENCE if vendor.kind is Kind.BEDROCK else 2 * SILENCE
        world = await start(model, patience=Patience(first_part_s=first_part_s), limits=Limits(attempts=2))
        chat_id = await world.create()

        chat = await world.settled(chat_id, ChatStatus.ERROR)

        assert len(come) == 2
        assert chat.last_error is not None
        assert chat.last_error.kind == "startup_timeout"
        assert outline(await world.rows(chat_id)) == ["user: Begin."]
        await model.aclose()
        if vendor.kind is not Kind.BEDROCK:  # its client is a thread's, which waits on
            await asyncio.wait_for(asyncio.gather(*(writer.wait_closed() for writer in come)), 5)


# A prompt that is too long


async def test_a_first_message_that_is_too_long_is_told(play: Play, vendor: Vendor) -> None:
    scene = await play([vendor.too_long], [say("Better.")])
    chat_id = await scene.world.create()

    chat = await scene.world.settled(chat_id, ChatStatus.ERROR)

    assert chat.last_error is not None
    assert (chat.last_error.kind, chat.last_error.retryable) == ("context_window", False)
    assert vendor.too_long.message in str(chat.last_error.detail)
    assert len(scene.vendor.generations) == 1
    assert await scene.said_again(chat_id) == "Better."


async def test_a_conversation_that_is_too_long_is_summarised_and_goes_on(play: Play, vendor: Vendor) -> None:
    scene = await play([say("First.")], [vendor.too_long], [say("What was said.")], [say("Whole.")])
    chat_id = await scene.world.create()
    await scene.world.settled(chat_id)
    await scene.world.send(chat_id, "And then?")

    chat = await scene.world.settled(chat_id)

    assert chat.last_error is None
    asked = [request.raw.decode() for request in scene.vendor.generations]
    assert len(asked) == 4
    assert "What was said." in asked[3]
    assert "And then?" in asked[3]
    kept = [row.text for row in await scene.world.rows(chat_id)]
    assert [text for text in kept if text in ("Begin.", "First.", "And then?", "Whole.")] == [
        "Begin.",
        "First.",
        "And then?",
        "Whole.",
    ]


# A tool call that is not JSON; Google sends objects, so that there is no such thing


JSON_IN_TEXT = ("anthropic", "openai-chat", "openai-responses", "openrouter")


@pytest.mark.parametrize("vendor", JSON_IN_TEXT, indirect=True)
async def test_a_call_with_broken_json_is_answered_with_what_is_wrong(play: Play, vendor: Vendor) -> None:
    whole = b"".join(wire(vendor, [say("I run it."), call("execute", {"command": "true"})]))
    body = whole.replace(rb'e\"}"', rb'e\""')
    assert body != whole
    scene = await play([raw(vendor, body)], [say("Better.")], [say("Fine.")])
    chat_id = await scene.world.create()

    await scene.world.settled(chat_id)

    rows = await scene.world.rows(chat_id)
    assert [row.role.value for row in rows] == ["user", "assistant", "tool", "assistant"]
    assert rows[1].stop_reason is StopReason.TOOL_CALLS
    (result,) = results(rows)
    assert result.is_error
    assert "Wrong arguments for execute" in json.dumps(result.result)
    assert await scene.said_again(chat_id) == "Fine."
