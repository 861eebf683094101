"""The kind `hub`: a named server of the same user of a JupyterHub, started by the hub's own spawner.

The server's name is the workspace's. Its agent is the one that this extension serves there (`api/agent.py`),
reached through the hub's proxy with this server's own token of the hub, which goes nowhere else.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from ..workspace.agent.remote import AgentLostError, AgentUnreachableError, RemoteAgent
from ..workspace.protocol import WorkspaceError, WorkspaceUnavailableError
from .hub_api import ANSWER_LIMIT, HubAccount, HubApi, HubServer, HubUnavailableError, Refusal, lacks
from .provisioner import ProvisionError, Say
from .values import AgentAddress, Template, Workspace

LOOKS = 0.5  # seconds between two looks at a server that starts or stops
PATIENCE = 60.0  # seconds that a hub may be away while a server starts or stops: it is being restarted
AGENT_LIMIT = 60.0  # seconds for the agent of a server that has just started
UNDO_LIMIT = 10.0  # seconds to have the hub stop what was given up while it started
KNOWN_FOR = 60.0  # seconds that an answer about scopes counts
WAIT_PIECE = 20.0  # seconds that one request waits for a command: proxies cut what is silent for a minute

_NO_PROXY = (
    "nobody knows the address of the hub's proxy, behind which the servers are. Whoever runs the hub sets "
    "c.JupyterHub.public_url, or c.JupyterChatd.hub_proxy of the users' servers."
)

log = logging.getLogger(__name__)


class AgentAbsentError(AgentUnreachableError):
    """Nothing at that address knows of agents.

    That may also mean that the server does not run: the hub's proxy then leads to the user's default server.
    """


class HubProvisioner:
    """Starts and stops named servers. Holds nothing: what runs is known to the hub.

    Args:
        account: Whose servers they are.
        proxy: Address of the hub's proxy as this server sees it; empty where the hub tells.
        answer_limit_s: Seconds that the hub has for an answer.
        sockets: Below it are the sockets that lead to desktops; default: where temporary files are.
    """

    def __init__(
        self,
        account: HubAccount,
        *,
        proxy: str = "",
        answer_limit_s: float = ANSWER_LIMIT,
        sockets: Path | None = None,
    ) -> None:
        self._api = HubApi(account, answer_limit_s=answer_limit_s)
        self._proxy = proxy
        self._sockets = sockets
        self._complete_until = 0.0
        self._said: str | None = None

    async def why_not(self) -> str | None:
        """Return why there can be no workspaces of this kind, `None` when there can."""
        if time.monotonic() < self._complete_until:
            return None
        try:
            missing = await self._api.missing_scopes()
            servers = {} if missing else await self._api.servers()
        except ProvisionError as error:
            return str(error)
        if missing:
            return self._once_logged(lacks(missing))
        if not (self._proxy or any(server.full_url for server in servers.values())):
            return self._once_logged(_NO_PROXY)
        self._complete_until = time.monotonic() + KNOWN_FOR
        return None

    def _once_logged(self, reason: str) -> str:
        if reason != self._said:
            self._said = reason
            log.warning("There can be no workspaces of the kind hub: %s", reason)
        return reason

    async def place(self, owner_id: str, name: str) -> str | None:
        """Return `None`: the folder is elsewhere.

        Raises:
            ProvisionError: the user has a server of that name.
        """
        if await self._api.find(name) is not None:
            raise ProvisionError(
                f"There is a server called {name} on the hub already: choose another name, or none."
            )
        return None

    async def start(
        self, workspace: Workspace, template: Template, previous: Sequence[AgentAddress], say: Say
    ) -> Sequence[AgentAddress]:
        """Have the hub start the server, and wait until its agent answers.

        Raises:
            ProvisionError: it cannot be started; nothing runs.
        """
        name = workspace.name
        say(f"Starting the server {name}")
        is_ours = False
        try:
            if await self._runs(name):
                say("It runs already")
            else:
                is_ours = True  # from here on: a start that was asked for may go on by itself
                is_ours = await self._begin(name, template, say)
            address = _address_of(await self._until_ready(name, say))
            await self._require_agent(address)
        except (ProvisionError, asyncio.CancelledError):
            if is_ours:  # what ran before is somebody's
                await self._undo(name)
            raise
        say("It runs")
        return (address,)

    async def _runs(self, name: str) -> bool:
        server = await self._api.find(name)
        return server is not None and server.is_active and server.pending != "stop"

    async def _begin(self, name: str, template: Template, say: Say) -> bool:
        """Ask for the start; whether it was this that started it, and nobody else just before."""
        refusal = await self._api.start(name, template.options)
        if refusal is None:
            return True
        server = await self._api.find(name) if refusal.status == 400 else None
        if server is not None and server.is_active and server.pending != "stop":
            say("It runs already")
            return False
        if server is not None and "pending" in refusal.message:
            await self._until_stopped(name)
            if again := await self._api.start(name, template.options):
                raise ProvisionError(_why_not_started(again))
        elif refusal.status >= 500:  # why is told in the progress only
            why = await self._listen(name, say)
            raise ProvisionError(f"The hub could not start the server. {why}".strip())
        else:
            raise ProvisionError(_why_not_started(refusal))
        return True

    async def _until_ready(self, name: str, say: Say) -> HubServer:
        """Wait for the server, telling what it tells; as long as the caller lets it.

        Raises:
            ProvisionError: it does not start.
        """
        failure = ""
        while True:
            server = await self._look(name)
            if server is None or not server.is_active:
                raise ProvisionError(f"The hub could not start the server {name}. {failure}".strip())
            if server.is_ready:
                return server
            failure = await self._listen(name, say)
            await asyncio.sleep(LOOKS)

    async def _look(self, name: str) -> HubServer | None:
        """Return how a server stands; a hub that is restarted meanwhile is waited for.

        Raises:
            HubUnavailableError: it does not come back.
        """
        give_up_at = time.monotonic() + PATIENCE
        while True:
            try:
                return await self._api.find(name)
            except HubUnavailableError:
                if time.monotonic() > give_up_at:
                    raise
            await asyncio.sleep(LOOKS)

    async def _listen(self, name: str, say: Say) -> str:
        """Tell what the hub tells of a start; returns what it said last, when it failed."""
        try:
            async with contextlib.aclosing(self._api.progress(name)) as events:
                async for event in events:
                    if event.message:
                        say(event.message)
                    if event.has_failed:
                        return event.message
        except HubUnavailableError:
            log.info("The hub broke off what it told of the start of %s", name)
        return ""

    async def _require_agent(self, address: AgentAddress) -> None:
        """Wait for the agent, which a server loads after it answers; one that takes very long may come later.

        Raises:
            ProvisionError: there is none with which this release can speak.
        """
        if self._find_url(address) is None:
            raise ProvisionError(_NO_PROXY)
        agent = await self.connect(address)
        give_up_at = time.monotonic() + AGENT_LIMIT
        try:
            while not await self._answers(agent) and time.monotonic() < give_up_at:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(LOOKS)
        except WorkspaceError as error:
            raise ProvisionError(str(error)) from error
        finally:
            await agent.aclose()

    async def _answers(self, agent: RemoteAgent) -> bool:
        """Whether the agent answers by now.

        Raises:
            WorkspaceError: it never will.
        """
        try:
            await agent.hello()
        except AgentAbsentError:
            raise
        except WorkspaceUnavailableError:
            return False
        return True

    async def _undo(self, name: str) -> None:
        """Stop what was given up; a start that is under way is broken off by the hub."""

        async def stop() -> None:
            with contextlib.suppress(ProvisionError, TimeoutError):
                async with asyncio.timeout(UNDO_LIMIT):
                    await self._api.stop(name)

        await asyncio.shield(asyncio.create_task(stop(), name="chatd-hub-undo"))

    async def stop(self, workspace: Workspace, previous: Sequence[AgentAddress], say: Say) -> None:
        """Have the hub stop the server, and wait until it has.

        Raises:
            ProvisionError: it runs on, or nobody knows.
        """
        say(f"Stopping the server {workspace.name}")
        refusal = await self._api.stop(workspace.name)
        if refusal is not None:
            raise ProvisionError(_why_not_stopped(refusal))
        await self._until_stopped(workspace.name)

    async def _until_stopped(self, name: str) -> None:
        while (server := await self._look(name)) is not None and server.is_active:
            if server.is_ready and server.pending is None:
                await self._api.stop(name)  # a start that was under way had ended first
            await asyncio.sleep(LOOKS)

    async def forget(self, workspace: Workspace, *, remove_files: bool) -> None:
        """Leave the stopped server on the hub, or have it removed, with the volume that a spawner gave it.

        Raises:
            ProvisionError: the hub does not remove it.
        """
        if not remove_files:
            return
        refusal = await self._api.stop(workspace.name, remove=True)
        if refusal is not None:
            raise ProvisionError(_why_not_stopped(refusal))

    async def connect(self, address: AgentAddress) -> RemoteAgent:
        """Return the agent; nothing is sent yet.

        Raises:
            WorkspaceUnavailableError: nobody knows where the hub's proxy is.
        """
        url = self._find_url(address)
        if url is None:
            raise WorkspaceUnavailableError(_NO_PROXY)
        return RemoteAgent(
            url,
            token=self._api.account.token,
            tls=await self._api.tls(),
            explain=explain,
            wait_piece_s=WAIT_PIECE,
            sockets=self._sockets,
        )

    def _find_url(self, address: AgentAddress) -> str | None:
        path, full_url = str(address.place["path"]), str(address.place["full_url"])
        url = urljoin(self._proxy, path) if self._proxy else full_url
        return url if urlsplit(url).scheme in ("http", "https") else None

    async def is_gone(self, address: AgentAddress) -> bool:
        """Whether the hub says that the server does not run."""
        try:
            server = await self._api.find(str(address.place["server"]))
        except ProvisionError as error:
            log.info("The hub does not tell how a server stands: %s", error)
            return False
        return server is None or not server.is_active


def _address_of(server: HubServer) -> AgentAddress:
    place: dict[str, str | int] = {
        "server": server.name,
        "path": server.path,
        "full_url": server.full_url or "",
    }
    return AgentAddress(id=str(uuid.uuid4()), place=place)


def _why_not_started(refusal: Refusal) -> str:
    said = f": {refusal.message}" if refusal.message else "."
    match refusal.status:
        case 401 | 403:
            return f"The hub refuses to start a server; {lacks(('servers!user',))}"
        case 400 if "maximum" in refusal.message:
            return (
                f"The hub refuses to start another server{said} Stopped servers count too; the user can "
                "remove one on the hub's home page, or delete a workspace with its files."
            )
        case 429:
            return f"The hub is too busy to start a server now{said} Try again later."
        case _:
            return f"The hub could not start the server{said}"


def _why_not_stopped(refusal: Refusal) -> str:
    if refusal.status in (401, 403):
        return f"The hub refuses to stop the server; {lacks(('delete:servers!user',))}"
    return f"The hub could not stop the server: {refusal.message or f'status {refusal.status}'}"


def explain(status: int) -> WorkspaceError | None:
    """Return what an answer means that the hub, its proxy or Jupyter gave in place of the agent."""
    match status:
        case 424:
            return AgentUnreachableError("The workspace's server does not run; nothing was done.")
        case 502 | 503 | 504:
            return AgentLostError(
                "The workspace's server did not answer the hub's proxy, so it is unknown whether this was "
                "done. Check before you repeat it."
            )
        case 302 | 401 | 403:
            return WorkspaceError(
                "The workspace's server lets this server not in: its token of the hub needs the scope "
                "access:servers!user, which whoever runs the hub grants."
            )
        case 404:
            return AgentAbsentError(
                "The workspace's server has no agent: jupyter_chatd is not installed there, is too old, or "
                "is switched off. Choose another template, or ask whoever runs the hub."
            )
        case _:
            return None


if TYPE_CHECKING:
    from .provisioner import Provisioner

    _: type[Provisioner] = HubProvisioner
