"""The table, for people in front of a terminal and for docs/benchmarks.md."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from .harness import Measured

DOCUMENT = Path(__file__).parents[2] / "docs" / "benchmarks.md"

INTRODUCTION = """\
# Benchmarks

Written by `make bench`, which measures all of this again on your machine (about {minutes:.0f} minutes
here); `make bench ARGS="tools"` runs one row and only prints it. What is compared runs alternately within
one run, each value is the median of {rounds} or more rounds, and a ratio is the median of the ratios of the
rounds. Brackets hold the smallest and the largest round. Machines wander: trust the ratios. Where a goal is
missed, [the decisions](../tests/bench/DECISIONS.md) say where the time goes, with profiles.

- **Date** {date}
- **Machine** {machine}
- **Versions** {versions}

| Row | Goals met | Cores that others used meanwhile |
|---|---|---|
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What a bench gave."""

    name: str
    title: str
    method: str
    lines: tuple[Measured, ...] = ()
    failure: str | None = None
    """Why there are no lines."""
    busy_cores: float = 0.0
    """What other processes used of the machine meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """All rows of one run."""

    date: str
    machine: str
    versions: str
    rounds: int
    minutes: float
    rows: tuple[Row, ...]


def print_row(row: Row) -> None:
    """Show one row's lines in a terminal."""
    print(f"\n{row.name}: {row.title} (others used {row.busy_cores:.1f} cores)")
    for line in row.lines:
        goal = f"goal {_goal(line)}" if line.goal else ""
        print(f"  {_verdict(line):6} {_values(line):34} {goal:14} {line.what}{_in_brackets(line.note)}")
    if row.failure:
        print(f"  FAILED {row.failure}")


def write_document(run: Run) -> None:
    """Write docs/benchmarks.md."""
    head = INTRODUCTION.format(
        date=run.date, machine=run.machine, versions=run.versions, rounds=run.rounds, minutes=run.minutes
    )
    summary = "".join(
        f"| [{row.title}](#{row.name}) | {_score(row)} | {row.busy_cores:.1f} |\n" for row in run.rows
    )
    DOCUMENT.write_text(head + summary + "".join(_section(row) for row in run.rows))


def _score(row: Row) -> str:
    verdicts = [line.is_met for line in row.lines if line.is_met is not None]
    return "failed" if row.failure else f"{sum(verdicts)} of {len(verdicts)}"


def _section(row: Row) -> str:
    method = " ".join(row.method.split())
    return "\n".join(["", f"## {row.name}", "", f"{row.title}. {method}", "", *_table(row), ""])


def _table(row: Row) -> Iterator[str]:
    if row.failure:
        yield f"Could not be measured: {row.failure}"
        return
    yield "| What | Measured | Goal | |"
    yield "|---|---|---|---|"
    for line in row.lines:
        yield f"| {line.what}{_in_brackets(line.note)} | {_values(line)} | {_goal(line)} | {_verdict(line)} |"


def _in_brackets(note: str) -> str:
    return f" ({note})" if note else ""


def _verdict(line: Measured) -> str:
    return {True: "met", False: "missed", None: ""}[line.is_met]


def _goal(line: Measured) -> str:
    if line.goal is None:
        return ""
    return f"{'≥' if line.goal.is_lower else '≤'} {_number(line.goal.bound)} {line.unit}"


def _values(line: Measured) -> str:
    if not line.values:
        return "–"
    spread = f" [{_number(min(line.values))}–{_number(max(line.values))}]" if len(line.values) > 1 else ""
    return f"{_number(line.value)} {line.unit}{spread}"


def _number(value: float) -> str:
    """Return three significant digits, and all digits before the point."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    digits = 2 - math.floor(math.log10(abs(value)))
    text = f"{value:,.{max(digits, 0)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def count_failures(rows: Sequence[Row]) -> int:
    """Return how many rows could not be measured."""
    return sum(row.failure is not None for row in rows)
