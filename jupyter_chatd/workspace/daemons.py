"""What a command started outside of its session: known by the mark in its environment.

`setsid` is how a daemon says that it wants to outlive its starter. It does, until somebody stops the command.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time

from . import procfs
from .environment import PROCESS_ID_VARIABLE

_LOOKS = 0.05  # seconds between two looks at what was told to end


async def end_daemons(process_id: str, *, grace_s: float, limit_s: float) -> bool:
    """End what a command left outside of its session, which is gone: SIGTERM, after *grace_s* SIGKILL.

    True when nothing is left within *limit_s*; also where there is no /proc to look into.
    """
    return await end_marked(PROCESS_ID_VARIABLE, process_id, grace_s=grace_s, limit_s=limit_s)


async def end_marked(name: str, value: str, *, grace_s: float, limit_s: float) -> bool:
    """End all that was started with that variable: SIGTERM, after *grace_s* SIGKILL.

    True when nothing is left within *limit_s*; also where there is no /proc to look into.
    """
    start = time.monotonic()
    while left := await asyncio.to_thread(procfs.find_marked, name, value):
        waited = time.monotonic() - start
        if waited > limit_s:
            return False
        _send(left, signal.SIGTERM if waited < grace_s else signal.SIGKILL)
        await asyncio.sleep(_LOOKS)
    return True


def _send(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)
