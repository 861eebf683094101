"""The servers that this user runs: the records that Jupyter servers keep in the runtime folder.

Read here rather than with `jupyter_server.serverapp`, whose import takes seconds.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from jupyter_core.paths import jupyter_runtime_dir

from .server import Server


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningServer:
    """One record: a server and the process that is it."""

    pid: int
    server: Server


def runtime_folder() -> Path:
    """Return the folder of the records."""
    return Path(jupyter_runtime_dir())


def running_servers(folder: Path | None = None) -> Iterator[RunningServer]:
    """Yield the servers whose process is alive, in the order of their process ids."""
    found = (read_record(path) for path in (folder or runtime_folder()).glob("jpserver-*.json"))
    alive = [record for record in found if record is not None and is_alive(record.pid)]
    yield from sorted(alive, key=lambda record: record.pid)


def find_record(pid: int, folder: Path | None = None) -> RunningServer | None:
    """Return the record of a process, `None` when it keeps none."""
    record = read_record((folder or runtime_folder()) / f"jpserver-{pid}.json")
    return record if record is not None and record.pid == pid else None


def read_record(path: Path) -> RunningServer | None:
    """Return what a record says; `None` when it is not there, half written, or says too little."""
    try:
        value = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return _record(cast("Mapping[str, Any]", value)) if isinstance(value, dict) else None


def is_alive(pid: int) -> bool:
    """Whether a process of that id exists, be it someone else's."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _record(value: Mapping[str, Any]) -> RunningServer | None:
    pid, url, sock = value.get("pid"), value.get("url"), value.get("sock") or None
    if not isinstance(pid, int) or not isinstance(url, str):
        return None
    if sock is not None:
        url = f"http://localhost{value.get('base_url', '/')}"
    return RunningServer(
        pid=pid,
        server=Server(
            url=url if url.endswith("/") else f"{url}/",
            token=str(value.get("token") or ""),
            sock=sock,
            root_dir=value.get("root_dir"),
        ),
    )
