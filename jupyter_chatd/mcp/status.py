"""How the servers stand, for people."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from .config import McpServerConfig, Transport


class ServerState(StrEnum):
    """What a server is doing."""

    DISABLED = "disabled"
    NEEDS_TRUST = "needs_trust"
    """It stands in a project file that the user has not trusted, or that was changed since."""
    IDLE = "idle"
    """Not connected; the next turn that has it connects."""
    CONNECTING = "connecting"
    CONNECTED = "connected"
    FAILED = "failed"
    """It could not be connected, or the connection broke; `reason` says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerStatus:
    """One server."""

    config_id: str
    slug: str
    display_name: str
    transport: Transport
    place: str
    state: ServerState
    reason: str = ""
    tools: tuple[str, ...] = ()
    """The server's own names of what it offered when it was last connected, allow and deny lists applied."""


def status_of(
    config: McpServerConfig, state: ServerState, *, reason: str = "", tools: tuple[str, ...] = ()
) -> ServerStatus:
    """Return the status of a server."""
    return ServerStatus(
        config_id=config.id,
        slug=config.slug,
        display_name=config.label,
        transport=config.transport,
        place=config.place,
        state=state if config.enabled else ServerState.DISABLED,
        reason=reason,
        tools=tools,
    )
