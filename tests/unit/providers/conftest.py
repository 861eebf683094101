"""Models of each kind, over fake vendors."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import pytest
from fakes.anthropic_server import FakeAnthropic
from fakes.openai_server import FakeOpenAI
from fakes.steps import Answer, Refuse
from fakes.vendor import FakeVendor

from jupyter_chatd.errors import ModelError
from jupyter_chatd.messages import ErrorDetail
from jupyter_chatd.providers.bridge import BridgeModel
from jupyter_chatd.providers.endpoint import Kind
from jupyter_chatd.providers.protocol import Model
from jupyter_chatd.providers.scripted import ScriptedModel, fail

from .asking import MODEL, endpoint

FAKES: dict[Kind, type[FakeVendor]] = {Kind.OPENAI_COMPAT: FakeOpenAI, Kind.ANTHROPIC: FakeAnthropic}


@dataclass
class Called:
    """A model, and the fake that stands behind it."""

    model: BridgeModel
    vendor: FakeVendor

    @property
    def body(self) -> Any:
        """The last request for an answer."""
        return self.vendor.generations[-1].json


Call = Callable[..., Awaitable[Called]]


@pytest.fixture
async def connect(anyio_backend: str) -> AsyncIterator[Call]:
    """Makes a model of a kind over a fake with answers; both end with the test."""
    async with AsyncExitStack() as stack:

        async def made(kind: Kind, *answers: Answer, model: str = MODEL, **options: Any) -> Called:
            fake = FAKES[kind]
            vendor = await stack.enter_async_context(fake(answers, **options))
            bridge = BridgeModel(endpoint(kind, vendor.base_url), model)
            stack.push_async_callback(bridge.aclose)
            return Called(bridge, vendor)

        yield made


@dataclass
class Subject:
    """A model under the contract, however its answers are made."""

    play: Callable[[Sequence[Answer]], Awaitable[Model]]
    """Gives the model that answers so."""
    rate_limit: Answer
    """An answer that is a rate limit of 7 s."""


@pytest.fixture(params=["scripted", "openai-compat", "anthropic"])
async def subject(request: pytest.FixtureRequest, connect: Call) -> Subject:
    if request.param == "scripted":
        return _scripted_subject()

    async def play(answers: Sequence[Answer]) -> Model:
        return (await connect(Kind(request.param), *answers)).model

    return Subject(play=play, rate_limit=[Refuse(status=429, headers={"retry-after": "7"})])


def _scripted_subject() -> Subject:
    detail = ErrorDetail(message="Slow down.", kind="rate_limit", provider="scripted", retryable=True)
    error = ModelError(detail, retry_after_s=7.0)

    async def play(answers: Sequence[Any]) -> Model:
        return ScriptedModel(answers)

    return Subject(play=play, rate_limit=[fail(error)])  # type: ignore[list-item]
