"""The processes of all chats of one agent: starting, listing, following, ending and forgetting them."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import signal
import time
import uuid
from collections.abc import AsyncGenerator, Coroutine, Mapping, Sequence
from typing import Any

from . import environment
from .daemons import end_daemons
from .ledger import Ledger
from .limits import OutputLimits, ProcessLimits
from .process import Process
from .protocol import (
    ProcessInfo,
    ProcessNotFoundError,
    ProcessNotRunningError,
    ProcessOutput,
    ProcessSignal,
    ProcessSpec,
    WorkspaceError,
)
from .warden import Warden

log = logging.getLogger(__name__)

_LINGER_LOOKS = 2.0  # seconds between two looks at what a command left behind
_SETTLING = (0.001, 0.002, 0.004, 0.008, 0.016, 0.032)  # seconds
_SIGNALS = {ProcessSignal.TERMINATE: signal.SIGTERM, ProcessSignal.KILL: signal.SIGKILL}


class ProcessTable:
    """Every process from its start until it is forgotten. Lives as long as its agent, on one event loop."""

    def __init__(
        self,
        *,
        env: Mapping[str, str],
        ledger: Ledger,
        warden: Warden,
        limits: ProcessLimits,
        output_limits: OutputLimits,
    ) -> None:
        self._env = env
        self._ledger = ledger
        self._warden = warden
        self._limits = limits
        self._output_limits = output_limits
        self._processes: dict[str, Process] = {}
        self._ends: dict[str, asyncio.Task[bool]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._starting = asyncio.Lock()
        self._closed = False

    async def start(self, spec: ProcessSpec, *, argv: Sequence[str], work_dir: str) -> str:
        """Start *argv*, which runs the command, and return its id; cancelled before, nothing was started.

        Raises:
            WorkspaceError: it could not be started.
        """
        # One start per turn of the event loop: each takes 1-3 ms, and a hundred at once would freeze the
        # kernels' traffic. There is no wait after the start, where a cancelled caller would lose the id.
        async with self._starting:
            await asyncio.sleep(0)
            if self._closed:
                raise WorkspaceError("The workspace is closing; nothing can be started any more.")
            return self._start(spec, argv, work_dir).id

    def list(self, chat_id: str) -> Sequence[ProcessInfo]:
        """Return the chat's processes, oldest first."""
        return [process.info for process in self._processes.values() if process.chat_id == chat_id]

    def leader(self, chat_id: str, process_id: str) -> int:
        """Return the id of the session of a process.

        Raises:
            ProcessNotFoundError: the chat has no such process.
        """
        return self._get(chat_id, process_id).group.id

    async def wait(self, chat_id: str, process_id: str, *, timeout_s: float) -> ProcessOutput:
        """Return the output when the process exits, or what there is after *timeout_s*.

        Raises:
            ProcessNotFoundError: the chat has no such process.
        """
        process = self._get(chat_id, process_id)
        # Only a real wait takes `asyncio.timeout`: a caller that was cancelled looks with a timeout of 0,
        # and in early releases of Python 3.11 a timeout in such a task comes out as another cancel.
        if timeout_s > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await process.exited.wait()
        if not process.exited.is_set():
            return process.output()
        return process.output(lingering=await _leaves_something(process))

    async def follow(self, chat_id: str, process_id: str) -> AsyncGenerator[str, None]:
        """Yield output from the start until the process exits.

        Raises:
            ProcessNotFoundError: at the first piece, when the chat has no such process.
        """
        process = self._get(chat_id, process_id)
        follower = process.follow(limit_bytes=self._limits.follower_bytes)
        try:
            async with contextlib.aclosing(follower.pieces()) as pieces:
                async for piece in pieces:
                    yield piece
        finally:
            process.unfollow(follower)

    async def send(self, chat_id: str, process_id: str, wanted: ProcessSignal) -> None:
        """Signal the whole group, also what an exited process left behind in it.

        Raises:
            ProcessNotFoundError: the chat has no such process.
            ProcessNotRunningError: nothing of it is left.
            WorkspaceError: it runs as another user.
        """
        process = self._get(chat_id, process_id)
        # Asked in detail after the exit: orphans that ended and that nobody collects, as happens in
        # containers without an init, take signals too.
        remains = not process.exited.is_set() or await _leaves_something(process)
        try:
            sent = remains and process.group.send(_SIGNALS[wanted])
        except PermissionError as error:
            raise WorkspaceError(
                f"Process {process_id} runs as another user and cannot be signalled."
            ) from error
        if not sent:
            raise ProcessNotRunningError(f"Process {process_id} has already exited.")

    async def kill(self, chat_id: str, process_id: str) -> None:
        """End the whole session of a process and its daemons, wait until all is gone. Unknown ids are fine.

        Goes on when the caller is cancelled meanwhile.

        Raises:
            WorkspaceError: something of it is still there after the limit.
        """
        process = self._processes.get(process_id)
        if process is None or process.chat_id != chat_id:
            return
        if not await asyncio.shield(self._end(process)):
            raise WorkspaceError(
                f"Process {process_id} did not end within {self._limits.kill_limit_s:g} s of SIGKILL: "
                "it waits for a device or runs as another user."
            )

    async def aclose(self) -> None:
        """End everything. May be called twice."""
        self._closed = True
        processes = list(self._processes.values())
        ends = [self._end(process) for process in processes if _may_live(process)]
        await asyncio.gather(*ends)
        for timer in self._timers.values():
            timer.cancel()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for process in processes:
            process.close()
        self._processes.clear()
        await asyncio.to_thread(self._warden.close)
        self._ledger.close()

    def _get(self, chat_id: str, process_id: str) -> Process:
        process = self._processes.get(process_id)
        if process is None or process.chat_id != chat_id:
            raise ProcessNotFoundError(
                f"There is no process {process_id} in this chat. Ids come from execute and process_list; "
                f"a process is forgotten {self._limits.forget_after_s / 60:g} minutes after it exits."
            )
        return process

    def _start(self, spec: ProcessSpec, argv: Sequence[str], work_dir: str) -> Process:
        process_id = str(uuid.uuid4())
        env = {**self._env, **spec.env, **environment.of_command(spec.chat_id, process_id)}
        try:
            process = Process(
                process_id,
                spec,
                argv=argv,
                work_dir=work_dir,
                env=env,
                limits=self._output_limits,
                on_exit=self._note_exit,
            )
        except (OSError, ValueError) as error:
            raise WorkspaceError(_why_not_started(spec, error)) from error
        self._processes[process_id] = process
        self._ledger.add(process.group.id, process_id)
        self._warden.add(process.group.id)
        return process

    def _note_exit(self, process: Process) -> None:
        if process.group.exists():
            self._run(self._watch_lingering(process), name=f"lingering {process.id}")
        else:
            self._note_group_end(process)
        self._forget_later(process)

    async def _watch_lingering(self, process: Process) -> None:
        while await _leaves_something(process):  # noqa: ASYNC110 - nobody tells us of a stranger's exit
            await asyncio.sleep(_LINGER_LOOKS)
        self._note_group_end(process)

    def _note_group_end(self, process: Process) -> None:
        self._warden.drop(process.group.id)
        self._ledger.drop(process.group.id)
        process.group_ended = True

    def _forget_later(self, process: Process) -> None:
        loop = asyncio.get_running_loop()
        self._timers[process.id] = loop.call_later(self._limits.forget_after_s, self._forget, process)

    def _forget(self, process: Process) -> None:
        """Forget the process, or put it off while what it left behind runs or may still write."""
        if not process.group_ended or process.has_open_pipe:
            self._forget_later(process)
            return
        del self._timers[process.id], self._processes[process.id]
        process.close()

    def _end(self, process: Process) -> asyncio.Task[bool]:
        """Return the one task that ends *process*."""
        task = self._ends.get(process.id)
        if task is None:
            task = asyncio.create_task(self._end_now(process), name=f"end of {process.id}")
            self._ends[process.id] = task
            task.add_done_callback(lambda _: self._ends.pop(process.id, None))
        return task

    async def _end_now(self, process: Process) -> bool:
        limits = self._limits
        give_up_at = time.monotonic() + limits.kill_limit_s
        gone = await process.group.end(grace_s=limits.term_grace_s, limit_s=limits.kill_limit_s)
        left_s = max(give_up_at - time.monotonic(), 0.0)
        gone &= await end_daemons(process.id, grace_s=limits.term_grace_s, limit_s=left_s)
        if gone:
            await process.exited.wait()  # the loop collects it in its next turn
            self._note_group_end(process)
        return gone

    def _run(self, work: Coroutine[Any, Any, None], *, name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _may_live(process: Process) -> bool:
    return not process.exited.is_set() or process.group.exists()


async def _leaves_something(process: Process) -> bool:
    """Whether anything that *process* started is alive, now that its shell has exited."""
    # One process may be the first one of a sandbox, which ends a moment after the shell that it reports.
    for pause in _SETTLING:
        if not process.group.exists():
            return False
        survivors = await asyncio.to_thread(process.group.survivors)
        if len(survivors) != 1:
            return bool(survivors)
        await asyncio.sleep(pause)
    return True


def _why_not_started(spec: ProcessSpec, error: OSError | ValueError) -> str:
    if isinstance(error, OSError) and error.errno == errno.E2BIG:
        size = len(spec.command.encode("utf-8", "replace"))
        return f"The command has {size} bytes, too many for the system: write it to a file and run that."
    if isinstance(error, OSError):
        return f"The command could not be started: {error}."
    return f"The command could not be started: {error}; remove NUL and other invalid characters."
