"""A request with a long history leaves the event loop to the user's kernels."""

from __future__ import annotations

import asyncio
import asyncio.events
import threading
import time
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from fakes.steps import say

from jupyter_chatd import pacing
from jupyter_chatd.loop.prompt import mark_cache
from jupyter_chatd.messages import TextPart, ToolCallPart, ToolResultPart
from jupyter_chatd.providers.bridge import BridgeModel
from jupyter_chatd.providers.protocol import ModelCall, PromptMessage

from .asking import TOOLS, assistant, collect, endpoint, system, tool, user
from .conftest import SUBJECTS, Call

pytestmark = pytest.mark.anyio

TURNS = 1000
LIMIT = 0.016  # seconds of CPU; what the best of ATTEMPTS may take at a time
SHARE = 0.5  # of the whole; what it may take on a machine so slow that LIMIT says nothing
PAUSES = 10  # of all threads in all attempts, at the least
THREAD_SHARE = 0.25  # of a thread's whole; what it may take between two pauses on a slow machine
ATTEMPTS = 3  # the least of them is told: what else runs on the machine only ever adds


def history() -> tuple[PromptMessage, ...]:
    """A thousand turns of a text and a call, then its result, 200 characters each."""
    messages = [system("Be brief."), user("Go.")]
    for number in range(TURNS):
        call_id = f"call{number}"
        call = ToolCallPart(tool_call_id=call_id, tool_name="execute", args={"command": "x" * 200})
        result = ToolResultPart(tool_call_id=call_id, tool_name="execute", result={"output": "y" * 200})
        messages += [assistant(TextPart(text="z" * 200), call), tool(result)]
    return tuple(mark_cache([*messages, user("And now?")]))


async def turns_of(model: BridgeModel, messages: Sequence[PromptMessage]) -> list[float]:
    """How long this thread's loop works at a time during one call, seconds of CPU each."""
    turns: list[float] = []
    run, own = asyncio.events.Handle._run, threading.get_ident()

    def timed(handle: Any) -> None:
        began = time.thread_time()
        run(handle)
        if threading.get_ident() == own:
            turns.append(time.thread_time() - began)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asyncio.events.Handle, "_run", timed)
        await collect(model.stream(ModelCall(messages=tuple(messages), tools=TOOLS)))
        await asyncio.sleep(0)  # the turn that saw the end is told
    return turns


def watch_threads(patch: pytest.MonkeyPatch) -> list[float]:
    """How long a thread works between two pauses, seconds of CPU each, from now on."""
    spans: list[float] = []
    rested: dict[int, float] = {}

    def rest(_seconds: float) -> None:
        ident, now = threading.get_ident(), time.thread_time()
        if ident in rested:
            spans.append(now - rested[ident])
        rested[ident] = now

    patch.setattr(pacing, "time", SimpleNamespace(sleep=rest, perf_counter=time.perf_counter))
    return spans


async def attempts(model: BridgeModel, messages: Sequence[PromptMessage]) -> list[list[float]]:
    """The turns of ATTEMPTS calls, after one that loads what a first call loads."""
    await collect(model.stream(ModelCall(messages=(user("hello"),), tools=TOOLS)))
    made = [await turns_of(model, messages) for _ in range(ATTEMPTS)]
    await model.aclose()
    return made


@pytest.mark.parametrize("name", list(SUBJECTS))
async def test_a_thousand_turns_of_history_do_not_hold_up_the_loop(
    connect: Call, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind, model = SUBJECTS[name]
    answers = [[say("hi")] for _ in range(1 + ATTEMPTS)]
    vendor = (await connect(kind, *answers, model=model)).vendor
    asked = BridgeModel(endpoint(kind, vendor.base_url), model)

    spans = watch_threads(monkeypatch)
    # In a loop and thread of its own: the fake vendor works too.
    made = await asyncio.to_thread(asyncio.run, attempts(asked, history()))

    best = min(made, key=max)
    assert max(best) < max(LIMIT, SHARE * sum(best)), [max(turns) for turns in made]
    assert len(spans) > PAUSES
    # One of each attempt: what is long in all of them is no accident.
    assert sorted(spans)[-ATTEMPTS] < max(LIMIT, THREAD_SHARE * sum(spans) / ATTEMPTS), sorted(spans)
