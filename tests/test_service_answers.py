"""What a service is told to say, as values, and the door that has the suite."""

import pytest

import chatport.testing
from chatport import Message, Reasoning, ReasoningDelta, TextDelta, ToolCall, ToolCallDelta, ToolCallStart
from chatport.testing import FEATURES, REFUSALS, BackendSuite, ServiceAnswer, UnknownEvent

_MIXED = ServiceAnswer(
    (
        TextDelta(0, "Let me "),
        UnknownEvent(),
        TextDelta(0, "look."),
        ToolCallStart(1, "a", "get_weather"),
        ToolCallStart(2, "b", "get_time"),
        ToolCallDelta(1, '{"city": "Oslo"}'),
    )
)


def test_an_answer_is_a_message_too() -> None:
    """For a service that answers in one piece: the parts, without what nobody knows."""
    assert _MIXED.message == Message.assistant(
        "Let me look.", ToolCall("a", "get_weather", {"city": "Oslo"}), ToolCall("b", "get_time")
    )


def test_parts_begin_and_end() -> None:
    """Where services send the start and the end of a block, also where pieces come by turns."""
    positions = range(len(_MIXED.events))
    assert [position for position in positions if _MIXED.begins_part(position)] == [0, 3, 4]
    assert [position for position in positions if _MIXED.ends_part(position)] == [2, 4, 5]


def test_the_reason_to_stop_follows_from_what_is_said() -> None:
    """Calls end with the reason for calls, words with the end; what is given is taken."""
    assert _MIXED.reason == "tool_calls"
    assert ServiceAnswer.of_words("Hi", ".").reason == "stop"
    assert ServiceAnswer((TextDelta(0, "Once"),), "length").reason == "length"


def test_an_answer_of_parts() -> None:
    """Each part in as few pieces as there are; a signature is a piece of its own."""
    answer = ServiceAnswer.of(Reasoning("Hm.", "sealed"), "Yes.", Reasoning(signature="alone"))
    assert answer.events == (
        ReasoningDelta(0, "Hm."),
        ReasoningDelta(0, signature="sealed"),
        TextDelta(1, "Yes."),
        ReasoningDelta(2, signature="alone"),
    )
    assert answer.message == Message.assistant(Reasoning("Hm.", "sealed"), "Yes.", Reasoning(signature="alone"))


def test_every_kind_of_refusal_is_a_feature() -> None:
    """So that a service can lack it."""
    assert REFUSALS.keys() <= FEATURES


def test_the_door_has_the_suite_and_no_more() -> None:
    """It is loaded when it is asked for, and is one class; what is not there is missing as in any module."""
    assert chatport.testing.BackendSuite is BackendSuite
    assert not BackendSuite.__name__.startswith("Test"), "who imports it would run it without a backend"
    with pytest.raises(AttributeError, match="has no attribute 'Backendsuite'"):
        _ = chatport.testing.Backendsuite  # type: ignore[attr-defined]  # a slip of the finger
