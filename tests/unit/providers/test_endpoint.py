from __future__ import annotations

import pytest

from jupyter_chatd.providers.endpoint import OPENAI_URL, Kind, check_api_key, check_base_url

from .asking import endpoint


@pytest.mark.parametrize(
    "given,url",
    [
        ("http://127.0.0.1:8000/v1", "http://127.0.0.1:8000/v1"),
        (" https://host/v1/ ", "https://host/v1"),
        ("HTTPS://Host", "HTTPS://Host"),
    ],
)
def test_addresses_lose_what_does_not_matter(given: str, url: str) -> None:
    assert check_base_url(given) == url


@pytest.mark.parametrize(
    "given",
    [
        "",
        "localhost:8000",
        "ftp://host",
        "http://",
        "http://host:99999",
        "http://host:0",
        "http://user:secret@host/v1",
        "http://host/v1?key=secret",
        "http://[::1/v1",
        "file:///etc/passwd",
    ],
)
def test_what_is_no_address_is_refused_with_an_example(given: str) -> None:
    with pytest.raises(ValueError, match="base URL") as caught:
        check_base_url(given)

    if "secret" in given:
        assert "secret" not in str(caught.value)


def test_keys_are_checked() -> None:
    assert check_api_key(" sk-1 \n") == "sk-1"
    with pytest.raises(ValueError, match="ASCII"):
        check_api_key("sk-…")


def test_messages_name_the_host_of_what_is_not_the_vendors_own() -> None:
    own = endpoint(Kind.OPENAI, OPENAI_URL, label="OpenAI")
    other = endpoint(Kind.OPENAI, "http://127.0.0.1:8000/v1", label="OpenAI")

    assert own.subject == "OpenAI"
    assert other.subject == "OpenAI at 127.0.0.1:8000"


def test_keys_are_in_no_repr() -> None:
    assert "sk-secret" not in repr(endpoint(Kind.OPENAI, OPENAI_URL, api_key="sk-secret"))
