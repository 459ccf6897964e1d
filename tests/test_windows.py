"""Histories that are too long: what goes, what stays, and who counts."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.conversations import call, get_weather, session
from tests.histories import broken_histories, valid_histories
from tests.long_histories import LONG, each_one, places

import chatport
from chatport import (
    Audio,
    CachePoint,
    ChatRequest,
    Citation,
    Document,
    Image,
    Json,
    Message,
    Opaque,
    Reasoning,
    Session,
    Text,
    TokenCount,
    Tool,
    ToolCall,
    ToolResult,
    count_tokens,
    drop_oldest_steps,
    estimate_tokens,
    fit_history,
    repair_messages,
    summarise_oldest_steps,
    validate_messages,
)
from chatport._estimate import estimate_request
from chatport.testing import ScriptedBackend

pytestmark = pytest.mark.anyio


# --- what goes first -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("most", "left"),
    [
        (12, [*range(12)]),
        (11, [0, *range(3, 12)]),
        (10, [0, *range(3, 12)]),
        (9, [0, *range(5, 12)]),
        (7, [*range(6, 12)]),
        (6, [*range(6, 12)]),
        (5, [6, 9, 10, 11]),
        (2, [6, 11]),
        (1, [6, 11]),
    ],
)
async def test_the_oldest_steps_go_first(most: int, left: list[int]) -> None:
    """Calls with their results; the question with the last of its steps; the newest question and answer never."""
    revision = drop_oldest_steps(LONG, max_tokens=most, count=each_one)
    assert places(revision.messages) == left
    assert revision.tokens is None


async def test_what_stands_before_the_first_question_stays_together() -> None:
    """All of it goes, or nothing: without its first message the model would speak first."""
    before = (Message("tool", (Image("image/png", b"p"),)), Message.assistant("Nice."), Message.assistant("Very."))
    for history, left in [((*before, *LONG[6:7]), LONG[6:7]), (before, before)]:
        revision = drop_oldest_steps(history, max_tokens=2, count=each_one)
        assert revision.messages == left
        assert validate_messages(revision.messages) == ()


async def test_what_is_left_out_is_told_by_rows() -> None:
    """One note for each row of messages, as a slice."""
    system = Message.system("be kind")
    history = (LONG[0], system, *LONG[1:])
    notes = drop_oldest_steps(history, max_tokens=7, count=each_one).adjustments
    assert [(note.kind, note.code, note.path) for note in notes] == [
        ("dropped", "oldest-steps-dropped", "messages[0]"),
        ("dropped", "oldest-steps-dropped", "messages[2:7]"),
    ]
    assert "at most 7 tokens" in notes[0].message


@pytest.mark.parametrize(
    ("pinned", "left"),
    [(0, [0, 6, 11]), (2, [0, 1, 2, 6, 11]), (5, [0, 5, 6, 11]), (8, [6, 7, 8, 11])],
    ids=["a question", "a result", "an answer", "a result of the newest turn"],
)
async def test_what_is_pinned_stays(pinned: int, left: list[int]) -> None:
    """With the whole step, and the question before it."""
    revision = drop_oldest_steps(LONG, max_tokens=1, count=each_one, pinned=lambda message: message is LONG[pinned])
    assert places(revision.messages) == left
    assert validate_messages(revision.messages) == ()


async def test_the_beginning_changes_once_in_a_while() -> None:
    """So many tokens at a time: as the conversation grows, what is left begins at the same place for some turns."""
    history: list[Message] = []
    begins: list[str] = []
    for number in range(12):
        history += [Message.user(str(number)), Message.assistant("fine")]
        begins.append(drop_oldest_steps(history, max_tokens=8, count=each_one, batch_tokens=6).messages[0].text)
    assert begins == ["0", "0", "0", "0", "3", "3", "3", "6", "6", "6", "9", "9"]


async def test_a_history_that_fits_stays_as_it_is() -> None:
    """Nothing is noted; an empty one fits."""
    assert drop_oldest_steps(LONG, max_tokens=10_000) == chatport.Revision(LONG)
    assert drop_oldest_steps([], max_tokens=1) == chatport.Revision(())


async def test_senseless_numbers_are_refused() -> None:
    """No tokens at all, or a summary longer than what it is for."""
    chat, _ = session(messages=LONG)
    for most, batch in [(0, 1), (5, 0)]:
        with pytest.raises(ValueError, match="must be at least 1"):
            drop_oldest_steps(LONG, max_tokens=most, batch_tokens=batch)
    with pytest.raises(ValueError, match="must be at least 1"):
        await fit_history(chat, max_tokens=0)
    with pytest.raises(ValueError, match="less than max_tokens"):
        await summarise_oldest_steps(LONG, chat, max_tokens=5, summary_tokens=5)


async def test_what_a_service_has_run_stays_with_its_call() -> None:
    """It may answer in a later message: then both are one step. In a later turn: then the call stays."""
    called = Message.assistant(ToolCall("s", "search", {}, executed_by="server"))
    found = Message.assistant(ToolResult("s", "found"))
    one, two, now = (Message.user(word) for word in ("one", "two", "now?"))
    fine = Message.assistant("fine")
    history = [one, fine, called, fine, found, Message.assistant("so"), now]
    kept = [len(drop_oldest_steps(history, max_tokens=most, count=each_one).messages) for most in range(7, 0, -1)]
    assert kept == [7, 6, 3, 3, 3, 1, 1]
    history = [one, called, two, found, now]
    assert drop_oldest_steps(history, max_tokens=1, count=each_one).messages == (one, called, now)
    history = [one, called, found, two, called, two, found, now]  # the nearer call is the one that is answered
    assert drop_oldest_steps(history, max_tokens=1, count=each_one).messages == (two, called, now)
    for most in range(1, 9):
        assert validate_messages(drop_oldest_steps(history, max_tokens=most, count=each_one).messages) == ()
    other = Message.assistant(ToolCall("t", "search", {}, executed_by="server"))
    both = Message.assistant(ToolResult("t", "found"), ToolResult("s", "found"))
    history = [one, called, two, other, fine, both, Message.assistant("so")]
    assert drop_oldest_steps(history, max_tokens=6, count=each_one).messages == (one, called, two, history[-1])


@given(broken_histories() | valid_histories, st.integers(1, 40), st.integers(1, 5), st.sets(st.integers(0, 9)))
def test_whatever_is_left_out_the_rest_validates(history: list[Message], most: int, batch: int, pins: set[int]) -> None:
    """A call stays with its result, what is pinned stays, the order stays, and everything left out is noted."""
    given_messages = repair_messages(history).messages
    pinned = [message for place, message in enumerate(given_messages) if place in pins]
    revision = drop_oldest_steps(
        given_messages, max_tokens=most, batch_tokens=batch, pinned=lambda each: any(each is pin for pin in pinned)
    )
    assert validate_messages(revision.messages) == ()
    found = iter(given_messages)
    assert all(any(message is each for each in found) for message in revision.messages)
    assert all(any(pin is each for each in revision.messages) for pin in pinned)
    assert (len(revision.messages) < len(given_messages)) == bool(revision.adjustments)
    assert bool(revision.messages) == bool(given_messages)
    if estimate_tokens(given_messages) <= most:
        assert revision.messages == given_messages
    again = drop_oldest_steps(revision.messages, max_tokens=most, pinned=lambda each: any(each is p for p in pinned))
    assert again.messages == revision.messages


async def test_what_is_asked_again_keeps_its_question() -> None:
    """An answer that does not fit and what was said of it belong to the question, however little may be sent."""
    chat, backend = session(
        *("Fine.", [call()], "no number " * 30, "{}", '{"value": 3}'),
        tools=[get_weather],
        window=lambda messages: drop_oldest_steps(messages, max_tokens=1),
    )
    await chat.ask("How are you?")
    assert (await chat.ask("How many?", output=int, output_retries=2)).output == 3
    for request in backend.requests[1:]:
        assert "How many?" in [message.text for message in request.messages]
        assert validate_messages(request.messages) == ()
    assert "cannot be used" in backend.requests[-1].messages[-1].text
    assert [message.role for message in chat.messages] == [
        "user",
        "assistant",
        "user",
        "assistant",
        "tool",
        "assistant",
    ]


async def test_a_session_sends_what_is_left() -> None:
    """As a window: all steps of a turn are measured, and the history keeps them."""
    chat, backend = session(
        "a", [call()], "b", tools=[get_weather], window=lambda each: drop_oldest_steps(each, max_tokens=2, count=len)
    )
    await chat.ask("one")
    reply = await chat.ask("two")
    assert [[message.text for message in request.messages] for request in backend.requests] == [
        ["one"],
        ["two"],
        ["two", "", ""],
    ]
    assert {note.code for note in reply.adjustments} == {"oldest-steps-dropped"}
    assert len(chat.messages) == 6


# --- counting --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("part", "least", "most"),
    [
        (Text("x" * 300), 100, 100),
        (Text("ß" * 300), 200, 200),
        (Text("", (Citation(quotes=("q" * 30,)),)), 10, 10),
        (Reasoning("x" * 30, "s" * 30, b"r" * 30), 30, 30),
        (ToolCall("1", "f", {"x": "y" * 300}), 100, 120),
        (ToolCall("1", "f", {}, "{" * 300), 100, 120),
        (ToolResult("1", [Json("x" * 298), Image("image/png", b"p")]), 1700, 1720),
        (Opaque("echo", {"x": "y" * 300}), 100, 105),
        (Image("image/png", b"p" * 10_000), 1600, 1600),
        (Document("text/plain", b"x" * 300), 100, 100),
        (Document("application/pdf", b"x" * 300), 1500, 1500),
        (Document("application/pdf", b"x" * 3_000_000), 50_000, 150_000),
        (Audio("audio/wav", b"x" * 1_000_000), 1500, 5000),
        (Document.from_uri("s3://bucket/a.pdf"), 1500, 1500),
        (CachePoint(), 0, 0),
    ],
    ids=range(15),
)
async def test_an_estimate_has_the_right_order(part: Any, least: int, most: int) -> None:
    """By bytes, by kind, and with a little for the message around it."""
    assert least <= estimate_tokens([Message("assistant", (part,))]) - 4 <= most


async def test_estimates_of_messages_add_up() -> None:
    """And a request has more than its messages."""
    assert estimate_tokens(LONG) == sum(estimate_tokens([message]) for message in LONG)
    bare = ChatRequest("m", LONG)
    full = ChatRequest(
        "m", LONG, (Text("x" * 30),), (Tool("search", "Search."),), output_schema={"type": "object", "x": "y" * 30}
    )
    assert estimate_request(bare) == estimate_tokens(LONG)
    assert estimate_request(full) > estimate_tokens(LONG) + 40


class Counting(ScriptedBackend):
    """Counts ten tokens for each message and a hundred for the rest."""

    refusal: Exception | None = None
    counted: int = 0

    async def count_tokens(self, request: ChatRequest) -> int:
        self.counted += 1
        if self.refusal is not None:
            raise self.refusal
        return 100 + 10 * len(request.messages)


async def test_who_has_counted_is_said() -> None:
    """The backend where it can; else it is an estimate, and the reason stands with it. A failure is no reason."""
    request = ChatRequest("m", LONG)
    backend = Counting()
    assert await count_tokens(backend, request) == TokenCount(220)
    assert not (await count_tokens(backend, request)).is_estimate
    backend.refusal = chatport.UnsupportedError("not for this model")
    assert await count_tokens(backend, request) == TokenCount(estimate_request(request), "not for this model")
    other = await count_tokens(ScriptedBackend(), request)
    assert other.is_estimate
    assert other.reason == "the backend 'scripted' counts no tokens"
    backend.refusal = chatport.ServiceError("down")
    with pytest.raises(chatport.ServiceError):
        await count_tokens(backend, request)


@pytest.mark.parametrize("most", [300, 215, 195, 165, 50])
async def test_a_history_is_fitted_by_the_backends_count(most: int) -> None:
    """The whole request is counted, what is to be asked included, until it fits or nothing more may go."""
    backend = Counting()
    chat = Session(backend, "m", messages=LONG, system="x" * 1000, tools=[get_weather])
    revision = await fit_history(chat, "and?", max_tokens=most)
    assert revision.tokens == TokenCount(100 + 10 * (len(revision.messages) + 1))
    assert 100 + 10 * (len(revision.messages) + 1) <= max(most, 130)
    assert validate_messages(revision.messages) == ()
    assert bool(revision.adjustments) == (len(revision.messages) < 12)
    assert backend.counted <= 6
    assert chat.messages == LONG
    assert chat.edit(revision.messages) == LONG


async def test_what_cannot_be_counted_is_fitted_by_estimate() -> None:
    """And the revision says so."""
    chat, _ = session(messages=LONG)
    revision = await fit_history(chat, max_tokens=60, pinned=lambda message: message is LONG[0])
    assert revision.tokens is not None
    assert revision.tokens.is_estimate
    assert revision.messages[0] is LONG[0]
    assert len(revision.messages) < 12


async def test_what_is_fitted_can_be_asked() -> None:
    """A history that waits for an answer or for results, one that is empty, and a session with a window."""
    backend = Counting()
    for history, content in [((*LONG, LONG[0]), ()), ((), ()), (LONG[:2], (ToolResult("a", "x"),))]:
        revision = await fit_history(Session(backend, "m", messages=history), *content, max_tokens=500)
        assert revision.messages == history
    with pytest.raises(ValueError, match="waits for the result"):
        await fit_history(Session(backend, "m", messages=LONG[:2]), "go", max_tokens=500)
    small = Session(backend, "m", messages=LONG, window=lambda each: chatport.Revision(each[-1:]))
    revision = await fit_history(small, "go", max_tokens=110)
    assert (revision.messages, revision.tokens) == (LONG, TokenCount(110))
