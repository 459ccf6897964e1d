"""Paths count the messages of the history, whatever a window has left of them and whatever an answer was told."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.conversations import call, get_weather, session
from tests.long_histories import LONG, each_one

import chatport
from chatport import Adjustment, ChatRequest, Message, Revision, UnsupportedError, drop_oldest_steps
from chatport._places import Places
from chatport.backend import BackendEvent, MessageStart
from chatport.testing import ScriptedBackend

pytestmark = pytest.mark.anyio


def paths(places: Places, count: int) -> list[str]:
    """Return what becomes of the paths of so many messages."""
    return [places.text(f"messages[{index}]") for index in range(count)]


# --- numbers ---------------------------------------------------------------------------------------------------------


@given(st.integers(1, 12).flatmap(lambda size: st.tuples(st.just(size), st.sets(st.integers(0, size - 1)))))
def test_a_message_of_the_history_has_its_number(given_: tuple[int, set[int]]) -> None:
    """Whatever is left out, also of messages that are equal."""
    size, left = given_
    history = [Message.user("same") for _ in range(size)]
    numbers = sorted(left)
    found = paths(Places(history, [history[number] for number in numbers]), len(numbers))
    assert found == [f"messages[{number}]" for number in numbers]


@given(st.lists(st.sampled_from(LONG[:3]), max_size=9), st.data())
def test_one_message_several_times(history: list[Message], data: st.DataObject) -> None:
    """What is named is that message, and the order stays."""
    left = sorted(data.draw(st.sets(st.integers(0, len(history) - 1)))) if history else []
    sent = [history[number] for number in left]
    places = Places(history, sent)
    found = [int(path[len("messages[") : -1]) for path in paths(places, len(sent))]
    assert [history[number] for number in found] == sent
    assert found == sorted(set(found))


async def test_messages_that_a_window_has_made() -> None:
    """They are named by those they stand for: by one each, by all of a summary, by the place of what is put in."""
    made = [Message.user(f"made {number}") for number in range(3)]
    changed = Places(LONG, [LONG[0], made[0], made[1], LONG[3]])
    assert paths(changed, 4) == [f"messages[{number}]" for number in range(4)]
    summed_up = Places(LONG, [made[0], *LONG[6:]])
    assert paths(summed_up, 2) == ["messages[0:6]", "messages[6]"]
    several = Places(LONG, [LONG[0], made[0], made[1], LONG[11]])
    assert paths(several, 4) == ["messages[0]", "messages[1:11]", "messages[1:11]", "messages[11]"]
    put_in = Places(LONG, [*LONG[:5], made[0], *LONG[5:], made[1]])
    assert (paths(put_in, 14)[5], paths(put_in, 14)[13]) == ("messages[5:5]", "messages[12:12]")
    moved = Places(LONG, [LONG[5], made[0], LONG[0], LONG[11]])
    assert paths(moved, 4) == ["messages[5]", "messages[6:6]", "messages[0]", "messages[11]"]
    assert paths(Places((), made), 3) == ["messages[0:0]"] * 3


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("messages[0].parts[2].content[0]", "messages[6].parts[2].content[0]"),
        ("messages[0:2]", "messages[6:8]"),
        ("messages[0:1]", "messages[6]"),
        ("messages[1]: no; messages[2].parts[0]: no", "messages[7]: no; messages[8].parts[0]: no"),
        ("messages", "messages"),
        ("messages[9]", "messages[9]"),
        ("messages[2:9]", "messages[2:9]"),
        ("messages[1:1]", "messages[1:1]"),
        ("messages[0:-1]", "messages[0:-1]"),
        ("tools[0]", "tools[0]"),
        ("extra.messages[0]", "extra.messages[0]"),
        ("my_messages[0]", "my_messages[0]"),
    ],
)
async def test_words_about_messages(said: str, told: str) -> None:
    """Paths, slices and texts that have several; what counts something else stays as it is."""
    assert Places(LONG, LONG[6:]).text(said) == told


# --- in a session ----------------------------------------------------------------------------------------------------

KEPT = partial(drop_oldest_steps, max_tokens=7, count=each_one)
NOTE = Adjustment("changed", "said-otherwise", "messages[{}].parts[0]", "as messages[0] is")


def note_at(index: int) -> Adjustment:
    """Return what the backend says of a message that it was given."""
    return Adjustment(NOTE.kind, NOTE.code, NOTE.path.format(index), NOTE.message)


class Noting(ScriptedBackend):
    """Has something to say of the newest message but one; strict, it refuses instead."""

    refusal: UnsupportedError | None = None

    async def stream(self, request: ChatRequest) -> AsyncGenerator[BackendEvent, None]:
        """Yield what the script says."""
        note = note_at(len(request.messages) - 2)
        if request.strict:
            self.refusal = self.refusal or UnsupportedError(f"{note.path}: cannot be said", adjustments=(note,))
            raise self.refusal
        async with aclosing(super().stream(request)) as events:
            async for event in events:
                yield MessageStart(event.model, adjustments=(note,)) if isinstance(event, MessageStart) else event

    async def preview(self, request: ChatRequest) -> chatport.Preview:
        """Say what would be said."""
        if request.strict:
            raise UnsupportedError("messages[0]: cannot be said") from ValueError("why")
        return chatport.Preview({}, (note_at(0),))


def noting(*script: Any, **options: Any) -> chatport.Session:
    """Return a session whose window leaves the newest of a long history."""
    return chatport.Session(Noting(*script), "m", messages=LONG, tools=[get_weather], window=KEPT, **options)


async def test_adjustments_count_the_history() -> None:
    """Those of each step, in the reply and in the event; a window's notes do so already."""
    chat = noting([call("x")], "done")
    async with chat.stream("go") as stream:
        starts = [event async for event in stream if isinstance(event, MessageStart)]
    one, two = stream.reply.steps
    assert [note.path for note in one.adjustments] == ["messages[0:6]", "messages[11].parts[0]"]
    assert [note.path for note in two.adjustments] == ["messages[0:6]", "messages[7:9]", "messages[13].parts[0]"]
    assert [start.adjustments for start in starts] == [one.adjustments[1:], two.adjustments[2:]]
    assert one.adjustments[1].message == "as messages[6] is"
    assert chat.messages[13].tool_calls
    assert chat.messages[11] is LONG[11]


