"""When to ask again: the policy as a value, and how long to wait as a function of it."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from chatport._errors import BackendError
    from chatport._pace import Pace

# Doubled so often, any delay is longer than every limit that makes sense; more would overflow.
_MOST_DOUBLINGS: Final = 64


@dataclass(frozen=True, slots=True)
class Retry:
    """How often a failed request is sent again, and how long to wait before.

    A session repeats what a backend calls `retryable`, and only while nothing of the answer has reached the reader.
    Before the second attempt it waits at most `base_delay`, then at most twice as long each time, up to `max_delay`;
    how long exactly is drawn at random, so that many callers who failed together do not come back together. Where the
    service says how long to wait (`error.retry_after`), it is never less than that.

    Sessions of one backend know of each other's throttling: they wait longer than that where it keeps them apart, and
    also before a first attempt while the service has asked one of them to wait.

    Attributes:
        max_attempts: The most requests for one step, the first included; 1 repeats nothing.
        base_delay: The longest wait before the second attempt, in seconds.
        max_delay: The longest wait of one's own choice, in seconds; a service may ask for more.
        max_elapsed: The most that one turn may lose to failed attempts and waiting, in seconds, all its steps together.
            Answers that came and tools that ran do not count. A service that asks to wait for longer is not waited for.
        jitter: How much of a wait is left to chance: 1 is all of it, 0 always waits the longest.
    """

    max_attempts: int = 4
    base_delay: float = 0.5
    max_delay: float = 20.0
    max_elapsed: float = 60.0
    jitter: float = 1.0

    def __post_init__(self) -> None:
        """Refuse what is no policy.

        Raises:
            ValueError: A number is out of its range.
        """
        if self.max_attempts < 1:
            message = f"max_attempts counts the first request too: at least 1, not {self.max_attempts}"
            raise ValueError(message)
        for name in ("base_delay", "max_delay", "max_elapsed"):
            seconds: float = getattr(self, name)
            if not seconds >= 0:  # not a number is not 0 or more either
                message = f"{name} is in seconds, 0 or more, not {seconds}"
                raise ValueError(message)
        if not 0 <= self.jitter <= 1:
            message = f"jitter is a share between 0 and 1, not {self.jitter}"
            raise ValueError(message)


class RetryBudget:
    """What one turn may lose to failed attempts and waiting, over all its steps."""

    def __init__(self, retry: Retry | None) -> None:
        """Begin with nothing lost; without a policy nothing is repeated."""
        self._retry = retry
        self._elapsed = 0.0

    def first_delay(self, pace: Pace) -> float:
        """Return how long to wait before the first attempt, and count it: others were throttled."""
        delay = pace.first_delay(self._remaining)
        self._elapsed += delay
        return delay

    def next_delay(self, error: BackendError, *, failed: int, seconds: float, pace: Pace | None = None) -> float | None:
        """Return how long to wait before the next attempt, and count it; None where there is to be none.

        Args:
            error: Why the last attempt failed.
            failed: How many attempts at this answer have failed, this one included.
            seconds: How long it took to fail.
            pace: What all sessions of the backend know of its being throttled.
        """
        self._elapsed += seconds
        if self._retry is None:
            return None
        delay = next_delay(self._retry, error, failed=failed, elapsed=self._elapsed)
        if delay is not None and pace is not None and (error.retry_after is None or error.retry_after > 0):
            delay = pace.delay(delay, within=self._remaining)
        self._elapsed += delay or 0.0
        return delay

    @property
    def _remaining(self) -> float:
        return 0.0 if self._retry is None else max(0.0, self._retry.max_elapsed - self._elapsed)


def longest_delay(retry: Retry, failed: int) -> float:
    """Return the longest wait of one's own choice, in seconds.

    Args:
        retry: The policy.
        failed: How many attempts have failed, at least 1.
    """
    return min(retry.max_delay, retry.base_delay * 2.0 ** min(failed - 1, _MOST_DOUBLINGS))


def next_delay(
    retry: Retry,
    error: BackendError,
    *,
    failed: int,
    elapsed: float,
    draw: Callable[[], float] = random.random,
) -> float | None:
    """Return how long to wait before the next attempt, in seconds; None where there is to be none.

    Args:
        retry: The policy.
        error: Why the last attempt failed. A `retry_after` of 0 asks for the next attempt at once.
        failed: How many attempts have failed, this one included.
        elapsed: What the turn has lost to failed attempts and waiting so far, in seconds.
        draw: Gives a number from 0 to 1.
    """
    remaining = retry.max_elapsed - elapsed
    if not error.retryable or failed >= retry.max_attempts or remaining <= 0:
        return None
    asked = error.retry_after
    if asked is not None and not asked > 0:
        return 0.0
    if asked is not None and asked > remaining:
        return None
    chosen = longest_delay(retry, failed) * (1 - retry.jitter + retry.jitter * draw())
    return min(remaining, chosen if asked is None else max(asked, chosen))
