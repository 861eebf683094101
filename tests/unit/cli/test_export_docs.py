"""What docs/export.md shows works, command after command."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "export.md"

SETUP = f"""
set -e
jupyter() {{ shift; echo "$@" >&3; {sys.executable} -m jupyter_chatd.cli "$@"; }}
mkdir data config
cat > seed.json <<'EOF'
[{{"id": "a", "title": "seed", "model": "demo:demo", "created_at": "2026-01-02T03:04:05Z", "messages": []}}]
EOF
jupyter chatd import seed.json
"""


@pytest.mark.slow
def test_every_command_of_the_page_works(tmp_path: Path) -> None:
    blocks = re.findall(r"```sh\n(.*?)```", PAGE.read_text(), re.DOTALL)
    script = SETUP + "\n".join(blocks)
    env = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "JUPYTER_DATA_DIR": str(tmp_path / "data"),
        "JUPYTER_CONFIG_DIR": str(tmp_path / "config"),
        "JUPYTER_PREFER_ENV_PATH": "0",
    }
    done = subprocess.run(
        ["bash", "-c", f"exec 3>commands; {script}"],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    ran = (tmp_path / "commands").read_text().splitlines()
    assert len(ran) == 1 + sum(block.count("jupyter chatd ") for block in blocks)
    assert "imported, 4 messages" in done.stdout
    assert "imported, 3 messages" in done.stdout, "the original's two, and the system prompt"
    assert "failed" not in done.stdout
