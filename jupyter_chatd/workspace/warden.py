"""A tiny process that outlives the server just long enough to kill what the server had started.

It reads the ids of running groups from a pipe whose other end only the server holds. However the server
dies, the kernel closes that end; the warden then kills every group it knows and exits. Why this and not
PR_SET_PDEATHSIG: DECISIONS.md, "children die with the server".
"""

from __future__ import annotations

import contextlib
import logging
import os
import subprocess
from collections.abc import Mapping

log = logging.getLogger(__name__)

_EXIT_LIMIT = 5.0  # seconds
# POSIX sh: there wherever commands can run at all, and under 1 MiB of memory. `groups` is a list between
# blanks; `%% $g *` drops from the first " g " on, `#* $g ` drops up to it.
_SCRIPT = """
trap '' HUP INT QUIT TERM
groups=' '
while read -r verb g; do
  case $verb in
    add) groups="$groups$g " ;;
    drop) groups="${groups%% $g *} ${groups#* $g }" ;;
  esac
done
for g in $groups; do kill -s KILL -- "-$g" 2>/dev/null; done
exit 0
"""


class Warden:
    """The server's side of the warden. Starts it with the first group; lives as long as the agent."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = env
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe = -1
        self._groups: set[int] = set()

    @property
    def pid(self) -> int | None:
        """Its process, `None` while nothing was started."""
        return self._process.pid if self._process else None

    def add(self, group: int) -> None:
        """Have *group* killed when the server dies."""
        self._groups.add(group)
        if self._process is None:
            self._start()
        else:
            self._tell(f"add {group}\n")

    def drop(self, group: int) -> None:
        """Forget *group*: it has ended, and its number may soon be a stranger's."""
        if group in self._groups:
            self._groups.remove(group)
            self._tell(f"drop {group}\n")

    def close(self) -> None:
        """Let the warden exit; it kills what is still registered. Blocks until then. May be called twice."""
        process, self._process = self._process, None
        if process is None:
            return
        os.close(self._pipe)
        try:
            process.wait(_EXIT_LIMIT)
        except subprocess.TimeoutExpired:  # someone stopped it
            process.kill()
            process.wait()

    def _start(self) -> None:
        reading, self._pipe = os.pipe()
        try:
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", _SCRIPT],
                stdin=reading,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                env=dict(self._env),
                start_new_session=True,
            )
        except OSError as error:  # the command itself has started: better unwatched than lost
            os.close(self._pipe)
            log.warning("Cannot start the warden of running commands: %s", error)
            return
        finally:
            os.close(reading)
        # A warden that does not read must not stop the event loop.
        os.set_blocking(self._pipe, False)
        with contextlib.suppress(BrokenPipeError):  # it died at once; the next call notices and tries again
            os.write(self._pipe, "".join(f"add {group}\n" for group in sorted(self._groups)).encode())

    def _tell(self, line: str) -> None:
        if self._process is None:
            return
        try:
            os.write(self._pipe, line.encode())
        except OSError as error:  # it was killed, or is stopped and its pipe is full
            log.warning("The warden of running commands does not answer (%s) and is replaced", error)
            self._discard(self._process)
            self._start()

    def _discard(self, process: subprocess.Popen[bytes]) -> None:
        # Killed before its pipe is closed: else it would end the very commands that it watches.
        process.kill()
        process.wait()
        os.close(self._pipe)
        self._process = None
