"""A family's desktop where its workspace is: beside this server, or in another server of the user."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import ChatdError
from ...workspace.desktops import AgentDesktops, DesktopFacts
from ...workspace.protocol import WorkspaceError
from ..errors import DesktopStartError, LauncherMissingError
from ..geometry import Size
from .launcher import Launched, Launcher

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Another server in which a family's desktop belongs."""

    family_id: str
    workspace_id: str
    desktops: AgentDesktops


FindPlace = Callable[[], Awaitable[Place | None]]
"""Returns where the desktop belongs now; `None` is beside this server."""


async def look(place: Place) -> DesktopFacts:
    """Return what is known of the desktops of a place; where that is nothing, the problem says why."""
    try:
        return await place.desktops.facts()
    except WorkspaceError as error:
        return DesktopFacts(launcher="workspace", problem=str(error))


class PlacedLauncher:
    """Launches one family's desktop, and asks anew each time where it belongs."""

    def __init__(self, here: Launcher, find: FindPlace) -> None:
        self.name = here.name
        self._here = here
        self._find = find
        self._place: Place | None = None

    def missing(self) -> str | None:
        return self._here.missing()

    async def launch(self, size: Size) -> Launched:
        self._place = await self._find()
        if self._place is None:
            self.name = self._here.name
            return await self._here.launch(size)
        facts = await look(self._place)
        self.name = facts.launcher
        if facts.problem is not None:
            raise LauncherMissingError(facts.problem)
        return await _start(self._place)

    @property
    def workspace_id(self) -> str | None:
        """Of the server where it was launched last; `None` for beside this one."""
        return self._place.workspace_id if self._place is not None else None

    async def has_moved(self) -> bool:
        """Whether the desktop belongs elsewhere than where it was launched."""
        place = await self._find()
        return (place.workspace_id if place is not None else None) != self.workspace_id

    async def close(self) -> None:
        """Nothing: the launchers of the places are others' to close."""


class StartedThere:
    """A desktop of another server."""

    environment: Mapping[str, str] = {}
    is_elsewhere = True

    def __init__(self, place: Place, socket: Path) -> None:
        self._place = place
        self.socket = socket
        """Here; what is said on it is heard there."""
        self.is_alive = True
        """Whether it was not stopped from here; whether it runs is known by who is connected to it."""

    async def stop(self) -> None:
        """Stop it. Where nobody can be told, it ends by itself when nobody is connected any more."""
        if not self.is_alive:
            return
        self.is_alive = False
        try:
            await self._place.desktops.stop(self._place.family_id)
        except (WorkspaceError, ChatdError) as error:
            log.info("The desktop of %s is left to end by itself: %s", self._place.family_id, error)


async def _start(place: Place) -> StartedThere:
    try:
        await place.desktops.start(place.family_id)
        return StartedThere(place, await place.desktops.socket(place.family_id))
    except WorkspaceError as error:
        raise DesktopStartError(str(error)) from error


if TYPE_CHECKING:
    _launcher: type[Launcher] = PlacedLauncher
    _launched: type[Launched] = StartedThere
