"""`chats/policy`: what the agent may do on this server, and what its user chose of that."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import asdict

from ..capabilities import SERVER_KIND, WORKSPACE_KINDS, AllowList, Capabilities, Capability
from . import requests
from .base import BASE, ChatdHandler, permission


class PolicyHandler(ChatdHandler):
    """`/chats/policy`."""

    @permission("read", "chats")
    async def get(self) -> None:
        """Tell what is forced, what is left to the user, and what holds."""
        await self._reply_with(await self.extension.runtime.capabilities.read())

    @permission("write", "settings")
    async def patch(self) -> None:
        """Switch capabilities on or off that are left to the user; running turns lose theirs at once."""
        given = asdict(self.body(requests.PolicyPatch))
        wanted = {Capability(name): is_on for name, is_on in given.items() if is_on is not None}
        await self._reply_with(await self.extension.runtime.capabilities.choose(wanted))

    async def _reply_with(self, capabilities: Capabilities) -> None:
        why_not = self.extension.runtime.workspaces.why_not
        kinds = [kind for kind in WORKSPACE_KINDS if kind != SERVER_KIND]
        reasons = await asyncio.gather(*map(why_not, kinds))
        self.reply(_policy_reply(capabilities, dict(zip(kinds, reasons, strict=True))))


def _policy_reply(capabilities: Capabilities, kinds: Mapping[str, str | None]) -> dict[str, object]:
    policy = capabilities.policy
    return {
        "capabilities": {
            name.value: {
                "policy": policy.rule(name).value,
                **_state(capabilities.why_not(name)),
            }
            for name in Capability
        },
        "allowed": {kind.value: policy.allowed.get(kind, ()) for kind in AllowList},
        "workspace_kinds": {kind: _state(reason) for kind, reason in kinds.items()},
    }


def _state(reason: str | None) -> dict[str, object]:
    return {"enabled": reason is None, "reason": reason}


ROUTES = [(BASE + r"/policy", PolicyHandler)]
