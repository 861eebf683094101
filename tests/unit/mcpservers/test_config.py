from __future__ import annotations

from dataclasses import replace

import pytest

from jupyter_chatd.mcp.config import (
    Availability,
    McpServerConfig,
    Transport,
    check_config,
    default_ids,
    select,
)
from jupyter_chatd.mcp.redact import Redactor

WEB = McpServerConfig(id="1", slug="web", url="https://mcp.example.org/mcp")
PROGRAM = McpServerConfig(id="2", slug="program", transport=Transport.STDIO, command="serve")


@pytest.mark.parametrize(
    ("allowed", "denied", "offered"),
    [
        ((), (), "abc"),
        (("a", "b"), (), "ab"),
        ((), ("a",), "bc"),
        (("a", "b"), ("a",), "b"),
        (("A",), (), ""),
    ],
)
def test_the_deny_list_takes_from_the_allow_list(
    allowed: tuple[str, ...], denied: tuple[str, ...], offered: str
) -> None:
    config = replace(WEB, allowed_tools=allowed, denied_tools=denied)
    assert "".join(tool for tool in "abc" if config.offers(tool)) == offered


def test_a_chat_has_the_servers_that_it_chose_and_those_that_all_have() -> None:
    forced = replace(WEB, id="forced", availability=Availability.FORCE_ON)
    planned = replace(WEB, id="planned", allow_in_plan_mode=True, availability=Availability.DEFAULT_ON)
    off = replace(WEB, id="off", enabled=False, availability=Availability.FORCE_ON)
    configs = (WEB, forced, planned, off)
    assert select(configs, ["1", "off", "unknown"]) == (WEB, forced)
    assert select(configs, ["1", "planned"], in_plan_mode=True) == (planned,)
    assert select(configs, ["1"], only_chosen=True) == (WEB,)
    assert default_ids(configs) == ("planned",)


@pytest.mark.parametrize(
    "config",
    [
        WEB,
        PROGRAM,
        replace(WEB, slug="a-b_c-9"),
        replace(WEB, url="http://127.0.0.1:3000/mcp?key=1", headers={"Authorization": "Bearer x y"}),
        replace(PROGRAM, args=("-y", "größe"), env={"A_1": ""}, cwd="/tmp"),
    ],
)
def test_what_is_right_passes(config: McpServerConfig) -> None:
    check_config(config)


@pytest.mark.parametrize(
    ("config", "field"),
    [
        (replace(WEB, slug="Two"), "slug"),
        (replace(WEB, slug="a__b"), "slug"),
        (replace(WEB, slug="a_"), "slug"),
        (replace(WEB, slug="1a"), "slug"),
        (replace(WEB, slug="a" * 33), "slug"),
        (replace(WEB, slug=""), "slug"),
        (replace(WEB, url=None), "url"),
        (replace(WEB, url="mcp.example.org"), "url"),
        (replace(WEB, url="https://user:secret@example.org/"), "url"),
        (replace(WEB, url="http://[::1"), "url"),
        (replace(WEB, url="http://a:99999/"), "url"),
        (replace(WEB, command="serve"), "command"),
        (replace(WEB, headers={"A b": "x"}), "headers"),
        (replace(WEB, headers={"A": "secret\r\nX: y"}), "headers"),
        (replace(PROGRAM, command=" "), "command"),
        (replace(PROGRAM, url="http://a/"), "url"),
        (replace(PROGRAM, cwd="relative"), "cwd"),
        (replace(PROGRAM, env={"A=B": "secret"}), "env"),
        (replace(PROGRAM, args=("a\0b",)), "command"),
        (replace(WEB, call_timeout_s=0), "call_timeout_s"),
        (replace(WEB, connect_timeout_s=float("nan")), "connect_timeout_s"),
    ],
)
def test_what_is_wrong_is_named_without_its_secrets(config: McpServerConfig, field: str) -> None:
    with pytest.raises(ValueError, match=f"^{field}") as caught:
        check_config(config)
    assert "secret" not in str(caught.value)


def test_no_secret_is_in_the_text_of_a_config() -> None:
    config = replace(
        WEB,
        url="https://user@mcp.example.org:8443/mcp?key=secret",
        headers={"Authorization": "Bearer secret"},
        env={"TOKEN": "secret"},
        args=("--key=secret",),
    )
    assert "secret" not in repr(config)
    assert config.place == "https://mcp.example.org:8443/mcp"
    assert replace(config, url="http://[::1]:80/a").place == "http://[::1]:80/a"
    assert PROGRAM.place == "serve"


def test_secrets_are_hidden_wherever_they_appear() -> None:
    redactor = Redactor(
        replace(
            WEB,
            url="https://example.org/?api=from-the-query",
            headers={"Authorization": "Bearer bearer-token", "X-Short": "on"},
            env={"API_TOKEN": "bearer-token-and-more", "LEVEL": "debugging"},
        )
    )
    text = "bearer-token bearer-token-and-more from-the-query on debugging"
    assert redactor.hide(text) == "[hidden] [hidden] [hidden] on debugging"
