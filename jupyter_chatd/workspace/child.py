"""Programs that are spoken with over their pipes: started scrubbed, ended with all that they started.

Each leads a session of its own. The warden ends it when this process dies, the ledger tells the next server
when the warden died too; see DECISIONS.md, "children die with the server".
"""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import uuid
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from .environment import PROCESS_ID_VARIABLE
from .group import ProcessGroup
from .ledger import Ledger
from .warden import Warden

MESSAGE_BYTES = 8 * 1024 * 1024
"""Of one line; a program that writes a longer one is ended."""

_STDERR_BYTES = 2048  # kept, from the end
_EXIT_GRACE = 1.0  # seconds from the end of its input to SIGTERM
_TERM_GRACE = 0.5  # seconds from SIGTERM to SIGKILL
_KILL_LIMIT = 5.0  # seconds until a session that does not end is reported
_DRAIN = 0.2  # seconds after the exit in which its last output is still read

log = logging.getLogger(__name__)


Wrap: TypeAlias = Callable[[str, Mapping[str, str]], Sequence[str]]
"""Returns a command line, given the folder and the environment that it is run with. May block; raises
`FileNotFoundError` when there is no such program."""


class MessageTooLongError(Exception):
    """A program wrote more than `MESSAGE_BYTES` without a line end."""


class ChildError(Exception):
    """A program could not be started; the text says why."""


class Child(asyncio.SubprocessProtocol):
    """One running program. Belongs to the event loop that started it."""

    transport: asyncio.SubprocessTransport
    group: ProcessGroup

    def __init__(self) -> None:
        self.exited = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._output = asyncio.StreamReader(limit=MESSAGE_BYTES)
        self._errors: deque[bytes] = deque()
        self._is_open = True
        self._can_write = asyncio.Event()
        self._can_write.set()

    @property
    def has_exited(self) -> bool:
        """Whether it has ended."""
        return self.exited.is_set()

    @property
    def exit_code(self) -> int | None:
        """`None` while it runs; negative for the signal that ended it."""
        return self.transport.get_returncode()

    @property
    def last_words(self) -> str:
        """The end of its standard error."""
        return b"".join(self._errors)[-_STDERR_BYTES:].decode("utf-8", "replace").strip()

    async def read_line(self) -> bytes:
        """Return the next line of its output, empty at the end.

        Raises:
            MessageTooLongError: see there.
        """
        try:
            return await self._output.readuntil()
        except asyncio.IncompleteReadError as end:
            return end.partial
        except asyncio.LimitOverrunError as error:
            raise MessageTooLongError from error

    async def write(self, data: bytes) -> None:
        """Write to its input, and wait while it does not read.

        Raises:
            ConnectionError: nobody will read it.
        """
        pipe = self.transport.get_pipe_transport(0)
        if not self._is_open or not isinstance(pipe, asyncio.WriteTransport) or pipe.is_closing():
            raise BrokenPipeError("the program has closed its input")
        pipe.write(data)
        await self._can_write.wait()

    def close_input(self) -> None:
        """Tell it to end. May be called twice."""
        pipe = self.transport.get_pipe_transport(0)
        if pipe is not None:
            pipe.close()
        self._can_write.set()

    # Called by asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.SubprocessTransport)
        self.transport = transport
        self.group = ProcessGroup(transport.get_pid())
        output = transport.get_pipe_transport(1)
        assert output is not None
        self._output.set_transport(output)  # it is paused while nobody reads

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        if fd == 1 and self._is_open:
            self._output.feed_data(data)
        elif fd == 2:
            self._errors.append(data[-_STDERR_BYTES:])
            while sum(map(len, self._errors)) - len(self._errors[0]) >= _STDERR_BYTES:
                self._errors.popleft()

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        if fd == 0:
            self._can_write.set()
        elif fd == 1:
            self._end_output()

    def process_exited(self) -> None:
        self.group.leader_reaped()
        self.exited.set()
        # Something that it started may hold the pipe open for ever.
        self._loop.call_later(_DRAIN, self._end_output)

    def pause_writing(self) -> None:
        self._can_write.clear()

    def resume_writing(self) -> None:
        self._can_write.set()

    def _end_output(self) -> None:
        if self._is_open:
            self._is_open = False
            self._output.feed_eof()
            self._can_write.set()


class Children:
    """Starts and ends programs that are spoken with over their pipes. Lives on one event loop.

    Args:
        env: What every program sees: the scrubbed environment.
        state_folder: The private folder of the ledger, which the workspace's agent sweeps at its start.
        directory: Where a program starts when nobody names a folder.
    """

    def __init__(self, *, env: Mapping[str, str], state_folder: Path, directory: str) -> None:
        self._env = dict(env)
        self._directory = directory
        self._warden = Warden(self._env)
        self._ledger = Ledger(state_folder)
        self._starting = asyncio.Lock()

    async def start(self, wrap: Wrap, *, command: str, folder: str | None, env: Mapping[str, str]) -> Child:
        """Start a program.

        Args:
            wrap: Makes the command line.
            command: What error messages call it.
            folder: Where it starts; `None` for where all do.
            env: Added to what every program sees.

        Raises:
            ChildError: it could not be started.
        """
        process_id = str(uuid.uuid4())
        folder = folder or self._directory
        if not await asyncio.to_thread(os.path.isdir, folder):
            raise ChildError(f"its folder {folder} does not exist; change cwd")
        whole_env = {**self._env, **env, PROCESS_ID_VARIABLE: process_id}
        # One after another: each start takes a millisecond or two of the event loop.
        async with self._starting:
            try:
                _, child = await asyncio.get_running_loop().subprocess_exec(
                    Child,
                    *await asyncio.to_thread(wrap, folder, whole_env),
                    cwd=folder,
                    env=whole_env,
                    start_new_session=True,
                )
            except FileNotFoundError:
                raise ChildError(f"there is no program {command!r}; is it on the PATH?") from None
            except (OSError, ValueError) as error:
                raise ChildError(f"the system refuses it ({type(error).__name__}: {error})") from None
        self._ledger.add(child.group.id, process_id)
        self._warden.add(child.group.id)
        return child

    async def end(self, child: Child) -> None:
        """Close its input, wait a moment, then end the whole session of the program."""
        child.close_input()
        try:
            async with asyncio.timeout(_EXIT_GRACE):
                await child.exited.wait()
        except TimeoutError:
            log.debug("Process %d did not exit when its input was closed", child.group.id)
        if await child.group.end(grace_s=_TERM_GRACE, limit_s=_KILL_LIMIT):
            self._warden.drop(child.group.id)
            self._ledger.drop(child.group.id)
        else:
            log.error("The program with process %d could not be ended", child.group.id)
        child.transport.close()

    async def aclose(self) -> None:
        """End what is still there. May be called twice."""
        await asyncio.to_thread(self._warden.close)
        self._ledger.close()


def require_program(command: str, *, folder: str, env: Mapping[str, str]) -> None:
    """Make sure that it is there: a sandbox without its program would end like a program that fails.

    Raises:
        FileNotFoundError: it is not.
    """
    place = os.path.join(folder, command) if "/" in command else command
    if shutil.which(place, path=env.get("PATH", os.defpath)) is None:
        raise FileNotFoundError(place)
