"""A request with a long history leaves the event loop to the user's kernels."""

from __future__ import annotations

import asyncio
import asyncio.events
import threading
import time
from collections.abc import Sequence
from typing import Any

import pytest
from fakes.steps import say

from jupyter_chatd.loop.prompt import mark_cache
from jupyter_chatd.messages import TextPart, ToolCallPart, ToolResultPart
from jupyter_chatd.providers.bridge import BridgeModel
from jupyter_chatd.providers.protocol import ModelCall, PromptMessage

from .asking import TOOLS, assistant, collect, endpoint, system, tool, user
from .conftest import SUBJECTS, Call

pytestmark = pytest.mark.anyio

TURNS = 1000
LIMIT = 0.010  # seconds of CPU; of the 16 ms the rest is for waiting while a thread holds the interpreter


def history() -> tuple[PromptMessage, ...]:
    """A thousand turns of a text and a call, then its result, 200 characters each."""
    messages = [system("Be brief."), user("Go.")]
    for number in range(TURNS):
        call_id = f"call{number}"
        call = ToolCallPart(tool_call_id=call_id, tool_name="execute", args={"command": "x" * 200})
        result = ToolResultPart(tool_call_id=call_id, tool_name="execute", result={"output": "y" * 200})
        messages += [assistant(TextPart(text="z" * 200), call), tool(result)]
    return tuple(mark_cache([*messages, user("And now?")]))


async def longest_turn(model: BridgeModel, messages: Sequence[PromptMessage]) -> float:
    """The most that this thread's loop works at a time during the second of two calls, seconds of CPU."""
    await collect(model.stream(ModelCall(messages=(user("hello"),), tools=TOOLS)))
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
    await model.aclose()
    return max(turns)


@pytest.mark.parametrize("name", list(SUBJECTS))
async def test_a_thousand_turns_of_history_do_not_hold_up_the_loop(connect: Call, name: str) -> None:
    kind, model = SUBJECTS[name]
    vendor = (await connect(kind, [say("hi")], [say("hi")], model=model)).vendor
    asked = BridgeModel(endpoint(kind, vendor.base_url), model)

    # In a loop and thread of its own: the fake vendor works too.
    assert await asyncio.to_thread(asyncio.run, longest_turn(asked, history())) < LIMIT
