"""`python -m tests.soak`: see the package."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from . import gauge
from .run import Options, run


def main() -> None:
    """Soak, and exit with 1 when anything was wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--people", type=int, default=6, help="chats at once")
    parser.add_argument("--seed", type=int, default=0, help="of all that is random but time")
    given = parser.parse_args()
    options = Options(minutes=given.minutes, people=given.people, seed=given.seed)
    with tempfile.TemporaryDirectory(prefix="chatd-soak-") as folder:
        soak = asyncio.run(run(options, Path(folder)))
        problems = soak.problems(soak.servers.steady.log)
    print(f"vendors' faults: {dict(soak.tally.faults)}")
    print(f"memory after the warm-up: {gauge.growth_per_hour(soak.warm):+.1f} MB/h")
    for problem in problems:
        print(f"PROBLEM {problem}")
    print("FAILED" if problems else "nothing lost, nothing left")
    sys.exit(bool(problems))


main()
