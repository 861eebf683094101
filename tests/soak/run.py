"""The soak: two servers on one database, of which one is killed now and then, two vendors, and people."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import random
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from jupyter_chatd.client import Server
from tests.acceptance.cutting import CuttingProxy
from tests.servers import Dirs, JupyterServer

from . import gauge, leftovers, vendor
from .attic import Attic
from .person import MODELS, Person, Place
from .tally import Tally

ROUND = 45.0  # seconds in which chats are begun; then they end, the server is looked at, and the next begins
REST = 6.0  # seconds until what commands left in the background has ended
KILL_AFTER = (8.0, 25.0)  # seconds that the second server lives
CUT_AFTER = (0.1, 8.0)  # seconds that a connection through the proxy lives
WARM_UP = 1 / 6  # of the time

SETTINGS = {
    "ServerApp": {"jpserver_extensions": {"tests.soak.extension": True}},
    "JupyterChatd": {
        "first_part_timeout": 4.0,
        "silence_timeout": 4.0,
        "retry_first_delay": 0.05,
        "retry_longest_delay": 0.5,
        "action_timeout": 15.0,
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How long, and how hard."""

    minutes: float = 60.0
    people: int = 6
    seed: int = 0


@dataclass(slots=True)
class Servers:
    """Two servers of one user."""

    steady: JupyterServer
    mortal: JupyterServer

    @property
    def address(self) -> Server:
        """Where the steady one is."""
        return self.at(self.steady.port)

    def at(self, port: int) -> Server:
        """Where something is that leads to one of them."""
        return Server(url=f"http://127.0.0.1:{port}/", token=self.steady.token)


@dataclass(slots=True, kw_only=True)
class Soak:
    """One run. `run` makes it and ends it."""

    options: Options
    servers: Servers
    vendors: Mapping[str, str]
    """Their addresses."""
    attic: Attic
    tally: Tally
    chance: random.Random
    samples: list[gauge.Sample] = field(default_factory=list[gauge.Sample])
    began: float = field(default_factory=time.monotonic)

    @property
    def warm(self) -> list[gauge.Sample]:
        """The samples that count."""
        return [sample for sample in self.samples if sample.minute >= WARM_UP * self.options.minutes]

    async def go_on(self, people: list[Person], client: httpx.AsyncClient) -> None:
        """Let people chat, round by round; *client* looks at the steady server while all rest."""
        end = self.began + 60 * self.options.minutes
        while time.monotonic() < end:
            over_at = min(time.monotonic() + ROUND, end)
            await asyncio.gather(
                self._kill_until(over_at), *(person.chat_until(over_at) for person in people)
            )
            await asyncio.sleep(REST)
            minute = (time.monotonic() - self.began) / 60
            self.samples.append(await gauge.take(client, minute=minute))
            self.tally.faults = await self._faults()
            print(f"{self.samples[-1]}  {self.tally}", *self.tally.take_news(), sep="\n  ", flush=True)

    async def _kill_until(self, over_at: float) -> None:
        """Kill the second server and start it again, over and over."""
        while (pause := self.chance.uniform(*KILL_AFTER)) < over_at - time.monotonic():
            await asyncio.sleep(pause)
            await asyncio.to_thread(self.servers.mortal.restart)
            self.tally.kills += 1

    async def _faults(self) -> collections.Counter[str]:
        """Return how often the vendors have played each fault."""
        async with httpx.AsyncClient() as client:
            replies = [(await client.get(f"{url}/faults")).json() for url in self.vendors.values()]
        return sum((collections.Counter(reply) for reply in replies), collections.Counter[str]())

    def problems(self, log: str) -> list[str]:
        """Return what was wrong, once the servers have ended."""
        dirs = self.servers.steady.dirs
        return [
            *self.tally.problems,
            *self.tally.gaps(),
            *gauge.problems(self.warm, minutes=self.options.minutes),
            *leftovers.in_database(dirs.database),
            *leftovers.running_in(dirs.root),
            *leftovers.in_log(log),
        ]


async def run(options: Options, folder: Path) -> Soak:
    """Soak for the time asked for, in *folder*; afterwards nothing runs and the log is whole."""
    async with (
        vendor.running(options.seed) as vendors,
        _servers(folder, vendors) as servers,
        AsyncExitStack() as stack,
    ):
        await _set_up_models(servers.steady)
        tally = Tally()
        soak = Soak(
            options=options,
            servers=servers,
            vendors=vendors,
            attic=Attic(servers.address, tally.problems),
            tally=tally,
            chance=random.Random(options.seed),
        )
        people = await _people(stack, soak)
        steady = servers.steady
        client = httpx.AsyncClient(base_url=steady.url, headers=steady.headers)
        await soak.go_on(people, await stack.enter_async_context(client))
        await soak.attic.clear()
    return soak


@contextlib.asynccontextmanager
async def _servers(folder: Path, vendors: Mapping[str, str]) -> AsyncGenerator[Servers, None]:
    env = {
        "OPENAI_BASE_URL": f"{vendors['openai']}/v1",
        "ANTHROPIC_BASE_URL": vendors["anthropic"],
        "OPENAI_API_KEY": "a-key-of-the-soak",
        "ANTHROPIC_API_KEY": "a-key-of-the-soak",
    }
    dirs = Dirs(folder)
    servers = Servers(
        steady=JupyterServer(dirs, env=env, settings=SETTINGS),
        mortal=JupyterServer(dirs, env=env, settings=SETTINGS),
    )
    (dirs.work / "lines").mkdir()
    try:
        await asyncio.to_thread(servers.steady.start)
        await asyncio.to_thread(servers.mortal.start)
        yield servers
    finally:
        await asyncio.to_thread(servers.mortal.terminate)
        await asyncio.to_thread(servers.steady.terminate)


async def _set_up_models(server: JupyterServer) -> None:
    """A small context, so that histories are compacted."""
    async with httpx.AsyncClient(headers=server.headers) as client:
        for ref in MODELS:
            provider, model = ref.split(":")
            body = {"provider": provider, "model": model, "context_limit": vendor.CONTEXT_LIMIT}
            (await client.post(f"{server.chats_url}/model-configs", json=body)).raise_for_status()


async def _people(stack: AsyncExitStack, soak: Soak) -> list[Person]:
    """A third talks to the steady server, a third to it over bad connections, a third to the mortal one."""
    servers, seed = soak.servers, soak.options.seed
    least, most = CUT_AFTER
    proxy = CuttingProxy(servers.steady.port, seed=seed, least_s=least, most_s=most)
    await stack.enter_async_context(proxy)
    places = [
        Place(server=servers.at(port), attic=soak.attic, work=servers.steady.dirs.work)
        for port in (servers.steady.port, proxy.port, servers.mortal.port)
    ]
    return [
        Person(places[number % len(places)], soak.tally, seed=1000 * seed + number)
        for number in range(soak.options.people)
    ]
