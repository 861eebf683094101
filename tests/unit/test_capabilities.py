"""Words of a policy, from traits and the environment: read as they are meant, or refused."""

from __future__ import annotations

import pytest

from jupyter_chatd.capabilities import (
    AllowList,
    Capabilities,
    Capability,
    Policy,
    Rule,
    environment_of,
    policy_of_environment,
    read_policy,
)


def test_without_words_the_user_decides_and_everything_is_allowed() -> None:
    policy = policy_of_environment({"PATH": "/bin", "JUPYTER_CHATD_ENABLED": "on"})
    assert policy == Policy()
    assert {policy.rule(name) for name in Capability} == {Rule.USER}
    assert policy.allows_model("openai:gpt")
    assert Capabilities().allows_tool("execute")
    assert Capabilities().allows_workspace_kind("hub")


def test_the_environment_says_what_the_traits_say() -> None:
    rules, allowed = {"shell": "off", "mcp": "on"}, {"models": ["a:*", "b:c"]}
    environment = environment_of(rules, allowed)
    assert environment == {
        "JUPYTER_CHATD_POLICY_SHELL": "off",
        "JUPYTER_CHATD_POLICY_MCP": "on",
        "JUPYTER_CHATD_ALLOWED_MODELS": "a:*,b:c",
    }
    assert policy_of_environment(environment) == read_policy(rules, allowed)


@pytest.mark.parametrize(
    "one, other, both",
    [
        ("off", "on", Rule.OFF),
        ("on", "off", Rule.OFF),
        ("on", "user", Rule.ON),
        ("user", "off", Rule.OFF),
        ("user", "user", Rule.USER),
    ],
)
def test_of_two_policies_the_stricter_one_holds(one: str, other: str, both: Rule) -> None:
    policy = read_policy({"shell": one}, {}) & read_policy({"shell": other}, {})
    assert policy.rule(Capability.SHELL) is both


def test_of_two_lists_both_must_allow_it() -> None:
    policy = read_policy({}, {"models": ["a:*"]}) & read_policy(
        {}, {"models": ["*:small"], "providers": ["a"]}
    )
    refs = ("a:small", "a:large", "b:small")
    assert [policy.allows_model(ref) for ref in refs] == [True, False, False]
    assert not policy.allows(AllowList.PROVIDERS, "b")


@pytest.mark.parametrize(
    "environment, says",
    [
        (
            {"JUPYTER_CHATD_POLICY_SHEL": "off"},
            "'shel' is no capability; expected one of shell, file_writes,",
        ),
        ({"JUPYTER_CHATD_POLICY_SHELL": "no"}, "the policy of shell is 'no'; expected one of user, on, off."),
        ({"JUPYTER_CHATD_POLICY_SHELL": ""}, "the policy of shell is ''"),
        ({"JUPYTER_CHATD_ALLOWED_MODEL": "a:b"}, "'model' is no list; expected one of providers, models,"),
        ({"JUPYTER_CHATD_ALLOWED_MODELS": ""}, "expected a list of names that are not empty"),
        (
            {"JUPYTER_CHATD_ALLOWED_WORKSPACE_KINDS": "server,pod"},
            "'pod' is no kind of workspace; expected server,",
        ),
    ],
)
def test_words_that_mean_nothing_are_refused(environment: dict[str, str], says: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the text is compared
        policy_of_environment(environment)
    assert says in str(caught.value)


@pytest.mark.parametrize("names", ["a:b", [], [""]])
def test_a_list_is_a_list_of_names(names: object) -> None:
    with pytest.raises(ValueError, match="expected a list of names"):
        read_policy({}, {"models": names})  # type: ignore[dict-item]


def test_a_comma_cannot_be_said_in_the_environment() -> None:
    with pytest.raises(ValueError, match="holds a comma"):
        environment_of({}, {"models": ["a:b,c"]})


def test_the_user_decides_only_where_the_policy_lets_them() -> None:
    policy = read_policy({"shell": "on", "mcp": "off"}, {})
    chosen = {Capability.SHELL: False, Capability.MCP: True, Capability.SUBAGENTS: False}
    capabilities = Capabilities(policy=policy, choices=chosen)
    has = {name for name in Capability if capabilities.has(name)}
    assert has == set(Capability) - {Capability.MCP, Capability.SUBAGENTS}
    assert capabilities.why_not(Capability.MCP) == "mcp is switched off by whoever runs this server"
    assert (
        capabilities.why_not(Capability.SUBAGENTS)
        == "subagents is switched off in the settings of this server"
    )
    assert capabilities.why_not(Capability.SHELL) is None


def test_the_servers_own_folder_needs_no_capability() -> None:
    capabilities = Capabilities(policy=read_policy({"workspaces": "off"}, {}))
    assert capabilities.allows_workspace_kind("server")
    assert not capabilities.allows_workspace_kind("process")
    only_hub = Capabilities(policy=read_policy({}, {"workspace_kinds": ["server", "hub"]}))
    assert only_hub.allows_workspace_kind("hub")
    assert not only_hub.allows_workspace_kind("process")
