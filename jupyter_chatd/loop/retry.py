"""When a failed model call is tried again. Numbers: DESIGN §11."""

from __future__ import annotations

from ..errors import ModelError
from ..messages import RetryState

FIRST_DELAY = 1.0  # seconds, doubled for each further attempt
LONGEST_DELAY = 60.0  # seconds; a vendor's Retry-After may be longer


def retry_after(error: ModelError, *, attempt: int, now: float) -> RetryState:
    """Return the retry that follows the *attempt*-th call (from 1), at *now* (UTC seconds)."""
    delay = min(FIRST_DELAY * 2 ** max(attempt - 1, 0), LONGEST_DELAY)
    delay = max(delay, error.retry_after_s or 0.0)
    return RetryState(
        attempt=attempt,
        delay_ms=int(delay * 1000),
        error=error.error.message,
        retrying_at=now + delay,
        kind=error.error.kind,
        provider=error.error.provider,
        status_code=error.error.status_code,
    )
