"""A server extension by which a bench sees how late the server's loop is, and what it has imported."""

from __future__ import annotations

import gc
import sys
from typing import Any

from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.utils import url_path_join
from tornado import web

from .harness import Heartbeat


class BeatHandler(JupyterHandler):
    """`POST` starts a heartbeat on the server's loop, `DELETE` ends it and gives each lateness in seconds."""

    heartbeat = Heartbeat()

    def check_xsrf_cookie(self) -> None:
        """Only a bench calls, with a token."""

    @web.authenticated
    async def post(self) -> None:
        gc.collect()
        self.heartbeat.start()
        self.finish({})

    @web.authenticated
    async def delete(self) -> None:
        self.finish({"late": await self.heartbeat.stop()})


class ModulesHandler(JupyterHandler):
    """`GET`: what the server has imported."""

    @web.authenticated
    async def get(self) -> None:
        self.finish({"modules": sorted(sys.modules)})


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    return [{"module": __name__}]


def _load_jupyter_server_extension(serverapp: Any) -> None:
    base = serverapp.web_app.settings["base_url"]
    routes = [("bench/beat", BeatHandler), ("bench/modules", ModulesHandler)]
    serverapp.web_app.add_handlers(".*$", [(url_path_join(base, path), kind) for path, kind in routes])
