"""Trying again until a deadline: what may heal is retried by its type, never by its text, and never a fixed number of times."""

from tenacity import RetryCallState, Retrying, retry_if_exception_type, wait_random_exponential

from bumper.errors import Transient
from bumper.systems import Clock


def attempts(
    clock: Clock, deadline_s: float, retried: tuple[type[Exception], ...], max_wait_s: float
) -> Retrying:
    """Tries with full jitter up to the deadline; a server's own Retry-After is respected."""
    jitter = wait_random_exponential(multiplier=0.1, max=max_wait_s)

    def wait_s(state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked_s = error.retry_after_s if isinstance(error, Transient) else None
        return max(jitter(state), asked_s or 0.0)

    return Retrying(
        retry=retry_if_exception_type(retried),
        wait=wait_s,
        stop=lambda state: clock.now() + state.upcoming_sleep >= deadline_s,
        sleep=clock.sleep,
        reraise=True,
    )
