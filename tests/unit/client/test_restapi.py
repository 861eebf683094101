"""Answers of a server that are none."""

from __future__ import annotations

import pytest

from jupyter_chatd.client.errors import ClientError
from jupyter_chatd.client.restapi import RestApi, refusal
from jupyter_chatd.client.server import Server
from jupyter_chatd.errors import FieldProblem


def test_the_envelope_becomes_an_error() -> None:
    body = (
        b'{"message": "Invalid.", "detail": "Say more.", "validations": [{"field": "a", "detail": "b"}, 3]}'
    )
    error = refusal(400, body)
    assert str(error) == "Invalid. Say more."
    assert (error.status, error.detail) == (400, "Say more.")
    assert error.problems == (FieldProblem(field="a", detail="b"),)


@pytest.mark.parametrize(
    "status, body, advice",
    [
        (404, b'{"message": "Not Found", "reason": null}', "jupyter server extension list"),
        (404, b"<html>", "jupyter server extension list"),
        (403, b'{"message": "Forbidden"}', "Check the token"),
        (302, b"", "Check the token"),
        (500, b"\xff", "Look into its log"),
        (502, b'["no object"]', "Look into its log"),
    ],
)
def test_other_answers_say_what_to_check(status: int, body: bytes, advice: str) -> None:
    assert advice in str(refusal(status, body))


@pytest.mark.anyio
async def test_what_has_no_json_form_is_not_sent() -> None:
    async with RestApi(Server(url="http://127.0.0.1:9/")) as api:
        with pytest.raises(ClientError, match="no JSON form"):
            await api.post("", {"content": "half \ud83d"})


@pytest.mark.anyio
@pytest.mark.parametrize("path", ["/\n", "/\ud83d", f"/{'x' * 70_000}"])
async def test_what_cannot_be_sent_is_not_passed_on(path: str) -> None:
    async with RestApi(Server(url="http://127.0.0.1:9/")) as api:
        with pytest.raises(ClientError, match="a request that can be sent"):
            await api.forward("GET", path, content=b"", headers={})
