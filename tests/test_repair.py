"""What is wrong with a history is found, and put right without a word lost in silence."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.histories import broken_histories, valid_histories

from chatport import (
    CachePoint,
    Citation,
    Image,
    Message,
    Reasoning,
    Revision,
    Text,
    ToolCall,
    ToolResult,
    dump_messages,
    load_messages,
    repair_messages,
    validate_messages,
)
from chatport._content import pending_calls, turn_messages
from chatport._tool_errors import error_result, interrupted_result

ASKED = Message.user("go")
DONE = Message.assistant("done")
A, B = ToolCall("a", "f"), ToolCall("b", "g")
RESULT_A, RESULT_B = ToolResult("a", "x"), ToolResult("b", "y")
SERVED = ToolCall("s", "web", executed_by="server")
CUT = ToolCall("c", "f", {}, '{"lo')
NOT_RUN = error_result(CUT, "Not run: the arguments of this call are no JSON object.", "invalid-arguments")


def tool(*results: Any) -> Message:
    """Return a message with results."""
    return Message("tool", results)


def interrupted(id_: str) -> ToolResult:
    """Return what stands for a result that was lost."""
    return interrupted_result(ToolCall(id_, "any", {}))


def found(history: list[Message], **options: Any) -> list[tuple[str, str]]:
    """Return kinds and places of what is wrong."""
    return [(problem.kind, problem.path) for problem in validate_messages(history, **options)]


CALLED = Message.assistant("look", A, B)
BOTH = tool(RESULT_A, RESULT_B)

BROKEN = {
    "nothing answers": (
        [ASKED, CALLED, Message.user("and?")],
        [("unanswered-call", "messages[1].parts[1]"), ("unanswered-call", "messages[1].parts[2]")],
        [ASKED, CALLED, tool(interrupted("a"), interrupted("b")), Message.user("and?")],
    ),
    "one of two answers": (
        [ASKED, CALLED, tool(RESULT_B), DONE],
        [("unanswered-call", "messages[1].parts[1]")],
        [ASKED, CALLED, tool(interrupted("a"), RESULT_B), DONE],
    ),
    "the call was cut": (
        [ASKED, Message.assistant(A, CUT), tool(RESULT_A)],
        [("truncated-call", "messages[1].parts[1]")],
        [
            ASKED,
            Message.assistant(A, CUT),
            tool(RESULT_A, NOT_RUN),
        ],
    ),
    "no call": (
        [ASKED, DONE, tool(RESULT_A), ASKED],
        [("orphan-result", "messages[2].parts[0]")],
        [ASKED, DONE, ASKED],
    ),
    "the call comes later": (
        [tool(RESULT_A), ASKED, Message.assistant(A)],
        [("orphan-result", "messages[0].parts[0]"), ("unanswered-call", "messages[2].parts[0]")],
        [ASKED, Message.assistant(A), tool(interrupted("a"))],
    ),
    "answered twice": (
        [ASKED, Message.assistant(A), tool(RESULT_A, RESULT_A), tool(ToolResult("a", "again"))],
        [("duplicate-result", "messages[2].parts[1]"), ("duplicate-result", "messages[3].parts[0]")],
        [ASKED, Message.assistant(A), tool(RESULT_A)],
    ),
    "another order": (
        [ASKED, CALLED, tool(RESULT_B, RESULT_A)],
        [("misplaced-result", "messages[2].parts[0]")],
        [ASKED, CALLED, BOTH],
    ),
    "in the user's words": (
        [ASKED, CALLED, Message.user(RESULT_A, "look at that", RESULT_B)],
        [("misplaced-result", "messages[2].parts[0]"), ("misplaced-result", "messages[2].parts[2]")],
        [ASKED, CALLED, BOTH, Message.user("look at that")],
    ),
    "behind something else": (
        [ASKED, Message.assistant(A), Message.system("hurry"), tool(RESULT_A)],
        [("misplaced-result", "messages[3].parts[0]")],
        [ASKED, Message.assistant(A), tool(RESULT_A), Message.system("hurry")],
    ),
    "a turn too late": (
        [ASKED, Message.assistant(A), ASKED, DONE, tool(RESULT_A)],
        [("misplaced-result", "messages[4].parts[0]")],
        [ASKED, Message.assistant(A), tool(RESULT_A), ASKED, DONE],
    ),
    "in the model's own words": (
        [ASKED, Message.assistant(A, RESULT_A)],
        [("misplaced-result", "messages[1].parts[1]")],
        [ASKED, Message.assistant(A), tool(RESULT_A)],
    ),
    "one id for two calls": (
        [ASKED, Message.assistant(A, ToolCall("a", "g"), ToolCall("a-2", "h")), tool(RESULT_A, ToolResult("a", "y"))],
        [("duplicate-call-id", "messages[1].parts[1]"), ("unanswered-call", "messages[1].parts[2]")],
        [
            ASKED,
            Message.assistant(A, ToolCall("a-3", "g"), ToolCall("a-2", "h")),
            tool(RESULT_A, ToolResult("a-3", "y"), interrupted("a-2")),
        ],
    ),
    "who speaks for the model": (
        [Message.user(A, "go", Reasoning("hm")), DONE],
        [("misplaced-part", "messages[0].parts[0]"), ("misplaced-part", "messages[0].parts[2]")],
        [ASKED, DONE],
    ),
    "a result in a result": (
        [ASKED, Message.assistant(A), tool(ToolResult("a", ["x", RESULT_B, B]))],
        [("misplaced-part", f"messages[2].parts[0].content[{index}]") for index in (1, 2)],
        [ASKED, Message.assistant(A), tool(RESULT_A)],
    ),
    "nothing said": (
        [ASKED, DONE, Message.user(" \n", ""), Message("system", ()), tool(), ASKED],
        [("empty-message", f"messages[{index}]") for index in (2, 3, 4)],
        [ASKED, DONE, ASKED],
    ),
    "nothing but a mark before the model": (
        [Message.user(CachePoint(), " "), DONE, ASKED],
        [("leading-assistant", "messages[1]")],
        [Message.user(CachePoint(), " "), Message.user("."), DONE, ASKED],
    ),
    "the model begins": (
        [Message.system("be kind"), DONE, ASKED],
        [("leading-assistant", "messages[1]")],
        [Message.system("be kind"), Message.user("."), DONE, ASKED],
    ),
}


@pytest.mark.parametrize(("history", "problems", "repaired"), BROKEN.values(), ids=BROKEN)
def test_each_problem_is_found_and_put_right(
    history: list[Message], problems: list[tuple[str, str]], repaired: list[Message]
) -> None:
    """What is found says where; the repair is what it should be, and has a note for each problem."""
    assert found(history) == problems
    revision = repair_messages(history)
    assert list(revision.messages) == repaired
    assert [(note.code, note.path) for note in revision.adjustments if note.kind != "lossless"] == problems


SOUND = {
    "nothing": [],
    "a turn with tools": [ASKED, CALLED, BOTH, DONE],
    "results in two messages": [ASKED, CALLED, tool(RESULT_A), tool(RESULT_B), DONE],
    "results beside a cache point": [ASKED, Message.assistant(A), tool(RESULT_A, CachePoint()), DONE],
    "the user last": [ASKED, DONE, ASKED],
    "one role in a row": [ASKED, ASKED, DONE, DONE],
    "the system first": [Message.system("be kind"), ASKED, DONE, Message.system("be brief")],
    "the system only": [Message.system("be kind")],
    "an answer of no words": [ASKED, Message("assistant", ()), ASKED, Message.assistant("")],
    "blank beside something": [Message.user("", Image("image/png", b"p")), DONE],
    "blank and cited": [Message.user(Text("", (Citation("t"),))), DONE],
    "blank and marked": [Message.user(Text("", metadata={"echo": {}})), DONE],
    "an id in two turns": [ASKED, Message.assistant(A), tool(RESULT_A), Message.assistant(A), tool(RESULT_A)],
    "what the service ran": [
        ASKED,
        Message.assistant(ToolCall("s", "web", executed_by="server"), ToolResult("s", "w")),
    ],
    "what it still runs": [ASKED, Message.assistant(ToolCall("s", "web", executed_by="server"))],
    "a cut call that was answered": [ASKED, Message.assistant(CUT), tool(ToolResult("c", "no", is_error=True))],
}


@pytest.mark.parametrize("history", SOUND.values(), ids=SOUND)
def test_what_is_sound_stays_the_same_object(history: list[Message]) -> None:
    """Nothing is found, and nothing is made anew."""
    given = tuple(history)
    assert validate_messages(given) == ()
    assert repair_messages(given) == Revision(given)
    assert repair_messages(given).messages is given


def test_calls_may_wait_for_the_caller() -> None:
    """Those of the model's last message, where the caller says so, some of them answered already or none."""
    for behind, waiting in [([], ["a", "b"]), ([tool(RESULT_A)], ["b"])]:
        history = [ASKED, CALLED, *behind]
        assert len(found(history)) == len(waiting)
        assert found(history, allow_pending=True) == []
        repaired = repair_messages(history, allow_pending=True).messages
        assert [call.id for call in pending_calls(repaired)] == waiting
    assert len(found([ASKED, CALLED, ASKED], allow_pending=True)) == 2, "the user has gone on"
    assert len(found([ASKED, CALLED, BOTH, CALLED, ASKED, DONE], allow_pending=True)) == 2, "and the model too"


