"""What may be asked of an agent's desktops over HTTP: operations, and a WebSocket for the RFB of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..desktops import DesktopFacts
from ..protocol import WorkspaceAgent
from .operations import Nothing, Operation

DESKTOPS = "desktops"
"""What `Hello.features` says where there are these operations; `{prefix}/desktops/{id}` is the WebSocket."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OfDesktop:
    """What is asked of one desktop."""

    desktop_id: str


async def _facts(agent: WorkspaceAgent, _: Nothing) -> DesktopFacts:
    return await agent.desktops.facts()


async def _start(agent: WorkspaceAgent, q: OfDesktop) -> Nothing:
    await agent.desktops.start(q.desktop_id)
    return Nothing()


async def _stop(agent: WorkspaceAgent, q: OfDesktop) -> Nothing:
    await agent.desktops.stop(q.desktop_id)
    return Nothing()


DESKTOP_FACTS = Operation(
    name="desktop_facts",
    question=Nothing,
    answer=DesktopFacts,
    call=_facts,
    is_safe=True,
    is_activity=False,
)
START_DESKTOP = Operation(name="start_desktop", question=OfDesktop, answer=Nothing, call=_start, is_safe=True)
STOP_DESKTOP = Operation(name="stop_desktop", question=OfDesktop, answer=Nothing, call=_stop, is_safe=True)

DESKTOP_OPERATIONS: dict[str, Operation[Any, Any]] = {
    operation.name: operation for operation in (DESKTOP_FACTS, START_DESKTOP, STOP_DESKTOP)
}
