"""Which address a provider has, and which key goes there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from jupyter_chatd.errors import ModelError
from jupyter_chatd.messages import ErrorDetail
from jupyter_chatd.model_settings import ProviderConfig
from jupyter_chatd.providers.credentials import Credentials
from jupyter_chatd.providers.endpoint import ANTHROPIC_URL, OPENAI_URL, Endpoint, Kind
from jupyter_chatd.providers.sources import Sources, provider_entries, why_unavailable

GATEWAY = "http://gateway:4000/v1"
LOCAL = "http://127.0.0.1:8000/v1"


@pytest.fixture
def credentials(tmp_path: Path) -> Credentials:
    return Credentials(tmp_path / "keys.json")


def found(
    credentials: Credentials,
    provider: str = "openai",
    *,
    environ: dict[str, str] | None = None,
    entries: list[dict[str, Any]] | None = None,
    row: ProviderConfig | None = None,
) -> Endpoint:
    sources = Sources(environ=environ or {}, entries=provider_entries(entries or []), credentials=credentials)
    return sources.endpoint(provider, row)


def refused(*args: Any, **kwargs: Any) -> ErrorDetail:
    with pytest.raises(ModelError) as caught:
        found(*args, **kwargs)
    return caught.value.error


def row(provider: str = "openai", **fields: Any) -> ProviderConfig:
    return ProviderConfig(id="p1", provider=provider, **fields)


def test_a_key_in_the_environment_is_enough(credentials: Credentials) -> None:
    openai = found(credentials, environ={"OPENAI_API_KEY": "sk-env\n"})
    anthropic = found(credentials, "anthropic", environ={"ANTHROPIC_API_KEY": "sk-ant"})

    assert (openai.kind, openai.base_url, openai.api_key) == (Kind.OPENAI, OPENAI_URL, "sk-env")
    assert (anthropic.kind, anthropic.base_url, anthropic.api_key) == (
        Kind.ANTHROPIC,
        ANTHROPIC_URL,
        "sk-ant",
    )
    assert openai.from_environment


def test_the_environment_may_name_the_address_too(credentials: Credentials) -> None:
    with_key = found(credentials, environ={"OPENAI_API_KEY": "x", "OPENAI_BASE_URL": f"{LOCAL}/"})
    without = found(credentials, environ={"OPENAI_BASE_URL": LOCAL})

    assert (with_key.base_url, with_key.api_key) == (LOCAL, "x")
    assert (without.base_url, without.api_key) == (LOCAL, None)


def test_the_order_of_keys_is_environment_configuration_file(credentials: Credentials) -> None:
    credentials.set("openai", "sk-file", base_url=None)
    entries = [{"provider": "openai", "api_key": "sk-trait"}]
    environ = {"OPENAI_API_KEY": "sk-env"}

    assert found(credentials, environ=environ, entries=entries).api_key == "sk-env"
    assert found(credentials, entries=entries).api_key == "sk-trait"
    assert found(credentials).api_key == "sk-file"


def test_a_configured_address_and_key_belong_together(credentials: Credentials) -> None:
    entry = {"provider": "openai", "base_url": GATEWAY, "api_key": "sk-gateway"}

    endpoint = found(credentials, entries=[entry], environ={"OPENAI_API_KEY": "sk-env"})

    assert (endpoint.base_url, endpoint.api_key) == (GATEWAY, "sk-gateway")
    assert not endpoint.from_environment


def test_an_address_that_someone_entered_gets_no_key_of_the_server(credentials: Credentials) -> None:
    environ = {"OPENAI_API_KEY": "sk-env"}
    entries = [{"provider": "openai", "api_key": "sk-trait"}]
    chosen = row(base_url="http://evil.example/v1")

    endpoint = found(credentials, environ=environ, entries=entries, row=chosen)
    assert endpoint.api_key is None
    assert not endpoint.from_environment

    credentials.set("openai", "sk-entered", base_url="http://evil.example/v1")
    assert found(credentials, environ=environ, row=chosen).api_key == "sk-entered"


def test_a_key_of_the_file_does_not_follow_to_another_address(credentials: Credentials) -> None:
    credentials.set("vllm", "sk-1", base_url=LOCAL)

    assert found(credentials, "vllm", row=row("vllm", base_url=LOCAL)).api_key == "sk-1"
    assert found(credentials, "vllm", row=row("vllm", base_url=f"{LOCAL}/ ")).api_key == "sk-1"
    assert found(credentials, "vllm", row=row("vllm", base_url=GATEWAY)).api_key is None


def test_an_entered_address_that_is_the_servers_own_gets_its_key(credentials: Credentials) -> None:
    environ = {"OPENAI_API_KEY": "sk-env", "OPENAI_BASE_URL": LOCAL}

    assert found(credentials, environ=environ, row=row(base_url=f"{LOCAL}/")).api_key == "sk-env"


def test_any_other_name_is_an_openai_compatible_endpoint(credentials: Credentials) -> None:
    endpoint = found(credentials, "vllm", row=row("vllm", base_url=LOCAL, display_name="My vLLM"))

    assert (endpoint.kind, endpoint.label, endpoint.api_key) == (Kind.OPENAI_COMPAT, "My vLLM", None)
    assert found(credentials, "mine", entries=[{"provider": "mine", "base_url": LOCAL}]).label == "mine"


def test_what_is_missing_is_told(credentials: Credentials) -> None:
    no_key = refused(credentials)
    assert (no_key.kind, no_key.message) == (
        "auth",
        "There is no API key for OpenAI. Set one: "
        "OPENAI_API_KEY in the server's environment, or the provider settings.",
    )
    no_url = refused(credentials, "vllm")
    assert (no_url.kind, "has no base URL" in no_url.message) == ("config", True)
    off = refused(credentials, row=row(enabled=False), environ={"OPENAI_API_KEY": "x"})
    assert (off.kind, "switched off" in off.message) == ("config", True)
    bad_url = refused(credentials, environ={"OPENAI_BASE_URL": "localhost"})
    assert "http://" in bad_url.message
    bad_key = refused(credentials, environ={"OPENAI_API_KEY": "sk-… secret"})
    assert "ASCII" in bad_key.message
    assert "secret" not in bad_key.message


def test_an_unusable_key_file_is_told(credentials: Credentials, tmp_path: Path) -> None:
    credentials.set("openai", "sk-1", base_url=None)
    (tmp_path / "keys.json").chmod(0o644)

    assert "chmod 600" in refused(credentials).message
    assert found(credentials, environ={"OPENAI_API_KEY": "sk-env"}).api_key == "sk-env", (
        "it is not needed here"
    )


def test_reasons_for_programs(credentials: Credentials) -> None:
    assert why_unavailable(ModelError(refused(credentials))) == "missing_api_key"
    assert why_unavailable(ModelError(refused(credentials, "vllm"))) == "misconfigured"


@pytest.mark.parametrize(
    "entry,words",
    [
        ({"api_key": "sk-secret"}, r"providers\[0\] needs a provider"),
        ({"provider": "x", "apikey": "sk-secret"}, "unknown fields apikey"),
        ({"provider": "x", "api_key": 3}, r"providers\[0\].api_key has the wrong type, int"),
        ({"provider": "demo"}, "cannot be demo"),
        ({"provider": "x", "models": "gpt"}, r"providers\[0\].models has the wrong type"),
    ],
)
def test_a_malformed_trait_is_refused_without_quoting_keys(entry: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        provider_entries([entry])

    assert "secret" not in str(caught.value)


def test_keys_are_in_no_repr() -> None:
    assert "sk-secret" not in repr(provider_entries([{"provider": "x", "api_key": "sk-secret"}]))
