"""Store, worker and Tornado without the rest of Jupyter: starts in a moment, so that it can be killed often.

    python -m tests.acceptance.bare_server --folder DIR --workspace DIR

Prints its port. It offers three routes over the real service; the model is the built-in demo.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from tornado import httpserver, netutil, web

from jupyter_chatd import wire
from jupyter_chatd.loop.service import ChatService, NewChat
from jupyter_chatd.messages import TextPart, TurnOptions
from jupyter_chatd.model_settings import CompactionChoice
from jupyter_chatd.providers.demo import DemoModel
from jupyter_chatd.providers.protocol import Model
from jupyter_chatd.runtime import Options, Runtime
from jupyter_chatd.store import reads
from jupyter_chatd.store.conversation import BusyBehavior
from jupyter_chatd.tools.registry import Toolbox, builtin_tools
from jupyter_chatd.workspace.server import ServerAgent


class DemoOnly:
    """The demo model, whatever is asked for."""

    def __init__(self) -> None:
        self._model = DemoModel()

    async def title_models(self, model: str, model_config_id: str | None = None) -> tuple[Any, ...]:
        return ()

    async def compaction(self, model: str, model_config_id: str | None = None) -> CompactionChoice:
        return CompactionChoice()

    async def resolve(self, model: str, model_config_id: str | None = None) -> Model:
        return self._model


class Route(web.RequestHandler):
    def initialize(self, service: ChatService) -> None:
        self.service = service

    def parts(self) -> tuple[TextPart, ...]:
        return (TextPart(text=json.loads(self.request.body)["text"]),)


class Chats(Route):
    async def post(self) -> None:
        chat = await self.service.create(NewChat(owner_id="local", parts=self.parts(), model="demo:demo"))
        self.finish({"id": chat.id})


class Messages(Route):
    async def post(self, chat_id: str) -> None:
        sent = await self.service.send(
            chat_id, self.parts(), created_by="local", busy=BusyBehavior.QUEUE, options=TurnOptions()
        )
        self.finish({"queued": sent.queued})


class Chat(Route):
    async def get(self, chat_id: str) -> None:
        view = await self.service.store.read(lambda conn: reads.runner_view(conn, chat_id))
        queue = await self.service.queue(chat_id)
        reply: dict[str, Any] = {
            "status": view.chat.status.value,
            "owned": view.chat.worker_id is not None,
            "messages": [wire.message_json(message) for message in view.history],
            "queue": [wire.queued_json(queued) for queued in queue],
        }
        self.finish(wire.dump_json(reply))


async def serve(folder: Path, workspace: Path) -> None:
    agent = ServerAgent(directory=workspace, home=workspace, state_folder=folder / "processes")
    runtime = Runtime(
        Options(folder=folder, acquire_tick_s=0.2),
        models=DemoOnly(),
        tools=Toolbox(builtin_tools()),
        workspace=agent,
    )
    await runtime.start()
    await agent.sweep_orphans()
    parts = {"service": runtime.service}
    routes = [
        ("/chats", Chats, parts),
        ("/chats/([^/]+)", Chat, parts),
        ("/chats/([^/]+)/messages", Messages, parts),
    ]
    sockets = netutil.bind_sockets(0, "127.0.0.1")
    httpserver.HTTPServer(web.Application(routes)).add_sockets(sockets)
    sys.stdout.write(f"{sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--workspace", type=Path, required=True)
    options = parser.parse_args()
    asyncio.run(serve(options.folder, options.workspace))


if __name__ == "__main__":
    main()
