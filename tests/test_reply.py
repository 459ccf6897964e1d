import pytest

from chatport._adjustments import Adjustment
from chatport._events import Usage
from chatport._messages import Image, Message, Reasoning, Text, ToolCall, ToolResult
from chatport._reply import Partial, Reply, Step, Timing

_RENAMED = Adjustment("renamed", "tool-renamed", "tools[0]", "a b is a_b here")
_DROPPED = Adjustment("dropped", "setting-dropped", "settings.top_k", "no such setting")
_CALL = ToolCall("1", "add", {"a": 1})

_FIRST = Step(
    Message.assistant(Reasoning("hm"), "I ask.", _CALL),
    "tool_calls",
    "tool_use",
    Usage(10, 5, raw={"in": 10}),
    "parrot-1",
    "r-1",
    (_RENAMED, _DROPPED),
    Timing(0.1, 0.5, 0.4),
    2,
    {"echo": {"step": 1}},
    Message("tool", (ToolResult("1", {"sum": 1}),)),
)
_LAST = Step(
    Message.assistant(Reasoning("so "), Reasoning("it is"), "It is ", "1."),
    "stop",
    "end_turn",
    Usage(20, 7, cache_read_tokens=10),
    "parrot-2",
    "r-2",
    (_DROPPED,),
    Timing(0.2, 0.6),
    1,
    {"echo": {"step": 2}},
)


def _reply(*steps: Step) -> Reply[None]:
    return Reply((Message.user("1?"), *(step.message for step in steps)), steps, None, Timing(0.1, 1.2, 0.4))


def test_a_reply_speaks_of_its_last_step() -> None:
    """What the model said at last, why it stopped, and who it was."""
    reply = _reply(_FIRST, _LAST)
    assert reply.message is _LAST.message
    assert reply.text == "It is 1."
    assert reply.reasoning == "so it is"
    assert reply.tool_calls == ()
    assert (reply.stop_reason, reply.raw_stop_reason) == ("stop", "end_turn")
    assert (reply.model, reply.request_id) == ("parrot-2", "r-2")
    assert reply.metadata == {"echo": {"step": 2}}


def test_a_reply_adds_up_its_steps() -> None:
    """Cost and attempts are the turn's; each adjustment is named once, in the order of its first step."""
    reply = _reply(_FIRST, _LAST)
    assert reply.usage == Usage(30, 12, cache_read_tokens=10)
    assert reply.attempts == 3
    assert reply.adjustments == (_RENAMED, _DROPPED)


def test_a_reply_of_one_step_is_that_step() -> None:
    """Calls that are left to the caller, and the service's own figures."""
    reply = _reply(_FIRST)
    assert reply.tool_calls == (_CALL,)
    assert reply.usage.raw == {"in": 10}
    assert reply.attempts == 2
    assert (reply.output, reply.timing) == (None, Timing(0.1, 1.2, 0.4))


def test_times_are_unknown_until_measured() -> None:
    """None where nobody can say; seconds else."""
    assert Timing() == Timing(first_event=None, total=0.0, service=None)


@pytest.mark.parametrize(
    ("messages", "text"),
    [
        ((), ""),
        ((Message.user("hi"),), ""),
        ((Message.user("hi"), Message.assistant("It ", "is")), "It is"),
        ((Message.user("hi"), Message.assistant("I ask."), Message("tool", (ToolResult("1", "no"),))), ""),
        ((Message("assistant", (Image("image/png", b"x"), Text("a"))),), "a"),
    ],
    ids=["nothing", "only the question", "half an answer", "a result last", "a picture first"],
)
def test_what_is_left_of_a_turn(messages: tuple[Message, ...], text: str) -> None:
    """The text of the model's last message, if the turn came to one; never the user's own words."""
    assert Partial(messages).text == text


def test_nothing_is_left_of_a_turn_that_did_not_begin() -> None:
    """The empty partial: no messages, nothing known of the cost."""
    assert Partial() == Partial((), Usage(), unfinished=False)
