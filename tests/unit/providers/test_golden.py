"""Recorded streams of vendors, through our providers, come out as the files in `golden/` say.

Each of them was compared by hand with its recording. One that differs is written to the folder of the test:
read what changed, and copy it over the old one when it is right.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

from jupyter_chatd import wire
from jupyter_chatd.errors import ModelError
from jupyter_chatd.providers.bridge import BridgeModel

from .asking import collect, finished, parts_of
from .recorded import HELD, PIECE, RATE_LIMITS, STREAMS, Replay, call_of, endpoint_of, load, retired_models

pytestmark = [pytest.mark.anyio, retired_models]

GOLDEN = Path(__file__).parent / "golden"
TINY = 1  # bytes: even a character comes in pieces
SHORT = 25_000  # bytes of a recording that is played in tiny pieces too
OPAQUE = re.compile(r"[\w+/=-]{100,}")
"""Signatures and encrypted content: a person can compare their beginning, length and digest."""

PLAYED = [
    (name, number, piece)
    for name, number in [*STREAMS, *((RATE_LIMITS, number) for number in range(HELD[RATE_LIMITS]))]
    for piece in (0, PIECE, TINY)
    if piece != TINY or len(load(name)[number].stream) < SHORT
]


def golden_file(name: str, number: int) -> Path:
    return GOLDEN / f"{name.partition('--')[2]}-{number}.json"


@pytest.mark.parametrize(
    "name, number, piece",
    PLAYED,
    ids=[f"{golden_file(*one[:2]).stem}-by-{one[2] or 'all'}" for one in PLAYED],
)
async def test_a_recording_comes_out_as_it_did_when_it_was_reviewed(
    name: str, number: int, piece: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    came = await outcome(name, number, piece, monkeypatch)

    golden = golden_file(name, number)
    is_same = golden.exists() and came == json.loads(golden.read_text("utf-8"))
    if not is_same:
        (tmp_path / golden.name).write_text(json.dumps(came, indent=2, ensure_ascii=False) + "\n", "utf-8")
    assert is_same, f"diff {golden} {tmp_path / golden.name}"


async def outcome(name: str, number: int, piece: int, monkeypatch: pytest.MonkeyPatch) -> Any:
    """All that the engine gets of a recorded answer, as JSON that is the same each time."""
    recorded = load(name)[number]
    async with Replay(recorded, piece=piece) as server:
        model = BridgeModel(endpoint_of(recorded, server.origin, monkeypatch), recorded.model)
        try:
            events = await collect(model.stream(call_of(recorded)))
        except ModelError as failed:
            told: dict[str, Any] = {"error": failed.error, "retry_after_s": failed.retry_after_s}
        else:
            end = finished(events)
            parts = json.loads(wire.dump_parts(parts_of(events)))
            told = {"parts": parts, "usage": end.usage, "stop_reason": end.stop_reason, "id": end.response_id}
        finally:
            await model.aclose()
    text = json.dumps({key: json.loads(wire.dump_value(value)) for key, value in told.items()})
    return abbreviated(json.loads(text.replace(server.origin.removeprefix("http://"), "<server>")), {})


def abbreviated(value: Any, ids: dict[str, str]) -> Any:
    """The value without times, with ids that are made up numbered, and opaque text told by its digest."""
    match value:
        case dict():
            times = ("created_at", "completed_at")
            return {key: abbreviated(item, ids) for key, item in value.items() if key not in times}
        case list():
            return [abbreviated(item, ids) for item in value]
        case str() if value.startswith("pyd_ai_"):
            return ids.setdefault(value, f"<made up id {len(ids) + 1}>")
        case str() if not value.startswith("https://"):
            return OPAQUE.sub(lambda found: digest(found.group()), value)
        case _:
            return value


def digest(opaque: str) -> str:
    whole = hashlib.sha256(opaque.encode()).hexdigest()[:16]
    return f"<{opaque[:24]}… {len(opaque)} characters, sha256 {whole}…>"


def test_every_recording_has_its_golden_file_and_no_other_is_there() -> None:
    wanted = {golden_file(name, number) for name, number, _ in PLAYED}
    assert set(GOLDEN.iterdir()) == wanted
    assert {name: len(load(name)) for name in HELD} == HELD
    assert {file.stem for file in (GOLDEN.parent / "cassettes").glob("*.yaml")} == set(HELD)
