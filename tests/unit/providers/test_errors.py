"""From what vendors raise to what people read."""

from __future__ import annotations

from typing import Any

import pytest

from jupyter_chatd.providers.endpoint import OPENAI_URL, Kind
from jupyter_chatd.providers.errors import (
    MAX_DETAIL,
    Cause,
    Failure,
    classify,
    failure_of,
    missing_key,
    model_error,
    scrub,
)

from .asking import endpoint

OFFICIAL = endpoint(Kind.OPENAI, OPENAI_URL, label="OpenAI", key_source="OPENAI_API_KEY")
LOCAL = endpoint(Kind.OPENAI_COMPAT, "http://127.0.0.1:8000/v1", label="vLLM", provider="vllm")


@pytest.mark.parametrize(
    "status,text,cause",
    [
        (529, "", Cause.OVERLOADED),
        (503, "The engine is currently overloaded", Cause.OVERLOADED),
        (429, "You exceeded your current quota", Cause.USAGE_LIMIT),
        (402, "", Cause.USAGE_LIMIT),
        (401, "", Cause.AUTH),
        (400, "Incorrect API key provided", Cause.AUTH),
        (403, "", Cause.AUTH),
        (404, "404 page not found", Cause.UNKNOWN_MODEL),
        (400, "Invalid model name passed in model=gpt-x", Cause.UNKNOWN_MODEL),
        (400, 'model "llama9" not found, try pulling it first', Cause.UNKNOWN_MODEL),
        (400, "This model's maximum context length is 4096 tokens", Cause.CONTEXT_WINDOW),
        (413, "", Cause.CONTEXT_WINDOW),
        (429, "", Cause.RATE_LIMIT),
        (400, "temperature must be at most 2", Cause.CONFIG),
        (422, "", Cause.CONFIG),
        (502, "", Cause.TIMEOUT),
        (504, "", Cause.TIMEOUT),
        (408, "", Cause.TIMEOUT),
        (500, "", Cause.SERVER),
        (599, "", Cause.SERVER),
        (418, "teapot", Cause.GENERIC),
        (None, "upstream: 502 Bad Gateway", Cause.TIMEOUT),
        (None, "connection reset by peer", Cause.TIMEOUT),
        (None, "dial tcp 10.0.0.1:503: no luck", Cause.GENERIC),
        (None, "error 429", Cause.RATE_LIMIT),
        (None, "", Cause.GENERIC),
    ],
)
def test_causes(status: int | None, text: str, cause: Cause) -> None:
    assert classify(status, text) is cause


# The table of the original daemon (spec/chatd.md §3.7): row, status, text, kind, whether to try again. Where
# ours differs on purpose (DECISIONS.md), the row says so.
TABLE = [
    (0, None, "chat interrupted", "generic", False),
    (0, None, "the request interrupted by its user", "generic", False),
    (1, 529, "", "overloaded", True),
    (1, None, "Overloaded", "overloaded", True),
    (1, 529, "quota", "overloaded", True),
    (2, 429, "You exceeded your current quota", "usage_limit", False),
    (2, 400, "Your billing plan has ended", "usage_limit", False),
    (2, None, "payment required", "usage_limit", False),
    (2, 401, "no quota left", "usage_limit", False),
    (3, 401, "", "auth", False),
    (3, None, "authentication failed", "auth", False),
    (3, None, "Unauthorized", "auth", False),
    (3, 400, "invalid api key", "auth", False),
    (4, 403, "", "auth", False),
    (4, None, "Forbidden", "auth", False),
    (4, 403, "unknown model gpt-x", "config", False),
    (5, 429, "", "rate_limit", True),
    (5, None, "rate limit reached", "rate_limit", True),
    (5, None, "rate-limited", "rate_limit", True),
    (5, None, "Too Many Requests", "rate_limit", True),
    (5, 429, "unsupported model gpt-x", "config", False),
    (6, 408, "", "timeout", True),
    (6, 502, "", "timeout", True),
    (6, 503, "", "timeout", True),
    (6, 504, "", "timeout", True),
    (6, None, "i/o timeout", "timeout", True),
    (6, None, "the read timed out", "timeout", True),
    (6, None, "Service Unavailable", "timeout", True),
    (6, None, "connection reset by peer", "timeout", True),
    (6, None, "connection refused", "timeout", True),
    (6, None, "EOF", "timeout", True),
    (6, None, "unexpected EOF", "timeout", True),
    (6, None, "write: broken pipe", "timeout", True),
    (6, None, "Bad Gateway", "timeout", True),
    (6, None, "http2: server sent GOAWAY", "timeout", True),
    (6, None, "use of closed connection", "timeout", True),
    (6, 503, "invalid model gpt-x", "config", False),
    (7, 400, "invalid model gpt-x", "config", False),
    (7, 400, "unsupported model gpt-x", "config", False),
    (7, None, "unknown model gpt-x", "config", False),
    (7, 400, "malformed config", "config", False),
    (7, 400, "context length exceeded", "context_window", False),  # ours: the loop can shorten the history
    (8, 500, "", "generic", True),
    (8, None, "internal server error", "generic", True),
    (9, None, "context canceled", "generic", False),
    (10, None, "something else", "generic", False),
    (10, 418, "a teapot", "generic", False),
]


