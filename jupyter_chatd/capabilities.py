"""What an agent may do at all: the policy of whoever runs the server, and what its user decided within it.

A policy says of each capability that its user decides, that it is forced on, or forced off; lists name what
may be used of many things of one kind. It comes from traits and from the environment; the stricter of the two
holds, so that neither can undo the other. Imports nothing but the standard library: a hub's configuration
uses it too.

    JUPYTER_CHATD_POLICY_SHELL=off
    JUPYTER_CHATD_ALLOWED_MODELS=gateway:*,anthropic:claude-*
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Protocol, TypeAlias, TypeVar

ENABLED_VARIABLE = "JUPYTER_CHATD_ENABLED"
"""Environment variable with the meaning of the trait `enabled`; a spawner's forced value."""
POLICY_PREFIX = "JUPYTER_CHATD_POLICY_"
ALLOWED_PREFIX = "JUPYTER_CHATD_ALLOWED_"

_WORDS = {
    "1": True,
    "true": True,
    "yes": True,
    "on": True,
    "0": False,
    "false": False,
    "no": False,
    "off": False,
}


class Capability(StrEnum):
    """One thing that an agent can do."""

    SHELL = "shell"
    """Run commands and code."""
    FILE_WRITES = "file_writes"
    """Write and edit files; without it commands are confined to reading, where there is a sandbox, and
    no code runs in kernels."""
    SUBAGENTS = "subagents"
    """Give work to child chats."""
    DESKTOP = "desktop"
    """Start a virtual desktop and use it."""
    MCP = "mcp"
    """Use MCP servers, those that were set up and those of a project."""
    PROVIDERS = "providers"
    """Use providers of models that were set up in the settings, with keys of the user's own."""
    WORKSPACES = "workspaces"
    """Make, start and stop workspaces besides the server's folder."""


class Rule(StrEnum):
    """What a policy says of a capability."""

    USER = "user"
    """The user decides; it is there unless they switch it off."""
    ON = "on"
    """It is there, whatever the user chose."""
    OFF = "off"
    """It is not there."""


class AllowList(StrEnum):
    """A kind of thing of which a policy can name those that may be used."""

    PROVIDERS = "providers"
    MODELS = "models"
    """As `provider:model`."""
    MCP_SERVERS = "mcp_servers"
    """Addresses without their query, or command lines: a name says nothing, as users choose it."""
    WORKSPACE_KINDS = "workspace_kinds"


SERVER_KIND = "server"
"""The server's own folder, which is neither made nor started."""
WORKSPACE_KINDS = (SERVER_KIND, "process", "hub")

_STRICTEST = (Rule.OFF, Rule.ON, Rule.USER)

_TOOLS = {
    Capability.SHELL: (
        *("execute", "process_output", "process_list", "process_signal"),
        *("execute_code", "code_output", "interrupt_kernel", "restart_kernel", "inspect_variables"),
    ),
    Capability.FILE_WRITES: ("write_file", "edit_files"),
    Capability.SUBAGENTS: ("spawn_agent", "wait_agent", "message_agent", "close_agent", "list_agents"),
    Capability.DESKTOP: ("computer",),
    Capability.WORKSPACES: (
        *("list_templates", "read_template"),
        *("create_workspace", "start_workspace", "stop_workspace"),
    ),
}
CAPABILITY_OF = {tool: capability for capability, tools in _TOOLS.items() for tool in tools}
"""What the server's tools need, by name; a tool that is not named needs nothing."""

E = TypeVar("E", bound=StrEnum)
Patterns: TypeAlias = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What whoever runs the server decided."""

    rules: Mapping[Capability, Rule] = field(default_factory=dict[Capability, Rule])
    """Of capabilities that are not named, the user decides."""
    allowed: Mapping[AllowList, tuple[Patterns, ...]] = field(
        default_factory=dict[AllowList, tuple[Patterns, ...]]
    )
    """Lists of patterns, in which `*` stands for anything; what is used must match one of each list."""

    def __and__(self, other: Policy) -> Policy:
        """Return the policy under which both hold."""
        return Policy(
            rules={name: min(self.rule(name), other.rule(name), key=_STRICTEST.index) for name in Capability},
            allowed={
                kind: lists
                for kind in AllowList
                if (lists := (*self.allowed.get(kind, ()), *other.allowed.get(kind, ())))
            },
        )

    def rule(self, capability: Capability) -> Rule:
        """Return what is said of a capability."""
        return self.rules.get(capability, Rule.USER)

    def allows(self, kind: AllowList, name: str) -> bool:
        """Whether *name* may be used, as far as the lists go."""
        lists = self.allowed.get(kind, ())
        return all(any(fnmatchcase(name, pattern) for pattern in patterns) for patterns in lists)

    def allows_model(self, ref: str) -> bool:
        """Whether a model may be used; *ref* is `provider:model`."""
        provider = ref.partition(":")[0]
        return self.allows(AllowList.PROVIDERS, provider) and self.allows(AllowList.MODELS, ref)


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What holds now: the policy, and what the user chose where it leaves the choice."""

    policy: Policy = field(default_factory=Policy)
    choices: Mapping[Capability, bool] = field(default_factory=dict[Capability, bool])

    def has(self, capability: Capability) -> bool:
        """Whether the agent can do that."""
        match self.policy.rule(capability):
            case Rule.ON:
                return True
            case Rule.OFF:
                return False
            case Rule.USER:
                return self.choices.get(capability, True)

    def why_not(self, capability: Capability) -> str | None:
        """Return why the agent cannot do that, `None` when it can."""
        if self.has(capability):
            return None
        is_forced = self.policy.rule(capability) is Rule.OFF
        who = "by whoever runs this server" if is_forced else "in the settings of this server"
        return f"{capability.value} is switched off {who}"

    def allows_tool(self, name: str) -> bool:
        """Whether the server's tool of that name may be offered and run."""
        needed = CAPABILITY_OF.get(name)
        return needed is None or self.has(needed)

    def allows_server(self, place: str) -> bool:
        """Whether an MCP server may be used; *place* is its address or command line."""
        return self.has(Capability.MCP) and self.policy.allows(AllowList.MCP_SERVERS, place)

    def allows_workspace_kind(self, kind: str) -> bool:
        """Whether a chat may have a workspace of that kind; the server's own folder needs no capability."""
        is_possible = kind == SERVER_KIND or self.has(Capability.WORKSPACES)
        return is_possible and self.policy.allows(AllowList.WORKSPACE_KINDS, kind)


