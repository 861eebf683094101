"""`chats/agent/…`: this server's agent, for another server of the same user whose workspace this one is.

The protocol is that of `workspace/agent`; who may ask is Jupyter's to say, as for all routes. What is
switched off on this server stays off, whoever asks. The routes work also where the chats cannot be opened, as
when another server of the user has the only right to their database.
"""

from __future__ import annotations

import asyncio
import os
import shlex
from collections.abc import AsyncGenerator, Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from tornado import web

from .._version import __version__
from ..capabilities import Capabilities, Capability
from ..desktop.errors import DesktopError
from ..errors import InvalidInputError
from ..wire.values import adapter_of
from ..workspace.agent import desktop_operations as desktop_ops
from ..workspace.agent import kernel_operations as kernel_ops
from ..workspace.agent import operations as ops
from ..workspace.agent.routes import follow_code, follow_process, parse, send_pieces, with_signs_of_life
from ..workspace.piped import PipedSpec
from ..workspace.protocol import PROTOCOL_VERSION, ProcessSpec, WorkspaceAgent, WorkspaceError
from .base import BASE, ChatdHandler, UnavailableError, permission
from .desktop import load_socket

AGENT = BASE + r"/agent"

HUB_USER = "JUPYTERHUB_USER"
"""The environment variable that holds whose server this is, where a hub has started it."""

SILENCE = 20.0  # seconds; proxies cut what is silent for a minute

_RUN = (ops.START_PROCESS, kernel_ops.RUN_CODE, kernel_ops.RESTART)
_WRITE = (ops.WRITE_FILE, ops.EDIT_FILES, kernel_ops.RUN_CODE, kernel_ops.RESTART)
_DESKTOP = (desktop_ops.DESKTOP_FACTS, desktop_ops.START_DESKTOP)
NEEDED = {
    Capability.SHELL: frozenset(operation.name for operation in _RUN),
    Capability.FILE_WRITES: frozenset(operation.name for operation in _WRITE),
    Capability.DESKTOP: frozenset(operation.name for operation in _DESKTOP),
}
"""Operations that need a capability. What only looks at what runs, or ends it, needs none."""


class _AgentHandler(ChatdHandler):
    def set_default_headers(self) -> None:
        """Tell the version of the protocol, also with errors."""
        super().set_default_headers()
        self.set_header(ops.VERSION_HEADER, str(PROTOCOL_VERSION))

    async def prepare(self) -> None:
        """Refuse strangers, and guests of a hub's server; chats that cannot be opened are no hindrance.

        Raises:
            web.HTTPError: 403.
        """
        try:
            await super().prepare()
        except UnavailableError:
            if self.extension.is_stopping or self.extension.problem is None:
                raise
        if self._is_guest():
            raise web.HTTPError(403, "This agent works for the other servers of its own user.")

    def _is_guest(self) -> bool:
        """Whether a hub has let in somebody whose server this is not: operations name chats of anybody."""
        user = os.environ.get(HUB_USER)
        return user is not None and not self.is_plain and self.owner_id != user

    @property
    def agent(self) -> WorkspaceAgent:
        """The agent of the server itself."""
        return self.extension.agent

    async def find_capabilities(self) -> Capabilities:
        """Return what may be done here now."""
        choices = self.extension.runtime.capabilities
        return choices.now if self.extension.problem else await choices.read()

    def refuse(self, error: WorkspaceError) -> None:
        """Answer that the agent refuses."""
        self.set_status(ops.REFUSED)
        self.finish(adapter_of(ops.Refusal).dump_json(ops.refusal_of(error)))

    async def follow(self, follow: Callable[[WorkspaceAgent, bytes], AsyncGenerator[str, None]]) -> None:
        """Answer with live output, as it comes."""
        following = with_signs_of_life(follow(self.agent, self.request.body), SILENCE)
        self.set_header("Content-Type", "application/json")
        with self.extension.agent_use():
            try:
                await send_pieces(self, following)
            except WorkspaceError as error:
                self.refuse(error)


class HelloHandler(_AgentHandler):
    """`/chats/agent/hello`."""

    @permission("execute", "workspaces")
    async def get(self) -> None:
        """Say which version this is."""
        hello = ops.Hello(
            protocol_version=PROTOCOL_VERSION, release=__version__, features=(desktop_ops.DESKTOPS,)
        )
        self.finish(adapter_of(ops.Hello).dump_json(hello))


