"""One running kernel: its process, its messages, the code that it runs."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import Coroutine, Mapping, Sequence
from importlib.resources import files
from typing import Any, cast

from pydantic import ValidationError

from ...wire.values import adapter_of
from .. import procfs
from ..limits import OutputLimits
from ..processes import ProcessTable
from ..protocol import ProcessSpec, WorkspaceError
from ..sandbox import PROGRAM as SANDBOX
from .channels import Channels, KernelDeafError
from .launch import Confine, FoundSpec, SocketFolder
from .probe import TARGET
from .protocol import CodeSpec, KernelBusyError, KernelStartError, Variables
from .run import CodeRun
from .settings import KernelSettings

log = logging.getLogger(__name__)

_LATE_OUTPUT = 2.0  # seconds for output that comes after the reply
_INTERRUPTS = 0.5  # seconds between two interrupts: one that comes before the code begins is lost
_SHORT_ANSWER = 5.0  # seconds for what a kernel answers at once, unless it is busy
_LONG = 3600.0  # seconds
_LAST_WORDS = 600  # characters
_SUBSHELLS = "kernel subshells"
_LISTEN = "\nlisten(shell)\n"


class Kernel:
    """A kernel from its start until its process has ended. Belongs to the event loop that started it.

    Args:
        chat_id: Whose it is.
        spec: What it is.
        processes: Starts and ends its process.
        limits: Every number about kernels.
        output_limits: What is kept of the output of code.
    """

    def __init__(
        self,
        chat_id: str,
        spec: FoundSpec,
        *,
        processes: ProcessTable,
        limits: KernelSettings,
        output_limits: OutputLimits,
    ) -> None:
        self.spec = spec
        self.run: CodeRun | None = None
        """The latest code."""
        self.ended = asyncio.Event()
        """Set when the process is gone."""
        self.ending = ""
        """Why it ended."""
        self._chat_id = chat_id
        self._processes = processes
        self._limits = limits
        self._output_limits = output_limits
        self._folder: SocketFolder | None = None
        self._process_id: str | None = None
        self._channels: Channels | None = None
        self._greeting = ""
        """What it has written before it was ready: hints for people at a terminal."""
        self._request_id: str | None = None
        self._idle = asyncio.Event()
        self._subshell_id: str | None = None
        self._has_subshells = False
        self._can_tell = False
        self._asked: dict[str, asyncio.Future[object]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def is_busy(self) -> bool:
        """Whether code runs."""
        return self.run is not None and self.run.is_running

    async def start(self, *, confine: Confine, work_dir: str) -> None:
        """Start the process and wait until it answers. When that fails nothing is left.

        Raises:
            WorkspaceError: it could not be started, or does not answer.
        """
        try:
            await self._start_process(confine, work_dir)
            await self._await_answer()
        except BaseException:
            await self.end("It could not be started.")
            raise

    async def _start_process(self, confine: Confine, work_dir: str) -> None:
        self._folder = SocketFolder()  # here, as a thread would make it even when nobody waits any more
        command, env = self._folder.wrap(self.spec)
        argv = await asyncio.to_thread(confine, command, work_dir, self._folder.path)
        self._channels = Channels(
            self._folder.connection, on_output=self._hear, message_bytes=self._limits.message_bytes
        )
        spec = ProcessSpec(command=self.spec.name, chat_id=self._chat_id, background=True, env=env)
        self._process_id = await self._processes.start(spec, argv=argv, work_dir=work_dir)
        self._keep(self._watch(self._process_id), name="watch")

    async def _await_answer(self) -> None:
        answering = asyncio.create_task(self._channel.ready(), name="chatd-kernel-ready")
        ending = asyncio.create_task(self.ended.wait(), name="chatd-kernel-ended")
        try:
            await asyncio.wait(
                (answering, ending), timeout=self._limits.start_s, return_when=asyncio.FIRST_COMPLETED
            )
            if ending.done():
                raise KernelStartError(f"The kernel {self.spec.name} ended while it started. {self.ending}")
            if not answering.done():
                raise KernelStartError(
                    f"The kernel {self.spec.name} did not answer within {self._limits.start_s:g} s."
                )
            self._has_subshells = _SUBSHELLS in (answering.result().get("supported_features") or ())
        finally:
            answering.cancel()
            ending.cancel()
            await asyncio.gather(answering, ending, return_exceptions=True)
        started = await self._processes.wait(self._chat_id, self._process_id or "", timeout_s=0)
        self._greeting = started.output
        await self._teach()

    async def _teach(self) -> None:
        """Let it tell its variables later, if it is an IPython."""
        if self.spec.language != "python":
            return
        source = files(__spec__.parent).joinpath("probe.py").read_text("utf-8")
        code = f"exec({source + _LISTEN!r}, {{'__name__': 'jupyter_chatd_probe', 'shell': get_ipython()}})"
        content = {"code": code, "silent": True, "store_history": False, "allow_stdin": False}
        try:
            reply = await self._channel.ask("shell", "execute_request", content, limit_s=_SHORT_ANSWER)
        except KernelDeafError as error:
            log.warning("The kernel of chat %s cannot tell its variables: %s", self._chat_id, error)
            return
        self._can_tell = reply.get("status") == "ok"

    # Code

    def execute(self, spec: CodeSpec) -> CodeRun:
        """Send code; never waits. The kernel must not be busy."""
        self.run = run = CodeRun(spec.execution_id, limits=self._limits, output_limits=self._output_limits)
        self._idle.clear()
        content = {"code": spec.code, "silent": False, "store_history": True, "allow_stdin": False}
        self._request_id, reply = self._channel.request("shell", "execute_request", content)
        self._keep(self._await_reply(run, reply), name="reply")
        return run

    async def _await_reply(self, run: CodeRun, reply: asyncio.Future[Mapping[str, Any]]) -> None:
        content = await reply
        # Output takes another way than the reply, and may come after it. Lost is only what a kernel says that
        # never says that it has finished.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LATE_OUTPUT):
                await self._idle.wait()
        run.end(content)

    def _hear(self, parent: str, kind: str, content: Mapping[str, Any]) -> None:
        if parent in self._asked:
            if kind == "comm_close" and not self._asked[parent].done():
                self._asked[parent].set_result(content.get("data"))
        elif parent == self._request_id and self.run is not None:
            if kind == "status" and content.get("execution_state") == "idle":
                self._idle.set()
            else:
                self.run.take(kind, content)

    async def interrupt(self, run: CodeRun) -> bool:
        """Interrupt *run*; true when it has ended within the limit."""
        run.is_interrupted = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._limits.interrupt_s):
                while run.is_running:
                    await self._interrupt_once()
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(run.ended.wait(), _INTERRUPTS)
        return not run.is_running

    async def _interrupt_once(self) -> None:
        if self.spec.by_message:
            self._channel.request("control", "interrupt_request", {})
        elif self._process_id is not None:
            await asyncio.to_thread(_send_interrupt, self._processes.leader(self._chat_id, self._process_id))

    # Variables

    async def inspect(self, names: Sequence[str]) -> Variables:
        """Return its variables.

        Raises:
            KernelBusyError: it runs code and cannot be asked meanwhile, or does not get to an answer.
            WorkspaceError: it cannot be asked at all.
        """
        if not self._can_tell:
            raise WorkspaceError(
                f"The kernel {self.spec.name} cannot be asked for its variables, only IPython can: "
                "print them with execute_code."
            )
        is_busy = self.is_busy
        if is_busy and not self._has_subshells:
            raise KernelBusyError(
                "The kernel runs code, and this one cannot be looked into meanwhile (ipykernel 7 and later "
                "can). Wait with code_output, or interrupt_kernel."
            )
        try:
            data = await self._ask_variables(names, await self._subshell())
            found = adapter_of(Variables).validate_python({**_mapping(data), "is_busy": is_busy})
        except (KernelDeafError, TimeoutError) as error:
            raise KernelBusyError(
                "The kernel did not answer: what it runs does not let go of the interpreter. Wait with "
                "code_output, or interrupt_kernel."
            ) from error
        except ValidationError as error:
            raise WorkspaceError("The kernel gave an answer that makes no sense: restart_kernel.") from error
        return found

    async def _subshell(self) -> str | None:
        """Return the kernel's second thread for questions, made with the first question."""
        if self._has_subshells and self._subshell_id is None:
            reply = await self._channel.ask(
                "control", "create_subshell_request", {}, limit_s=self._limits.inspect_s
            )
            self._subshell_id = str(reply["subshell_id"]) if "subshell_id" in reply else None
        return self._subshell_id

    async def _ask_variables(self, names: Sequence[str], subshell_id: str | None) -> object:
        content = {"comm_id": os.urandom(8).hex(), "target_name": TARGET, "data": {"names": list(names)}}
        request_id, _ = self._channel.request("shell", "comm_open", content, subshell_id=subshell_id)
        answer: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        self._asked[request_id] = answer
        try:
            async with asyncio.timeout(self._limits.inspect_s):
                return await answer
        finally:
            del self._asked[request_id]
            self._channel.forget(request_id)

    # The end

    async def end(self, reason: str) -> None:
        """End the process and all that it started; returns when it is gone. May be called twice."""
        if not self.ending:
            self.ending = reason
        if self._process_id is not None:
            await self._processes.kill(self._chat_id, self._process_id)
            await self.ended.wait()
        await self._let_go()

    async def _watch(self, process_id: str) -> None:
        """Wait for the end of the process, whoever ends it."""
        while (output := await self._processes.wait(self._chat_id, process_id, timeout_s=_LONG)).running:
            continue
        self.ending = self.ending or _why(output.exit_code, output.output.removeprefix(self._greeting))
        self.ended.set()
        if self.run is not None:
            self.run.die(self.ending)
        if self._folder is not None:
            await asyncio.to_thread(self._folder.remove)

    async def _let_go(self) -> None:
        tasks = [task for task in self._tasks if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._channels is not None:
            await self._channels.aclose()
        if self._folder is not None:
            await asyncio.to_thread(self._folder.remove)

    @property
    def _channel(self) -> Channels:
        assert self._channels is not None
        return self._channels

    def _keep(self, work: Coroutine[Any, Any, None], *, name: str) -> None:
        task = asyncio.create_task(work, name=f"chatd-kernel-{name}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _mapping(value: object) -> Mapping[str, Any]:
    return cast(Mapping[str, Any], value) if isinstance(value, Mapping) else {}


def _why(exit_code: int | None, output: str) -> str:
    how = f"with exit code {exit_code}" if exit_code is not None and exit_code >= 0 else "by a signal"
    last = output.strip()[-_LAST_WORDS:]
    return f"It ended {how}." + (f" Its last words: {last}" if last else "")


def _send_interrupt(session: int) -> None:
    """Do what Ctrl+C does: signal all of the session but the sandbox around it, which would end."""
    if not procfs.PROC.is_dir():
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(session, signal.SIGINT)
        return
    for stat in procfs.living_members(session):
        if procfs.program_of(stat.pid) != SANDBOX:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(stat.pid, signal.SIGINT)
