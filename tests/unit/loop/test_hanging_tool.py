"""A tool that does not end when it is told to: the chat goes on without it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from world import FunctionTool, eventually, outline, results, script

from jupyter_chatd.loop import toolphase
from jupyter_chatd.providers.scripted import call, say
from jupyter_chatd.store.calls import INTERRUPTED
from jupyter_chatd.tools.protocol import ToolContext

from .conftest import Start

pytestmark = pytest.mark.anyio


class Stubborn:
    """Begins to hang, and shrugs when it is cancelled, until it is let go."""

    def __init__(self) -> None:
        self.began = asyncio.Event()
        self.let_go = asyncio.Event()

    async def run(self, args: Mapping[str, Any], context: ToolContext) -> str:
        self.began.set()
        while not self.let_go.is_set():
            try:
                await self.let_go.wait()
            except asyncio.CancelledError:
                continue
        return "late"


@pytest.fixture
def stubborn(anyio_backend: str) -> Iterator[Stubborn]:
    """Let go after the test, so that a failure does not hang too."""
    made = Stubborn()
    yield made
    made.let_go.set()


async def test_an_interrupt_does_not_wait_for_it_for_ever(
    start: Start, stubborn: Stubborn, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(toolphase, "END_GRACE", 0.2)
    world = await start(script([call("hang")], [say("I go on.")]), tools=[FunctionTool("hang", stubborn.run)])
    chat_id = await world.create()
    await stubborn.began.wait()
    with caplog.at_level(logging.ERROR):
        await world.interrupt(chat_id)
        await world.settled(chat_id)
    assert "did not end within 0.2 s" in caplog.text
    assert [part.result for part in results(await world.rows(chat_id))] == [{"error": INTERRUPTED}]

    await world.send(chat_id, "And now?")
    await world.settled(chat_id)
    stubborn.let_go.set()
    await eventually(lambda: not [task for task in asyncio.all_tasks() if task.get_name() == "chatd-tool"])
    rows = await world.rows(chat_id)
    assert outline(rows)[-1] == "assistant: I go on."
    assert len(results(rows)) == 1
