"""The agent of the `server` workspace: this Jupyter server itself, files and processes of its own user."""

from __future__ import annotations

import asyncio
import os
import platform
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from ..short_folder import short_folder
from . import environment, ledger, search
from .child import Children
from .desktops import NoDesktops
from .files import Files
from .guard import Guard, WriteGuard
from .instructions import find_instructions
from .kernels import launch
from .kernels.service import KernelService
from .ledger import Ledger
from .limits import AgentLimits
from .piped import PipedService
from .processes import ProcessTable
from .protocol import (
    FileBytes,
    FileEdits,
    FileLines,
    FoundFiles,
    InstructionFile,
    ProcessInfo,
    ProcessOutput,
    ProcessSignal,
    ProcessSpec,
    WorkspaceError,
    WorkspaceFacts,
)
from .sandbox import Sandbox, SandboxPolicy, SandboxSettings
from .warden import Warden

if TYPE_CHECKING:
    from ..desktop.hosted import HostedDesktops

_FILE_THREADS = 8  # of their own: a hung network file system must not take the threads of others

_LIMITS = AgentLimits()
_NO_DESKTOPS = NoDesktops()
_UNCONFINED = SandboxSettings(policy=SandboxPolicy.OFF)

P = ParamSpec("P")
R = TypeVar("R")


