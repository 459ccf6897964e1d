"""The limits of waiting: as a value, and on their way from a session to a backend."""

import copy
import math
import pickle
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.conversations import session

import chatport
from chatport import StreamTimeoutError, Timeouts, TransportError
from chatport.testing import ScriptedBackend

_NAMES = ("connect", "acquire", "first_event", "idle", "total")
_limits = st.one_of(st.none(), st.floats(min_value=1e-9, max_value=1e9))
_given = st.dictionaries(st.sampled_from(_NAMES), _limits)
_timeouts = st.builds(lambda values: Timeouts(**values), _given)


def test_defaults_outlast_silent_reasoning() -> None:
    """Ten minutes without a word are no failure; a network that is not there is told soon."""
    limits = Timeouts()
    assert (limits.connect, limits.acquire, limits.first_event, limits.idle, limits.total) == (10, 60, 600, 600, None)
    assert limits.given == frozenset()


@pytest.mark.parametrize("name", _NAMES)
@pytest.mark.parametrize("value", [0, -1, math.nan, math.inf], ids=repr)
def test_numbers_that_are_no_limit_are_refused(name: str, value: float) -> None:
    """No limit is said with None; 0 would mean that nothing is ever in time."""
    with pytest.raises(ValueError, match=f"{name} is in seconds, above 0"):
        Timeouts(**{name: value})


@pytest.mark.parametrize("value", [True, "10", [1]], ids=repr)
def test_what_is_no_number_is_refused(value: Any) -> None:
    """True is no second."""
    with pytest.raises(TypeError, match="idle is in seconds"):
        Timeouts(idle=value)


def test_unknown_limits_are_refused() -> None:
    """Misspelt, one would be ignored in silence."""
    with pytest.raises(TypeError, match="no timeout 'read'; there are connect, acquire, first_event, idle, total"):
        Timeouts(read=5)  # type: ignore[call-arg]  # that is what is tested


def test_limits_are_a_value() -> None:
    """Comparable, frozen, copied and pickled with what was given."""
    limits = Timeouts(idle=30, total=None)
    assert Timeouts() == Timeouts(connect=10)
    assert hash(Timeouts()) == hash(Timeouts(connect=10))
    assert repr(limits) == "Timeouts(connect=10.0, acquire=60.0, first_event=600.0, idle=30, total=None)"
    for other in (copy.deepcopy(limits), pickle.loads(pickle.dumps(limits))):  # noqa: S301 - our own
        assert (other, other.given) == (limits, frozenset({"idle", "total"}))
    with pytest.raises(AttributeError):
        limits.idle = 5  # type: ignore[misc]  # that is what is tested


@given(_timeouts, _timeouts)
def test_only_what_is_given_is_laid_over(base: Timeouts, over: Timeouts) -> None:
    """Each limit is the upper one's where that was given it, None too, and else the lower one's."""
    merged = base.merged(over)
    assert merged.given == base.given | over.given
    for item in fields(Timeouts):
        if item.name != "given":
            source = over if item.name in over.given else base
            assert getattr(merged, item.name) == getattr(source, item.name)


@given(_timeouts, _timeouts, _timeouts)
def test_layers_may_be_merged_in_any_grouping(first: Timeouts, second: Timeouts, third: Timeouts) -> None:
    """A session merges the upper two and a backend all three; nothing depends on who does it."""
    left, right = first.merged(second).merged(third), first.merged(second.merged(third))
    assert (left, left.given) == (right, right.given)
    assert first.merged(None) is first


@pytest.mark.anyio
async def test_a_turn_beats_its_session_limit_by_limit() -> None:
    """The request carries what was given, and what was not is left to the backend."""
    backend = ScriptedBackend("a", "b", "c")
    asked = chatport.Session(backend, "any", timeouts=Timeouts(idle=30, total=90))
    await asked.ask("hi", timeouts=Timeouts(total=None, connect=3))
    await asked.ask("hi", timeouts=None)
    await chatport.Session(backend, "any").ask("hi")
    first, second, third = (request.timeouts for request in backend.requests)
    assert (first, first.given) == (Timeouts(connect=3, idle=30), frozenset({"connect", "idle", "total"}))
    assert (second, second.given) == (Timeouts(idle=30, total=90), frozenset({"idle", "total"}))
    assert third.given == frozenset()


@pytest.mark.anyio
async def test_every_step_of_a_turn_has_the_limits() -> None:
    """Also the request that follows the tools."""

    def noon() -> str:
        """Say what time it is."""
        return "noon"

    backend = ScriptedBackend([chatport.ToolCall("1", "noon", {})], "It is noon.")
    await chatport.Session(backend, "any", tools=[noon], timeouts=Timeouts(idle=30)).ask("hi")
    assert [request.timeouts.idle for request in backend.requests] == [30, 30]


@pytest.mark.parametrize("timeouts", [3, True, {"idle": 3}], ids=repr)
@pytest.mark.anyio
async def test_nothing_else_is_taken(timeouts: Any) -> None:
    """A number could be any of them."""
    with pytest.raises(TypeError, match="timeouts must be a Timeouts or None"):
        session("hi", timeouts=timeouts)
    with pytest.raises(TypeError, match="timeouts must be a Timeouts or None"):
        await session("hi")[0].ask("hi", timeouts=timeouts)


def test_the_error_says_which_limit_it_was() -> None:
    """As an attribute; without one it was another limit."""
    error = StreamTimeoutError("too late", timeout="idle", backend="b", phase="stream", retryable=False)
    assert (error.timeout, error.backend, error.phase, error.retryable) == ("idle", "b", "stream", False)
    assert StreamTimeoutError("too late").timeout is None
    assert issubclass(StreamTimeoutError, TransportError)
