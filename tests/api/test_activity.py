"""What keeps the server from being culled: a running turn does, somebody who only looks does not."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from jupyter_chatd.api.activity import NAME, ActivityMark

from .client import PATIENCE, Api, eventually


async def last_activity(api: Api) -> str:
    reply = await api._fetch("api/status", headers=dict(api.headers))
    return json.loads(reply.body)["last_activity"]


async def test_looking_is_no_activity(api: Api, jp_serverapp: Any) -> None:
    chat_id = (await api.finished())["id"]
    before = await last_activity(api)
    async with api.follow(chat_id) as one, api.follow_events(chat_id) as two, api.socket("/watch"):
        await one.frame()
        await two.frame()
        for path in ("", f"/{chat_id}", f"/{chat_id}/messages", "/models", "/providers", "/model-configs"):
            await api.get(path)
        assert await last_activity(api) == before
        assert not jp_serverapp.extension_manager.any_activity()
    await api.patch(f"/{chat_id}", {"title": "new"}, status=204)
    assert await last_activity(api) > before


@pytest.mark.parametrize("is_started", [False])
async def test_a_running_turn_is_activity_for_server_and_hub(api: Api, chatd: Any, jp_serverapp: Any) -> None:
    await chatd._load()
    chatd._activity._mark_s = 0.02
    await jp_serverapp.extension_manager.start_all_extensions()
    assert chatd.current_activity() is None
    chat_id = await api.create_id("run `sleep 60` with timeout 90s")
    async with api.follow(chat_id) as stream:
        await stream.message("assistant")
    assert chatd.current_activity() == {"chats": 1}
    assert jp_serverapp.extension_manager.any_activity()
    seen = await last_activity(api)
    async with asyncio.timeout(PATIENCE):
        while await last_activity(api) == seen:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)
    await api.post(f"/{chat_id}/interrupt")
    await api.settle(chat_id)
    await eventually(lambda: chatd.current_activity() is None)
    await asyncio.sleep(0.05)
    rests = await last_activity(api)
    await asyncio.sleep(0.1)
    assert await last_activity(api) == rests


async def test_the_mark_is_made_again_and_again_while_something_runs() -> None:
    times: dict[str, datetime] = {}
    running = 0
    mark = ActivityMark(times, lambda: running, mark_s=0.01)
    await mark.stop()
    mark.start()
    await asyncio.sleep(0.03)
    assert times == {}
    running = 1
    await eventually(lambda: NAME in times)
    first = times[NAME]
    await eventually(lambda: times[NAME] > first)
    assert abs((datetime.now(UTC) - times[NAME]).total_seconds()) < PATIENCE
    await mark.stop()
    await mark.stop()
