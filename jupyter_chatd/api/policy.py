"""`chats/policy`: what the agent may do on this server, and what its user chose of that."""

from __future__ import annotations

from dataclasses import asdict

from ..capabilities import AllowList, Capabilities, Capability
from . import requests
from .base import BASE, ChatdHandler, permission


class PolicyHandler(ChatdHandler):
    """`/chats/policy`."""

    @permission("read", "chats")
    async def get(self) -> None:
        """Tell what is forced, what is left to the user, and what holds."""
        self.reply(_policy_reply(await self.extension.runtime.capabilities.read()))

    @permission("write", "settings")
    async def patch(self) -> None:
        """Switch capabilities on or off that are left to the user; running turns lose theirs at once."""
        given = asdict(self.body(requests.PolicyPatch))
        wanted = {Capability(name): is_on for name, is_on in given.items() if is_on is not None}
        self.reply(_policy_reply(await self.extension.runtime.capabilities.choose(wanted)))


def _policy_reply(capabilities: Capabilities) -> dict[str, object]:
    policy = capabilities.policy
    return {
        "capabilities": {
            name.value: {"policy": policy.rule(name).value, "enabled": capabilities.has(name)}
            for name in Capability
        },
        "allowed": {kind.value: policy.allowed.get(kind, ()) for kind in AllowList},
    }


ROUTES = [(BASE + r"/policy", PolicyHandler)]
