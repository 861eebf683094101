"""What the user chose of the capabilities that the policy leaves to them: kept in the database."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any

from .capabilities import Capabilities, Capability, Policy, Rule
from .errors import ConflictError
from .store import Store
from .store.settings import find_setting, put_setting

_NAME = "capabilities"


class CapabilityChoices:
    """Reads and writes them. One per server, as long as its store is open.

    Args:
        policy: Of whoever runs the server.
    """

    def __init__(self, store: Store, policy: Policy) -> None:
        self._store = store
        self.now = Capabilities(policy=policy)
        """What holds, as it was read last: another server of the user may have changed it."""

    async def read(self) -> Capabilities:
        """Return what holds now, and keep it in `now`."""
        stored = await self._store.read(_find)
        self.now = Capabilities(policy=self.now.policy, choices=stored)
        return self.now

    async def choose(self, wanted: Mapping[Capability, bool]) -> Capabilities:
        """Switch capabilities on or off, and return what holds then.

        Raises:
            ConflictError: the policy has decided one of them otherwise; nothing was changed.
        """
        for capability, is_on in wanted.items():
            rule = self.now.policy.rule(capability)
            if rule is not Rule.USER and is_on != (rule is Rule.ON):
                raise ConflictError(
                    f"{capability.value} is forced {rule.value} by whoever runs this server.",
                    state=rule.value,
                    transition="choose",
                )
        now = self._store.clock()

        def run(conn: sqlite3.Connection) -> None:
            stored: dict[str, Any] = find_setting(conn, _NAME) or {}
            put_setting(conn, _NAME, {**stored, **wanted}, now=now)

        await self._store.write(run)
        return await self.read()


def _find(conn: sqlite3.Connection) -> dict[Capability, bool]:
    """Return the choices; those of a newer release, which has more capabilities, are left out."""
    stored: dict[str, Any] = find_setting(conn, _NAME) or {}
    return {Capability(name): bool(is_on) for name, is_on in stored.items() if name in list(Capability)}
