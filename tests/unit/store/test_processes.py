"""Several processes on one file. The others are real ones."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from jupyter_chatd.events import Change
from jupyter_chatd.store import Store, reads
from jupyter_chatd.store.conversation import CreateChat, InterruptChat, SendMessage, SetArchived
from jupyter_chatd.store.work import Acquire, FinishInterruption

from . import build, neighbour

pytestmark = pytest.mark.anyio


class Neighbour:
    """A second process that has the file open."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def hear(self) -> str:
        assert self._process.stdout is not None
        async with asyncio.timeout(20):
            return (await self._process.stdout.readline()).decode().rstrip()

    async def do(self, command: str) -> None:
        self.start(command)
        assert await self.hear() == "done"

    def start(self, command: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{command}\n".encode())

    async def kill(self) -> list[str]:
        """Kill it in the middle of things; return the lines that it had told and nobody had heard."""
        self._process.kill()
        assert self._process.stdout is not None
        rest = await self._process.stdout.read()
        await self._process.wait()
        return rest.decode().split("\n")[:-1]


@asynccontextmanager
async def neighbour_of(path: Path, *, journal: str = "auto") -> AsyncIterator[Neighbour]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        neighbour.__file__,
        str(path),
        journal,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[3],
        env={"PYTHONPATH": ":".join(sys.path), "PATH": "/usr/bin:/bin"},
    )
    other = Neighbour(process)
    try:
        yield other
    finally:
        if process.returncode is None:
            other.start("quit")
            await process.wait()
        assert process.stdin is not None
        process.stdin.close()


@asynccontextmanager
async def open_neighbour(path: Path) -> AsyncIterator[Neighbour]:
    async with neighbour_of(path) as other:
        assert await other.hear() == "open"
        yield other


