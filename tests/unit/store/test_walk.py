"""A random walk of the real store, on a file, beside the model: no step may tell them apart.

`CHATD_WALK=500` walks 500 times instead of the few that every run can afford.
"""

from __future__ import annotations

import asyncio
import os
import random
import sqlite3
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, event, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from jupyter_chatd.errors import ChatdError
from jupyter_chatd.messages import ChatStatus, Role
from jupyter_chatd.store import Claim, State

from .lockstep import Lockstep, Poison, put_database
from .model import Record
from .moves import Moves
from .scenes import add_queue_row

WALKS = int(os.environ.get("CHATD_WALK", "30"))
STEPS = 50
CLAIMS_KEPT = 12

SEED = st.integers(0, 2**32 - 1)
"""What one move is drawn from: uniformly, which hypothesis' own draws are not."""
SEEDS = st.lists(SEED, min_size=4, max_size=12)
GROUP = st.lists(SEED, min_size=2, max_size=5)
POISON = st.sampled_from([None, None, Poison(is_disk_full=False), Poison(is_disk_full=True)])
FAULTS = st.dictionaries(st.integers(0, 15), st.booleans(), max_size=2)
EXPECTED = (ChatdError, sqlite3.OperationalError, ValueError)


class Walk(RuleBasedStateMachine):
    """Transitions alone and in groups, with failures inside group commits, crashes and restarts."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory(prefix="chatd-walk-")
        self._runner = asyncio.Runner()
        self._both = Lockstep(Path(self._folder.name) / "data" / "chats.db")
        self._claims: list[Claim] = []
        self._counted = 0

    @initialize()
    def open(self) -> None:
        put_database(self._both.path)
        self._run(self._both.open())

    def teardown(self) -> None:
        self._run(self._both.close())
        self._runner.close()
        self._folder.cleanup()

    def _run(self, work: Any) -> Any:
        return self._runner.run(work)

    def _number(self) -> int:
        self._counted += 1
        return self._counted

    def _moves(self, seed: int) -> Moves:
        rng = random.Random(seed)
        both = self._both
        return Moves(rng, both.database, now=both.now, claims=self._claims, number=self._number)

    def _remember_claims(self) -> None:
        held = [self._both.claim(chat_id) for chat_id in self._both.database.chats]
        fresh = [claim for claim in held if claim.runner_id != "nobody" and claim not in self._claims]
        self._claims = [*self._claims, *fresh][-CLAIMS_KEPT:]

    # Steps

    @rule(seeds=SEEDS)
    def move(self, seeds: Sequence[int]) -> None:
        """Transitions one after the other; a conflict names the state."""
        for seed in seeds:
            self._remember_claims()
            job = self._moves(seed).next()
            note(repr(job))
            self._run(self._do(job))

    async def _do(self, job: Any) -> None:
        try:
            await self._both.do(job)
        except EXPECTED as error:
            event(f"refused: {type(error).__name__}")

    @rule(seed=SEED, faults=st.dictionaries(st.integers(0, 2), st.booleans(), min_size=1, max_size=1))
    def move_that_fails(self, seed: int, faults: Mapping[int, bool]) -> None:
        """A transition before, after or in the commit of which something fails."""
        self._remember_claims()
        job = self._moves(seed).next()
        note(repr(job))
        self._run(self._both.together([job], faults))

    @rule(seeds=GROUP, poison=POISON, faults=FAULTS)
    def move_together(self, seeds: Sequence[int], poison: Poison | None, faults: Mapping[int, bool]) -> None:
        """Several callers who know the same state, in one commit that may fail anywhere, even twice."""
        self._remember_claims()
        self._run(self._both.together(self._group(seeds, poison), faults))

    def _group(self, seeds: Sequence[int], poison: Poison | None) -> list[Any]:
        jobs: list[Any] = [self._moves(seed).next() for seed in seeds]
        if poison is not None:
            jobs.insert(seeds[0] % len(jobs), poison)
        note("\n".join(map(repr, jobs)))
        return jobs

    @rule(how=st.sampled_from(["reopen", "crash", "crash in a commit"]), seeds=GROUP)
    def restart(self, how: str, seeds: Sequence[int]) -> None:
        """What was acknowledged is there; what was not is gone as a whole."""
        if how == "crash in a commit":
            self._run(self._both.crash_within(self._group(seeds, None)))
        else:
            self._run(self._both.crash() if how == "crash" else self._both.reopen())

    @rule(seed=SEED, corrupts=st.booleans())
    def meddle(self, seed: int, corrupts: bool) -> None:
        """Change what no transition does: metadata, or, past all rules, the queue of an idle chat."""
        idle = [record.chat.id for record in self._records() if record.state in ("W", "XW")]
        if corrupts and idle:
            self._run(add_queue_row(self._both, idle[seed % len(idle)]))
        elif self._records():
            record = self._records()[seed % len(self._records())]
            newest = max((row.id for row in record.rows), default=0)
            self._run(self._both.set_metadata(record.chat.id, last_read_message_id=newest))

    @invariant()
    def what_always_holds(self) -> None:
        """The store holds the same as the model, so it is enough to look at the model's copy."""
        self._states_are_in_the_table()
        self._idle_chats_have_no_open_call()
        self._only_the_newest_step_has_open_calls()
        self._only_user_rows_have_an_author()
        self._ids_only_grow()
        self._versions_fit()
        self._columns_fit_the_status()
        self._children_of_the_archive_are_archived()

    def _states_are_in_the_table(self) -> None:
        assert all(record.state in {state.value for state in State} for record in self._records())

    def _idle_chats_have_no_open_call(self) -> None:
        assert not [record for record in self._records() if record.state[0] in "WEX" and record.open_calls]

    def _only_the_newest_step_has_open_calls(self) -> None:
        for record in self._records():
            steps = [row.id for row in record.visible if row.role is Role.ASSISTANT and not row.compressed]
            assert all(key.message_id == steps[-1] for key, _ in record.open_calls)

    def _only_user_rows_have_an_author(self) -> None:
        rows = [row for record in self._records() for row in record.rows]
        assert all(row.created_by is None for row in rows if row.role is not Role.USER)
        assert all(row.created_by is not None for row in rows if row.role is Role.USER and not row.compressed)

    def _ids_only_grow(self) -> None:
        """Within the life of a process; what a crash lost was never told to anyone."""
        ids = [row.id for record in self._records() for row in record.rows]
        assert len(ids) == len(set(ids))
        assert max(ids, default=0) <= self._both.database.last_message_id

    def _versions_fit(self) -> None:
        for record in self._records():
            chat = record.chat
            revisions = [row.revision for row in record.rows]
            assert chat.history_version == max(revisions, default=1)
            assert (
                max(chat.history_version, chat.queue_version, chat.retry_state_version)
                <= chat.snapshot_version
            )

    def _columns_fit_the_status(self) -> None:
        for record in self._records():
            chat = record.chat
            assert (chat.worker_id is None) == (chat.runner_id is None)
            assert (chat.last_error is not None) == (chat.status is ChatStatus.ERROR)
            assert chat.action_deadline_at is None or chat.status is ChatStatus.REQUIRES_ACTION
            assert chat.runner_id is None or record.state[0] in "RI"
            assert chat.retry_state is None or record.state[0] == "R"
            assert record.state[0] != "A" or record.awaited

    def _children_of_the_archive_are_archived(self) -> None:
        chats = {record.chat.id: record.chat for record in self._records()}
        for chat in chats.values():
            if chat.parent_chat_id is not None and chats[chat.parent_chat_id].archived:
                assert chat.archived

    def _records(self) -> list[Record]:
        return list(self._both.database.chats.values())


TestWalk = Walk.TestCase
TestWalk.settings = settings(
    max_examples=WALKS,
    stateful_step_count=STEPS,
    deadline=None,
    report_multiple_bugs=False,
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.too_slow],
)
