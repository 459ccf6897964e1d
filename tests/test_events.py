from dataclasses import FrozenInstanceError, fields
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatport._adjustments import Adjustment
from chatport._errors import OutputError, ServiceError
from chatport._events import (
    BackendEvent,
    CitationDelta,
    Event,
    MessageEnd,
    MessageStart,
    OutputRetryStart,
    PartEnd,
    ReasoningDelta,
    ReplyEnd,
    RetryStart,
    TextDelta,
    ToolCallDelta,
    ToolCallStart,
    ToolRunEnd,
    ToolRunStart,
    Usage,
)
from chatport._messages import Citation, Message, Text, ToolCall, ToolResult
from chatport._reply import Reply, Step

_CALL = ToolCall("1", "f")
_REPLY: Reply[None] = Reply((), (Step(Message.assistant("hi"), "stop"),), None)

# Each event, with every field that the contract names set, and these fields in their order.
_EVENTS: list[tuple[Event, tuple[str, ...]]] = [
    (
        MessageStart("parrot-1", "r-1", (Adjustment("renamed", "x", "tools[0]", "m"),)),
        ("model", "request_id", "adjustments"),
    ),
    (TextDelta(0, "hi"), ("index", "text")),
    (ReasoningDelta(0, "why", {"echo": {}}), ("index", "text", "metadata")),
    (CitationDelta(0, Citation("t")), ("index", "citation")),
    (ToolCallStart(0, "1", "f"), ("index", "id", "name")),
    (ToolCallDelta(0, "{"), ("index", "json")),
    (PartEnd(0, Text("hi")), ("index", "part")),
    (MessageEnd("stop", "end_turn", Usage(1), {"echo": {}}), ("stop_reason", "raw_stop_reason", "usage", "metadata")),
    (ToolRunStart(_CALL), ("call",)),
    (ToolRunEnd(_CALL, ToolResult("1")), ("call", "result")),
    (RetryStart(2, 0.5, ServiceError("down")), ("attempt", "delay", "error")),
    (OutputRetryStart(2, OutputError("no", reply=_REPLY)), ("attempt", "error")),
    (ReplyEnd(_REPLY), ("reply",)),
]
each_event = pytest.mark.parametrize(("event", "names"), _EVENTS, ids=[type(event).__name__ for event, _ in _EVENTS])


def test_every_event_is_here() -> None:
    """The tests below look at all events there are, of both tiers."""
    assert {type(event) for event, _ in _EVENTS} == set(get_args(Event))
    assert set(get_args(BackendEvent)) < set(get_args(Event))


@each_event
def test_events_match_by_position(event: Event, names: tuple[str, ...]) -> None:
    """The fields that the contract names come first and in its order; what was added later stands behind them."""
    assert type(event).__match_args__[: len(names)] == names


@each_event
def test_events_are_frozen_values(event: Event, names: tuple[str, ...]) -> None:
    """An event may be kept, compared and used as a key; nobody who sees it can change it for the next."""
    values = [getattr(event, item.name) for item in fields(event)]
    assert type(event)(*values) == event
    assert hash(type(event)(*values)) == hash(event)
    assert not hasattr(event, "__dict__")
    with pytest.raises(FrozenInstanceError):
        setattr(event, names[0], None)


def test_an_event_is_taken_apart_in_a_match() -> None:
    """The way everybody reads a stream."""
    seen: list[Any] = []
    for event, _ in _EVENTS:
        match event:
            case TextDelta(index, text) | ReasoningDelta(index, text, _):
                seen.append((index, text))
            case ToolCallStart(index, id_, name):
                seen.append((index, id_, name))
            case MessageEnd(stop_reason, raw_stop_reason, usage, _):
                seen.append((stop_reason, raw_stop_reason, usage.input_tokens))
            case _:
                pass
    assert seen == [(0, "hi"), (0, "why"), (0, "1", "f"), ("stop", "end_turn", 1)]


