import pytest
from hypothesis import given
from tests.strategies import messages

from chatport._adjustments import Adjustment
from chatport._events import MessageEnd, MessageStart, PartEnd, TextDelta, ToolCallDelta, Usage
from chatport._fold import Fold
from chatport._messages import Image, Message, Reasoning, ToolCall
from chatport._unfold import events_from


@given(messages())
def test_folded_the_events_give_the_message_back(message: Message) -> None:
    """Whatever the parts are: unfolded and folded they are the same parts."""
    fold = Fold()
    for event in events_from(message, model="parrot-1"):
        fold.feed(event)
    assert fold.message().parts == message.parts


def test_what_can_come_in_pieces_does() -> None:
    """A reader of text sees text, also from a service that answers in one piece; a picture comes whole."""
    image = Image("image/png", b"x")
    message = Message.assistant("hi", ToolCall("1", "f", {"a": "é"}), image)
    start, text, _, arguments, whole, end = events_from(message, model="parrot-1")
    assert (start, text) == (MessageStart("parrot-1"), TextDelta(0, "hi"))
    assert (arguments, whole) == (ToolCallDelta(1, '{"a": "é"}'), PartEnd(2, image))
    assert isinstance(end, MessageEnd)


@pytest.mark.parametrize("text", ["", "{", "{}", "[1]"])
def test_an_invalid_call_stays_invalid(text: str) -> None:
    """Its text is not read again: what was refused once is not run after all."""
    call = ToolCall("1", "f", invalid_json=text)
    assert list(events_from(Message.assistant(call), model="m"))[1:-1] == [PartEnd(0, call)]


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (Message.assistant(), "stop"),
        (Message.assistant("hi", Reasoning("why")), "stop"),
        (Message.assistant(ToolCall("1", "f")), "tool_calls"),
        (Message.assistant(ToolCall("1", "f", executed_by="server")), "stop"),
    ],
    ids=["nothing", "text", "call", "call run by the service"],
)
def test_why_it_stopped_is_seen_from_the_parts(message: Message, reason: str) -> None:
    """Only calls that wait for the caller are a reason of their own."""
    *_, end = events_from(message, model="m")
    assert isinstance(end, MessageEnd)
    assert end.stop_reason == reason


def test_what_the_service_said_beside_the_message_is_passed_on() -> None:
    """Start and end say what was given, and nothing is made up."""
    loss = Adjustment("dropped", "x", "settings.top_k", "no")
    start, end = events_from(
        Message.assistant(),
        model="parrot-1",
        stop_reason="length",
        raw_stop_reason="max",
        usage=Usage(1, 2),
        request_id="r-1",
        adjustments=(loss,),
        metadata={"echo": {}},
    )
    assert start == MessageStart("parrot-1", "r-1", (loss,))
    assert end == MessageEnd("length", "max", Usage(1, 2), {"echo": {}})
