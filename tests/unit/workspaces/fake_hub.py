"""The part of a JupyterHub that a provisioner speaks with, as a real HTTP server that can go wrong.

It is its own proxy, too: behind `/user/ada/<name>/` it answers as the agent of that server.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from tornado import web
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port

from jupyter_chatd.workspace.agent.operations import PREFIX, VERSION_HEADER
from jupyter_chatd.workspaces.hub_api import HubAccount

TOKEN = "a-token-of-the-hub"
ALL = ("servers", "start:servers", "delete:servers", "read:servers", "access:servers")


@dataclass
class FakeHub:
    """What it knows and how it behaves; tests change it as they go."""

    url: str
    scopes: list[str] = field(default_factory=lambda: [f"{scope}!user=ada" for scope in ALL])
    servers: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    starts: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])
    """The next answers to a start, as status and message; then 201."""
    events: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    """What the progress of a start tells, then its server runs unless it has failed."""
    breaks_off: bool = False
    """The progress ends after its events, in the middle of things."""
    stop_status: int = 204
    agent_status: int = 200
    garbage: bool = False
    is_silent: bool = False
    is_public: bool = True
    asked: list[tuple[str, str, Any]] = field(default_factory=list[tuple[str, str, Any]])
    """Every request to the hub that is more than a look: method, server, body."""
    never: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def account(self) -> HubAccount:
        return HubAccount(api_url=f"{self.url}/hub/api", user="ada", token=TOKEN)

    def put(self, name: str, state: str) -> None:
        """Let there be a server that is `ready`, `stopped`, or about to `spawn` or `stop`."""
        path = f"/user/ada/{name}/" if name else "/user/ada/"
        self.servers[name] = {
            "name": name,
            "ready": state == "ready",
            "pending": state if state in ("spawn", "stop") else None,
            "url": path,
            "full_url": self.url + path if self.is_public else None,
        }

    def actions(self) -> list[tuple[str, str]]:
        return [(method, name) for method, name, _ in self.asked]


class HubHandler(web.RequestHandler):
    """All routes of the hub's API."""

    def initialize(self, hub: FakeHub) -> None:
        self.hub = hub

    async def prepare(self) -> None:
        assert self.request.headers["Authorization"] == f"token {TOKEN}"
        if self.hub.is_silent:
            await self.hub.never.wait()
        if self.hub.garbage:
            await self.finish("<html>a page of something else")

    def refuse(self, status: int, message: str) -> None:
        self.set_status(status)
        self.finish({"status": status, "message": message})


class TokenHandler(HubHandler):
    def get(self) -> None:
        self.finish({"name": "ada", "scopes": self.hub.scopes})


class UserHandler(HubHandler):
    def get(self) -> None:
        can_look = any(scope.startswith("read:servers") for scope in self.hub.scopes)
        self.finish({"name": "ada", **({"servers": self.hub.servers} if can_look else {})})


class ServerHandler(HubHandler):
    def note(self, name: str) -> None:
        body = json.loads(self.request.body) if self.request.body else None
        self.hub.asked.append((self.request.method or "", name, body))

    def post(self, name: str) -> None:
        self.note(name)
        status, message = self.hub.starts.pop(0) if self.hub.starts else (201, "")
        if status not in (201, 202):
            self.refuse(status, message)
            return
        self.hub.put(name, "ready" if status == 201 else "spawn")
        self.set_status(status)

    def delete(self, name: str) -> None:
        self.note(name)
        status = self.hub.stop_status if name in self.hub.servers else 404
        if status >= 400:
            self.refuse(status, f"no {name}")
            return
        self.hub.put(name, "stop" if status == 202 else "stopped")
        if self.hub.asked[-1][2] == {"remove": True}:
            del self.hub.servers[name]
        self.set_status(status)
        if status == 202:
            asyncio.get_running_loop().call_later(0.05, self.hub.put, name, "stopped")


class ProgressHandler(HubHandler):
    async def get(self, name: str) -> None:
        for event in self.hub.events:
            self.write(f"\n\ndata: {json.dumps(event)}\n\n")
            await self.flush()
            if event.get("failed") and name in self.hub.servers:
                self.hub.put(name, "stopped")
            if event.get("gone"):
                del self.hub.servers[name]
        if self.hub.breaks_off:
            self.hub.breaks_off = False
            self.hub.put(name, "ready")
            self.detach().close()
        elif self.hub.servers.get(name, {}).get("pending") == "spawn":
            if self.hub.events:
                self.hub.put(name, "ready")
                await self.finish(f"data: {json.dumps({'ready': True, 'message': 'Server ready'})}\n\n")
            else:
                await self.hub.never.wait()


class AgentHandler(web.RequestHandler):
    """The agent of any server that is ready; else what a proxy says."""

    def initialize(self, hub: FakeHub) -> None:
        self.hub = hub

    def get(self, name: str) -> None:
        if not self.hub.servers.get(name, {}).get("ready"):
            raise web.HTTPError(424)
        if self.hub.agent_status != 200:
            raise web.HTTPError(self.hub.agent_status)
        assert self.request.headers["Authorization"] == f"token {TOKEN}"
        self.set_header(VERSION_HEADER, "1")
        self.finish({"protocol_version": 1, "release": "0", "lifecycle": "ready"})


@asynccontextmanager
async def fake_hub() -> AsyncIterator[FakeHub]:
    """Serve one on a port of its own."""
    sock, port = bind_unused_port()
    hub = FakeHub(url=f"http://127.0.0.1:{port}")
    hub.put("", "ready")
    known = {"hub": hub}
    server_path = r"/hub/api/users/ada/servers/([^/]+)"
    server = HTTPServer(
        web.Application(
            [
                (r"/hub/api/user", TokenHandler, known),
                (r"/hub/api/users/ada", UserHandler, known),
                (server_path, ServerHandler, known),
                (server_path + "/progress", ProgressHandler, known),
                (rf"/user/ada/([^/]+){PREFIX}/hello", AgentHandler, known),
            ],
            log_function=lambda _handler: None,
        )
    )
    server.add_socket(sock)
    try:
        yield hub
    finally:
        server.stop()
        hub.never.set()
        await server.close_all_connections()
