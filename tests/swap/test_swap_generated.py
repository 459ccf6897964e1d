"""Conversations at random: whatever they hold, all of it is sent or named, and nothing is changed."""

import copy
import re
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests import strategies
from tests.swap.ledger import account_for
from tests.swap.pairs import pairing_faults
from tests.swap.station import Station
from tests.swap.stations import DESTINATIONS

import chatport
from chatport import Message, Part, ToolCall, ToolResult, UnsupportedError
from chatport.backend import ChatRequest

PLACE = re.compile(r"messages\[\d+\]")
QUESTION = Message.user("And now, sixty?")


def _run(pair: tuple[ToolCall, ToolResult]) -> list[Part]:
    """A call that a service ran itself, and the result that stands behind it."""
    call, result = pair
    return [call, ToolResult(call.id, result.content, metadata=call.metadata)]


_said = st.one_of(
    strategies.text_parts(),
    strategies.reasoning(),
    strategies.plain_parts().filter(lambda part: not isinstance(part, ToolCall)),
)
_calls = strategies.tool_calls().filter(lambda call: call.executed_by == "client")
_served = st.tuples(
    strategies.tool_calls().filter(lambda call: call.executed_by == "server"), strategies.tool_results()
).map(_run)
_shown = st.one_of(
    strategies.text_parts(),
    strategies.images(),
    strategies.documents(),
    strategies.plain_parts().filter(lambda part: not isinstance(part, ToolCall)),
)


@st.composite
def turns(draw: st.DrawFn) -> list[Message]:
    """A question with anything in it, and an answer, perhaps by way of tools."""
    asked: list[Message] = []
    if draw(st.integers(0, 5)) == 3:
        asked.append(Message("system", (draw(strategies.text_parts()),)))
    asked.append(Message("user", tuple(draw(st.lists(_shown, min_size=1, max_size=3)))))
    said: list[Part] = draw(st.lists(_said, max_size=2))
    for call_and_result in draw(st.lists(_served, max_size=1)):
        said += call_and_result
    calls = draw(st.lists(_calls, max_size=3, unique_by=lambda call: call.id))
    answered = [Message("assistant", (*said, *calls))]
    if calls:
        content = st.lists(_shown, max_size=2).map(tuple)
        results = (ToolResult(call.id, draw(content), draw(st.booleans())) for call in calls)
        answered += [Message("tool", tuple(results)), Message("assistant", (draw(strategies.text_parts()),))]
    return [*asked, *answered]


def _repaired(found: list[list[Message]]) -> tuple[Message, ...]:
    return chatport.repair_messages([message for turn in found for message in turn]).messages


histories = st.lists(turns(), min_size=1, max_size=3).map(_repaired) | st.lists(strategies.messages(), max_size=5).map(
    lambda found: _repaired([found])
)


@pytest.mark.parametrize("station", [station for station in DESTINATIONS if station.reads_all], ids=str)
def test_all_of_any_history_is_sent_or_named(station: Station) -> None:
    """Any parts in any message, as far as a history can be put right; what is refused is refused with its place."""
    outcomes: Counter[str] = Counter()

    @settings(max_examples=settings().max_examples // 4)  # of each station; the profile says how many
    @given(histories)
    def check(history: tuple[Message, ...]) -> None:
        messages = (*history, QUESTION)
        before = copy.deepcopy(messages)
        try:
            body, adjustments = station.plan(ChatRequest(station.model, messages))
        except UnsupportedError as error:
            outcomes["refused" if PLACE.match(str(error)) else f"refused without a place: {error}"] += 1
            return
        outcomes["sent"] += 1
        assert messages == before
        account = account_for(messages, body, station.turns(body), adjustments, in_words=station.in_words)
        # Words are short here, and found elsewhere by chance: that they stand twice, or in another order, says nothing.
        lost = [fault for fault in account.faults if fault.startswith(("lost in silence", "cache points"))]
        calls, results = list(station.calls(body)), list(station.results(body))
        assert [*lost, *pairing_faults(messages, calls, results, adjustments, in_words=station.in_words)] == []

    check()
    assert outcomes.keys() <= {"sent", "refused"}
    assert outcomes["sent"] > 0.1 * outcomes.total()


@pytest.mark.parametrize(
    "station", [station for station in DESTINATIONS if station.reads_all and not station.in_words], ids=str
)
def test_a_call_that_was_interrupted_is_answered_for_the_service(station: Station) -> None:
    """A history that a crash has left behind, as it is: each call has a result, and where it had none is said."""
    calls = (ToolCall("call_1", "clock", {"in": "Paris"}), ToolCall("call_2", "clock", {"in": "Oslo"}))
    history = (
        Message.user("What time is it?"),
        Message.assistant("One moment.", *calls),
        Message("tool", (ToolResult("call_1", "noon"),)),
        QUESTION,
    )
    body, adjustments = station.plan(ChatRequest(station.model, history))
    assert list(station.violations(body)) == []
    sent, results = list(station.calls(body)), list(station.results(body))
    assert [call.id for call in sent] == [result.id for result in results]
    assert len(sent) == 2
    assert [note.path for note in adjustments if note.kind == "changed" and "call" in note.code] == [
        "messages[1].parts[2]"
    ]
    assert account_for(history, body, station.turns(body), adjustments).faults == ()
