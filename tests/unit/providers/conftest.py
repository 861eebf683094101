"""Models of each kind, over fake vendors."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import pytest
from fakes.anthropic_server import FakeAnthropic
from fakes.azure_server import FakeAzure
from fakes.bedrock_server import FakeBedrockClaude, FakeConverse
from fakes.google_server import FakeGoogle
from fakes.openai_server import FakeOpenAI
from fakes.openrouter_server import FakeOpenRouter
from fakes.steps import Answer, Refuse
from fakes.vendor import FakeVendor

from jupyter_chatd.errors import ModelError
from jupyter_chatd.messages import ErrorDetail
from jupyter_chatd.providers.bridge import BridgeModel
from jupyter_chatd.providers.endpoint import Kind
from jupyter_chatd.providers.protocol import Model
from jupyter_chatd.providers.scripted import ScriptedModel, fail

from .asking import MODEL, endpoint

FAKES: dict[Kind, type[FakeVendor]] = {
    Kind.OPENAI_COMPAT: FakeOpenAI,
    Kind.ANTHROPIC: FakeAnthropic,
    Kind.GOOGLE: FakeGoogle,
    Kind.OPENROUTER: FakeOpenRouter,
    Kind.AZURE: FakeAzure,
    Kind.BEDROCK: FakeConverse,
}

CLAUDE_ON_BEDROCK = "us.anthropic.claude-sonnet-4-6"
OTHER_ON_BEDROCK = "us.amazon.nova-pro-v1:0"

SUBJECTS = {
    "openai-compat": (Kind.OPENAI_COMPAT, MODEL),
    "anthropic": (Kind.ANTHROPIC, MODEL),
    "google": (Kind.GOOGLE, MODEL),
    "openrouter": (Kind.OPENROUTER, "vendor/model"),
    "azure": (Kind.AZURE, MODEL),
    "bedrock-claude": (Kind.BEDROCK, CLAUDE_ON_BEDROCK),
    "bedrock-other": (Kind.BEDROCK, OTHER_ON_BEDROCK),
}
"""Every way to a vendor, and a model that is called so."""


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
            fake = FakeBedrockClaude if model == CLAUDE_ON_BEDROCK else FAKES[kind]
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


@pytest.fixture(params=["scripted", *SUBJECTS])
async def subject(request: pytest.FixtureRequest, connect: Call) -> Subject:
    if request.param == "scripted":
        return _scripted_subject()

    async def play(answers: Sequence[Answer]) -> Model:
        kind, model = SUBJECTS[request.param]
        return (await connect(kind, *answers, model=model)).model

    return Subject(play=play, rate_limit=[Refuse(status=429, headers={"retry-after": "7"})])


def _scripted_subject() -> Subject:
    detail = ErrorDetail(message="Slow down.", kind="rate_limit", provider="scripted", retryable=True)
    error = ModelError(detail, retry_after_s=7.0)

    async def play(answers: Sequence[Any]) -> Model:
        return ScriptedModel(answers)

    return Subject(play=play, rate_limit=[fail(error)])  # type: ignore[list-item]
