"""What was exported and imported exports as it was."""

from __future__ import annotations

import asyncio
import random
import tempfile
import uuid
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from store import build
from store.lockstep import Lockstep, put_database
from store.moves import Moves
from strategies import part_lists

from jupyter_chatd.errors import ChatdError
from jupyter_chatd.messages import NewMessage, Role, StopReason, TurnOptions, Usage, Visibility
from jupyter_chatd.store.conversation import ImportChat
from jupyter_chatd.transfer.own import LARGEST

from .place import Place, lines_of, place, text_of

quick = settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow])

TIMES = st.floats(0, 4e9)
COUNTS = st.none() | st.integers(0, LARGEST)
WORDS = st.none() | st.text(max_size=9)


@st.composite
def rows(draw: st.DrawFn) -> NewMessage:
    """Any message that can be in a database."""
    role = draw(st.sampled_from(Role))
    compressed = draw(st.integers(0, 5)) == 0
    options = st.builds(TurnOptions, model=WORDS, reasoning_effort=WORDS, plan_mode=WORDS)
    return NewMessage(
        role=role,
        parts=draw(part_lists),
        created_at=draw(TIMES),
        created_by=draw(st.text(min_size=1)) if role is Role.USER and not compressed else None,
        visibility=draw(st.sampled_from(Visibility)),
        model=draw(WORDS),
        usage=draw(st.none() | st.builds(Usage, input_tokens=COUNTS, output_tokens=COUNTS)),
        compressed=compressed,
        total_cost_micros=draw(COUNTS),
        runtime_ms=draw(COUNTS),
        provider_response_id=draw(WORDS),
        stop_reason=draw(st.none() | st.sampled_from(StopReason)),
        turn_options=draw(st.none() | options),
    )


async def exported_twice(first: Place, folder: Path) -> tuple[str, str]:
    """The export of a place, and that of an empty one that imported it."""
    text = first.export()
    async with place(folder / "second") as second:
        await second.take(text)
        return text, second.export()


@given(histories=st.lists(st.lists(rows(), max_size=6), min_size=1, max_size=3), begun=TIMES)
@quick
def test_any_history_comes_back_as_it_was(histories: list[list[NewMessage]], begun: float) -> None:
    async def run() -> tuple[str, str]:
        with tempfile.TemporaryDirectory() as name:
            async with place(Path(name) / "first") as first:
                for number, history in enumerate(histories):
                    chat = build.chat(str(uuid.UUID(int=number)), labels={"a": "b"}, plan_mode="plan")
                    await first.store.apply(ImportChat(chat=chat, rows=history, created_at=begun))
                return await exported_twice(first, Path(name))

    before, after = asyncio.run(run())
    assert after == before


def with_uuids(text: str) -> str:
    """The export of chats whose ids are short words."""
    lines = lines_of(text)
    for line in lines:
        for name in ("id", "parent_chat_id"):
            if line["type"] == "chat" and name in line:
                line[name] = str(uuid.uuid5(uuid.NAMESPACE_OID, line[name]))
    return text_of(lines)


@given(seed=st.integers(0, 2**32 - 1))
@quick
def test_whatever_chats_went_through_they_come_back_settled(seed: int) -> None:
    """Running, failed, waiting, archived, edited, with queues and children: after a random walk."""

    async def run() -> tuple[str, str]:
        with tempfile.TemporaryDirectory() as name:
            path = Path(name) / "first" / "data" / "chats.db"
            path.parent.parent.mkdir()
            put_database(path)
            both = Lockstep(path)
            await both.open()
            await walk(both, seed)
            assert both.store is not None
            text = with_uuids(Place(path.parent, both.store).export())
            await both.close()
            async with place(Path(name) / "second") as second:
                await second.take(text)
                return text, text_of(lines_of(second.export()))

    before, after = asyncio.run(run())
    assert lines_of(after) == lines_of(before)


async def walk(both: Lockstep, seed: int) -> None:
    rng = random.Random(seed)
    claims: list[Any] = []
    for number in range(60):
        claims = [both.claim(chat_id) for chat_id in both.database.chats][-12:]
        job = Moves(rng, both.database, now=both.now, claims=claims, number=lambda n=number: n).next()
        try:
            await both.do(job)
        except (ChatdError, ValueError):
            continue


def test_the_walk_reaches_what_it_claims(tmp_path: Path) -> None:
    """Otherwise the test above would say little."""

    async def run() -> tuple[set[str], bool, bool]:
        states: set[str] = set()
        children = deleted = False
        for seed in range(8):
            path = tmp_path / str(seed) / "data" / "chats.db"
            path.parent.parent.mkdir()
            put_database(path)
            both = Lockstep(path)
            await both.open()
            await walk(both, seed)
            records = both.database.chats.values()
            states |= {record.state for record in records}
            children |= any(record.chat.parent_chat_id for record in records)
            deleted |= any(row.deleted for record in records for row in record.rows)
            await both.close()
        return states, children, deleted

    states, children, deleted = asyncio.run(run())
    assert len(states) > 5
    assert children
    assert deleted
