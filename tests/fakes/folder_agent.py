"""An extension of Jupyter servers in tests: on request their agent works in another folder, quickly.

POST tests/agent   {"directory": "/tmp/…", "home": "/tmp/…"}
204
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jupyter_server.base.handlers import APIHandler
from jupyter_server.utils import url_path_join
from tornado import web

from jupyter_chatd.workspace.limits import AgentLimits, ProcessLimits
from jupyter_chatd.workspace.server import ServerAgent

LIMITS = AgentLimits(processes=ProcessLimits(term_grace_s=0.2))


class FolderHandler(APIHandler):
    """`tests/agent`."""

    @web.authenticated
    async def post(self) -> None:
        """Close the agent that there is, and put another one in its place."""
        wanted: dict[str, Any] = self.get_json_body() or {}
        home = Path(wanted["home"])
        extension = self.settings["jupyter_chatd_extension"]
        before = extension.agent
        extension.agent = ServerAgent(
            directory=wanted["directory"], home=home, state_folder=home / "state", limits=LIMITS
        )
        await before.aclose()
        self.set_status(204)
        self.finish()


def _load_jupyter_server_extension(app: Any) -> None:
    route = url_path_join(app.web_app.settings["base_url"], "tests/agent")
    app.web_app.add_handlers(".*$", [(route, FolderHandler)])
