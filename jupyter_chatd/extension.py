"""Joins the server and the parts: adds the routes, starts, and closes in reverse order; decides nothing.

A server waits for little of it. Most of the package is loaded in a thread once the server answers, or with
the first request to one of our routes.
"""

from __future__ import annotations

import asyncio
import gc
import sqlite3
from contextlib import AsyncExitStack
from http.client import responses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_server.base.handlers import APIHandler
from jupyter_server.extension.application import ExtensionApp
from tornado import web

from ._version import __version__
from .api.late import LateRoutes, Routes
from .capabilities import Policy
from .config import Settings
from .errors import StoreError
from .loading import collector_at_rest
from .undumpable import make_undumpable
from .workspace.sandbox import SandboxPolicy

if TYPE_CHECKING:
    from .assembly import Assembly
    from .runtime import Runtime

WIDGETS = Path(__file__).parent / "widgets" / "static"
"""What draws the widgets of cells; pages get it at `static/jupyter_chatd/`."""
NOT_LOADED = "The agent could not be loaded. The server's log says why."


class JupyterChatd(Settings, ExtensionApp):
    """An AI agent that lives in this Jupyter server."""

    name = "jupyter_chatd"
    description = __doc__ or ""
    load_other_extensions = True

    _is_off = True
    """Until the settings were read, and then if they say so."""
    _running: Any = None
    """The parts, once they are loaded; see `api.base.Extension`."""
    _loading: asyncio.Task[Routes] | None = None
    _is_stopping = False

    def initialize_settings(self) -> None:
        """Read who may have the agent. Forced off: the front end is told to stay silent."""
        self._changing = asyncio.Lock()
        self._running = self._loading = None
        self._is_stopping = False
        self._is_off, self._policy = self._read_policies()
        page_config = self.settings.setdefault("page_config_data", {})
        page_config["jupyterChatdEnabled"] = "false" if self._is_off else "true"
        page_config["jupyterChatdVersion"] = __version__
        if self._is_off:
            self.log.info("jupyter_chatd is switched off")
            return
        self.static_paths = [str(WIDGETS)]
        if self.undumpable:
            make_undumpable()

    def _read_policies(self) -> tuple[bool, Policy]:
        """Return whether the agent is forced off, and its policy; one that cannot be read ends the server.

        jupyter_server would log an error and go on without the agent, and nobody would notice the mistake.
        """
        try:
            return self.is_forced_off, self.read_policy()
        except ValueError as error:
            self.log.critical("The server does not start: %s", error)
            raise SystemExit(1) from error

    def initialize_handlers(self) -> None:
        """Add the routes."""
        if not self._is_off:
            assert self.serverapp is not None
            LateRoutes(self.serverapp.web_app, self._load).add()

    async def _load(self) -> Routes:
        """Load the package and make the parts, once; return the routes."""
        if self._loading is None:
            self._loading = asyncio.create_task(self._load_once(), name="chatd-load")
        return await asyncio.shield(self._loading)

    async def _load_once(self) -> Routes:
        try:
            assembly, routes = await asyncio.to_thread(self._assemble)
        except Exception:
            self.log.exception("jupyter_chatd cannot be loaded")
            return [(".*", _NotLoadedHandler)]
        self._adopt(assembly)
        return routes

    def _assemble(self) -> tuple[Assembly, Routes]:
        with collector_at_rest():
            from .api.routes import ROUTES

            return self._make_assembly(), ROUTES

    def _make_assembly(self) -> Assembly:
        from .assembly import Assembly

        return Assembly(self, self.serverapp, self._policy)

    def _adopt(self, assembly: Assembly) -> None:
        from .api.activity import ActivityMark

        assert self.serverapp is not None
        self._agent, self._catalog, self._mcp = assembly.agent, assembly.catalog, assembly.mcp
        self._running = assembly.extension
        settings = self.serverapp.web_app.settings
        self._activity = ActivityMark(
            settings["last_activity_times"],
            lambda: self._running.runtime.running + self._running.agent_uses,
        )
        settings["jupyter_chatd_extension"] = self._running
        if self._is_stopping:
            self._running.stop()

    async def _start_jupyter_server_extension(self, serverapp: Any) -> None:
        """Begin to work, once the loop runs."""
        if self._is_off:
            return
        async with self._changing:
            await self._load()
            if self._running is None or self._running.problem is not None:
                return  # not to be loaded, or the server stops already
            problem = await self._start_runtime(self._running.runtime)
            # Without chats, too, the agent works for other servers of the user.
            self._keep_confined()
            self._activity.start()
            self._running.settle(problem)
            swept = await self._agent.sweep_orphans()
        if swept:
            self.log.info("Ended %d processes that a server left running when it died", swept)

    async def _start_runtime(self, runtime: Runtime) -> str | None:
        """Open the chats; return why that cannot be."""
        try:
            await runtime.start()
        except Exception as error:
            problem = self._start_problem(error)
            is_known = isinstance(error, StoreError | OSError | sqlite3.Error)
            self.log.error("jupyter_chatd cannot start: %s", problem, exc_info=not is_known)
            return problem
        _spare_collector()
        return None

    def _keep_confined(self) -> None:
        """Close what would lead out of the sandbox, once all extensions are loaded, or tell of it."""
        from .places import forget_workspace_modules

        assert self.serverapp is not None
        if self.sandbox_settings.policy is SandboxPolicy.OFF:
            return
        if forget_workspace_modules(self.workspace_dir or self.serverapp.root_dir):
            self.log.info("Modules of the workspace are not imported by the server any more")
        if self.sandbox_network and not self.serverapp.identity_provider.auth_enabled:
            self.log.warning(
                "This server asks nobody for a token, so commands of the agent can leave their sandbox "
                "through it. Set a token, or c.JupyterChatd.sandbox_network = False"
            )

    def _start_problem(self, error: Exception) -> str:
        """Return what to tell whoever asks for a route."""
        match error:
            case StoreError():
                return str(error)
            case OSError() | sqlite3.Error():
                return (
                    f"The agent's data folder {self.folder} cannot be used: {error}. Make it a folder that "
                    "the server can write to, or set JupyterChatd.data_dir, and restart the server."
                )
            case _:
                return "The agent could not start. The server's log says why."

    async def stop_extension(self) -> None:
        """Give the chats up and end what was started, in the reverse order, whatever fails on the way."""
        if self._is_off:
            return
        self._is_stopping = True
        if self._running is not None:
            self._running.stop()
        async with self._changing, AsyncExitStack() as stack:
            if self._loading is not None:
                await self._loading
            if self._running is None:
                return
            stack.push_async_callback(self._catalog.aclose)
            stack.push_async_callback(self._agent.aclose)
            stack.push_async_callback(self._mcp.aclose)
            stack.callback(self._running.sockets.close)
            stack.push_async_callback(self._running.runtime.stop)
            stack.push_async_callback(self._activity.stop)

    def current_activity(self) -> Any:  # jupyter_server's own annotation says None only
        """A running turn keeps the server alive; an open viewer does not."""
        if self._running is None:
            return None
        running = self._running.runtime.running
        return {"chats": running} if running else None


class _NotLoadedHandler(APIHandler):
    """Stands for all routes where the package has a fault."""

    async def prepare(self) -> None:
        """Refuse."""
        await super().prepare()
        raise web.HTTPError(503)

    def write_error(self, status_code: int, **_: Any) -> None:
        """Answer in the envelope of all errors."""
        self.set_header("Content-Type", "application/json")
        self.finish({"message": NOT_LOADED if status_code == 503 else responses[status_code]})


def _spare_collector() -> None:
    """Let the garbage collector pass over what is loaded by now, once in a process.

    A full collection that looks at all modules of a server stalls its loop for 10 to 20 ms, and a long
    request brings one about: tests/bench/DECISIONS.md.
    """
    if gc.get_freeze_count() == 0:
        gc.freeze()
