"""Whether an agent that was started can be used yet: first it must answer, then its start-up script must end.

Rule: spec/chatd.md §6.3.
"""

from __future__ import annotations

import asyncio
import time

from ..messages import JsonValue
from ..workspace.agent.operations import Lifecycle
from ..workspace.protocol import WorkspaceError
from .lookup import AgentLookup, NoAgentError
from .provisioner import ConnectedAgent

DIAL_ATTEMPT = 5.0  # seconds of one attempt
DIAL_PAUSE = 2.0  # seconds between two attempts
DIAL_LIMIT = 120.0  # seconds for all attempts
SCRIPT_PAUSE = 2.0  # seconds between two looks at the start-up script
SCRIPT_LIMIT = 600.0  # seconds for the start-up script


async def readiness(lookup: AgentLookup, workspace_id: str, *, patient: bool) -> dict[str, JsonValue]:
    """Return the fields that a result tells besides; empty when all is well.

    Args:
        patient: Whether an agent that does not answer is asked again, as after a start.
    """
    problem = await _dial(lookup, workspace_id, limit_s=DIAL_LIMIT if patient else 0.0)
    if problem is not None:
        return {"agent_status": "not_ready", "agent_error": problem}
    return await _scripts(lookup, workspace_id)


async def _dial(lookup: AgentLookup, workspace_id: str, *, limit_s: float) -> str | None:
    """Return why the agent does not answer, `None` once it does."""
    give_up_at = time.monotonic() + limit_s
    agent: ConnectedAgent | None = None
    while True:
        try:
            async with asyncio.timeout(DIAL_ATTEMPT):
                # A connection that has failed is not asked again: its agent may have ended meanwhile.
                agent = await lookup.connect(workspace_id, stale=agent)
                await agent.hello()
                return None
        except TimeoutError:
            problem = f"The agent did not answer within {DIAL_ATTEMPT:g} s."
        except NoAgentError as error:  # it has ended: nothing will answer
            return str(error)
        except WorkspaceError as error:
            problem = str(error)
        if time.monotonic() + DIAL_PAUSE > give_up_at:
            return problem
        await asyncio.sleep(DIAL_PAUSE)


async def _scripts(lookup: AgentLookup, workspace_id: str) -> dict[str, JsonValue]:
    give_up_at = time.monotonic() + SCRIPT_LIMIT
    while True:
        try:
            lifecycle = (await (await lookup.connect(workspace_id)).hello()).lifecycle
        except WorkspaceError:
            return {"startup_scripts": "startup_scripts_unknown"}
        if lifecycle is Lifecycle.READY:
            return {}
        if lifecycle is not Lifecycle.STARTING:
            return {"startup_scripts": "startup_scripts_failed", "lifecycle_state": lifecycle.value}
        if time.monotonic() + SCRIPT_PAUSE > give_up_at:
            return {"startup_scripts": "startup_scripts_timeout"}
        await asyncio.sleep(SCRIPT_PAUSE)
