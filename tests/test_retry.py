"""The policy of repeating, as a value and as arithmetic."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.conversations import session

import chatport
from chatport import RateLimitError, Retry
from chatport._retry import RetryBudget, longest_delay, next_delay

_seconds = st.floats(0, 1e6)
_policies = st.builds(
    Retry,
    max_attempts=st.integers(1, 2000),
    base_delay=_seconds,
    max_delay=_seconds,
    max_elapsed=_seconds,
    jitter=st.floats(0, 1),
)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"max_attempts": 0}, "max_attempts counts the first request too"),
        ({"base_delay": -1}, "base_delay is in seconds"),
        ({"max_delay": math.nan}, "max_delay is in seconds"),
        ({"max_elapsed": -0.1}, "max_elapsed is in seconds"),
        ({"jitter": 1.1}, "jitter is a share"),
        ({"jitter": math.nan}, "jitter is a share"),
    ],
    ids=repr,
)
def test_nonsense_is_refused(values: dict[str, Any], words: str) -> None:
    """Where it is written, not when the first request fails."""
    with pytest.raises(ValueError, match=words):
        Retry(**values)


def test_a_policy_is_a_value() -> None:
    """In the order of the contract, comparable, and frozen."""
    assert Retry(3, 1, 30, 90, 0) == Retry(max_attempts=3, base_delay=1, max_delay=30, max_elapsed=90, jitter=0)
    assert hash(Retry()) == hash(Retry())
    with pytest.raises(AttributeError):
        Retry().max_attempts = 5  # type: ignore[misc]  # that is what is tested


@pytest.mark.parametrize("retry", [3, True, "often", {"max_attempts": 3}], ids=repr)
def test_a_session_takes_nothing_else(retry: Any) -> None:
    """A number in its place would be taken for many things."""
    with pytest.raises(TypeError, match="retry must be a Retry or None"):
        session("hi", retry=retry)


def test_delays_double_up_to_a_limit() -> None:
    """Without chance they are the longest ones."""
    retry = Retry(max_attempts=10, base_delay=0.5, max_delay=3, max_elapsed=1000, jitter=0)
    error = RateLimitError("slow down")
    delays = [next_delay(retry, error, failed=failed, elapsed=0) for failed in range(1, 6)]
    assert delays == [0.5, 1, 2, 3, 3]


@pytest.mark.parametrize(("jitter", "drawn", "delay"), [(1, 0, 0), (1, 0.25, 1), (1, 1, 4), (0.5, 0, 2), (0, 0, 4)])
def test_chance_takes_its_share(jitter: float, drawn: float, delay: float) -> None:
    """With all of it a wait may be any, with none it is the longest."""
    retry = Retry(base_delay=4, jitter=jitter)
    assert next_delay(retry, RateLimitError("x"), failed=1, elapsed=0, draw=lambda: drawn) == delay


@pytest.mark.parametrize(
    ("asked", "elapsed", "delay"),
    [
        (7.0, 0, 7.0),  # longer than any wait of one's own
        (0.5, 0, 2.0),  # shorter than the wait that was drawn
        (0.0, 0, 0.0),  # at once
        (-1.0, 0, 0.0),
        (math.nan, 0, 0.0),
        (10.0, 0, 10.0),
        (10.1, 0, None),  # longer than the turn may take
        (7.0, 3.5, None),
        (None, 9.5, 0.5),  # what is left
        (None, 10, None),
    ],
)
def test_a_service_may_ask_to_wait(asked: float | None, elapsed: float, delay: float | None) -> None:
    """It is never asked again earlier than it wants, and not waited for longer than the turn may lose."""
    retry = Retry(base_delay=2, max_delay=2, max_elapsed=10, jitter=0)
    error = RateLimitError("slow down", retry_after=asked)
    assert next_delay(retry, error, failed=1, elapsed=elapsed) == delay


def test_only_what_may_succeed_is_repeated() -> None:
    """And only so often."""
    retry = Retry(max_attempts=3)
    for error in (RateLimitError("a day", retryable=False), chatport.InvalidRequestError("no")):
        assert next_delay(retry, error, failed=1, elapsed=0) is None
    error = chatport.InvalidRequestError("learned", retryable=True, retry_after=0)
    assert [next_delay(retry, error, failed=failed, elapsed=0) for failed in (1, 2, 3)] == [0, 0, None]


@given(
    retry=_policies,
    failed=st.integers(1, 2000),
    elapsed=_seconds,
    asked=st.none() | st.floats(allow_nan=True),
    drawn=st.floats(0, 1),
)
def test_a_delay_keeps_to_every_limit(
    retry: Retry, failed: int, elapsed: float, asked: float | None, drawn: float
) -> None:
    """Whatever the policy and whatever the service asks."""
    error = RateLimitError("slow down", retry_after=asked)
    delay = next_delay(retry, error, failed=failed, elapsed=elapsed, draw=lambda: drawn)
    if delay is None:
        remaining = retry.max_elapsed - elapsed
        assert failed >= retry.max_attempts or remaining <= 0 or (asked is not None and asked > remaining)
    else:
        assert 0 <= delay <= retry.max_elapsed - elapsed
        assert delay <= max(retry.max_delay, asked or 0)
        assert delay <= longest_delay(retry, failed) or delay == asked
        assert asked is None or not asked > delay


def test_a_budget_is_used_up() -> None:
    """By the attempts that failed as by the waiting, over all answers of a turn."""
    budget = RetryBudget(Retry(base_delay=2, max_elapsed=10, jitter=0))
    error = RateLimitError("slow down")
    assert budget.next_delay(error, failed=1, seconds=1) == 2  # 3 are gone
    assert budget.next_delay(error, failed=2, seconds=1) == 4  # 8 are gone
    assert budget.next_delay(error, failed=1, seconds=0.5) == 1.5  # another answer: the rest
    assert budget.next_delay(error, failed=2, seconds=0) is None
    assert RetryBudget(None).next_delay(error, failed=1, seconds=0) is None
