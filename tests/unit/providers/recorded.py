"""The recorded streams of vendors, where they are at hand: `../shared/recorded` beside the repository."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from fakes.http import HttpServer, Reply, Request

PIECE = 97  # bytes

FOLDER = Path(__file__).parents[4] / "shared" / "recorded"


@dataclass(frozen=True)
class Interaction:
    """One recorded exchange."""

    url: str
    status: int
    stream: bytes
    """The streamed answer; empty for one that was not streamed."""
    parsed: Any
    """The answer that was not streamed."""


@cache
def load(name: str) -> tuple[Interaction, ...]:
    """The exchanges of one cassette; skips the test when the recordings are not there."""
    path = FOLDER / f"{name}.yaml"
    if not path.exists():
        pytest.skip("the recorded vendor streams are not here")
    yaml = pytest.importorskip("yaml")
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    cassette = yaml.load(path.read_text("utf-8"), Loader=loader)  # a safe one, whichever it is
    return tuple(_interaction(raw) for raw in cassette["interactions"])


def _interaction(raw: Any) -> Interaction:
    response = raw["response"]
    stream = (response.get("body") or {}).get("string", "")
    return Interaction(
        url=raw["request"]["uri"],
        status=response["status"]["code"],
        stream=stream.encode(),
        parsed=response.get("parsed_body"),
    )


class Replay(HttpServer):
    """Answers every POST with a recorded stream, in pieces that no event fits into."""

    def __init__(self, interaction: Interaction) -> None:
        super().__init__()
        self._interaction = interaction

    async def handle(self, request: Request, reply: Reply) -> None:
        recorded = self._interaction
        if recorded.status != 200:
            await reply.send_json(recorded.status, recorded.parsed)
            return
        await reply.start(200, {"Content-Type": "text/event-stream; charset=utf-8"})
        for start in range(0, len(recorded.stream), PIECE):
            await reply.send(recorded.stream[start : start + PIECE])
        await reply.end()
