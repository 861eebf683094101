"""A server extension by which the soak sees into the server, and deletes chats that are over.

GET  soak/gauge            memory, open files, tasks; collects garbage first
POST soak/purge/<chat id>  what retention does with an archived chat after its days
"""

from __future__ import annotations

import asyncio
import collections
import gc
import os
from pathlib import Path
from typing import Any

from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.utils import url_path_join
from tornado import web

from jupyter_chatd.store.conversation import PurgeChat


class SoakHandler(JupyterHandler):
    def check_xsrf_cookie(self) -> None:
        """Only the soak calls, with a token."""


class GaugeHandler(SoakHandler):
    @web.authenticated
    async def get(self) -> None:
        gc.collect()
        held = memory()
        names = (task.get_name() for task in asyncio.all_tasks())
        self.finish(
            {
                "memory_bytes": held["Rss"],
                "anonymous_bytes": held["Anonymous"],
                "files": len(os.listdir("/proc/self/fd")),
                "tasks": collections.Counter(_kind(name) for name in names),
                "objects": len(gc.get_objects()),
            }
        )


class PurgeHandler(SoakHandler):
    @web.authenticated
    async def post(self, chat_id: str) -> None:
        runtime = self.settings["jupyter_chatd_extension"].runtime
        await runtime.store.apply(PurgeChat(chat_id=chat_id))
        self.finish({})


def memory() -> dict[str, int]:
    """Return what of this process is resident, in bytes, by the names of `proc_pid_smaps(5)` (Linux).

    `Rss` is all of it, `Anonymous` what no file backs. What is *private* says less: pages of a library
    become private whenever the last other process that uses it ends.
    """
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()[1:]
    sizes = (line.removesuffix(" kB").partition(":") for line in lines)
    return {name: 1024 * int(kilobytes) for name, _, kilobytes in sizes}


def _kind(name: str) -> str:
    """Return a task's name without what tells it from its like."""
    return "Task" if name.startswith("Task-") else name


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    return [{"module": __name__}]


def _load_jupyter_server_extension(serverapp: Any) -> None:
    base = serverapp.web_app.settings["base_url"]
    routes = [("soak/gauge", GaugeHandler), ("soak/purge/([^/]+)", PurgeHandler)]
    serverapp.web_app.add_handlers(".*$", [(url_path_join(base, path), kind) for path, kind in routes])
