"""All processes of one command: a session of its own, led by the shell that runs the command.

The shell is started with `setsid`, so its process group and session have its pid as their id. Children stay
in the session unless they call `setsid` themselves: see `daemons.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time

from . import procfs

_FIRST_LOOK = 0.005  # seconds until the first look at a group that was told to end; most are gone by then
_LOOKS = 0.1  # seconds between later looks, each of which reads all of /proc


class ProcessGroup:
    """The group and session of one command. Its id outlives its leader for as long as members live."""

    def __init__(self, leader: int) -> None:
        self.id = leader
        self._leader_reaped = False

    def leader_reaped(self) -> None:
        """Note that the leader's exit was collected: from now on its pid may be given to a stranger."""
        self._leader_reaped = True

    def exists(self) -> bool:
        """True while the group has members, ended ones that were not collected included. Cheap."""
        # The kernel does not give away the number of a group that has members, so a process with the leader's
        # pid after the leader was reaped means that our group is gone and the number is someone else's.
        if self._leader_reaped and _pid_exists(self.id):
            return False
        try:
            os.killpg(self.id, 0)
        except ProcessLookupError:
            return False
        except PermissionError:  # a member runs as another user
            return True
        return True

    def send(self, number: signal.Signals) -> bool:
        """Send a signal to the whole group; false when there is none.

        Raises:
            PermissionError: every member runs as another user.
        """
        if not self.exists():
            return False
        try:
            os.killpg(self.id, number)
        except ProcessLookupError:
            return False
        return True

    def survivors(self) -> list[int]:
        """Return the pids of the session that are alive. Asks about every process: call it in a thread.

        Other groups of the session count (`set -m` in a shell makes one per job). Without /proc the answer
        is the group's id or nothing.
        """
        if not procfs.PROC.is_dir():
            return [self.id] if self.exists() else []
        if self._leader_reaped and _pid_exists(self.id):
            return []
        return [stat.pid for stat in procfs.living_members(self.id)]

    async def end(self, *, grace_s: float, limit_s: float) -> bool:
        """End the whole session: SIGTERM, after *grace_s* SIGKILL; true when it is gone within *limit_s*.

        SIGTERM is sent before the first wait. Members of other users are left, and make the answer false.
        """
        start = time.monotonic()
        with contextlib.suppress(PermissionError):
            self.send(signal.SIGTERM)
        if await self._gone(start + min(grace_s, limit_s), kill=False):
            return True
        with contextlib.suppress(PermissionError):
            self.send(signal.SIGKILL)
        return await self._gone(start + limit_s, kill=True)

    async def _gone(self, deadline: float, *, kill: bool) -> bool:
        """Look, ever less often, until nothing of the session is alive or *deadline* has passed."""
        pause = _FIRST_LOOK
        while True:
            await asyncio.sleep(pause)
            if not await asyncio.to_thread(self._kill_survivors if kill else self.survivors):
                return True
            if time.monotonic() >= deadline:
                return False
            pause = min(pause * 2, _LOOKS, max(deadline - time.monotonic(), 0))

    def _kill_survivors(self) -> list[int]:
        """Kill what is left one by one, which reaches other groups of the session. Return who was alive."""
        survivors = self.survivors()
        for pid in survivors:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        return survivors


def _pid_exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
