"""Memory does not grow with what is moved."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from .place import text_of
from .samples import chat, header, message, text

ROOT = Path(__file__).parents[3]
MESSAGES = 20_000
GROWTH = 20_000  # KB; measured are 4 to 12 thousand, and the export alone has 16

COMMAND = """
import re, sys
from jupyter_chatd.cli.app import chatd

chatd(sys.argv[1:], standalone_mode=False)
print(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1], file=sys.stderr)
"""


def peak_of(folder: Path, *args: str) -> int:
    """Run a command; return the most memory that it had, in KB."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), "JUPYTER_PREFER_ENV_PATH": "0"}
    env |= {"JUPYTER_DATA_DIR": str(folder), "JUPYTER_CONFIG_DIR": str(folder / "config")}
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, *args],
        env=env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return int(done.stderr.splitlines()[-1])


@pytest.mark.slow
def test_large_chats_pass_through(tmp_path: Path) -> None:
    peaks: dict[int, list[int]] = {}
    for count in (10, MESSAGES):
        folder = tmp_path / str(count)
        folder.mkdir()
        came, out = folder / "came.jsonl", folder / "out.jsonl"
        rows = (message(number, "user", text("word " * 120)) for number in range(1, count + 1))
        came.write_text(text_of([header(), chat(), *rows]))
        peaks[count] = [
            peak_of(folder, "import", str(came)),
            peak_of(folder, "import", str(came)),
            peak_of(folder, "export", "--all", "-o", str(out)),
            peak_of(folder, "check"),
        ]
        assert len(out.read_text().splitlines()) == count + 3
        assert json.loads(out.read_text().splitlines()[-1])["messages"] == count
    grown = [large - small for small, large in zip(*peaks.values(), strict=True)]
    assert max(grown) < GROWTH, grown
