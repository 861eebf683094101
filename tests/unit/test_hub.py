"""The pre-spawn hook of a hub: variables by group; a hub does not start on terms that mean nothing."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from jupyter_chatd.hub import by_group


def spawner(*groups: str, **environment: str) -> Any:
    user = SimpleNamespace(groups=[SimpleNamespace(name=name) for name in groups])
    return SimpleNamespace(user=user, environment=environment)


GROUPS = {"staff": {}, "students": {"policy": {"shell": "off"}, "allowed": {"models": ["demo:*"]}}}
STUDENT = {
    "JUPYTER_CHATD_ENABLED": "on",
    "JUPYTER_CHATD_POLICY_SHELL": "off",
    "JUPYTER_CHATD_ALLOWED_MODELS": "demo:*",
}


@pytest.mark.parametrize(
    "groups, environment",
    [
        (("students",), STUDENT),
        (("students", "staff"), {"JUPYTER_CHATD_ENABLED": "on"}),
        (("others",), {"JUPYTER_CHATD_ENABLED": "off"}),
        ((), {"JUPYTER_CHATD_ENABLED": "off"}),
    ],
)
def test_the_first_group_decides(groups: tuple[str, ...], environment: dict[str, str]) -> None:
    server = spawner(*groups, KEPT="1")
    by_group(GROUPS)(server)
    assert server.environment == {"KEPT": "1", **environment}


def test_who_changed_groups_has_nothing_of_the_old_one() -> None:
    server = spawner("staff", KEPT="1", **STUDENT)
    by_group(GROUPS)(server)
    assert server.environment == {"KEPT": "1", "JUPYTER_CHATD_ENABLED": "on"}


def test_users_of_no_group_can_have_terms_too() -> None:
    server = spawner()
    by_group({}, otherwise={"policy": {"mcp": "off"}})(server)
    assert server.environment == {"JUPYTER_CHATD_ENABLED": "on", "JUPYTER_CHATD_POLICY_MCP": "off"}


@pytest.mark.parametrize(
    "terms, says",
    [
        ({"polici": {}}, "the terms of staff have 'polici'; expected policy, allowed."),
        (
            {"policy": {"shell": "never"}},
            "the terms of staff: the policy of shell is 'never'; expected one of",
        ),
        ({"allowed": {"model": ["a"]}}, "the terms of staff: 'model' is no list; expected one of"),
    ],
)
def test_terms_that_mean_nothing_are_refused_when_the_hub_starts(terms: Any, says: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the text is compared
        by_group({"staff": terms})
    assert str(caught.value).startswith(says)


def test_a_hub_loads_nothing_heavy_for_it() -> None:
    code = (
        "import sys; before = set(sys.modules); import jupyter_chatd.hub; "
        "new = {name.partition('.')[0] for name in set(sys.modules) - before}; "
        "print(sorted(new - set(sys.stdlib_module_names)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "['jupyter_chatd']"