def test_what_an_event_need_not_say() -> None:
    """The shortest form of those that have defaults."""
    assert MessageStart("m") == MessageStart("m", None, ())
    assert ReasoningDelta(0) == ReasoningDelta(0, "", {}, None, None)
    assert ToolCallStart(0, "1", "f") == ToolCallStart(0, "1", "f", "client", {})
    assert MessageEnd("stop") == MessageEnd("stop", None, Usage(), {}, None)


# --- usage -----------------------------------------------------------------------------------------------------------

_COUNTS = (
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
    "total_tokens",
)


def _usages() -> st.SearchStrategy[Usage]:
    count = st.none() | st.integers(0, 10**6)
    return st.builds(Usage, count, count, count, count, count, count, st.booleans())


def test_not_reported_is_not_zero() -> None:
    """Nothing is known by default; what one exchange reports is kept, and 0 is a report."""
    assert Usage() + Usage() == Usage()
    assert Usage(0) + Usage() == Usage(0)
    assert (Usage(1, 2, cache_read_tokens=3) + Usage(10, None, cache_write_tokens=4, reasoning_tokens=0)) == Usage(
        11, 2, 3, 4, 0
    )


@given(st.lists(_usages(), max_size=4))
def test_a_sum_adds_what_was_reported(usages: list[Usage]) -> None:
    """Each figure is the sum of those that are known, unknown if none is; complete if all are."""
    total = Usage.sum(iter(usages))
    for name in _COUNTS[:-1]:
        known = [getattr(usage, name) for usage in usages if getattr(usage, name) is not None]
        assert getattr(total, name) == (sum(known) if known else None)
    totals = [usage.known_tokens for usage in usages if usage.known_tokens is not None]
    assert total.known_tokens == (sum(totals) if totals else None)
    assert (total.total_tokens is None) is all(usage.total_tokens is None for usage in usages)
    assert total.complete is all(usage.complete for usage in usages)


@st.composite
def _coherent_usages(draw: st.DrawFn) -> Usage:
    """What a service reports: parts are parts of something, and some services leave figures out."""
    read, written, fresh, spoken, thought = (draw(st.integers(0, 10**6)) for _ in range(5))
    inside, outside = read + written + fresh, spoken + thought
    cached, detailed, added_up = (draw(st.booleans()) for _ in range(3))
    return Usage(
        inside,
        outside,
        read if cached else None,
        written if cached else None,
        thought if detailed else None,
        inside + outside if added_up else None,
    )


@given(st.lists(_coherent_usages(), min_size=1, max_size=5))
def test_a_sum_over_vendors_is_as_coherent_as_its_rows(usages: list[Usage]) -> None:
    """Cached tokens are part of the input, reasoning of the output; a total is both, whoever left it out."""
    total = Usage.sum(usages)
    assert total.input_tokens is not None
    assert total.output_tokens is not None
    assert (total.cache_read_tokens or 0) + (total.cache_write_tokens or 0) <= total.input_tokens
    assert (total.reasoning_tokens or 0) <= total.output_tokens
    assert total.known_tokens == total.input_tokens + total.output_tokens
    assert total.total_tokens in {None, total.known_tokens}


@given(_usages(), _usages(), _usages())
def test_the_order_of_adding_does_not_matter(first: Usage, second: Usage, third: Usage) -> None:
    """Sums of sums are sums: over steps, turns, sessions and vendors, in any order."""
    assert (first + second) + third == first + (second + third)
    assert first + second == second + first
    assert first + Usage() == first


def test_raw_figures_belong_to_one_exchange() -> None:
    """A service's own figures are kept for one exchange; nobody can say what their sum would mean."""
    usage = Usage(1, raw={"inputTokens": 1})
    assert Usage.sum([usage]).raw == {"inputTokens": 1}
    assert Usage.sum([usage, usage]).raw == {}
    assert Usage.sum([]) == Usage()
