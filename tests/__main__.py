"""All tests in as little time as they need: `python -m tests [arguments for pytest]`.

Most tests wait more than they compute, so several files run at the same time. A test that failed beside
others is run once more with nothing beside it, since a busy machine is no fault of the code; pytest names it
in both summaries, and one that fails twice fails.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence

TESTS_FAILED = 1  # what pytest exits with then


def main(args: Sequence[str]) -> int:
    """Run the tests, and return what the shell gets."""
    workers = str((os.cpu_count() or 1) + 1)
    status = pytest("-n", workers, "--dist", "loadfile", "--no-loadscope-reorder", *args)
    if status != TESTS_FAILED:
        return status
    sys.stdout.write("\nThose that failed, with nothing beside them:\n")
    sys.stdout.flush()
    return pytest("--last-failed", "--verbose", "--maxfail=5", *args)


def pytest(*args: str) -> int:
    """Run it as a process of its own, so that it finds nothing of an earlier run in the interpreter."""
    return subprocess.run([sys.executable, "-m", "pytest", *args], check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