def test_what_goes_with_a_message_is_told() -> None:
    """A message of which nothing is left goes without loss, unless it was marked."""
    plain, marked = tool(RESULT_A), Message("tool", (RESULT_A,), {"echo": {"x": 1}})
    notes = [repair_messages([ASKED, DONE, each]).adjustments for each in (plain, marked)]
    assert [[(note.kind, note.code) for note in each] for each in notes] == [
        [("lossless", "empty-message"), ("dropped", "orphan-result")],
        [("dropped", "empty-message"), ("dropped", "orphan-result")],
    ]
    assert "metadata" in notes[1][0].message


def test_problems_repeat_nothing_that_was_said() -> None:
    """Ids and names are enough to find a place; words may be secret."""
    secret = "the secret"
    history = [
        Message.assistant(secret, ToolCall("1", "f", {"x": secret}, secret)),
        Message.user(ToolResult("2", secret), Reasoning(secret), ToolCall("3", "f", {"x": secret})),
    ]
    revision = repair_messages(history)
    assert len(validate_messages(history)) == 5
    assert secret not in repr((validate_messages(history), revision.adjustments))


def test_what_is_no_message_is_refused() -> None:
    """A dict from JSON is not one yet."""
    for function in (validate_messages, repair_messages):
        with pytest.raises(TypeError, match=r"messages\[1\] is a dict"):
            function([ASKED, {"role": "user"}])  # type: ignore[list-item]