class CapabilitySource(Protocol):
    """Knows what holds now."""

    @property
    def now(self) -> Capabilities:
        """What holds, as it was read last."""
        ...

    async def read(self) -> Capabilities:
        """Look again, and return what holds now."""
        ...


class Unrestricted:
    """Of a server where nobody has decided anything."""

    now = Capabilities()

    async def read(self) -> Capabilities:
        """Return that the agent can do everything."""
        return self.now


def read_policy(rules: Mapping[str, str], allowed: Mapping[str, Iterable[str]]) -> Policy:
    """Return the policy that words mean.

    Raises:
        ValueError: an unknown capability, rule, list or workspace kind, or an empty pattern; says what is
            possible.
    """
    return Policy(
        rules={_word(Capability, name, "capability"): _rule(name, said) for name, said in rules.items()},
        allowed={
            _word(AllowList, name, "list"): (_patterns(name, names),) for name, names in allowed.items()
        },
    )


def policy_of_environment(environ: Mapping[str, str]) -> Policy:
    """Return the policy of the variables `JUPYTER_CHATD_POLICY_…` and `JUPYTER_CHATD_ALLOWED_…`.

    Raises:
        ValueError: one of them is misspelt, or holds a word that is none; a server must not start on a policy
            that it cannot read.
    """
    rules, allowed = dict[str, str](), dict[str, list[str]]()
    for variable, value in environ.items():
        if variable.startswith(POLICY_PREFIX):
            rules[variable.removeprefix(POLICY_PREFIX).lower()] = value.strip().lower()
        elif variable.startswith(ALLOWED_PREFIX):
            names = [name.strip() for name in value.split(",")]
            allowed[variable.removeprefix(ALLOWED_PREFIX).lower()] = names
    try:
        return read_policy(rules, allowed)
    except ValueError as error:
        raise ValueError(f"variables {POLICY_PREFIX}… and {ALLOWED_PREFIX}…: {error}") from None


def environment_of(rules: Mapping[str, str], allowed: Mapping[str, Iterable[str]]) -> dict[str, str]:
    """Return the environment variables that say so.

    Raises:
        ValueError: as `read_policy`; or a pattern holds a comma.
    """
    policy = read_policy(rules, allowed)
    lists = {kind: names for kind, (names,) in policy.allowed.items()}
    if commas := [name for names in lists.values() for name in names if "," in name]:
        raise ValueError(f"{commas[0]!r} holds a comma, which separates names in an environment variable.")
    said = {f"{POLICY_PREFIX}{name.upper()}": rule.value for name, rule in policy.rules.items()}
    return {**said, **{f"{ALLOWED_PREFIX}{kind.upper()}": ",".join(names) for kind, names in lists.items()}}


def enabled_by_environment(word: str | None) -> bool | None:
    """Return what the environment variable says, `None` when it is not set.

    Raises:
        ValueError: it holds an unknown word.
    """
    if word is None or not word.strip():
        return None
    try:
        return _WORDS[word.strip().lower()]
    except KeyError:
        raise ValueError(
            f"{ENABLED_VARIABLE} is {word!r}; expected one of {', '.join(sorted(_WORDS))}."
        ) from None


def _word(words: type[E], name: str, what: str) -> E:
    try:
        return words(name)
    except ValueError:
        known = ", ".join(word.value for word in words)
        raise ValueError(f"{name!r} is no {what}; expected one of {known}.") from None


def _rule(capability: str, said: str) -> Rule:
    try:
        return Rule(said)
    except ValueError:
        known = ", ".join(rule.value for rule in Rule)
        raise ValueError(f"the policy of {capability} is {said!r}; expected one of {known}.") from None


def _patterns(kind: str, names: Iterable[str]) -> tuple[str, ...]:
    patterns = () if isinstance(names, str) else tuple(map(str, names))
    if not all(patterns) or not patterns:
        raise ValueError(
            f"the allowed {kind} are {names!r}; expected a list of names that are not empty. Leave the "
            "list out to allow everything; to allow nothing, switch the capability off."
        )
    if kind == AllowList.WORKSPACE_KINDS and (wrong := sorted(set(patterns) - set(WORKSPACE_KINDS))):
        raise ValueError(f"{wrong[0]!r} is no kind of workspace; expected {', '.join(WORKSPACE_KINDS)}.")
    return patterns
