"""What a message asks the vendor to do, as text that survives restarts, edits and compaction."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from typing import Self

PREFIX = "soak "

COMMANDS = {
    "append": "sleep 0.05",
    "slow": "sleep 0.8",
    "fail": "exit 3",
    "noise": "head -c 3000000 /dev/zero | tr '\\0' x",
    "fork": "sleep 2 & sleep 2 &",
    "die": "kill -9 $$",
    "hang": "sleep 4",
    "background": "sleep 2",
}
"""Kinds of calls of `execute`: what the command does after it has left its line."""
OTHERS = ("note", "refuse", "unknown", "misfit")
"""Calls of other tools: two of the client, one that does not exist, one with wrong arguments."""
WEIGHTS = {"append": 8, "slow": 4, "note": 3} | dict.fromkeys(("noise", "hang"), 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One user message: its marker, by which it is found again, and the calls of each step."""

    marker: str
    """`<chat>.<number>`."""
    steps: tuple[tuple[str, ...], ...] = ()

    @property
    def chat(self) -> str:
        """The marker of its chat."""
        return self.marker.split(".")[0]

    @property
    def text(self) -> str:
        """The message."""
        return PREFIX + json.dumps({"marker": self.marker, "steps": self.steps})

    @classmethod
    def find(cls, text: str) -> Self | None:
        """Return the last plan in a text; some vendors join messages that follow one another."""
        lines = [line for line in text.splitlines() if line.startswith(PREFIX)]
        if not lines:
            return None
        value = json.loads(lines[-1].removeprefix(PREFIX))
        return cls(marker=value["marker"], steps=tuple(map(tuple, value["steps"])))


def random_plan(marker: str, chance: random.Random) -> Plan:
    """Return a plan of up to three steps of up to three calls."""
    kinds = [*COMMANDS, *OTHERS]
    weights = [WEIGHTS.get(kind, 1.5) for kind in kinds]
    steps = tuple(
        tuple(chance.choices(kinds, weights, k=chance.choice((1, 1, 2, 3))))
        for _ in range(chance.choice((0, 1, 1, 2, 3)))
    )
    return Plan(marker=marker, steps=steps)
