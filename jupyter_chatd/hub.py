"""For `jupyterhub_config.py`: who gets the agent, and how much of it, by group. Imports nothing heavy.

from jupyter_chatd.hub import by_group

c.Spawner.pre_spawn_hook = by_group(
    {
        "agents": {},
        "students": {"policy": {"shell": "off"}, "allowed": {"models": ["gateway:small"]}},
    }
)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

from .capabilities import ALLOWED_PREFIX, ENABLED_VARIABLE, POLICY_PREFIX, environment_of

Terms = Mapping[str, Any]
"""What a group gets: `policy` (words by capability) and `allowed` (names by list), both optional."""


def by_group(groups: Mapping[str, Terms], *, otherwise: Terms | None = None) -> Callable[[Any], None]:
    """Return a pre-spawn hook that gives each user the agent on the terms of their group.

    Args:
        groups: Terms by the group's name. Of a user who is in several, the first one in this order decides.
        otherwise: The terms of users in none of them; `None` switches the agent off for them.

    Raises:
        ValueError: terms that mean nothing; the hub does not start.
    """
    environments = {name: _environment(name, terms) for name, terms in groups.items()}
    off = {ENABLED_VARIABLE: "off"}
    rest = off if otherwise is None else _environment("otherwise", otherwise)

    def hook(spawner: Any) -> None:
        """Set the variables of a server that is about to start; those of an earlier start are taken away."""
        names = {group.name for group in spawner.user.groups}
        chosen = next((values for name, values in environments.items() if name in names), rest)
        kept = {name: value for name, value in spawner.environment.items() if not _is_ours(name)}
        spawner.environment = {**kept, **chosen}

    return hook


def _environment(group: str, terms: Terms) -> dict[str, str]:
    if unknown := sorted(set(terms) - {"policy", "allowed"}):
        raise ValueError(f"the terms of {group} have {unknown[0]!r}; expected policy, allowed.")
    rules = cast("Mapping[str, str]", terms.get("policy") or {})
    allowed = cast("Mapping[str, list[str]]", terms.get("allowed") or {})
    try:
        return {ENABLED_VARIABLE: "on", **environment_of(rules, allowed)}
    except ValueError as error:
        raise ValueError(f"the terms of {group}: {error}") from None


def _is_ours(variable: str) -> bool:
    return variable == ENABLED_VARIABLE or variable.startswith((POLICY_PREFIX, ALLOWED_PREFIX))