async def test_refusals_count_the_history() -> None:
    """In what they say and in their adjustments, each time: a backend may raise one error again."""
    chat = noting(strict=True)
    backend = chat.backend
    assert isinstance(backend, Noting)
    for _ in range(2):
        with pytest.raises(UnsupportedError, match=r"^messages\[11\]\.parts\[0\]: cannot") as caught:
            await chat.ask("go")
        assert [note.path for note in caught.value.adjustments] == ["messages[11].parts[0]"]
        assert caught.value.partial is not None
        assert str(caught.traceback[-1].path).endswith("test_places.py")
    assert backend.refusal is not None
    assert str(backend.refusal).startswith("messages[5]")
    assert backend.refusal.partial is None


async def test_previews_count_the_history() -> None:
    """What would be said, and what is refused."""
    preview = await noting().preview("go")
    assert [note.path for note in preview.adjustments] == ["messages[0:6]", "messages[6].parts[0]"]
    with pytest.raises(UnsupportedError, match=r"^messages\[6\]: cannot") as caught:
        await noting().preview("go", strict=True)
    assert isinstance(caught.value.__cause__, ValueError)
    whole = chatport.Session(Noting(), "m", messages=LONG)
    with pytest.raises(UnsupportedError, match=r"^messages\[0\]: cannot"):
        await whole.preview("go", strict=True)


async def test_answers_that_do_not_fit_are_not_counted() -> None:
    """They make room for the one that does, so what follows them has the numbers that it will have."""
    chat = noting("no number", "neither", [call("x")], '{"value": 7}', output_retries=2)
    reply = await chat.ask("go", output=int)
    told = [step.adjustments[-1].path for step in reply.steps]
    assert told == [
        "messages[11].parts[0]",
        "messages[13:13].parts[0]",  # the answer that did not fit
        "messages[13:13].parts[0]",
        "messages[13].parts[0]",  # the call
    ]
    assert chat.messages[13].tool_calls
    assert len(chat.messages) == 16
    plain = chatport.Session(
        Noting("no number", [call("x")], '{"value": 7}'), "m", tools=[get_weather], output_retries=1
    )
    reply = await plain.ask("go", output=int)
    assert [step.adjustments[-1].path for step in reply.steps][1:] == ["messages[1:1].parts[0]", "messages[1].parts[0]"]


async def test_notes_of_a_window_between_answers_that_do_not_fit() -> None:
    """What it counts is what it was given; what is told counts the history."""

    def window(messages: tuple[Message, ...]) -> Revision:
        newest = len(messages) - 1
        return Revision(messages[-1:], (Adjustment("dropped", "left-out", f"messages[0:{newest}]", "old"),))

    script = ["no number", [call("x")], '{"value": 7}']
    chat, _ = session(*script, tools=[get_weather], messages=LONG, window=window, output_retries=1)
    reply = await chat.ask("go", output=int)
    assert [step.adjustments[0].path for step in reply.steps] == ["messages[0:12]", "messages[0:13]", "messages[0:14]"]
    assert len(chat.messages) == 16


async def test_an_error_stays_what_it_is() -> None:
    """Its class, whatever it takes, its attributes and its notes."""

    class OddError(UnsupportedError):
        def __init__(self, number: int, why: str) -> None:
            super().__init__(why)
            self.args = (number, why)
            self.number = number

    error = OddError(5, "messages[0]: odd")
    error.add_note("look")
    told = Places(LONG, LONG[6:]).refusal(error)
    assert type(told) is OddError
    assert (told.args, told.number, told.__notes__) == ((5, "messages[6]: odd"), 5, ["look"])
    assert error.args == (5, "messages[0]: odd")
