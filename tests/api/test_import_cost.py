"""What the extension costs a server at its start."""

from __future__ import annotations

import json
import subprocess
import sys

HEAVY = ("pydantic_ai", "openai", "anthropic", "jupyterlab", "httpx", "numpy", "pandas")

SCRIPT = f"""
import json, sys, time
import jupyter_server.extension.application, jupyter_server.serverapp
began = time.process_time()
import jupyter_chatd.extension
extension = time.process_time() - began
import jupyter_chatd.api.routes, jupyter_chatd.providers.catalog, jupyter_chatd.tools.registry
import jupyter_chatd.workspace.server
heavy = [name for name in {HEAVY} if name in sys.modules]
print(json.dumps([heavy, extension, time.process_time() - began]))
"""

MOST = 1.0  # seconds of CPU; on a machine that does it in 0.25
"""Generous: a test must not fail because a machine is slow."""


def test_no_vendors_library_is_imported_before_it_is_used() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    heavy, extension, everything = json.loads(done.stdout)
    assert heavy == []
    assert extension <= everything < MOST


def test_the_package_itself_is_a_door() -> None:
    script = "import sys, jupyter_chatd; print(*(name for name in sys.modules if name.startswith('jupyter')))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["jupyter_chatd._version", "jupyter_chatd"]
