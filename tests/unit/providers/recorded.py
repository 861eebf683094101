"""The recorded streams of vendors in `cassettes/`, and a server that plays them.

The cassettes are copies from the test suite of pydantic-ai, as they are there; its licence lies beside them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from fakes.http import HttpServer, Reply, Request

from jupyter_chatd.providers.endpoint import Endpoint, Kind
from jupyter_chatd.providers.protocol import CallSettings, ModelCall

from .asking import asking, endpoint

PIECE = 97  # bytes: no event of the recordings fits into it

FOLDER = Path(__file__).parent / "cassettes"

COMPACTION = "test_anthropic--test_anthropic_compaction_usage_with_cache_streaming"
THINKING = "test_anthropic--test_anthropic_model_thinking_part_stream"
REDACTED = "test_anthropic--test_anthropic_model_thinking_part_redacted_stream"
WEB_SEARCH = "test_anthropic--test_pause_turn_web_search_streaming_vcr"
RESPONSES = "test_openai_responses--test_openai_responses_thinking_part_iter"
MANTLE = "test_bedrock_mantle--test_reused_tool_call_ids-stream"
CHAT = "test_temporal--test_complex_agent_run"
GOOGLE = "test_google--test_google_model_iter_stream"
SIGNED_CALL = "test_google--test_google_streaming_tool_call_thought_signature"
RATE_LIMITS = "test_openrouter--test_openrouter_errors_raised"

HELD = {
    COMPACTION: 1,
    THINKING: 1,
    REDACTED: 1,
    WEB_SEARCH: 2,
    RESPONSES: 1,
    MANTLE: 3,
    CHAT: 3,
    GOOGLE: 3,
    SIGNED_CALL: 2,
    RATE_LIMITS: 3,
}
"""How many exchanges each cassette holds."""

STREAMS = [(name, number) for name, held in HELD.items() if name != RATE_LIMITS for number in range(held)]
"""All that were streamed."""


retired_models = pytest.mark.filterwarnings("ignore:The model .* is deprecated:DeprecationWarning")
"""Recordings outlive the models that made them."""


@dataclass(frozen=True)
class Interaction:
    """One recorded exchange."""

    url: str
    model: str
    """Which the request named."""
    status: int
    stream: bytes
    """The streamed answer; empty for one that was not streamed."""
    parsed: Any
    """The answer that was not streamed."""
    searches: bool
    """Whether the vendor's own web search was offered."""


@cache
def load(name: str) -> tuple[Interaction, ...]:
    """The exchanges of one cassette, in order."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    cassette = yaml.load((FOLDER / f"{name}.yaml").read_text("utf-8"), Loader=loader)  # safe, whichever it is
    return tuple(_interaction(raw) for raw in cassette["interactions"])


def _interaction(raw: Any) -> Interaction:
    request, response = raw["request"], raw["response"]
    stream = (response.get("body") or {}).get("string", "")
    path = urlsplit(request["uri"]).path
    return Interaction(
        url=request["uri"],
        model=request["parsed_body"].get("model") or path.rpartition("/")[2].partition(":")[0],
        status=response["status"]["code"],
        stream=stream.encode(),
        parsed=response.get("parsed_body"),
        searches="web_search" in str(request["parsed_body"].get("tools")),
    )


def call_of(recorded: Interaction) -> ModelCall:
    """A call that is like the recorded one as far as that matters to who reads the answer."""
    options = {"anthropic": {"web_search": True}} if recorded.searches else {}
    return asking(settings=CallSettings(provider_options=options))


class Replay(HttpServer):
    """Answers every POST with a recorded stream, in pieces of so many bytes; 0 for all at once."""

    def __init__(self, interaction: Interaction, *, piece: int = PIECE) -> None:
        super().__init__()
        self._interaction = interaction
        self._piece = piece or len(interaction.stream)

    async def handle(self, request: Request, reply: Reply) -> None:
        recorded = self._interaction
        if recorded.status != 200:
            await reply.send_json(recorded.status, recorded.parsed)
            return
        await reply.start(200, {"Content-Type": "text/event-stream; charset=utf-8"})
        for start in range(0, len(recorded.stream), self._piece):
            await reply.send(recorded.stream[start : start + self._piece])
        await reply.end()


def endpoint_of(recorded: Interaction, origin: str, monkeypatch: pytest.MonkeyPatch) -> Endpoint:
    """Where our provider for that service finds the recording."""
    host = urlsplit(recorded.url).hostname or ""
    if host == "api.anthropic.com":
        return endpoint(Kind.ANTHROPIC, origin, provider="anthropic")
    if host == "generativelanguage.googleapis.com":
        return endpoint(Kind.GOOGLE, origin, provider="google", label="Google")
    if host == "openrouter.ai":
        return endpoint(Kind.OPENROUTER, f"{origin}/api/v1", provider="openrouter", label="OpenRouter")
    if recorded.url.endswith("/responses"):
        monkeypatch.setattr("jupyter_chatd.providers.endpoint.OPENAI_URL", f"{origin}/v1")
        return endpoint(Kind.OPENAI, f"{origin}/v1", provider="openai")
    return endpoint(Kind.OPENAI_COMPAT, f"{origin}/v1")