async def until(condition: Callable[[], object], *, within_s: float = 30.0) -> float:
    """Wait for a condition; return how long it took, seconds."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < within_s
        await asyncio.sleep(0.01)
    return time.monotonic() - began


@pytest.fixture
def heard(store: Store) -> list[Change]:
    changes: list[Change] = []
    store.listen(changes.append)
    return changes


def told(heard: list[Change]) -> list[tuple[str, bool]]:
    """Which chats changed, and whether somebody else did it."""
    return [(change.chat.id, change.foreign) for change in heard]


# Hearing of each other


async def test_commit_of_another_process_is_noticed_soon(
    store: Store, heard: list[Change], path: Path
) -> None:
    waits: list[float] = []
    async with open_neighbour(path) as other:
        for command in ("create theirs", "say theirs more", "say theirs still"):
            known = len(heard)
            await other.do(command)
            waits.append(await until(lambda known=known: len(heard) > known))
    assert min(waits) < 1.0, "the look is every 200 ms; a busy machine may be late, but not each time"
    assert told(heard) == [("theirs", True)] * 3
    assert heard[-1].chat == await store.read(lambda conn: reads.get_chat(conn, "theirs"))


async def test_own_commits_are_never_taken_for_another_processs(
    store: Store, heard: list[Change], path: Path
) -> None:
    async with open_neighbour(path) as other:
        await store.apply(CreateChat(chat=build.chat("ours"), rows=(build.user(),)))
        await other.do("create theirs")
        await until(lambda: len(heard) == 2)
        await store.apply(SendMessage(chat_id="ours", message=build.user("more")))
        await asyncio.sleep(0.3)
    assert told(heard) == [("ours", False), ("theirs", True), ("ours", False)]


async def test_what_others_did_is_told_before_what_we_do_next(
    store: Store, heard: list[Change], path: Path
) -> None:
    """In the order of the commits, without waiting for the next look."""
    await store.apply(CreateChat(chat=build.chat("c"), rows=(build.user(),)))
    async with open_neighbour(path) as other:
        for number in range(10):
            await other.do(f"say c {number}")
            await store.apply(SendMessage(chat_id="c", message=build.user("ours"), queue_limit=99))
    versions = [change.chat.snapshot_version for change in heard]
    assert versions == list(range(1, 22))
    assert [change.foreign for change in heard] == [False, *[True, False] * 10]


async def test_metadata_of_another_process_is_noticed(store: Store, path: Path) -> None:
    async with Store(path) as second:
        heard: list[Change] = []
        second.listen(heard.append)
        await store.apply(CreateChat(chat=build.chat("c"), rows=(build.user(),)))
        await store.write_metadata("c", {"title": "new title"})
        await until(lambda: heard and heard[-1].chat.title == "new title")


async def test_purging_the_newest_chat_hides_no_later_change(
    store: Store, heard: list[Change], path: Path
) -> None:
    """The number by which changes are found is not freed with the chat."""
    await store.apply(CreateChat(chat=build.chat("old"), rows=(build.user(),)))
    await store.apply(CreateChat(chat=build.chat("gone"), rows=(build.user(),)))
    await store.apply(InterruptChat(chat_id="gone"))
    await store.apply(Acquire(worker_id="w", runner_ids=("r1", "r2")))
    chat = await store.read(lambda conn: reads.get_chat(conn, "gone"))
    await store.apply(FinishInterruption(claim=build.claim(chat)))
    await store.apply(SetArchived(chat_id="gone", archived=True))
    heard.clear()
    async with open_neighbour(path) as other:
        await other.do("purge gone")
        await other.do("say old more")
        await until(lambda: heard)
    assert told(heard) == [("old", True)]


# Writing at the same time


async def test_processes_that_write_at_once_lose_nothing(store: Store, path: Path) -> None:
    await store.apply(CreateChat(chat=build.chat("c"), rows=(build.user(),)))
    async with AsyncExitStack() as stack:
        others = [await stack.enter_async_context(open_neighbour(path)) for _ in range(2)]

        async def theirs(other: Neighbour) -> None:
            for number in range(25):
                await other.do(f"say c {number}")

        async def ours() -> None:
            for _ in range(25):
                await store.apply(SendMessage(chat_id="c", message=build.user("ours"), queue_limit=999))

        work: list[Awaitable[None]] = [ours(), *(theirs(other) for other in others)]
        await asyncio.gather(*work)
    queue = await store.read(lambda conn: reads.queue(conn, "c"))
    assert len(queue) == 75
    assert len({queued.id for queued in queue}) == 75


async def test_message_ids_grow_across_processes(store: Store, path: Path) -> None:
    async with open_neighbour(path) as other:
        for number in range(3):
            await store.apply(CreateChat(chat=build.chat(f"ours{number}"), rows=(build.user(),)))
            await other.do(f"create theirs{number}")
    owners = await store.read(
        lambda conn: [row["chat_id"] for row in conn.execute("SELECT chat_id FROM messages ORDER BY id")]
    )
    assert owners == ["ours0", "theirs0", "ours1", "theirs1", "ours2", "theirs2"]


async def test_processes_that_start_at_once_make_one_database(path: Path) -> None:
    async with AsyncExitStack() as stack:
        others = [await stack.enter_async_context(neighbour_of(path)) for _ in range(4)]
        assert [await other.hear() for other in others] == ["open"] * 4
        for number, other in enumerate(others):
            await other.do(f"create c{number}")
    async with Store(path) as store:
        count = await store.read(lambda conn: conn.execute("SELECT COUNT(*) FROM chats").fetchone()[0])
    assert count == 4


# Dying


@pytest.mark.parametrize("acknowledged", [0, 40])
async def test_killed_process_loses_nothing_that_it_acknowledged(path: Path, acknowledged: int) -> None:
    async with open_neighbour(path) as other:
        await other.do("create c")
        other.start("storm c")
        heard = [await other.hear() for _ in range(acknowledged)]
        heard += await other.kill()
    async with Store(path) as store:
        assert store.stopped_uncleanly
        queue = await store.read(lambda conn: reads.queue(conn, "c"))
        stored = {queued.parts[0].text for queued in queue}  # type: ignore[union-attr]
        assert await store.quick_check() is None
        assert stored >= set(heard)
        await store.apply(SendMessage(chat_id="c", message=build.user("after"), queue_limit=10_000))


# One process only


async def test_second_process_is_refused_on_a_network_file_system(path: Path) -> None:
    async with Store(path, journal="delete") as store:
        async with neighbour_of(path, journal="delete") as other:
            assert "another server has it open" in await other.hear()
        await store.apply(CreateChat(chat=build.chat("c"), rows=(build.user(),)))
    async with neighbour_of(path, journal="delete") as other:
        assert await other.hear() == "open"
        await other.kill()
    async with Store(path, journal="delete") as store:
        assert (await store.read(lambda conn: reads.get_chat(conn, "c"))).id == "c"
