"""What the extension costs a server at its start."""

from __future__ import annotations

import json
import subprocess
import sys

HEAVY = ("anthropic", "boto3", "google.genai", "httpx", "jupyterlab", "mcp", "openai", "pydantic_ai")
"""Loaded with what first needs them, while the server runs."""
FOREIGN = ("numpy", "pandas", "sqlite_utils")
"""Loaded only where a database is migrated: sqlite-utils imports the others."""
EARLY = {
    *(
        "api",
        "api.late",
        "capabilities",
        "config",
        "defaults",
        "errors",
        "extension",
        "loading",
        "short_folder",
        "undumpable",
    ),
    *("desktop", "desktop.defaults", "desktop.errors", "desktop.geometry"),
    *("workspace", "workspace.kernels", "workspace.kernels.settings", "workspace.limits"),
    *("workspace.protocol", "workspace.sandbox", "workspace.sockets"),
}
"""Our modules that a server loads before it answers. What is added here, everybody waits for."""

BEFORE_IT_ANSWERS = """
import json, sys
import jupyter_server.extension.application, jupyter_server.serverapp
before = set(sys.modules)
import jupyter_chatd.extension
print(json.dumps(sorted(set(sys.modules) - before)))
"""
EVERYTHING = """
import json, sys
import jupyter_server.extension.application, jupyter_server.serverapp
import jupyter_chatd.assembly, jupyter_chatd.api.routes
print(json.dumps(sorted(sys.modules)))
"""


def modules_after(script: str) -> set[str]:
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout))


def test_a_server_loads_little_of_it_before_it_answers() -> None:
    loaded = modules_after(BEFORE_IT_ANSWERS)
    ours = {name.partition(".")[2] for name in loaded if name.startswith("jupyter_chatd.")}
    assert ours - {"_version"} == EARLY
    assert {name.partition(".")[0] for name in loaded} <= {"jupyter_chatd", "ctypes", "_ctypes"}


def test_no_vendors_library_is_imported_before_it_is_used() -> None:
    loaded = modules_after(EVERYTHING)
    assert "jupyter_chatd.runtime" in loaded
    assert loaded.isdisjoint((*HEAVY, *FOREIGN))


def test_the_package_itself_is_a_door() -> None:
    script = "import sys, jupyter_chatd; print(*(name for name in sys.modules if name.startswith('jupyter')))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["jupyter_chatd._version", "jupyter_chatd"]
