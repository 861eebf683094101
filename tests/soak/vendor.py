"""Two fake vendors whose answers are often broken, in a process of their own.

    python -m tests.soak.vendor --seed 7

Prints `{"openai": port, "anthropic": port}`. `GET /faults` tells how often each fault was played.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import contextlib
import itertools
import json
import random
import subprocess
import sys
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import AsyncExitStack

from tests.fakes.anthropic_server import FakeAnthropic
from tests.fakes.http import Reply, Request
from tests.fakes.openai_server import FakeOpenAI
from tests.fakes.responder import Conversation
from tests.fakes.steps import Answer, Break, Drop, Hang, Refuse, Spend, Step, call, say, think
from tests.fakes.vendor import FakeVendor

from .plan import COMMANDS, Plan

CONTEXT_LIMIT = 10_000  # tokens that the models are set up with
FULL = 9_000  # tokens that are reported now and then, so that the history is compacted
PACE = 0.004  # seconds between two deltas
KEPT_REQUESTS = 10  # of those that the fakes keep: an hour of them would not fit

REFUSALS = {
    "401": Refuse(status=401),
    "429": Refuse(status=429),
    "429 with Retry-After": Refuse(status=429, headers={"Retry-After": "1"}),
    "500": Refuse(status=500),
    "503": Refuse(status=503),
    "529": Refuse(status=529),
}
STREAM_FAULTS = ("cut", "half", "garbled", "silent", "torn arguments", "error event")
REFUSED = 0.10  # share of the calls that are answered with an error
DISTURBED = 0.12  # share of the streams that break
FILLED = 0.04  # share of the answers that report a full context
_RARE = {"401": 0.2, "silent": 0.3}

_numbers = itertools.count(1)


class Faulty(FakeVendor):
    """Does what the last plan says, unless a fault comes first."""

    def __init__(self, *, seed: int) -> None:
        super().__init__(self._respond, pace_s=PACE)
        self.faults: collections.Counter[str] = collections.Counter()
        self._chance = random.Random(seed)

    async def handle(self, request: Request, reply: Reply) -> None:
        """Tell the faults, or answer."""
        del self.requests[:-KEPT_REQUESTS]
        if request.path == "/faults":
            await reply.send_json(200, self.faults)
        else:
            await super().handle(request, reply)

    def _respond(self, conversation: Conversation) -> Answer:
        if self._chance.random() < REFUSED:
            return [REFUSALS[self._pick(tuple(REFUSALS))]]
        plan = Plan.find(conversation.last_user)
        if plan is None:  # compaction asks for a summary
            return [say("They spoke of many things.")]
        spend = Spend(input_tokens=FULL if self._chance.random() < FILLED else 100)
        return [*self._steps(plan, conversation.steps), spend]

    def _steps(self, plan: Plan, done: int) -> Iterator[Step]:
        if self._chance.random() < 0.3:
            yield think(words(self._chance), signature="signed")
        yield say(words(self._chance))
        for kind in plan.steps[done] if done < len(plan.steps) else ():
            yield self._call(plan, kind)

    def _call(self, plan: Plan, kind: str) -> Step:
        number = next(_numbers)
        line, call_id = f"{plan.marker}-{number}", f"call_{number}"
        if kind in COMMANDS:
            args = {"command": f"echo {line} >> lines/{plan.chat}; {COMMANDS[kind]}"}
            extra = {"hang": {"timeout": "1s"}, "background": {"run_in_background": True}}.get(kind, {})
            return call("execute", args | extra, tool_call_id=call_id)
        name = {"unknown": "no_such_tool", "misfit": "execute"}.get(kind, kind)
        return call(name, {"line": line}, tool_call_id=call_id)

    async def _stream(self, reply: Reply, events: Iterator[bytes | Step]) -> None:
        await super()._stream(reply, iter(self._disturbed(list(events))))

    def _disturbed(self, events: list[bytes | Step]) -> Sequence[bytes | Step]:
        """Return the events of a stream as they will be sent."""
        if self._chance.random() >= DISTURBED:
            return events
        fault = self._pick(STREAM_FAULTS)
        place = self._chance.randrange(1, len(events))
        before, after = events[:place], events[place:]
        match fault:
            case "cut":
                return [*before, Drop()]
            case "half":
                return before
            case "garbled":
                return [*before, b'event: content_block_delta\ndata: {"type": "no\n\n', *after]
            case "silent":
                return [*before, Hang()]
            case "torn arguments":
                return _torn(events)
            case _:
                return [*before, *self.broken()]

    def broken(self) -> Iterator[bytes | Step]:
        """Yield this vendor's error event, without what begins a stream."""
        raise NotImplementedError

    def _pick(self, faults: Sequence[str]) -> str:
        fault = self._chance.choices(faults, [_RARE.get(name, 1) for name in faults])[0]
        self.faults[fault] += 1
        return fault


class FaultyOpenAI(Faulty, FakeOpenAI):
    """`POST /v1/chat/completions`."""

    def broken(self) -> Iterator[bytes | Step]:
        """An error in place of a chunk."""
        return itertools.islice(self.encode({"model": "m"}, [Break()]), 1, 3)


class FaultyAnthropic(Faulty, FakeAnthropic):
    """`POST /v1/messages`."""

    def broken(self) -> Iterator[bytes | Step]:
        """An `error` event."""
        return itertools.islice(self.encode({"model": "m"}, [Break()]), 2, 4)


def _torn(events: list[bytes | Step]) -> list[bytes | Step]:
    """Return the events without the last piece of a call's arguments."""
    marks = (b'"partial_json":', b'"function": {"arguments":')
    places = [
        place
        for place, event in enumerate(events)
        if isinstance(event, bytes) and any(mark in event for mark in marks)
    ]
    return [event for place, event in enumerate(events) if not places or place != places[-1]]


def words(chance: random.Random) -> str:
    """Return some text."""
    return " ".join(f"word{chance.randrange(1000)}" for _ in range(chance.randrange(3, 40)))


async def serve(seed: int) -> None:
    """Serve until the process is terminated."""
    async with AsyncExitStack() as stack:
        vendors = {"openai": FaultyOpenAI(seed=seed), "anthropic": FaultyAnthropic(seed=seed + 1)}
        for vendor in vendors.values():
            await stack.enter_async_context(vendor)
        sys.stdout.write(json.dumps({name: vendor.port for name, vendor in vendors.items()}) + "\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


@contextlib.asynccontextmanager
async def running(seed: int) -> AsyncGenerator[dict[str, str], None]:
    """Vendors in a process of their own; gives each one's address, without a path."""
    command = [sys.executable, "-m", __name__, "--seed", str(seed)]
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        ports = json.loads(await process.stdout.readline())
        yield {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
    finally:
        process.terminate()
        await process.wait()


def main() -> None:
    """Read the arguments and serve."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=0)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(parser.parse_args().seed))


if __name__ == "__main__":
    main()
