"""What vendors raise, translated into sentences for people and facts for the loop.

Two steps, so that the second is a pure table: `failure_of` reads an exception of the model library,
`model_error` words it. Classes and their order: spec/chatd.md §3.7 of the original daemon. Differences, on
purpose: an overflowing context has a kind of its own (the loop can compact), and an address of the user's
own that nothing answers at is a matter of configuration (see DECISIONS.md).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, cast

from ..errors import ModelError
from ..messages import ErrorDetail
from .endpoint import Endpoint
from .overflow import find_limit, is_overflow

MAX_DETAIL = 500  # characters
REMOVED = "[key removed]"
SECRET_LENGTH = 7
"""Characters from which on a key is a secret: local servers get "x", which is part of many words."""


class Cause(StrEnum):
    """Why a call failed. The value is the `kind` that clients see."""

    AUTH = "auth"
    CONFIG = "config"
    UNKNOWN_MODEL = "unknown_model"
    CONTEXT_WINDOW = ModelError.OVERFLOW
    RATE_LIMIT = "rate_limit"
    USAGE_LIMIT = "usage_limit"
    OVERLOADED = "overloaded"
    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    SERVER = "server"
    GARBLED = "garbled"
    GENERIC = "generic"


KINDS = {
    Cause.UNKNOWN_MODEL: "config",
    Cause.UNREACHABLE: "timeout",
    Cause.SERVER: "generic",
    Cause.GARBLED: "config",
}
"""`ErrorDetail.kind` where it is not the cause itself: the original's words, which clients know."""

RETRYABLE = {Cause.RATE_LIMIT, Cause.OVERLOADED, Cause.TIMEOUT, Cause.UNREACHABLE, Cause.SERVER}


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What is known of a failed call."""

    cause: Cause
    text: str = ""
    """The vendor's own words; may hold a key."""
    status_code: int | None = None
    retry_after_s: float | None = None
    suggestion: str | None = None
    """A model that exists, close to the one that does not."""
    retry_hint: bool | None = None
    """Whether the vendor said that trying again makes sense."""


def model_error(failure: Failure, *, endpoint: Endpoint, model: str) -> ModelError:
    """The error to raise for *failure*. Its texts hold no key."""
    cause = failure.cause
    kind, retryable = KINDS.get(cause, cause.value), cause in RETRYABLE
    if cause is Cause.UNREACHABLE and not endpoint.is_official:
        # Nobody is helped by twenty minutes of retries against a server that was never started.
        kind, retryable = "config", False
    detail = ErrorDetail(
        message=scrub(_sentence(failure, endpoint, model), endpoint.api_key),
        kind=kind,
        provider=endpoint.provider,
        retryable=retryable and failure.retry_hint is not False,
        status_code=failure.status_code,
        detail=scrub(failure.text, endpoint.api_key)[:MAX_DETAIL] or None,
    )
    limit = find_limit(failure.text) if cause is Cause.CONTEXT_WINDOW else None
    return ModelError(detail, retry_after_s=failure.retry_after_s, context_limit=limit)


def missing_key(endpoint: Endpoint) -> ModelError:
    """The error of a call that was not made, because the provider needs a key and there is none."""
    message = f"There is no API key for {endpoint.label}. Set one: {endpoint.key_source}."
    return ModelError(ErrorDetail(message=message, kind=Cause.AUTH.value, provider=endpoint.provider))


def config_error(message: str, *, provider: str | None = None) -> ModelError:
    """The error of a call that was not made, because what is configured cannot work."""
    return ModelError(ErrorDetail(message=message, kind=Cause.CONFIG.value, provider=provider))


def _sentence(failure: Failure, endpoint: Endpoint, model: str) -> str:
    subject = endpoint.subject
    match failure.cause:
        case Cause.AUTH:
            return f"{subject} did not accept the API key. Check the key: {endpoint.key_source}."
        case Cause.UNKNOWN_MODEL:
            return f"{subject} does not know the model {model}.{_model_remedy(failure, endpoint)}"
        case Cause.CONTEXT_WINDOW:
            return f"The conversation is longer than {model} can read."
        case Cause.CONFIG:
            return f"{subject} rejected the request. Check the model's settings; the detail says why."
        case Cause.USAGE_LIMIT:
            return (
                f"{subject} says that the account's quota or credit is used up. Check its plan and billing."
            )
        case Cause.RATE_LIMIT:
            return f"{subject} is limiting how often it may be called."
        case Cause.OVERLOADED:
            return f"{subject} is overloaded at the moment."
        case Cause.TIMEOUT:
            return f"The connection to {subject} broke off or timed out."
        case Cause.UNREACHABLE:
            return f"{subject} could not be reached.{_address_remedy(failure, endpoint)}"
        case Cause.SERVER:
            return f"{subject} failed with an error of its own."
        case Cause.GARBLED:
            return f"{subject} did not answer as a model does. Check the base URL {endpoint.base_url}."
        case Cause.GENERIC:
            return f"The call to {subject} failed."


