"""One command: its shell, the pipe that its output comes through, and its exit."""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence

from .group import ProcessGroup
from .limits import OutputLimits
from .output import Follower, OutputBuffer
from .protocol import ProcessInfo, ProcessOutput, ProcessSpec

_READ = 64 * 1024  # bytes; what a Linux pipe holds, so one read empties it
_READS_AFTER_EXIT = 4
_REST = (
    0.001  # seconds between two full reads: a command that writes without end gets 40 MB/s, not a whole CPU
)
_POLL = 0.02  # seconds between two looks for the exit, where the kernel has no pidfd


class Process:
    """A command from its start until it is forgotten. Belongs to the event loop that started it.

    It has exited when its shell has. Children that the shell left behind keep the group alive and may go on
    writing; the pipe is read until the last of them closes it, so that none dies of SIGPIPE.
    """

    def __init__(
        self,
        process_id: str,
        spec: ProcessSpec,
        *,
        argv: Sequence[str],
        work_dir: str,
        env: Mapping[str, str],
        limits: OutputLimits,
        on_exit: Callable[[Process], None],
    ) -> None:
        """Start the command.

        Raises:
            OSError: the shell could not be started.
        """
        self.id = process_id
        self.chat_id = spec.chat_id
        self.exited = asyncio.Event()
        """Set when the shell's exit was collected."""
        self.group_ended = False
        """Set by the table when nothing of the group is left either."""
        self._spec = spec
        self._work_dir = work_dir
        self._on_exit = on_exit
        self._output = OutputBuffer(limits)
        self._followers: set[Follower] = set()
        self._exit_code: int | None = None
        self._exited_at: float | None = None
        self._loop = asyncio.get_running_loop()
        self._shell, self._pipe = _start_shell(argv, work_dir, env)
        self._started_at = time.time()
        self.group = ProcessGroup(self._shell.pid)
        self._rest_timer: asyncio.TimerHandle | None = None
        self._loop.add_reader(self._pipe, self._read_or_rest)
        self._pidfd = -1
        self._poll_timer: asyncio.TimerHandle | None = None
        self._watch_exit()

    @property
    def has_open_pipe(self) -> bool:
        """True while somebody can still write output."""
        return self._pipe >= 0

    @property
    def info(self) -> ProcessInfo:
        """What a listing says of it."""
        return ProcessInfo(
            id=self.id,
            command=self._spec.command,
            work_dir=self._work_dir,
            background=self._spec.background,
            running=not self.exited.is_set(),
            started_at=self._started_at,
            exit_code=self._exit_code,
            exited_at=self._exited_at,
        )

    def output(self, *, lingering: bool = False) -> ProcessOutput:
        """What there is now."""
        rendered = self._output.render()
        return ProcessOutput(
            output=rendered.text,
            running=not self.exited.is_set(),
            exit_code=self._exit_code,
            truncated=rendered.truncation,
            lingering=lingering,
        )

    def follow(self, *, limit_bytes: int) -> Follower:
        """Return a new follower, which first gets what is kept of the output so far. Pair with `unfollow`."""
        follower = Follower(self._output.retained(), limit_bytes=limit_bytes)
        self._followers.add(follower)
        if self.exited.is_set():
            follower.close()
        return follower

    def unfollow(self, follower: Follower) -> None:
        """Stop giving it output. May be called twice."""
        self._followers.discard(follower)

    def close(self) -> None:
        """Let go of the pipe and of the exit. Does not end the command. May be called twice."""
        self._close_pipe()
        self._stop_watching()
        self._close_followers()

    def _read_or_rest(self) -> None:
        if self._read() == _READ:
            self._loop.remove_reader(self._pipe)
            self._rest_timer = self._loop.call_later(_REST, self._resume)

    def _resume(self) -> None:
        self._loop.add_reader(self._pipe, self._read_or_rest)

    def _read(self) -> int:
        """Take what is in the pipe, up to 64 KiB, and return how many bytes that were."""
        if not self.has_open_pipe:
            return 0
        try:
            chunk = os.read(self._pipe, _READ)
        except BlockingIOError:
            return 0
        if not chunk:
            self._close_pipe()
        self._output.append(chunk)
        for follower in self._followers:
            follower.push(chunk)
        return len(chunk)

    def _close_pipe(self) -> None:
        if not self.has_open_pipe:
            return
        if self._rest_timer is not None:
            self._rest_timer.cancel()
        self._loop.remove_reader(self._pipe)
        os.close(self._pipe)
        self._pipe = -1

    def _close_followers(self) -> None:
        for follower in self._followers:
            follower.close()

    # Not asyncio's subprocesses: depending on the Python version their `wait` also waits for the pipe,
    # which a child left behind holds open, and they may collect the exit in a thread, after which the pid
    # can be a stranger's before we know. Here it is collected on the loop, in the same step that notes it.

    def _watch_exit(self) -> None:
        try:
            self._pidfd = os.pidfd_open(self._shell.pid)
        except (AttributeError, OSError):  # not Linux, an old kernel, or out of descriptors
            self._poll_timer = self._loop.call_later(_POLL, self._poll_exit)
        else:
            self._loop.add_reader(self._pidfd, self._collect_exit)

    def _poll_exit(self) -> None:
        if not self._collect_exit():
            self._poll_timer = self._loop.call_later(_POLL, self._poll_exit)

    def _collect_exit(self) -> bool:
        code = self._shell.poll()
        if code is None:
            return False
        self.group.leader_reaped()
        self._stop_watching()
        # All that the shell and those it waited for have written is in the pipe now.
        for _ in range(_READS_AFTER_EXIT):
            if not self._read():
                break
        self._exit_code = code if code >= 0 else -1
        self._exited_at = time.time()
        self.exited.set()
        self._close_followers()
        self._on_exit(self)
        return True

    def _stop_watching(self) -> None:
        if self._pidfd >= 0:
            self._loop.remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = -1
        if self._poll_timer is not None:
            self._poll_timer.cancel()
            self._poll_timer = None


def _start_shell(
    argv: Sequence[str], work_dir: str, env: Mapping[str, str]
) -> tuple[subprocess.Popen[bytes], int]:
    """Start the shell, or its sandbox, as leader of a new session; return it and the end to read from.

    No `preexec_fn`: without one Python uses vfork, which takes about a millisecond however large the server
    is.
    """
    reading, writing = os.pipe()
    try:
        shell = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=writing,
            stderr=writing,
            cwd=work_dir,
            env=dict(env),
            start_new_session=True,
        )
    except (OSError, ValueError):
        os.close(reading)
        raise
    finally:
        os.close(writing)
    os.set_blocking(reading, False)
    return shell, reading
