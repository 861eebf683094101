"""Addresses as people write them, and what the environment tells of a provider."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from jupyter_chatd.providers.credentials import Credentials
from jupyter_chatd.providers.endpoint import GOOGLE_URL, Kind
from jupyter_chatd.providers.presets import MODEL_VARIABLES, azure_url, missing_extra, ollama_url

from .test_sources import credentials, found, refused, row

__all__ = ["credentials"]

AZURE = "https://my-resource.openai.azure.com"
REGION = {"AWS_REGION": "eu-west-1"}
IRELAND = "https://bedrock-runtime.eu-west-1.amazonaws.com"


@pytest.mark.parametrize(
    "given,url",
    [
        ("127.0.0.1:11500", "http://127.0.0.1:11500/v1"),
        ("gpu-box", "http://gpu-box:11434/v1"),
        ("0.0.0.0", "http://127.0.0.1:11434/v1"),
        ("0.0.0.0:80", "http://127.0.0.1:80/v1"),
        (":11500", "http://127.0.0.1:11500/v1"),
        ("[::]:11434", "http://[::1]:11434/v1"),
        ("https://ollama.example.org", "https://ollama.example.org:443/v1"),
        ("http://gpu-box", "http://gpu-box:80/v1"),
        ("http://gpu-box:1/behind/a/proxy", "http://gpu-box:1/behind/a/proxy"),
    ],
)
def test_what_ollama_listens_on_becomes_an_address_to_call(given: str, url: str) -> None:
    assert ollama_url(given) == url


def test_an_azure_resource_is_completed_with_the_path_of_its_api(credentials: Credentials) -> None:
    assert azure_url(f"{AZURE}/") == f"{AZURE}/openai/v1"
    assert azure_url(f"{AZURE}/openai/v1") == f"{AZURE}/openai/v1"

    endpoint = found(
        credentials, "azure", environ={"AZURE_OPENAI_ENDPOINT": AZURE, "AZURE_OPENAI_API_KEY": "a-key"}
    )
    assert (endpoint.kind, endpoint.base_url, endpoint.api_key) == (Kind.AZURE, f"{AZURE}/openai/v1", "a-key")
    assert endpoint.is_official


def test_azure_needs_a_key_wherever_it_is(credentials: Credentials) -> None:
    assert (
        refused(credentials, "azure", row=row("azure", base_url="https://gateway.example.org")).kind == "auth"
    )
    assert "my-resource.openai.azure.com" in refused(credentials, "azure").message


def test_google_takes_either_of_its_variables(credentials: Credentials) -> None:
    for name in ("GOOGLE_API_KEY", "GEMINI_API_KEY"):
        endpoint = found(credentials, "google", environ={name: "a-key"})
        assert (endpoint.base_url, endpoint.api_key) == (GOOGLE_URL, "a-key")
    assert "GOOGLE_API_KEY in the server's environment" in refused(credentials, "google").message


def test_bedrock_is_called_in_the_region_of_the_environment(credentials: Credentials) -> None:
    endpoint = found(credentials, "bedrock", environ={**REGION, "AWS_BEARER_TOKEN_BEDROCK": "a-key"})

    assert (endpoint.base_url, endpoint.api_key) == (IRELAND, "a-key")
    china = found(
        credentials, "bedrock", environ={"AWS_REGION": "cn-north-1", "AWS_BEARER_TOKEN_BEDROCK": "a-key"}
    )
    assert china.base_url == "https://bedrock-runtime.cn-north-1.amazonaws.com.cn"
    assert "AWS_REGION" in refused(credentials, "bedrock").message


@pytest.mark.parametrize("environ", [{"AWS_PROFILE": "work"}, {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE"}, "file"])
def test_bedrock_needs_no_key_where_the_machine_has_credentials(
    credentials: Credentials, tmp_path: Path, environ: Any
) -> None:
    if environ == "file":
        (tmp_path / ".aws").mkdir()
        (tmp_path / ".aws" / "credentials").touch()
        environ = {"HOME": str(tmp_path)}
    endpoint = found(credentials, "bedrock", environ={**REGION, **environ})

    assert (endpoint.api_key, endpoint.may_use_cloud_identity) == (None, True)


def test_bedrock_without_key_and_credentials_says_so(credentials: Credentials) -> None:
    assert refused(credentials, "bedrock", environ=REGION).kind == "auth"


def test_the_machines_credentials_sign_for_amazon_only(credentials: Credentials) -> None:
    environ = {**REGION, "AWS_PROFILE": "work", "AWS_BEARER_TOKEN_BEDROCK": "a-key"}
    elsewhere = found(
        credentials, "bedrock", environ=environ, row=row("bedrock", base_url="https://evil.example")
    )
    frankfurt = IRELAND.replace("eu-west-1", "eu-central-1")
    other_region = found(credentials, "bedrock", environ=environ, row=row("bedrock", base_url=frankfurt))

    assert (elsewhere.api_key, elsewhere.may_use_cloud_identity) == (None, False)
    assert (other_region.api_key, other_region.base_url) == ("a-key", frankfurt)


def test_a_vendor_whose_code_is_not_installed_says_what_to_install(
    credentials: Credentials, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)  # what find_spec calls missing
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)

    detail = refused(credentials, "google", environ={"GOOGLE_API_KEY": "a-key"})

    assert (detail.kind, 'pip install "jupyter_chatd[google]"' in detail.message) == ("config", True)
    assert [missing_extra(kind) for kind in (Kind.BEDROCK, Kind.OPENAI)] == ["bedrock", None]


def test_a_local_ollama_needs_neither_address_nor_key(credentials: Credentials) -> None:
    endpoint = found(credentials, "ollama")

    assert (endpoint.base_url, endpoint.api_key) == ("http://127.0.0.1:11434/v1", None)
    assert found(credentials, "ollama", environ={"OLLAMA_HOST": "gpu-box"}).host == "gpu-box:11434"


@pytest.mark.parametrize(
    "provider,variable,address",
    [
        ("vllm", "VLLM_BASE_URL", "http://127.0.0.1:8000/v1"),
        ("litellm", "LITELLM_PROXY_API_BASE", "http://127.0.0.1:4000/v1"),
        ("openrouter", "OPENROUTER_BASE_URL", "http://127.0.0.1:4001/api/v1"),
    ],
)
def test_addresses_of_the_environment(
    credentials: Credentials, provider: str, variable: str, address: str
) -> None:
    endpoint = found(credentials, provider, environ={variable: address})

    assert (endpoint.base_url, endpoint.api_key) == (address, None)
    assert variable in MODEL_VARIABLES
