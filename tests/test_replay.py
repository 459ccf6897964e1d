"""What was said before said again: summed up, or asked anew."""

from typing import Any

import pytest
from tests.conversations import call, get_weather, session
from tests.long_histories import LONG, each_one

import chatport
from chatport import (
    Adjustment,
    CachePoint,
    Document,
    Image,
    Message,
    Opaque,
    Reasoning,
    Settings,
    Text,
    ToolCall,
    ToolResult,
    replay_messages,
    summarise_oldest_steps,
    validate_messages,
)
from chatport.testing import Answer

pytestmark = pytest.mark.anyio


# --- summaries -------------------------------------------------------------------------------------------------------


async def test_the_oldest_steps_are_summed_up() -> None:
    """One question to the other session, with calls, results and media as text; the summary takes their place."""
    history = (
        Message.system("be kind"),
        Message.user("Look: ", Image("image/png", b"p"), Document("text/plain", b"d", name="a.txt")),
        Message.assistant(Reasoning("secret"), call("a", location="Paris"), ToolCall("b", "f", {}, "{")),
        Message("tool", (ToolResult("a", {"rain": True}), ToolResult("b", (), is_error=True))),
        Message.assistant("Wet.", Opaque("echo", {}), CachePoint(), Text(" ")),
        Message.user("And now?"),
        Message.assistant("Dry."),
    )
    chat, backend = session(Answer(" It was wet. "))
    revision = await summarise_oldest_steps(history, chat, max_tokens=3, count=each_one, summary_tokens=1)
    assert revision.messages == (
        history[0],
        Message.user("Summary of the conversation before this point:\n\nIt was wet."),
        *history[5:],
    )
    note = Adjustment(
        "changed",
        "oldest-steps-summarised",
        "messages[1:5]",
        "a summary stands in the place of the oldest messages, for all to have at most 3 tokens",
    )
    assert revision.adjustments == (note,)
    asked = backend.requests[0].messages[-1].text
    assert asked.split("\n\n", 1)[1] == (
        "<conversation>\n"
        "user: Look:\n"
        "user: [image, image/png]\n"
        "user: [document 'a.txt', text/plain]\n"
        '[assistant calls the tool get_weather with {"location": "Paris"}]\n'
        "[assistant calls the tool f with {]\n"
        '[the tool get_weather returns: {"rain": true}]\n'
        "[the tool f fails: nothing]\n"
        "assistant: Wet.\n"
        "assistant: [something that only echo understands]\n"
        "</conversation>"
    )
    assert validate_messages(revision.messages) == ()


async def test_a_summary_is_summed_up_with_the_rest() -> None:
    """The next time it is the oldest."""
    chat, backend = session("short", "shorter")
    once = await summarise_oldest_steps(LONG, chat, max_tokens=8, count=each_one, summary_tokens=1)
    twice = await summarise_oldest_steps(
        (*once.messages, *LONG[:6]), chat.fork(messages=()), max_tokens=8, count=each_one, summary_tokens=1
    )
    assert "before this point:\n\nshort\n" in backend.requests[1].messages[0].text
    assert twice.messages[0].text.endswith("shorter")
    assert sum(message.text.startswith("Summary") for message in twice.messages) == 1


async def test_nobody_is_asked_where_nothing_can_go() -> None:
    """A history that fits, and one that is a single turn."""
    chat, backend = session()
    for history, most in [(LONG, 5000), (LONG[-1:], 2), (LONG[6:7], 2)]:
        revision = await summarise_oldest_steps(history, chat, max_tokens=most, count=lambda _: 9, summary_tokens=1)
        assert revision == chatport.Revision(tuple(history))
    assert backend.requests == []


@pytest.mark.parametrize("answer", [Answer("It was", "length"), " \n"], ids=["cut", "empty"])
async def test_half_a_summary_replaces_nothing(answer: Any) -> None:
    """It is an error, which has the reply."""
    chat, _ = session(answer)
    with pytest.raises(chatport.OutputError, match="stay as they are") as caught:
        await summarise_oldest_steps(LONG, chat, max_tokens=3, count=each_one, summary_tokens=1)
    assert caught.value.reply is not None


# --- replays ---------------------------------------------------------------------------------------------------------


async def test_questions_are_asked_again() -> None:
    """Those of the user, word for word, with what the new session makes of them; tools run again."""
    picture = Image("image/png", b"p")
    history = (*LONG, Message.user("three", picture), Message.assistant("third"))
    chat, backend = session([call()], "uno", "due", "tre", tools=[get_weather])
    replies = await replay_messages(chat, history, settings=Settings(temperature=0))
    assert [reply.text for reply in replies] == ["uno", "due", "tre"]
    said = [message for message in chat.messages if message.role == "user"]
    assert said == [Message.user("one"), Message.user("two"), Message.user("three", picture)]
    assert all(request.settings.temperature == 0 for request in backend.requests)


async def test_what_no_turn_can_say_is_refused_first() -> None:
    """Nothing is asked then."""
    chat, backend = session("never")
    with pytest.raises(ValueError, match=r"messages\[1\] is the system's"):
        await replay_messages(chat, [Message.user("go"), Message.system("be kind")])
    assert backend.requests == []
