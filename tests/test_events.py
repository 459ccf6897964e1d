from dataclasses import FrozenInstanceError, fields
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatport._adjustments import Adjustment
from chatport._errors import ServiceError
from chatport._events import (
    BackendEvent,
    CitationDelta,
    Event,
    MessageEnd,
    MessageStart,
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
    for name in _COUNTS:
        known = [getattr(usage, name) for usage in usages if getattr(usage, name) is not None]
        assert getattr(total, name) == (sum(known) if known else None)
    assert total.complete is all(usage.complete for usage in usages)


def test_raw_figures_belong_to_one_exchange() -> None:
    """A service's own figures are kept for one exchange; nobody can say what their sum would mean."""
    usage = Usage(1, raw={"inputTokens": 1})
    assert Usage.sum([usage]).raw == {"inputTokens": 1}
    assert Usage.sum([usage, usage]).raw == {}
    assert Usage.sum([]) == Usage()
