from __future__ import annotations

import logging

import pytest

from jupyter_chatd.workspace.environment import looks_secret, of_command, scrubbed


def test_only_the_allow_list_passes() -> None:
    server = {
        "PATH": "/bin",
        "HOME": "/home/u",
        "LC_ALL": "C",
        "CONDA_PREFIX": "/c",
        "CONDA_TOKEN": "t",
        "VIRTUAL_ENV": "/v",
        "TERM": "xterm-256color",
        "OPENAI_API_KEY": "k",
        "JUPYTER_TOKEN": "t",
        "EVERYTHING_ELSE": "x",
        "MY_FLAG": "1",
    }
    assert scrubbed(server, extra_names=["MY_FLAG"]) == {
        "PATH": "/bin",
        "HOME": "/home/u",
        "LC_ALL": "C",
        "CONDA_PREFIX": "/c",
        "VIRTUAL_ENV": "/v",
        "TERM": "dumb",
        "MY_FLAG": "1",
    }


def test_a_secret_is_left_out_even_when_it_is_allowed(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        env = scrubbed({"JPY_API_TOKEN": "s3cret", "PATH": "/bin"}, extra_names=["JPY_API_TOKEN"])
    assert env == {"PATH": "/bin", "TERM": "dumb"}
    assert "JPY_API_TOKEN" in caplog.text
    assert "s3cret" not in caplog.text


@pytest.mark.parametrize(
    "name",
    [
        "OPENAI_API_KEY",
        "ANTHROPIC_APIKEY",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "GITHUB_TOKEN",
        "PGPASSWORD",
        "private_key",
        "GOOGLE_APPLICATION_CREDENTIALS",
        "JUPYTERHUB_COOKIE_ID",
    ],
)
def test_secret_names(name: str) -> None:
    assert looks_secret(name)


@pytest.mark.parametrize("name", ["PATH", "KEYBOARD", "MONKEY", "SSH_AUTH_SOCK", "LC_ALL"])
def test_harmless_names(name: str) -> None:
    assert not looks_secret(name)


def test_a_server_without_path_still_finds_programs() -> None:
    assert scrubbed({})["PATH"] == "/usr/local/bin:/usr/bin:/bin"


def test_a_command_knows_whose_it_is() -> None:
    assert of_command("chat", "process") == {
        "CODER_CHAT_ID": "chat",
        "JUPYTER_CHATD_CHAT_ID": "chat",
        "JUPYTER_CHATD_PROCESS_ID": "process",
    }
