"""A real JupyterHub with its proxy, as processes of their own, and what a test needs of it.

Everyone is the same account of the operating system, in a home folder of their own: the hub's own doors are
what keeps users apart here, not the rights of files.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import httpx
from servers import CHATS, NO_OLLAMA, ROOT, free_port

from .chats import Chats

START_TIMEOUT = 120.0  # seconds for the hub
SPAWN_TIMEOUT = 180.0  # seconds for one user's server
STOP_TIMEOUT = 30.0  # seconds
PROXY = "configurable-http-proxy"
ADMIN = "a-token-of-the-hubs-tests"

BASE_CONFIG = """\
c = get_config()  # noqa
c.JupyterHub.bind_url = {url!r}
c.JupyterHub.hub_bind_url = "http://127.0.0.1:{hub_port}"
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{api_port}"
c.ConfigurableHTTPProxy.command = [{proxy!r}]
c.JupyterHub.db_url = "sqlite:///{folder}/hub.sqlite"
c.JupyterHub.cookie_secret_file = "{folder}/cookie_secret"
c.JupyterHub.authenticator_class = "dummy"
c.Authenticator.allow_all = True
c.JupyterHub.spawner_class = "simple"
c.SimpleLocalProcessSpawner.home_dir_template = "{folder}/home/{{username}}"
c.Spawner.cmd = [{python!r}, "-m", "jupyterhub.singleuser"]
c.Spawner.args = ["--allow-root"]
c.Spawner.ip = "127.0.0.1"
c.Spawner.start_timeout = c.Spawner.http_timeout = 180
c.Spawner.env_keep = ["PATH", "LANG", "LC_ALL", "TMPDIR"]
c.Spawner.environment.update({environment!r})
c.JupyterHub.services = [*c.JupyterHub.get("services", []), {{"name": "tests", "api_token": {admin!r}}}]
c.JupyterHub.load_roles = [
    *c.JupyterHub.get("load_roles", []),
    {{
        "name": "tests",
        "services": ["tests"],
        "scopes": ["admin:users", "admin:servers", "admin:groups", "tokens", "access:servers"],
    }},
]
"""

SETTINGS = {"JupyterChatd": {"undumpable": False, "generate_titles": False}}


def why_no_hub() -> str | None:
    """Return what a hub needs and is missing here, `None` when nothing is."""
    return None if find_proxy() else f"needs {PROXY}, which make test installs"


def find_proxy() -> str | None:
    """Return the program of the proxy: beside this Python, else on the path."""
    return shutil.which(PROXY, path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")


class Hub:
    """One hub on loopback ports of its own. Ended with all that it started.

    Args:
        folder: Its database, its log and the users' homes.
        config: Given the hub's address, returns Python that its configuration file begins with.
        env: Of the hub, on top of how to find Python.
        extensions: Modules below `tests` that users' servers load besides.
    """

    def __init__(
        self,
        folder: Path,
        *,
        config: Callable[[str], str] = lambda _url: "",
        env: Mapping[str, str] | None = None,
        extensions: Sequence[str] = (),
    ) -> None:
        self.folder = folder
        self.port = free_port()
        self._config = config
        self._env = dict(env or {})
        self._extensions = extensions
        self._process: subprocess.Popen[bytes] | None = None
        self._http = httpx.Client(base_url=f"{self.url}hub/api", headers=bearer(ADMIN), timeout=SPAWN_TIMEOUT)

    def __enter__(self) -> Self:
        self._write()
        with self._log_path.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "jupyterhub", "-f", str(self.folder / "jupyterhub_config.py")],
                cwd=self.folder,
                env={**self._own_env(), **self._env},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._wait_until_ready()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    # What it is

    @property
    def url(self) -> str:
        """The proxy's address, with a slash at the end."""
        return f"http://127.0.0.1:{self.port}/"

    @property
    def log(self) -> str:
        """All that the hub and the servers have written."""
        return self._log_path.read_text() if self._log_path.exists() else ""

    def home(self, user: str) -> Path:
        """The home folder of a user."""
        return self.folder / "home" / user

    # What an admin does

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """Call the hub's REST API and return its reply, `None` when that is empty."""
        reply = self._http.request(method, f"/{path}", json=body)
        assert reply.status_code < 400, f"{method} {path}: {reply.status_code} {reply.text}\n{self.log}"
        return reply.json() if reply.text else None

    def add_user(self, user: str, *, groups: tuple[str, ...] = ()) -> None:
        """Make a user, in these groups, which are made too."""
        self.call("POST", f"users/{user}")
        for group in groups:
            if self._http.get(f"/groups/{group}").status_code == 404:
                self.call("POST", f"groups/{group}")
            self.call("POST", f"groups/{group}/users", {"users": [user]})

    def start_server(self, user: str, name: str = "", **options: Any) -> UserServer:
        """Start a user's server, and wait until it runs."""
        self._http.post(f"/{server_path(user, name)}", json=options or None).raise_for_status()
        give_up_at = time.monotonic() + SPAWN_TIMEOUT
        while not self.server_state(user, name).get("ready"):
            assert time.monotonic() < give_up_at, f"The server of {user} did not start:\n{self.log}"
            time.sleep(0.2)
        return UserServer(self, user, self.token(user), name=name)

    def stop_server(self, user: str, name: str = "") -> None:
        """Stop a user's server, and wait until it is gone."""
        self.call("DELETE", server_path(user, name))
        give_up_at = time.monotonic() + STOP_TIMEOUT
        while self.server_state(user, name):
            assert time.monotonic() < give_up_at, f"The server of {user} did not stop:\n{self.log}"
            time.sleep(0.2)

    def server_state(self, user: str, name: str = "") -> dict[str, Any]:
        """What the hub says of a user's server; empty when it does not run."""
        return self.call("GET", f"users/{user}")["servers"].get(name, {})

    def server_names(self, user: str) -> set[str]:
        """The names of a user's named servers, also of those that do not run."""
        return set(self.call("GET", f"users/{user}?include_stopped_servers")["servers"]) - {""}

    def token(self, user: str) -> str:
        """A new token with all that the user may do."""
        return self.call("POST", f"users/{user}/tokens", {"note": "tests"})["token"]

    # Ending

    def stop(self) -> None:
        """End the hub, its proxy and all servers. May be called twice."""
        self._http.close()
        process = self._process
        if process is None or process.poll() is not None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise AssertionError(f"The hub did not end within {STOP_TIMEOUT} s:\n{self.log}") from None

    # Parts

    @property
    def _log_path(self) -> Path:
        return self.folder / "hub.log"

    def _write(self) -> None:
        # The extension is enabled by a configuration file, as an installation leaves it.
        enabled = self.folder / "etc" / "jupyter_server_config.d"
        enabled.mkdir(parents=True)
        source = ROOT / "etc/jupyter/jupyter_server_config.d/jupyter_chatd.json"
        (enabled / source.name).write_text(source.read_text())
        more = {"ServerApp": {"jpserver_extensions": dict.fromkeys(self._extensions, True)}}
        (enabled / "tests.json").write_text(json.dumps(more))
        front_end = self.folder / "share" / "labextensions" / "jupyter-chatd"
        front_end.parent.mkdir(parents=True)
        front_end.symlink_to(ROOT / "jupyter_chatd" / "labextension")
        (self.folder / "etc" / "jupyter_server_config.json").write_text(json.dumps(SETTINGS))
        base = BASE_CONFIG.format(
            url=self.url,
            hub_port=free_port(),
            api_port=free_port(),
            proxy=find_proxy(),
            folder=self.folder,
            python=sys.executable,
            environment=self._server_env(),
            admin=ADMIN,
        )
        (self.folder / "jupyterhub_config.py").write_text(f"{self._config(self.url)}\n{base}")

    def _own_env(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("LANG", "LC_ALL", "TMPDIR") if name in os.environ}
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        return {**kept, "PATH": path, "HOME": str(self.folder), "PYTHONPATH": str(ROOT)}

    def _server_env(self) -> dict[str, str]:
        return {
            "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}" if self._extensions else str(ROOT),
            "JUPYTER_CONFIG_PATH": str(self.folder / "etc"),
            "JUPYTER_PATH": str(self.folder / "share"),
            "OLLAMA_HOST": NO_OLLAMA,
        }

    def _wait_until_ready(self) -> None:
        assert self._process is not None
        give_up_at = time.monotonic() + START_TIMEOUT
        while time.monotonic() < give_up_at and self._process.poll() is None:
            try:
                if self._http.get("/").status_code == 200:
                    return
            except httpx.TransportError:
                pass  # the proxy does not listen yet
            time.sleep(0.1)
        self.stop()
        raise AssertionError(f"The hub did not become ready:\n{self.log}")