class FollowProcessHandler(_AgentHandler):
    """`/chats/agent/follow_process`."""

    @permission("execute", "workspaces")
    async def post(self) -> None:
        """Send the output of a command as it comes: lines of JSON, a text each; `null` after the last."""
        await self.follow(follow_process)


class FollowCodeHandler(_AgentHandler):
    """`/chats/agent/follow_code`."""

    @permission("execute", "workspaces")
    async def post(self) -> None:
        """Send the output of code as it comes: lines of JSON, a text each; `null` after the last."""
        await self.follow(follow_code)


class DesktopHandler(_AgentHandler):
    """`/chats/agent/desktops/{id}`."""

    @permission("execute", "workspaces")
    async def get(self, desktop_id: str) -> None:
        """Carry RFB between a desktop and the server that had it started, over a WebSocket."""
        if self.request.headers.get("Upgrade", "").lower() != "websocket":
            raise InvalidInputError("Expected a WebSocket: a request with the header Upgrade: websocket.")
        try:
            if reason := (await self.find_capabilities()).why_not(Capability.DESKTOP):
                raise WorkspaceError(_not_possible(reason))
            path = await self.extension.hosted_desktops.socket(desktop_id)
            with self.extension.agent_use(), self.extension.hosted_desktops.held(desktop_id):
                await self._serve(path)
        except WorkspaceError as error:
            self.refuse(error)

    async def _serve(self, path: Path) -> None:
        from ..desktop.viewers.gates import OpenGate

        socket_class = await asyncio.to_thread(load_socket)
        socket = socket_class(
            self.application, self.request, path=path, gate=OpenGate(), sockets=self.extension.sockets
        )
        try:
            await socket.connect()
        except DesktopError as error:
            raise WorkspaceError(str(error)) from error
        self._auto_finish = False  # the socket answers
        await socket.serve()


class OperationHandler(_AgentHandler):
    """`/chats/agent/{operation}`."""

    _is_activity = True

    def update_api_activity(self) -> None:
        """Who only looks at what the agent can do must not keep an idle server alive."""
        if self._is_activity:
            super().update_api_activity()

    @permission("execute", "workspaces")
    async def post(self, operation: str) -> None:
        """Do it. When the asker goes away meanwhile it is done all the same."""
        asked, question = parse(operation, self.request.body)
        self._is_activity = asked.is_activity
        try:
            allowed = permitted(operation, question, await self.find_capabilities())
            with self.extension.agent_use() if asked.is_activity else nullcontext():
                answer = await asked.call(self.agent, allowed)
        except WorkspaceError as error:
            return self.refuse(error)
        self.finish(asked.dump_answer(answer))
        return None


def permitted(operation: str, question: Any, capabilities: Capabilities) -> Any:
    """Return what may be asked in place of *question*: commands change no file where the agent must not.

    Raises:
        WorkspaceError: it may not be asked; says who decided.
    """
    for capability, operations in NEEDED.items():
        reason = capabilities.why_not(capability) if operation in operations else None
        if reason is not None:
            raise WorkspaceError(_not_possible(reason))
    if isinstance(question, PipedSpec):
        _require_server(question, capabilities)
    if isinstance(question, ProcessSpec) and not capabilities.has(Capability.FILE_WRITES):
        return replace(question, read_only=True)
    return question


def _require_server(program: PipedSpec, capabilities: Capabilities) -> None:
    """Make sure that a program may be started here: they are MCP servers.

    Raises:
        WorkspaceError: it may not.
    """
    if reason := capabilities.why_not(Capability.MCP):
        raise WorkspaceError(_not_possible(reason))
    if not capabilities.allows_server(shlex.join([program.command, *program.args])):
        raise WorkspaceError("The policy of this workspace's server does not allow this MCP server.")


def _not_possible(reason: str) -> str:
    return f"Not possible in this workspace: {reason}."


ROUTES = [
    (f"{AGENT}/{ops.HELLO}", HelloHandler),
    (f"{AGENT}/{ops.FOLLOW}", FollowProcessHandler),
    (f"{AGENT}/{kernel_ops.FOLLOW_CODE}", FollowCodeHandler),
    (f"{AGENT}/{desktop_ops.DESKTOPS}" + r"/(?P<desktop_id>[^/]+)", DesktopHandler),
    (AGENT + r"/(?P<operation>[^/]+)", OperationHandler),
]
