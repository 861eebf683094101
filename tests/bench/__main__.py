"""Runs the rows one after another, each in a process of its own; see the package's docstring."""

from __future__ import annotations

import argparse
import asyncio
import datetime
import importlib
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

from pydantic import TypeAdapter

from . import machine, report
from .harness import ROUNDS, Bench, Measured, Plan
from .sampler import profiled

ROWS = (
    *("tools", "deltas", "steps", "stall", "writes", "scripted", "wire", "idle", "fetch", "start"),
    *("reports", "children", "descent", "silence", "desktop", "views", "workspace"),
    *("panel", "widgets"),
)
"""In the order of the table; the module of `tools` is `bench_tools.py`."""

_LINES = TypeAdapter(tuple[Measured, ...])


def main(arguments: Sequence[str] | None = None) -> int:
    """Return the exit status: 1 when a row could not be measured; a missed goal is no failure."""
    sys.path.append(str(Path(__file__).parents[1]))  # as in pytest: pages are those of the acceptance tests
    options = _parser().parse_args(arguments)
    plan = Plan(rounds=1 if options.quick else options.rounds, is_quick=options.quick)
    if options.write_fd is not None:
        _measure_row(options.rows[0], plan, options.write_fd, is_profiled=options.profile)
        return 0
    names = options.rows or ROWS
    began, facts = time.monotonic(), (machine.describe_machine(), machine.describe_versions())
    print(*facts, sep="\n")
    rows = [_run_row(name, plan, is_profiled=options.profile) for name in names]
    if not (options.rows or plan.is_quick or options.profile):
        run = report.Run(
            date=datetime.datetime.now(datetime.UTC).date().isoformat(),
            machine=facts[0],
            versions=facts[1],
            rounds=plan.rounds,
            minutes=(time.monotonic() - began) / 60,
            rows=tuple(rows),
        )
        report.write_document(run)
    return min(report.count_failures(rows), 1)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("rows", nargs="*", choices=[*ROWS, []], metavar="row", help=", ".join(ROWS))
    parser.add_argument("--quick", action="store_true", help="only show that the harness works")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="of each case (default: %(default)s)")
    parser.add_argument(
        "--profile",
        action="store_true",
        help="show where the time goes; do not trust the values then",
    )
    parser.add_argument("--write-fd", type=int, help=argparse.SUPPRESS)
    return parser


def _run_row(name: str, plan: Plan, *, is_profiled: bool) -> report.Row:
    """Measure in a process of its own: no row inherits another's heap, threads or imports."""
    bench = _load(name)
    mode = ["--quick"] if plan.is_quick else ["--rounds", str(plan.rounds)]
    if is_profiled:
        mode.append("--profile")
    reader, writer = os.pipe()
    command = [sys.executable, "-m", __package__ or "", name, *mode, "--write-fd", str(writer)]
    others = machine.Bystanders()
    process = subprocess.Popen(command, pass_fds=[writer], cwd=Path(__file__).parents[2])
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        measured = pipe.read()
    failed = process.wait() != 0
    row = report.Row(
        name=name,
        title=bench.title,
        method=bench.method,
        lines=() if failed else _LINES.validate_json(measured),
        failure="the bench ended with an error" if failed else None,
        busy_cores=others.cores,
    )
    report.print_row(row)
    return row


def _measure_row(name: str, plan: Plan, write_fd: int, *, is_profiled: bool) -> None:
    bench = _load(name)
    with profiled() if is_profiled else nullcontext():
        lines = asyncio.run(_measure(bench, plan))
    with os.fdopen(write_fd, "wb") as pipe:
        pipe.write(_LINES.dump_json(lines))


async def _measure(bench: Bench, plan: Plan) -> tuple[Measured, ...]:
    return tuple(await bench.run(plan))


def _load(name: str) -> Bench:
    return importlib.import_module(f".bench_{name}", __package__).BENCH


if __name__ == "__main__":
    sys.exit(main())