def _model_remedy(failure: Failure, endpoint: Endpoint) -> str:
    if failure.suggestion:
        return f" Did you mean {failure.suggestion}?"
    if endpoint.is_official:
        return " Choose another model."
    return f" Choose a model that it offers, or check the base URL {endpoint.base_url}."


def _address_remedy(failure: Failure, endpoint: Endpoint) -> str:
    if "certificate" in failure.text.lower():
        return " This machine does not trust its certificate."
    if endpoint.is_official:
        return " Check this machine's network."
    return f" Start the server there, or correct the base URL {endpoint.base_url}."


# Reading exceptions.


def failure_of(error: BaseException) -> Failure:
    """What *error*, raised by the model library or by a client below it, says. Never raises."""
    # The library is loaded by now: it raised the error.
    from pydantic_ai import exceptions

    match error:
        case exceptions.ModelAPIError():
            return _api_failure(error)
        case exceptions.UnexpectedModelBehavior():
            return Failure(cause=Cause.GARBLED, text=error.message)
        case exceptions.UserError():
            return Failure(cause=Cause.CONFIG, text=error.message)
        case _:
            name = type(error).__name__
            return Failure(cause=Cause.SERVER if name in DAMAGED else Cause.GENERIC, text=f"{name}: {error}")


def _api_failure(error: Any) -> Failure:
    """Read a `ModelAPIError`; its class first, its words where the class says too little."""
    from pydantic_ai import exceptions

    status = error.status_code if isinstance(error, exceptions.ModelHTTPError) else None
    hint = error.provider_retry_hint if isinstance(error, exceptions.ModelHTTPError) else None
    suggestion = getattr(error, "suggested_model_id", None)
    text = _vendor_text(error)
    return Failure(
        cause=_cause(error, status, text),
        text=text,
        status_code=status,
        retry_after_s=error.retry_after,
        suggestion=str(suggestion).partition(":")[2] or suggestion if suggestion else None,
        retry_hint=hint,
    )


def _cause(error: Any, status: int | None, text: str) -> Cause:
    from pydantic_ai import exceptions

    if is_overflow(status, text):  # first: local servers say it with any status
        return Cause.CONTEXT_WINDOW
    match error:
        case exceptions.ModelQuotaExceededError():
            return Cause.USAGE_LIMIT
        case exceptions.ModelRateLimitError():
            return Cause.RATE_LIMIT
        case exceptions.ModelOverloadedError():
            return Cause.OVERLOADED
        case exceptions.ModelUnavailableError():
            return Cause.TIMEOUT
        case exceptions.ModelServerError():
            return Cause.TIMEOUT if status in GATEWAY_STATUSES else Cause.SERVER
        case exceptions.ModelTimeoutError() | exceptions.ModelRequestTimeout():
            return Cause.TIMEOUT
        case exceptions.ModelConnectionError():
            return Cause.UNREACHABLE if error.phase == "connect" else Cause.TIMEOUT
        case exceptions.ModelContextWindowExceededError():
            return Cause.CONTEXT_WINDOW
        case exceptions.ModelAuthenticationError():
            # Google refuses an account without billing with a 403.
            return Cause.USAGE_LIMIT if classify(None, text) is Cause.USAGE_LIMIT else Cause.AUTH
        case exceptions.ModelNotFoundError():
            return Cause.UNKNOWN_MODEL
        case _ if _is_torn(error):
            return Cause.SERVER
        case _:
            return classify(status, text)


def _is_torn(error: BaseException) -> bool:
    """Whether an event of a stream was no JSON, or a frame of Amazon's was not whole.

    A page that is no answer at all has no events.
    """
    cause = error.__cause__
    if "response as an event stream" in str(error):
        return True
    return cause is not None and (isinstance(cause, json.JSONDecodeError) or _is_torn(cause))


