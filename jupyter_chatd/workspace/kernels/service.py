"""The kernels of one workspace: one per chat, started when code comes, ended when nobody uses them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from ..limits import OutputLimits
from ..processes import ProcessTable
from ..protocol import WorkspaceError
from . import launch
from .launch import Confine
from .protocol import (
    CodeOutput,
    CodeSpec,
    CodeStarted,
    KernelBusyError,
    KernelStartError,
    NoKernelError,
    Variables,
)
from .settings import KernelSettings

if TYPE_CHECKING:
    from .kernel import Kernel
    from .run import CodeRun

T = TypeVar("T")

log = logging.getLogger(__name__)

_GIVEN_UP = 100  # ids remembered of code that was stopped before it had begun
_LOOKS = 30.0  # seconds between two looks for kernels that nobody uses
VACANT = 1000
"""Chats without a kernel that are remembered, the newest: their models are told yet why it is gone."""
_ARCHIVED = "The chat was archived."
_NOBODY = "Nobody had used it for {:g} minutes."


@dataclass(slots=True)
class _Seat:
    """What one chat has."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while its kernel is started or ended."""
    kernel: Kernel | None = None
    run: CodeRun | None = None
    """The latest code, also of a kernel that is gone."""
    lost: str | None = None
    """Why the last kernel is gone, until the model was told."""
    used_at: float = field(default_factory=time.monotonic)

    @property
    def last_use(self) -> float:
        """When somebody asked, or code ended, last; seconds of the monotonic clock."""
        return max(self.used_at, self.run.ended_at or 0.0) if self.run is not None else self.used_at

    @property
    def is_idle(self) -> bool:
        """Whether it has a kernel that nobody waits for."""
        return self.kernel is not None and not self.kernel.is_busy and not self.lock.locked()

    @property
    def is_vacant(self) -> bool:
        """Whether nothing is lost with it but why its last kernel is gone."""
        return self.kernel is None and self.run is None and not self.lock.locked()