class ServerAgent:
    """Acts in the server's own process and belongs to its event loop. Lives as long as the extension.

    Args:
        directory: Where commands start and relative working folders begin.
        home: Where they start when *directory* is gone.
        state_folder: A private folder for the note of what runs.
        config_folder: Where the user's own AGENTS.md is; `None` for nowhere.
        protected: Files and folders that the file tools refuse: our data folder, Jupyter's runtime and
            config folders, the key file. They need not exist yet.
        extra_env_names: Variables that commands see besides the built-in allow-list; never one that looks
            secret.
        sandbox: What commands may do; the protected places are empty for them.
        piped_sandbox: Whether piped programs must be confined in the same way.
        desktops: What starts desktops for chats of other servers; closed with the agent.
        limits: Every number.
    """

    def __init__(
        self,
        *,
        directory: str | os.PathLike[str],
        home: str | os.PathLike[str],
        state_folder: str | os.PathLike[str],
        config_folder: str | os.PathLike[str] | None = None,
        protected: Sequence[str | os.PathLike[str]] = (),
        extra_env_names: Iterable[str] = (),
        sandbox: SandboxSettings = _UNCONFINED,
        piped_sandbox: SandboxPolicy = SandboxPolicy.OFF,
        desktops: HostedDesktops | None = None,
        limits: AgentLimits = _LIMITS,
    ) -> None:
        self._directory = os.path.abspath(directory)
        self._home = os.path.abspath(home)
        self._state_folder = Path(state_folder)
        self._config_folder = os.path.abspath(config_folder) if config_folder is not None else None
        self._limits = limits
        # The user's own AGENTS.md may lie in a folder that the tools must not touch.
        self._own_files = Files(Guard([]), limits.files)
        self._threads = ThreadPoolExecutor(_FILE_THREADS, thread_name_prefix="jupyter_chatd files")
        env = environment.scrubbed(os.environ, extra_names=extra_env_names)
        hidden = [*protected, self._state_folder]
        self._sandbox = Sandbox(sandbox, directory=self._directory, hidden=hidden, env=env)
        of_piped = replace(sandbox, policy=piped_sandbox)
        piped = Sandbox(of_piped, directory=self._directory, hidden=hidden, env=env)
        refused = [*protected, short_folder(), *sandbox.private, self._state_folder]
        self._guard = Guard(refused)
        writing = WriteGuard(refused, is_fixed=self._sandbox.is_fixed)
        self._files = Files(self._guard, limits.files, writing=writing)
        self._closed = False
        self._desktops = desktops
        self._processes = self._table(env)
        self._kernels = KernelService(
            processes=self._table(env),
            confine=lambda argv, folder, own: self._sandbox.wrap(argv, work_dir=folder, own=own),
            work_dir=lambda: self._work_dir(None),
            env=env,
            limits=limits.kernels,
            output_limits=limits.output,
        )

        self._piped = PipedService(
            lambda: Children(env=env, state_folder=self._state_folder, directory=self._work_dir(None)),
            wrap=lambda argv, folder: piped.wrap(argv, work_dir=folder),
        )

    def _table(self, env: Mapping[str, str]) -> ProcessTable:
        return ProcessTable(
            env=env,
            ledger=Ledger(self._state_folder),
            warden=Warden(env),
            limits=self._limits.processes,
            output_limits=self._limits.output,
        )

    @property
    def kernels(self) -> KernelService:
        """The kernels that chats run code in."""
        return self._kernels

    @property
    def piped(self) -> PipedService:
        """What runs programs that are spoken with over their pipes."""
        return self._piped

    @property
    def desktops(self) -> HostedDesktops | NoDesktops:
        """What starts and stops desktops that show the workspace."""
        return self._desktops or _NO_DESKTOPS

    async def facts(self) -> WorkspaceFacts:
        """Where this agent is."""
        problem = await self._in_thread(self._sandbox.probe)
        return WorkspaceFacts(
            os=platform.system().lower(),
            directory=self._directory,
            home=self._home,
            confined="bubblewrap" if problem is None else None,
            refused=problem if self._sandbox.refuses else None,
        )

    async def sweep_orphans(self) -> int:
        """End what servers that died left running; return how many processes. Call it once, at the start."""
        await asyncio.to_thread(launch.sweep)
        return await asyncio.to_thread(ledger.sweep, self._state_folder)

    async def instructions(self) -> Sequence[InstructionFile]:
        """AGENTS.md of the user's config folder, then of the working folder; those that can be read."""
        places = [(self._files, self._directory)]
        if self._config_folder is not None:
            places.insert(0, (self._own_files, self._config_folder))
        limit = self._limits.files.instruction_bytes
        found = [
            await self._in_thread(find_instructions, files, folder, limit_bytes=limit)
            for files, folder in places
        ]
        return [file for file in found if file is not None]

    async def read_file(self, path: str, *, offset: int = 1, limit: int = 2000) -> FileLines:
        """Lines *offset* (from 1) to *offset+limit-1*; all or nothing."""
        return await self._in_thread(self._files.read_lines, path, offset=offset, limit=limit)

    async def read_bytes(self, path: str, *, limit_bytes: int, inside: str | None = None) -> FileBytes:
        """The first *limit_bytes* of a regular file, which must lie in *inside* after links are resolved."""
        contents = await self._in_thread(self._files.head, path, limit_bytes=limit_bytes, inside=inside)
        return FileBytes(data=contents.data, size=contents.size)

    async def find_files(
        self, folder: str, *, name: str | None = None, depth: int = 8, limit: int = 1000
    ) -> FoundFiles:
        """Regular files up to *depth* levels below *folder*; links below it are not followed."""
        return await self._in_thread(
            search.find_files, self._guard, folder, name=name, depth=depth, limit=limit
        )

    async def write_file(self, path: str, content: str, *, unlinked_in: str | None = None) -> None:
        """Replace the file in one step. A cancelled caller does not stop a write that has begun."""
        await self._in_thread(self._files.write, path, content, unlinked_in=unlinked_in)

    async def edit_files(self, files: Sequence[FileEdits], *, unlinked_in: str | None = None) -> None:
        """Apply all edits or none. A cancelled caller does not stop a write that has begun."""
        await self._in_thread(self._files.edit, files, unlinked_in=unlinked_in)

    async def start_process(self, spec: ProcessSpec) -> str:
        """Start a process in a group of its own and return its id."""
        work_dir, argv = await self._in_thread(self._prepare, spec)
        return await self._processes.start(spec, argv=argv, work_dir=work_dir)

    async def wait_process(self, chat_id: str, process_id: str, *, timeout_s: float) -> ProcessOutput:
        """Wait until it exits, at most *timeout_s*, and return what there is."""
        return await self._processes.wait(chat_id, process_id, timeout_s=timeout_s)

    async def follow_process(self, chat_id: str, process_id: str) -> AsyncGenerator[str, None]:
        """Live output from the start, in pieces, until it exits."""
        async with aclosing(self._processes.follow(chat_id, process_id)) as pieces:
            async for piece in pieces:
                yield piece

    async def list_processes(self, chat_id: str) -> Sequence[ProcessInfo]:
        """The chat's processes, oldest first."""
        return self._processes.list(chat_id)

    async def signal_process(self, chat_id: str, process_id: str, signal: ProcessSignal) -> None:
        """Signal the whole process group."""
        await self._processes.send(chat_id, process_id, signal)

    async def kill_process(self, chat_id: str, process_id: str) -> None:
        """End the whole session now and wait until it is gone, at most 5 s. Unknown ids are fine."""
        await self._processes.kill(chat_id, process_id)

    async def aclose(self) -> None:
        """Kill everything it started. May be called twice."""
        self._closed = True
        closing = [self._processes.aclose(), self._kernels.aclose(), self._piped.aclose()]
        if self._desktops is not None:
            closing.append(self._desktops.aclose())
        await asyncio.gather(*closing)
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _prepare(self, spec: ProcessSpec) -> tuple[str, list[str]]:
        work_dir = self._work_dir(spec.work_dir)
        return work_dir, self._sandbox.argv(spec.command, work_dir=work_dir, read_only=spec.read_only)

    def _work_dir(self, wanted: str | None) -> str:
        """Return the folder to start in: the wanted one, else the agent's, else home."""
        if not wanted:
            return self._directory if os.path.isdir(self._directory) else self._home
        folder = os.path.join(self._directory, wanted)
        if "\0" in folder or not os.path.isdir(folder):
            raise WorkspaceError(
                f"The working folder {folder!r} does not exist. "
                f"Leave workdir out to start in {self._directory}."
            )
        return folder

    async def _in_thread(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        if self._closed:
            raise WorkspaceError("The workspace is closing.")

        def call() -> R:
            return function(*args, **kwargs)

        return await asyncio.get_running_loop().run_in_executor(self._threads, call)


if TYPE_CHECKING:
    from .protocol import WorkspaceAgent

    _: type[WorkspaceAgent] = ServerAgent