DAMAGED = ("ChecksumMismatch", "InvalidPayloadLength", "InvalidHeadersLength")
"""What the reader of Amazon's event streams raises for one that was damaged on the way."""

GATEWAY_STATUSES = (408, 502, 503, 504)

RULES: tuple[tuple[Cause, tuple[int, ...], str], ...] = (
    (Cause.OVERLOADED, (529,), r"overloaded|over capacity"),
    (Cause.USAGE_LIMIT, (402,), r"quota|billing|payment required|credit balance"),
    (Cause.AUTH, (401,), r"authenticat|unauthorized|(invalid|incorrect) api.?key"),
    (
        Cause.UNKNOWN_MODEL,
        (404,),
        r"(invalid|unknown|unsupported) model|\bmodel\b.{0,120}(not found|not exist|not supported|unknown)",
    ),
    (Cause.CONTEXT_WINDOW, (413,), r"request_too_large"),
    (Cause.AUTH, (403,), r"forbidden"),
    (Cause.RATE_LIMIT, (429,), r"rate.?limit|too many requests"),
    (Cause.CONFIG, (400, 405, 409, 415, 422), r"(malformed|invalid) (request|config)"),
    (
        Cause.TIMEOUT,
        GATEWAY_STATUSES,
        r"time.?out|timed out|service unavailable|bad gateway|goaway|broken pipe|\beof\b"
        r"|connection (reset|refused|closed)|closed connection",
    ),
    (Cause.GARBLED, (), r"failed to decode response|expected a json response"),
    (Cause.SERVER, (500,), r"server error|checksum.?mismatch"),
)
"""Cause, status codes, words. The first rule of which either matches wins."""

# A code on its own: no port (`:503`), no part of a longer number, no number of an HTTP/2 stream.
_STATUS = re.compile(r"(?i)(?<![:.\w])(?<!stream id )(401|403|408|429|500|502|503|504|529)(?![.\w])")


def classify(status: int | None, text: str) -> Cause:
    """The cause that a status code, or else the vendor's words, tell; `GENERIC` when neither does.

    >>> classify(None, "upstream: 502 Bad Gateway")
    <Cause.TIMEOUT: 'timeout'>
    """
    if is_overflow(status, text):
        return Cause.CONTEXT_WINDOW
    if status is None and (match := _STATUS.search(text)):
        status = int(match[0])
    for cause, statuses, words in RULES:
        if status in statuses or re.search(words, text, re.IGNORECASE):
            return cause
    return Cause.SERVER if status is not None and status >= 500 else Cause.GENERIC


def _vendor_text(error: Any) -> str:
    """The message inside the error's body, else what the innermost cause says."""
    for message in _messages(error.body):
        return message
    cause: BaseException = error
    while cause.__cause__ is not None:
        cause = cause.__cause__
    return str(cause) or str(error)


def _messages(body: object) -> Iterator[str]:
    """Texts of an error body, the most telling first: `{"error": {"message": …}}` in its many spellings."""
    if isinstance(body, str) and body.strip():
        yield body.strip()
    elif isinstance(body, dict):
        known = cast("dict[str, Any]", body)
        yield from _messages(_passed_on(known))
        for key in ("error", "message", "detail"):
            yield from _messages(known.get(key))
        if known:
            yield json.dumps(known, default=str)


def _passed_on(body: dict[str, Any]) -> object:
    """What the vendor behind a gateway said: OpenRouter's own message is only "Provider returned error"."""
    metadata = body.get("metadata")
    raw = cast("dict[str, Any]", metadata).get("raw") if isinstance(metadata, dict) else None
    try:
        return json.loads(raw) if isinstance(raw, str) else raw
    except ValueError:
        return raw


_KEY_LIKE = re.compile(r"\b(sk|pk|rk|key|gsk|xai)-[A-Za-z0-9_*.-]{6,}|Bearer\s+[^\s'\"]+")


def scrub(text: str, api_key: str | None) -> str:
    """Return *text* without the key, and without what looks like one: vendors like to quote it."""
    if api_key and len(api_key) >= SECRET_LENGTH:
        text = text.replace(api_key, REMOVED)
    return _KEY_LIKE.sub(REMOVED, text)
