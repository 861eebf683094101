"""`/{chat}/usage` and `/cost/{user}/summary`, over HTTP."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from fakes.steps import Spend, say

from .client import Api
from .conftest import Serve

TODAY = datetime.now(UTC).date()
NOTHING = {
    "total_cost_micros": 0,
    "message_count": 0,
    "priced_message_count": 0,
    "unpriced_message_count": 0,
    "total_input_tokens": 0,
    "total_output_tokens": 0,
    "total_reasoning_tokens": 0,
    "total_cache_read_tokens": 0,
    "total_cache_creation_tokens": 0,
    "total_runtime_ms": 0,
    "by_model": [],
    "by_chat": [],
    "by_day": [],
}


async def test_a_chat_tells_what_it_used(api: Api) -> None:
    """The demo model says how many words it spoke, and has no price: not known is null."""
    chat = await api.finished("say one two three")
    (_, answer) = await api.messages(chat["id"])
    usage = await api.get(f"/{chat['id']}/usage")
    assert (usage["message_count"], usage["unpriced_message_count"], usage["total_cost_micros"]) == (
        1,
        1,
        None,
    )
    assert usage["total_output_tokens"] == answer["usage"]["output_tokens"] > 0
    assert usage["total_runtime_ms"] == answer["runtime_ms"]
    assert [(row["provider"], row["model"]) for row in usage["by_model"]] == [("demo", "demo")]
    assert [(row["chat_id"], row["chat_title"]) for row in usage["by_chat"]] == [(chat["id"], chat["title"])]


async def test_days_are_the_last_thirty_unless_said_otherwise(api: Api) -> None:
    await api.finished()
    summary = await api.get("/cost/me/summary")
    first, end = TODAY - timedelta(days=29), TODAY + timedelta(days=1)
    assert (summary["start_date"], summary["end_date"]) == (f"{first}T00:00:00Z", f"{end}T00:00:00Z")
    assert [row["day"] for row in summary["by_day"]] == [str(TODAY)]


@pytest.mark.parametrize(
    ("query", "counted"),
    [
        ({"start_date": "2020-02-28", "end_date": "2020-03-01"}, ("2020-02-28", "2020-03-01")),
        (
            {"start_date": "2020-02-28T23:00:00Z", "end_date": "2020-03-01T00:00:01Z"},
            ("2020-02-28", "2020-03-02"),
        ),
        (
            {"start_date": "2020-03-01T01:00:00+02:00", "end_date": "2020-03-01T12:00:00Z"},
            ("2020-02-29", "2020-03-02"),
        ),
        ({"end_date": "2020-01-31"}, ("2020-01-01", "2020-01-31")),
    ],
)
async def test_days_count_whole(api: Api, query: dict[str, str], counted: tuple[str, str]) -> None:
    await api.finished()
    first, end = counted
    days = {"start_date": f"{first}T00:00:00Z", "end_date": f"{end}T00:00:00Z"}
    assert await api.get("/cost/me/summary", **query) == NOTHING | days


@pytest.mark.parametrize(
    "query",
    [
        {"start_date": "yesterday"},
        {"start_date": ""},
        {"end_date": "0001-01-01"},
        {"end_date": "9999-12-31"},
        {"start_date": "2020-01-02", "end_date": "2020-01-01"},
        {"start_date": "2020-01-01", "end_date": "2020-01-01"},
        {"start": "2020-01-01"},
    ],
)
async def test_what_is_no_question_is_refused(api: Api, query: dict[str, str]) -> None:
    reply = await api.call("GET", "/cost/me/summary", params=list(query.items()))
    assert reply.status == 400
    assert next(iter(query)) in reply.json["detail"]


async def test_the_number_that_jupyterlab_adds_against_caches_is_fine(api: Api) -> None:
    assert (await api.call("GET", "/cost/me/summary", params=[("1763712000000", "")])).status == 200


async def test_costs_of_others_are_refused(api: Api) -> None:
    assert (await api.call("GET", "/cost/bob/summary")).status == 403
    assert (await api.call("GET", "/cost/local/summary")).status == 200


async def test_there_is_no_usage_of_no_chat(api: Api) -> None:
    assert (await api.call("GET", "/no-such-chat/usage")).status == 404


SPENT = Spend(input_tokens=1000, output_tokens=100, cache_read_tokens=5000)


async def test_a_known_model_costs_what_its_vendor_asks(api: Api, openai: Serve) -> None:
    """Of gpt-4o: 2.50, cached 1.25, out 10 dollars per million. From the wire to the sums."""
    micros = 2_500 + 6_250 + 1_000
    async with openai([[say("Hi."), SPENT]], models=["gpt-4o"]):
        chat = await api.finished("hello", model="openai:gpt-4o")
    (_, answer) = await api.messages(chat["id"])
    assert answer["total_cost_micros"] == micros
    assert (await api.get(f"/{chat['id']}/usage"))["total_cost_micros"] == micros
    (today,) = (await api.get("/cost/me/summary"))["by_day"]
    assert (today["total_cost_micros"], today["total_cache_read_tokens"]) == (micros, 5000)


async def test_prices_of_a_model_config_count_before_the_vendors(api: Api, openai: Serve) -> None:
    cost = {"input_price_per_million_tokens": 1, "output_price_per_million_tokens": 0}
    config = {"provider": "openai", "model": "gpt-4o", "context_limit": 1000, "options": {"cost": cost}}
    async with openai([[say("Hi."), SPENT]], models=["gpt-4o"]):
        config_id = (await api.post("/model-configs", config, status=201))["id"]
        chat = await api.finished("hello", model_config_id=config_id)
    (_, answer) = await api.messages(chat["id"])
    assert answer["total_cost_micros"] == 1_000 + 5_000
