"""What is set up on this machine, and what is missing. Names of keys are shown, keys never."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import sys
from collections.abc import AsyncIterator, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from jupyter_core.paths import jupyter_path, jupyter_runtime_dir

from .._version import __version__
from ..capabilities import ENABLED_VARIABLE
from ..client.client import AsyncClient
from ..client.errors import ClientError
from ..client.records import RunningServer, running_servers
from ..config import mcp_policy
from ..desktop.defaults import AUTO
from ..desktop.launchers.applications import find_applications
from ..desktop.launchers.choice import choose_launcher
from ..desktop.launchers.portabledesktop import NAME as PORTABLEDESKTOP
from ..desktop.launchers.window_manager import NAMES as WINDOW_MANAGERS
from ..desktop.launchers.xvnc import XvncLauncher
from ..desktop.recording.ffmpeg import find_ffmpeg
from ..errors import ChatdError
from ..mcp.secret_file import FILE_NAME as SECRETS_FILE
from ..mcp.status import ServerState
from ..providers.credentials import FILE_NAME as KEY_FILE
from ..providers.presets import MODEL_VARIABLES
from ..store.database import NETWORK_FILESYSTEMS, check_schema, connect, filesystem_of, quick_check
from ..workspace.sandbox import Sandbox, SandboxPolicy, SandboxSettings
from .finding import Finding, Level
from .settings import database_path, load_config, switches

PACKAGES = ("jupyter_server", "jupyterlab", "notebook", "pydantic-ai-slim", "mcp")
FRONT_END = Path("labextensions/jupyter-chatd/package.json")
_UNCONFINED = (
    "What the agent runs can read all that you can: chats, keys, the server's token. Its commands get a "
    "scrubbed environment, and its file tools refuse these folders; that is a guard rail, not a boundary."
)


async def examine() -> AsyncIterator[Finding]:
    """Yield all findings."""
    yield _versions()
    for check in (_extension, _front_end, _data, _keys):
        for finding in check():
            yield finding
    servers = list(running_servers())
    if not servers:
        yield Finding(topic="servers", text="none runs. Start one with jupyter lab.", level=Level.NOTE)
    for record in servers:
        yield await _server(record)
        async for finding in _mcp(record):
            yield finding
    yield _confinement()
    yield _desktop()


def _versions() -> Finding:
    found = [f"jupyter_chatd {__version__}", *(f"{name} {_version(name)}" for name in PACKAGES)]
    found += [f"Python {'.'.join(map(str, sys.version_info[:3]))}", f"SQLite {sqlite3.sqlite_version}"]
    return Finding(topic="versions", text=", ".join(found))


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _extension() -> Iterator[Finding]:
    if word := os.environ.get(ENABLED_VARIABLE):
        yield Finding(topic="extension", text=f"{ENABLED_VARIABLE} is {word} here", level=Level.NOTE)
    found = next(switches(), None)
    if found is None:
        yield Finding(
            topic="extension",
            text="no configuration file enables it: run jupyter server extension enable jupyter_chatd",
            level=Level.FAILED,
        )
    elif not found.is_on:
        yield Finding(topic="extension", text=f"switched off by {found.path}", level=Level.FAILED)
    else:
        yield Finding(topic="extension", text=f"enabled by {found.path}")


def _front_end() -> Iterator[Finding]:
    folder = next((Path(path) for path in jupyter_path() if (Path(path) / FRONT_END).exists()), None)
    if folder is None:
        text = "not installed: JupyterLab will not show the agent. Reinstall jupyter_chatd from a wheel."
        yield Finding(topic="front end", text=text, level=Level.NOTE)
    else:
        yield Finding(topic="front end", text=f"installed in {(folder / FRONT_END).parent}")


def _data() -> Iterator[Finding]:
    path = database_path(load_config())
    if not path.parent.exists():
        text = f"{path.parent} does not exist yet; the first start makes it"
        yield Finding(topic="data folder", text=text, level=Level.NOTE)
        return
    yield _folder(path.parent)
    yield _database(path)


def _folder(folder: Path) -> Finding:
    mode = stat.S_IMODE(folder.stat().st_mode)
    filesystem = filesystem_of(folder)
    text = f"{folder}, mode {mode:04o}, on {filesystem or 'an unknown file system'}"
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        text += f". Others may look into it: run chmod 700 {folder}"
        return Finding(topic="data folder", text=text, level=Level.NOTE)
    if filesystem in NETWORK_FILESYSTEMS:
        text += ". One server at a time may use it there; JupyterChatd.data_dir names another folder"
        return Finding(topic="data folder", text=text, level=Level.NOTE)
    return Finding(topic="data folder", text=text)


def _database(path: Path) -> Finding:
    if not path.exists():
        return Finding(topic="database", text=f"{path} does not exist yet", level=Level.NOTE)
    try:
        check_schema(path)
        problem = quick_check(path)
        facts = _facts(path)
    except (ChatdError, sqlite3.Error) as error:
        return Finding(topic="database", text=str(error), level=Level.FAILED)
    if problem is not None:
        text = f"{path} is damaged: {problem}. jupyter chatd check says what it hits. Restore a backup."
        return Finding(topic="database", text=text, level=Level.FAILED)
    return Finding(topic="database", text=f"{path}, sound, {facts}")


def _facts(path: Path) -> str:
    conn = connect(path, readonly=True)
    try:
        (journal,) = conn.execute("PRAGMA journal_mode").fetchone()
        (chats,) = conn.execute("SELECT count(*) FROM chats").fetchone()
    finally:
        conn.close()
    return f"{path.stat().st_size / 1e6:.1f} MB, journal {journal}, {chats} chats"


def _keys() -> Iterator[Finding]:
    found = [name for name in MODEL_VARIABLES if os.environ.get(name)]
    yield Finding(
        topic="environment",
        text=f"set here: {', '.join(found)}"
        if found
        else "no key and no address of a provider, such as OPENAI_API_KEY, is set here",
        level=Level.FINE if found else Level.NOTE,
    )
    folder = database_path(load_config()).parent
    for topic, name in (("key file", KEY_FILE), ("secrets of MCP servers", SECRETS_FILE)):
        if (folder / name).exists():
            yield _private(topic, folder / name)


def _private(topic: str, path: Path) -> Finding:
    mode = stat.S_IMODE(path.stat().st_mode)
    is_private = not mode & (stat.S_IRWXG | stat.S_IRWXO)
    text = f"{path}, mode {mode:04o}" + ("" if is_private else f". It is not used: run chmod 600 {path}")
    return Finding(topic=topic, text=text, level=Level.FINE if is_private else Level.FAILED)


async def _server(record: RunningServer) -> Finding:
    server = record.server
    name = f"{server.shown} in {server.root_dir}, process {record.pid}"
    async with AsyncClient(server) as client:
        try:
            listing = await client.models()
        except ClientError as error:
            return Finding(topic="server", text=f"{name}: {error}", level=Level.NOTE)
    usable = [one for one in listing["providers"] if one["available"]]
    models = [f"{one['provider']} ({len(one['models'])})" for one in usable]
    default = listing.get("default_model")
    return Finding(topic="server", text=f"{name}: models of {', '.join(models)}; new chats use {default}")


async def _mcp(record: RunningServer) -> AsyncIterator[Finding]:
    """Yield what a running server tells of its MCP servers; nothing when it has none, or does not answer."""
    async with AsyncClient(record.server) as client:
        try:
            servers, project = await client.mcp.servers(), await client.mcp.project()
        except ClientError:  # `_server` has told why
            return
    if servers:
        failed = [one for one in servers if one.status.state is ServerState.FAILED]
        told = [f"{one.slug}: {one.status.reason}" for one in failed] or ["none has failed"]
        text = f"{len(servers)} at {record.server.shown}; {'; '.join(told)}"
        yield Finding(topic="MCP servers", text=text, level=Level.NOTE if failed else Level.FINE)
    if project is not None and project.trusted is None:
        text = f"{project.path} is not used until you trust it: run jupyter chatd mcp trust"
        yield Finding(topic="project file", text=text, level=Level.NOTE)


def _of_programs(commands: SandboxPolicy) -> str:
    """Return what is said of programs of MCP servers where there is a sandbox."""
    policy = mcp_policy(commands, load_config().JupyterChatd.get("sandbox_mcp", "auto"))
    confined = policy is not SandboxPolicy.OFF
    return f"; programs of MCP servers {'too' if confined else 'run outside (sandbox_mcp)'}"


def _confinement() -> Finding:
    try:
        policy = SandboxPolicy(load_config().JupyterChatd.get("sandbox", SandboxPolicy.PREFERRED))
    except ValueError as error:
        return Finding(topic="sandbox", text=f"c.JupyterChatd.sandbox: {error}", level=Level.FAILED)
    settings = SandboxSettings(policy=policy)
    problem = Sandbox(settings, directory=os.getcwd(), hidden=[], env=os.environ).probe()
    if problem is None:
        return Finding(topic="sandbox", text="commands are confined by bubblewrap" + _of_programs(policy))
    if policy is SandboxPolicy.REQUIRED:
        return Finding(topic="sandbox", text=f"required, so no command runs: {problem}", level=Level.FAILED)
    return Finding(topic="sandbox", text=f"unconfined: {problem}. {_UNCONFINED}", level=Level.NOTE)


def _desktop() -> Finding:
    """Say what the desktops of servers with this configuration would be made with."""
    configured = load_config().JupyterChatd
    if configured.get("sandbox") == SandboxPolicy.REQUIRED.value:
        text = "none: their programs would run outside of the sandbox, which is required"
        return Finding(topic="desktop", text=text, level=Level.NOTE)
    socket = configured.get("desktop_socket", "")
    try:
        launcher = choose_launcher(
            configured.get("desktop_launcher", AUTO),
            Path(jupyter_runtime_dir()),
            socket=Path(socket).expanduser() if socket else None,
            allow_shared_host=configured.get("desktop_on_shared_hosts", False),
        )
    except ValueError as error:
        return Finding(topic="desktop", text=f"c.JupyterChatd.desktop_launcher: {error}", level=Level.FAILED)
    if missing := launcher.missing():
        return Finding(topic="desktop", text=f"none yet: {launcher.name} needs {missing}", level=Level.NOTE)
    made = f"made with {launcher.name}"
    recorded = "recorded with ffmpeg" if find_ffmpeg() else "not recorded: that needs ffmpeg"
    if launcher.name == PORTABLEDESKTOP:
        text = f"{made}, whose port every account of this machine reaches, {recorded}"
        return Finding(topic="desktop", text=text, level=Level.NOTE)
    bare = list(_bare_of()) if launcher.name == XvncLauncher.name else []
    text = ", ".join([made, *bare, recorded])
    return Finding(topic="desktop", text=text, level=Level.NOTE if bare else Level.FINE)


def _bare_of() -> Iterator[str]:
    """Say what a desktop of Xvnc would be without."""
    offered = {application.label for application in find_applications(Path())}
    if not any(map(shutil.which, WINDOW_MANAGERS)):
        yield "without a window manager (install openbox)"
    if "Terminal" not in offered:
        yield "without a terminal (install xterm)"
    if "Browser" not in offered:
        yield "without a browser (install chromium)"
