"""A whole Jupyter server with the extension, as a process of its own, and what a test needs of it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import httpx

TOKEN = "a-token-of-the-tests"
START_TIMEOUT = 120.0  # seconds
STOP_TIMEOUT = 60.0  # seconds
ROOT = Path(__file__).parent.parent
CHATS = "api/experimental/chats"

NO_OLLAMA = "127.0.0.1:9"
"""Where no Ollama runs: one on the machine of whoever runs the tests would offer its models."""

SETTINGS = {"JupyterChatd": {"undumpable": False, "generate_titles": False}}
"""Settings of every server: coverage and debuggers must be able to look inside, and scripts of fake vendors
hold no answers for titles."""


@dataclass(frozen=True, slots=True)
class Dirs:
    """The folders of an isolated user. Two servers on the same ones are two servers of one user."""

    root: Path

    @property
    def home(self) -> Path:
        """`HOME`, and through it all that the variables below do not name."""
        return self.root / "home"

    @property
    def work(self) -> Path:
        """The server's root folder, in which commands start."""
        return self.root / "work"

    @property
    def config(self) -> Path:
        """`JUPYTER_CONFIG_DIR`."""
        return self.root / "config"

    @property
    def data(self) -> Path:
        """`JUPYTER_DATA_DIR`; the extension keeps its database in `jupyter_chatd` below."""
        return self.root / "data"

    @property
    def runtime(self) -> Path:
        """`JUPYTER_RUNTIME_DIR`."""
        return self.root / "runtime"

    @property
    def database(self) -> Path:
        """The chats."""
        return self.data / "jupyter_chatd" / "chats.db"

    def make(self) -> Self:
        """Create them; the extension is enabled by a configuration file as an installation leaves it."""
        for folder in (self.home, self.work, self.config, self.data, self.runtime):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        enabled = self.config / "jupyter_server_config.d"
        enabled.mkdir(exist_ok=True)
        source = ROOT / "etc/jupyter/jupyter_server_config.d/jupyter_chatd.json"
        (enabled / source.name).write_text(source.read_text())
        return self

    def environ(self) -> dict[str, str]:
        """The environment of this user's processes: of whoever runs the tests only how to find Python."""
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "TMPDIR") if name in os.environ}
        return {
            **kept,
            "HOME": str(self.home),
            "IPYTHONDIR": str(self.home / ".ipython"),
            "JUPYTER_CONFIG_DIR": str(self.config),
            "JUPYTER_DATA_DIR": str(self.data),
            "JUPYTER_RUNTIME_DIR": str(self.runtime),
            "OLLAMA_HOST": NO_OLLAMA,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{kept.get('PATH', os.defpath)}",
            "PYTHONPATH": str(ROOT),
        }


class JupyterServer:
    """One server process at a time on a loopback port that stays the same when it is started again.

    Args:
        dirs: The user whose server it is.
        env: Environment variables on top of `Dirs.environ`; `None` takes one away.
        settings: Traits by class, on top of `SETTINGS`: `{"JupyterChatd": {"queue_limit": 2}}`.
        args: More arguments for `jupyter server`.
        base_url: Below which all of it lies, as a hub has it.
        ready_status: What the route of chats answers once the server is up: 404 where the extension is off.
    """

    def __init__(
        self,
        dirs: Dirs,
        *,
        env: Mapping[str, str | None] | None = None,
        settings: Mapping[str, Mapping[str, Any]] | None = None,
        args: tuple[str, ...] = (),
        base_url: str = "/",
        ready_status: int = 200,
    ) -> None:
        self.dirs = dirs.make()
        self.token = TOKEN
        self.port = free_port()
        self._env = {**dirs.environ(), "JUPYTER_TOKEN": TOKEN, **(env or {})}
        self._settings = settings or {}
        self._args = args
        self._base_url = base_url
        self._ready_status = ready_status
        self._process: subprocess.Popen[bytes] | None = None

    def beside(self) -> JupyterServer:
        """Another server of the same user, with the same settings, on a port of its own; not started."""
        return JupyterServer(
            self.dirs, env=self._env, settings=self._settings, args=self._args, base_url=self._base_url
        )

    @property
    def url(self) -> str:
        """The server's address, with a slash at the end."""
        return f"http://127.0.0.1:{self.port}{self._base_url}"

    @property
    def chats_url(self) -> str:
        """The base of the chat routes."""
        return f"{self.url}{CHATS}"

    @property
    def headers(self) -> dict[str, str]:
        """What lets a client in."""
        return {"Authorization": f"token {self.token}"}

    @property
    def pid(self) -> int:
        """The process, started at least once."""
        assert self._process is not None
        return self._process.pid

    @property
    def log(self) -> str:
        """All that the servers on this object have written."""
        return self._log_path.read_text() if self._log_path.exists() else ""

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.terminate()

    def start(self) -> Self:
        """Start the server and wait until the agent answers.

        Raises:
            AssertionError: it says that it cannot start, or does not answer; the text has the server's log.
        """
        config = self.dirs.config / "jupyter_server_config.json"
        config.write_text(json.dumps(_merged(SETTINGS, self._settings)))
        command = [sys.executable, "-m", "jupyter_server", "--allow-root", "--ServerApp.open_browser=False"]
        command += [f"--ServerApp.port={self.port}", "--ServerApp.port_retries=0", "--ServerApp.ip=127.0.0.1"]
        command += [f"--ServerApp.root_dir={self.dirs.work}", f"--ServerApp.base_url={self._base_url}"]
        command += self._args
        with self._log_path.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                cwd=self.dirs.work,
                env={name: value for name, value in self._env.items() if value is not None},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._wait_until_ready()
        return self

    def kill(self) -> None:
        """`kill -9`, as a crash would end it."""
        self._end(signal.SIGKILL)

    def terminate(self) -> None:
        """End it in order. May be called twice, and when it is not running."""
        self._end(signal.SIGTERM)

    def restart(self) -> Self:
        """Kill it and start another one on the same folders and port."""
        self.kill()
        return self.start()

    @property
    def _log_path(self) -> Path:
        return self.dirs.root / "server.log"

    def _wait_until_ready(self) -> None:
        assert self._process is not None
        give_up_at = time.monotonic() + START_TIMEOUT
        while time.monotonic() < give_up_at:
            if self._process.poll() is not None:
                break
            try:
                reply = httpx.get(self.chats_url, headers=self.headers, params={"limit": 1})
            except httpx.TransportError:
                time.sleep(0.05)
                continue
            if reply.status_code == self._ready_status:
                return
            if reply.status_code == 503:
                break
            time.sleep(0.05)
        self.kill()
        raise AssertionError(f"The server did not become ready:\n{self.log}")

    def _end(self, number: signal.Signals) -> None:
        process = self._process
        if process is None or process.poll() is not None:
            return
        process.send_signal(number)
        try:
            process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(f"The server did not end within {STOP_TIMEOUT} s:\n{self.log}") from None


def free_port() -> int:
    """Return a loopback port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _merged(
    left: Mapping[str, Mapping[str, Any]], right: Mapping[str, Mapping[str, Any]]
) -> dict[str, dict[str, Any]]:
    return {name: {**left.get(name, {}), **right.get(name, {})} for name in {*left, *right}}