@pytest.mark.parametrize("row, status, text, kind, retryable", TABLE)
def test_the_table_of_the_original(
    row: int, status: int | None, text: str, kind: str, retryable: bool
) -> None:
    failure = Failure(cause=classify(status, text), text=text, status_code=status)
    error = model_error(failure, endpoint=OFFICIAL, model="m").error

    assert (error.kind, error.retryable) == (kind, retryable)


@pytest.mark.parametrize("code", [401, 403, 408, 429, 500, 502, 503, 504, 529])
def test_codes_in_the_text_count_when_they_stand_alone(code: int) -> None:
    assert classify(None, f"upstream said {code}") is classify(code, "")
    for text in (
        f"dial tcp 10.0.0.1:{code}: no luck",
        f"stream ID {code}; odd",
        f"took {code}7 ms",
        f"{code}.5",
    ):
        assert classify(None, text) is Cause.GENERIC


@pytest.mark.parametrize("at", [OFFICIAL, LOCAL])
@pytest.mark.parametrize("cause", list(Cause))
def test_every_message_is_a_sentence_that_names_the_provider(cause: Cause, at: Any) -> None:
    error = model_error(Failure(cause=cause, text="words", status_code=418), endpoint=at, model="m-1").error

    assert at.label in error.message or "m-1" in error.message
    assert error.message.endswith((".", "?"))
    assert "418" not in error.message
    assert (error.provider, error.detail, error.status_code) == (at.provider, "words", 418)


@pytest.mark.parametrize(
    "cause,kind,retryable",
    [
        (Cause.AUTH, "auth", False),
        (Cause.CONFIG, "config", False),
        (Cause.UNKNOWN_MODEL, "config", False),
        (Cause.CONTEXT_WINDOW, "context_window", False),
        (Cause.USAGE_LIMIT, "usage_limit", False),
        (Cause.GENERIC, "generic", False),
        (Cause.GARBLED, "config", False),
        (Cause.RATE_LIMIT, "rate_limit", True),
        (Cause.OVERLOADED, "overloaded", True),
        (Cause.TIMEOUT, "timeout", True),
        (Cause.SERVER, "generic", True),
        (Cause.UNREACHABLE, "timeout", True),
    ],
)
def test_kinds_and_whether_to_try_again(cause: Cause, kind: str, retryable: bool) -> None:
    error = model_error(Failure(cause=cause), endpoint=OFFICIAL, model="m").error

    assert (error.kind, error.retryable) == (kind, retryable)


def test_a_server_of_ones_own_that_is_not_there_is_not_waited_for() -> None:
    error = model_error(Failure(cause=Cause.UNREACHABLE), endpoint=LOCAL, model="m").error

    assert (error.kind, error.retryable) == ("config", False)
    assert "127.0.0.1:8000" in error.message


def test_a_certificate_that_is_not_trusted_is_said() -> None:
    failure = Failure(
        cause=Cause.UNREACHABLE, text="[SSL: CERTIFICATE_VERIFY_FAILED] self-signed certificate"
    )

    assert "does not trust its certificate" in model_error(failure, endpoint=LOCAL, model="m").error.message


def test_a_vendor_that_says_not_to_retry_is_believed() -> None:
    failure = Failure(cause=Cause.RATE_LIMIT, retry_hint=False, retry_after_s=3.0)
    error = model_error(failure, endpoint=OFFICIAL, model="m")

    assert not error.error.retryable
    assert error.retry_after_s == 3.0


def test_remedies_tell_where_to_act() -> None:
    auth = model_error(Failure(cause=Cause.AUTH), endpoint=OFFICIAL, model="m")
    unknown = Failure(cause=Cause.UNKNOWN_MODEL, suggestion="gpt-6.1-terra")

    assert "OPENAI_API_KEY" in auth.error.message
    assert "OPENAI_API_KEY" in missing_key(OFFICIAL).error.message
    assert "Did you mean gpt-6.1-terra?" in model_error(unknown, endpoint=OFFICIAL, model="m").error.message
    other = model_error(Failure(cause=Cause.UNKNOWN_MODEL), endpoint=LOCAL, model="m")
    assert "http://127.0.0.1:8000/v1" in other.error.message