class UserServer:
    """The server of one user, as somebody with that token sees it. Has what `Chats` takes.

    Args:
        token: Of the user, or of somebody else, to see what that one is refused.
        name: Of a named server.
    """

    def __init__(self, hub: Hub, user: str, token: str, *, name: str = "") -> None:
        self.hub = hub
        self.user = user
        self.token = token
        self.name = name

    @property
    def url(self) -> str:
        """The server's address behind the proxy, with a slash at the end."""
        return f"{self.hub.url}user/{self.user}/{self.name and self.name + '/'}"

    @property
    def chats_url(self) -> str:
        """The base of the chat routes."""
        return f"{self.url}{CHATS}"

    @property
    def headers(self) -> dict[str, str]:
        """What lets the owner of the token in."""
        return bearer(self.token)

    @property
    def home(self) -> Path:
        """The user's home folder."""
        return self.hub.home(self.user)

    def seen_by(self, other: UserServer) -> UserServer:
        """The same server, for somebody else."""
        return UserServer(self.hub, self.user, other.token, name=self.name)

    def chats(self, **options: Any) -> Chats:
        """Its chat routes; to be used as a context manager."""
        return Chats(self, **options)

    def get(self, path: str) -> httpx.Response:
        """Get a page or a resource of the server."""
        return httpx.get(f"{self.url}{path}", headers=self.headers, timeout=SPAWN_TIMEOUT)


def server_path(user: str, name: str) -> str:
    """Where the hub's REST API has a user's server."""
    return f"users/{user}/servers/{name}" if name else f"users/{user}/server"


def bearer(token: str) -> dict[str, str]:
    """What lets a client in."""
    return {"Authorization": f"token {token}"}
