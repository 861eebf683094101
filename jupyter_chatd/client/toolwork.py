"""Answering the agent's calls of this process's functions: claim, run, give the result."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

from ..messages import Action, ActionKind, CallKey
from .client import AsyncClient, ToolAnswer
from .errors import RefusedError, UnreachableError
from .functions import FunctionTool, Output, RunSync
from .view import ChatView

RETRIES = 6  # tries to reach the server for one call, over about half a minute
FIRST_DELAY = 0.5  # seconds; doubles

T = TypeVar("T")

log = logging.getLogger(__name__)


class ToolWork:
    """The client-side calls of one chat that this client takes on. Lives as long as its session.

    A call is run at most once: only after the server has given it to us and to nobody else.
    """

    def __init__(
        self,
        client: AsyncClient,
        chat_id: str,
        tools: Mapping[str, FunctionTool],
        run_sync: RunSync,
        *,
        name: str,
    ) -> None:
        self._client = client
        self._chat_id = chat_id
        self._tools = tools
        self._run_sync = run_sync
        self._name = name
        self._calls: dict[CallKey, asyncio.Task[None]] = {}
        self._running: set[CallKey] = set()
        """Calls whose function runs now."""
        self._outputs: dict[CallKey, Output] = {}
        """What functions gave that the server does not have yet: they are not run again for it."""

    def look(self, view: ChatView) -> None:
        """Begin calls that wait, and stop functions whose call nobody waits for any more."""
        for action in view.actions:
            if self._is_ours(action) and _key(action) not in self._calls:
                self._calls[_key(action)] = asyncio.create_task(
                    self._answer(action), name="chatd-client-tool"
                )
        if view.is_complete and view.status != "requires_action":
            for key in self._running:
                self._calls[key].cancel()

    def needs_someone(self, view: ChatView) -> bool:
        """Whether the chat waits for what only a person can do."""
        return any(action.kind is not ActionKind.CLIENT_TOOL for action in view.actions)

    async def close(self) -> None:
        """Stop all calls. May be called twice."""
        for task in self._calls.values():
            task.cancel()
        await asyncio.gather(*self._calls.values(), return_exceptions=True)

    def _is_ours(self, action: Action) -> bool:
        return (
            action.kind is ActionKind.CLIENT_TOOL
            and action.tool_name in self._tools
            and action.claimed_by in (None, self._name)
        )

    async def _answer(self, action: Action) -> None:
        key = _key(action)
        try:
            await _insist(lambda: self._client.claim(self._chat_id, [action], client=self._name))
            output = self._outputs[key] = self._outputs.get(key) or await self._run(action)
            answer = ToolAnswer(key=key, result=output.result, is_error=output.is_error)
            await _insist(lambda: self._client.answer(self._chat_id, [answer], client=self._name))
            del self._outputs[key]
        except RefusedError as error:
            # Another client was faster, or nobody waits for it any more: interrupted, or past its deadline.
            log.info(
                "A call of %s in chat %s was not ours to answer: %s",
                action.tool_name,
                self._chat_id,
                error.status,
            )
        except UnreachableError:
            log.warning(
                "A call of %s in chat %s could not be answered: no server", action.tool_name, self._chat_id
            )
            del self._calls[key]  # the next snapshot that shows it starts over

    async def _run(self, action: Action) -> Output:
        key = _key(action)
        self._running.add(key)
        try:
            return await self._tools[action.tool_name].call(action.args, self._run_sync)
        finally:
            self._running.discard(key)


def _key(action: Action) -> CallKey:
    return CallKey(message_id=action.message_id, index=action.call_index)


async def _insist(request: Callable[[], Awaitable[T]]) -> T:
    """Repeat a request while the server does not answer; claims and answers may arrive twice."""
    for attempt in range(RETRIES - 1):
        try:
            return await request()
        except UnreachableError:
            await asyncio.sleep(FIRST_DELAY * 2**attempt)
    return await request()