def test_details_are_short() -> None:
    error = model_error(Failure(cause=Cause.CONFIG, text="x" * 2000), endpoint=OFFICIAL, model="m").error

    assert error.detail == "x" * MAX_DETAIL


@pytest.mark.parametrize(
    "text,clean",
    [
        ("key sk-test-0123456789 is wrong", "key [key removed] is wrong"),
        ("Incorrect API key provided: sk-ab***************yz.", "Incorrect API key provided: [key removed]"),
        ("Authorization: Bearer abc.def", "Authorization: [key removed]"),
        ("no secret: task-oriented, disk-based", "no secret: task-oriented, disk-based"),
    ],
)
def test_keys_are_taken_out(text: str, clean: str) -> None:
    assert scrub(text, "sk-test-0123456789") == clean


def test_keys_that_look_like_nothing_are_taken_out_too() -> None:
    assert scrub("what is 'hunter2'?", "hunter2") == "what is '[key removed]'?"


# Exceptions of the library.


def http_error(status: int, body: Any = None, **fields: Any) -> Any:
    from pydantic_ai import _model_errors
    from pydantic_ai.exceptions import ModelHTTPError

    category = _model_errors.http_status_category(status, str(body))
    return ModelHTTPError.for_category(category, status_code=status, model_name="m", body=body, **fields)


def test_the_vendors_words_are_found_in_the_body() -> None:
    nested = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}

    assert failure_of(http_error(529, nested)).text == "Overloaded"
    assert failure_of(http_error(400, {"detail": "not like this"})).text == "not like this"
    assert failure_of(http_error(400, {"odd": 1})).text == '{"odd": 1}'
    assert failure_of(http_error(400, "plain words")).text == "plain words"


def test_what_a_gateway_passes_on_is_told_before_its_own_words() -> None:
    """As OpenRouter does, with the vendor's words as text or as JSON."""

    def passed_on(raw: Any) -> Any:
        return {"error": {"code": 400, "message": "Provider returned error", "metadata": {"raw": raw}}}

    for raw in ("context length exceeded", '{"error": {"message": "context length exceeded"}}'):
        failure = failure_of(http_error(400, passed_on(raw)))
        assert (failure.text, failure.cause) == ("context length exceeded", Cause.CONTEXT_WINDOW)
    assert failure_of(http_error(400, passed_on(None))).text == "Provider returned error"


def test_an_account_without_billing_is_no_matter_of_its_key() -> None:
    refused = http_error(403, {"error": {"message": "Billing is disabled for this project."}})

    assert failure_of(refused).cause is Cause.USAGE_LIMIT


def test_facts_of_a_refusal_are_kept() -> None:
    headers = {"retry-after": "7", "x-should-retry": "false"}
    failure = failure_of(http_error(429, {"message": "slow"}, headers=headers))

    assert failure == Failure(
        cause=Cause.RATE_LIMIT, text="slow", status_code=429, retry_after_s=7.0, retry_hint=False
    )


def test_a_suggested_model_loses_its_provider() -> None:
    error = http_error(404, {"message": "no such model"}, suggested_model_id="openai:gpt-6-luna")

    assert failure_of(error).suggestion == "gpt-6-luna"


@pytest.mark.parametrize(
    "phase,cause", [("connect", Cause.UNREACHABLE), ("read", Cause.TIMEOUT), (None, Cause.TIMEOUT)]
)
def test_transport_failures(phase: Any, cause: Cause) -> None:
    from pydantic_ai.exceptions import ModelConnectionError

    assert failure_of(ModelConnectionError("m", "Connection error.", phase=phase)).cause is cause


def test_the_innermost_reason_of_a_transport_failure_is_told() -> None:
    from pydantic_ai.exceptions import ModelConnectionError

    error = ModelConnectionError("m", "Connection error.", phase="connect")
    error.__cause__ = OSError("wrapped")
    error.__cause__.__cause__ = OSError("name or service not known")

    assert failure_of(error).text == "name or service not known"


def test_other_exceptions_are_told_by_name() -> None:
    assert failure_of(KeyError("x")) == Failure(cause=Cause.GENERIC, text="KeyError: 'x'")


def test_a_placeholder_for_a_key_does_not_garble_messages() -> None:
    assert scrub("Check the next key k.", "k") == "Check the next key k."