class KernelService:
    """Lives as long as its agent, on one event loop.

    Args:
        processes: Starts and ends processes; of its own, as kernels are none of the chat's commands.
        confine: Puts their programs into the sandbox.
        work_dir: Returns where they start.
        env: What `${…}` in a kernelspec stands for.
    """

    def __init__(
        self,
        *,
        processes: ProcessTable,
        confine: Confine,
        work_dir: Callable[[], str],
        env: Mapping[str, str],
        limits: KernelSettings,
        output_limits: OutputLimits,
    ) -> None:
        self._processes = processes
        self._confine = confine
        self._work_dir = work_dir
        self._env = env
        self._limits = limits
        self._output_limits = output_limits
        self._seats: dict[str, _Seat] = {}
        self._given_up: deque[str] = deque(maxlen=_GIVEN_UP)
        self._sweeper: asyncio.Task[None] | None = None
        self._starting: set[asyncio.Task[Any]] = set()
        self._closed = False

    async def run_code(self, spec: CodeSpec) -> CodeStarted:
        """Run code, starting a kernel when the chat has none; returns once the code was sent."""
        return await self._finish(self._run(self._seat(spec.chat_id), spec))

    async def _run(self, seat: _Seat, spec: CodeSpec) -> CodeStarted:
        async with seat.lock:
            kernel = await self._kernel_for(seat, spec)
            if kernel.is_busy:
                raise KernelBusyError(
                    "The kernel still runs earlier code. See what it gives with code_output, end it with "
                    "interrupt_kernel, or look at it with inspect_variables."
                )
            if spec.execution_id in self._given_up:
                raise WorkspaceError("The code was stopped before it had begun.")
            seat.used_at = time.monotonic()
            seat.run = kernel.execute(spec)
            lost, seat.lost = seat.lost, None
            return CodeStarted(kernel=kernel.spec.name, lost=lost)

    async def wait_code(
        self, chat_id: str, *, execution_id: str | None = None, timeout_s: float
    ) -> CodeOutput:
        """Wait until it ends, at most *timeout_s*, and return what there is."""
        run = self._run_of(chat_id, execution_id)
        if timeout_s > 0:  # not for 0: see `ProcessTable.wait`
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await run.ended.wait()
        self._seat(chat_id)
        return run.output()

    async def follow_code(self, chat_id: str, execution_id: str) -> AsyncGenerator[str, None]:
        """Live output from the start, in pieces, until it ends."""
        run = self._run_of(chat_id, execution_id)
        follower = run.follow()
        try:
            async with contextlib.aclosing(follower.pieces()) as pieces:
                async for piece in pieces:
                    yield piece
        finally:
            run.unfollow(follower)

    async def interrupt(self, chat_id: str) -> CodeOutput:
        """Interrupt what runs, and return how it stands a few seconds later at most."""
        seat = self._seats.get(chat_id)
        if seat is None or seat.kernel is None or not seat.kernel.is_busy or seat.run is None:
            raise NoKernelError("The chat's kernel runs nothing, so there is nothing to interrupt.")
        await seat.kernel.interrupt(seat.run)
        return seat.run.output()

    async def stop_code(self, chat_id: str, execution_id: str) -> None:
        """End that code: interrupt it, and when it does not react end its kernel."""
        seat = self._seats.get(chat_id)
        if seat is None or seat.run is None or seat.run.id != execution_id:
            self._given_up.append(execution_id)
        elif seat.kernel is not None and seat.kernel.run is seat.run:
            await self._finish(self._stop(seat, seat.kernel, seat.run))

    async def restart(self, chat_id: str, *, kernel: str | None = None) -> str:
        """End the chat's kernel, start a fresh one, and return the name of its kernelspec."""
        seat = self._seat(chat_id)
        return (await self._finish(self._restart(chat_id, seat, kernel))).spec.name

    async def end(self, chat_id: str) -> None:
        """End the chat's kernel and what runs in it. Chats without one are fine."""
        seat = self._seats.get(chat_id)
        if seat is not None:
            await self._finish(self._retire(seat))

    async def _retire(self, seat: _Seat) -> None:
        async with seat.lock:
            if seat.kernel is not None:
                await self._end(seat, seat.kernel, _ARCHIVED)
            seat.run = None

    async def inspect(self, chat_id: str, *, names: Sequence[str] = ()) -> Variables:
        """Look at variables, also while code runs where the kernel can."""
        seat = self._seat(chat_id)
        async with seat.lock:  # it may be starting
            kernel = await self._living(seat)
        if kernel is None:
            lost = f" The last one is gone: {seat.lost}" if seat.lost else ""
            raise NoKernelError(f"The chat has no kernel: execute_code starts one.{lost}")
        seat.used_at = time.monotonic()
        return await kernel.inspect(names)

    async def aclose(self) -> None:
        """End all kernels. May be called twice."""
        self._closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
            await asyncio.gather(self._sweeper, return_exceptions=True)
        for task in self._starting:
            task.cancel()
        await asyncio.gather(*self._starting, return_exceptions=True)
        kernels = [seat.kernel for seat in self._seats.values() if seat.kernel is not None]
        await asyncio.gather(*(kernel.end("The workspace was closed.") for kernel in kernels))
        await self._processes.aclose()

    def _seat(self, chat_id: str) -> _Seat:
        """Return what the chat has, which is in use from now on."""
        if self._sweeper is None and not self._closed:
            self._sweeper = asyncio.create_task(self._sweep(), name="chatd-kernel-sweep")
        seat = self._seats.setdefault(chat_id, _Seat())
        seat.used_at = time.monotonic()
        return seat

    # Starting

    async def _kernel_for(self, seat: _Seat, spec: CodeSpec) -> Kernel:
        kernel = await self._living(seat)
        if kernel is None:
            return await self._start(spec.chat_id, seat, spec.kernel)
        if spec.kernel not in (None, kernel.spec.name):
            raise KernelBusyError(
                f"The chat's kernel is {kernel.spec.name}, not {spec.kernel}. To change it, with the loss of "
                f"all variables, call restart_kernel with kernel {spec.kernel}."
            )
        return kernel

    async def _living(self, seat: _Seat) -> Kernel | None:
        """Return the seat's kernel; one that has died is cleared away."""
        kernel = seat.kernel
        if kernel is not None and kernel.ended.is_set():
            await self._end(seat, kernel, kernel.ending)
            return None
        return kernel

    async def _restart(self, chat_id: str, seat: _Seat, wanted: str | None) -> Kernel:
        async with seat.lock:
            if seat.kernel is not None:
                wanted = wanted or seat.kernel.spec.name
                await self._end(seat, seat.kernel, "It was restarted.")
            kernel = await self._start(chat_id, seat, wanted)
            seat.lost = None
            return kernel

    async def _start(self, chat_id: str, seat: _Seat, wanted: str | None) -> Kernel:
        from .kernel import Kernel

        if self._closed:
            raise KernelStartError("The workspace is closing; nothing can be started any more.")
        spec = await asyncio.to_thread(launch.find_spec, wanted, default=self._limits.default, env=self._env)
        await self._make_room()
        kernel = Kernel(
            chat_id,
            spec,
            processes=self._processes,
            limits=self._limits,
            output_limits=self._output_limits,
        )
        # Counted from here on: two that start at once must not both take the last place.
        seat.kernel, seat.used_at = kernel, time.monotonic()
        try:
            await kernel.start(confine=self._confine, work_dir=await asyncio.to_thread(self._work_dir))
        except BaseException:
            seat.kernel = None
            raise
        seat.used_at = time.monotonic()
        return kernel

    async def _make_room(self) -> None:
        """End the kernel that nobody has used for longest, when there are as many as may be."""
        taken = [seat for seat in self._seats.values() if seat.kernel is not None]
        if len(taken) < self._limits.count:
            return
        idle = [seat for seat in taken if seat.is_idle]
        if not idle:
            raise KernelStartError(
                f"{len(taken)} kernels run code or start, as many as may be. Wait for one, or use execute."
            )
        seat = min(idle, key=lambda seat: seat.last_use)
        async with seat.lock:
            if seat.kernel is not None:
                await self._end(seat, seat.kernel, "Other chats needed its place.")

    # Ending

    async def _stop(self, seat: _Seat, kernel: Kernel, run: CodeRun) -> None:
        if await kernel.interrupt(run):
            return
        async with seat.lock:
            if seat.kernel is kernel and run.is_running:
                await self._end(seat, kernel, "It did not react to being interrupted.")

    async def _end(self, seat: _Seat, kernel: Kernel, reason: str) -> None:
        await kernel.end(reason)
        seat.kernel, seat.lost = None, kernel.ending

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(min(_LOOKS, self._limits.idle_s / 4))
            since = time.monotonic() - self._limits.idle_s
            for seat in [seat for seat in self._seats.values() if seat.last_use < since]:
                await self._end_unused(seat, since)
            self._forget_vacant(since)

    def _forget_vacant(self, since: float) -> None:
        vacant = [id_ for id_, seat in self._seats.items() if seat.is_vacant and seat.last_use < since]
        vacant.sort(key=lambda chat_id: self._seats[chat_id].last_use)
        for chat_id in vacant[:-VACANT]:
            del self._seats[chat_id]

    async def _end_unused(self, seat: _Seat, since: float) -> None:
        async with seat.lock:
            if seat.last_use >= since or (seat.kernel is not None and seat.kernel.is_busy):
                return
            if seat.kernel is not None:
                await self._end(seat, seat.kernel, _NOBODY.format(self._limits.idle_s / 60))
            seat.run = None  # its pictures take megabytes

    async def _finish(self, work: Coroutine[Any, Any, T]) -> T:
        """Do it to its end, also when whoever waits for it is cancelled."""
        task = asyncio.create_task(work, name="chatd-kernel-work")
        self._starting.add(task)
        task.add_done_callback(self._forget)
        return await asyncio.shield(task)

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._starting.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.debug("Work on a kernel failed: %r", error)

    def _run_of(self, chat_id: str, execution_id: str | None) -> CodeRun:
        seat = self._seats.get(chat_id)
        run = seat.run if seat is not None else None
        if run is None or execution_id not in (None, run.id):
            raise NoKernelError("The chat has run no such code in a kernel: execute_code does.")
        return run


if TYPE_CHECKING:
    from .protocol import Kernels

    _: type[Kernels] = KernelService
