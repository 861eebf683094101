"""When a failed model call is tried again. Numbers: DESIGN §11."""

from __future__ import annotations

from dataclasses import dataclass

from .. import defaults
from ..errors import ModelError
from ..messages import RetryState

FIRST_DELAY = defaults.FIRST_RETRY_DELAY
LONGEST_DELAY = defaults.LONGEST_RETRY_DELAY


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How long to wait between model calls for the same history, seconds."""

    first_s: float = FIRST_DELAY
    longest_s: float = LONGEST_DELAY

    def delay(self, failures: int) -> float:
        """Return the pause after that many failures in a row, from 1."""
        doublings = min(max(failures - 1, 0), 30)
        return min(self.first_s * 2**doublings, self.longest_s)

    def after(self, error: ModelError, *, attempt: int, now: float) -> RetryState:
        """Return the retry that follows the *attempt*-th call (from 1), at *now* (UTC seconds)."""
        delay = max(self.delay(attempt), error.retry_after_s or 0.0)
        return RetryState(
            attempt=attempt,
            delay_ms=int(delay * 1000),
            error=error.error.message,
            retrying_at=now + delay,
            kind=error.error.kind,
            provider=error.error.provider,
            status_code=error.error.status_code,
        )