@given(valid_histories)
def test_what_sessions_make_validates(history: list[Message]) -> None:
    """Whole turns, with calls that were cut, errors, reasoning and answers of no words."""
    assert validate_messages(history) == ()
    given = tuple(history)
    assert repair_messages(given).messages is given


@given(broken_histories(), st.booleans())
def test_any_history_can_be_repaired(history: list[Message], allow_pending: bool) -> None:
    """The repaired one validates, a second repair changes nothing, and nothing went without a note."""
    before = list(history)
    problems = validate_messages(history, allow_pending=allow_pending)
    revision = repair_messages(history, allow_pending=allow_pending)
    assert history == before
    assert validate_messages(revision.messages, allow_pending=allow_pending) == ()
    again = repair_messages(revision.messages, allow_pending=allow_pending)
    assert again.messages is revision.messages
    assert again.adjustments == ()
    noted = [(note.code, note.path) for note in revision.adjustments]
    assert all((problem.kind, problem.path) in noted for problem in problems)
    assert bool(problems) == (revision.messages != tuple(history))
    check_nothing_is_lost(history, revision)
    assert load_messages(dump_messages(revision.messages)) == revision.messages


@given(broken_histories())
def test_after_a_repair_one_can_go_on(history: list[Message]) -> None:
    """Every call is answered behind it, whoever looks, and the next question can be asked."""
    repaired = repair_messages(history).messages
    assert pending_calls(repaired) == ()
    open_calls: list[str] = []
    for message in repaired:
        given = [part.id for part in message.parts if isinstance(part, ToolResult)]
        match message.role:
            case "assistant":
                assert not open_calls
                open_calls = [call.id for call in message.tool_calls]
                assert len(set(open_calls)) == len(open_calls)
            case "tool":
                assert given == open_calls[: len(given)]
                del open_calls[: len(given)]
            case _:
                assert not open_calls
                assert not given
    assert not open_calls
    spoken = [message.role for message in repaired if message.role != "system"]
    assert not spoken or spoken[0] != "assistant"
    assert turn_messages(repaired, ["go on"]) == (Message.user("go on"),)


def check_nothing_is_lost(history: list[Message], revision: Revision) -> None:
    """Each part of the one stands in the other, or a note says what became of it or of its message."""
    left = [part for message in revision.messages for part in message.parts]
    noted = {note.path for note in revision.adjustments}
    renamed = any(note.code == "duplicate-call-id" for note in revision.adjustments)
    for index, message in enumerate(history):
        for position, part in enumerate(message.parts):
            place = f"messages[{index}].parts[{position}]"
            told = any(path == f"messages[{index}]" or path.startswith(place) for path in noted)
            assert told or any(part is each for each in left) or (renamed and isinstance(part, ToolResult))
