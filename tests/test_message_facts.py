"""What is known of messages: worked out once, told apart by identity, gone with the message."""

import copy
import gc
import pickle
from functools import partial
from typing import Any

import pytest
from tests.conversations import call, get_weather, session

from chatport import Message, Text, drop_oldest_steps, estimate_tokens, fit_history
from chatport._message_facts import MessageFacts

pytestmark = pytest.mark.anyio


class Measured(str):
    """Text that knows how often its bytes were asked for."""

    __slots__ = ("times",)

    def encode(self, *arguments: Any, **named: Any) -> bytes:
        self.times = getattr(self, "times", 0) + 1
        return str.encode(self, *arguments, **named)


async def test_a_message_is_looked_at_once() -> None:
    """Also one that is falsy for the function; an equal message is another one."""
    asked: list[Message] = []
    facts = MessageFacts(asked.append)
    one, other = Message.user("hi"), Message.user("hi")
    for message in (one, other, one, other):
        assert facts(message) is None
    assert [id(message) for message in asked] == [id(one), id(other)]


async def test_what_is_known_goes_with_the_message() -> None:
    """It keeps no message alive, and what comes to stand at the same address is looked at anew."""
    facts = MessageFacts(lambda message: message.text)
    kept = Message.user("kept")
    facts(kept)
    for number in range(200):
        assert facts(Message.user(str(number))) == str(number)
    gc.collect()
    assert len(facts) == 1


async def test_what_fails_is_not_known() -> None:
    """It is tried again the next time."""
    facts = MessageFacts(lambda message: 1 // len(message.parts))
    empty = Message("assistant", ())
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            facts(empty)
    assert len(facts) == 0


async def test_messages_are_values_as_before() -> None:
    """Copied and pickled; that something is known of one is no part of it."""
    message = Message.user("hi")
    assert estimate_tokens([message]) == estimate_tokens([message])
    unpickled = pickle.loads(pickle.dumps(message))  # noqa: S301 - our own
    for copied in (unpickled, copy.deepcopy(message), copy.copy(message)):
        assert copied == message
        assert hash(copied) == hash(message)


async def test_a_long_session_measures_what_is_new_only() -> None:
    """Each message is measured once, however many requests with a window follow, whatever is counted, and by whom."""
    told = [Measured(f"question {number}") for number in range(40)]
    history = [message for text in told for message in (Message.user(Text(text)), Message.assistant("fine"))]
    window = partial(drop_oldest_steps, max_tokens=60)
    chat, backend = session("a", [call()], "b", "c", messages=history, tools=[get_weather], window=window)
    await chat.ask("one")
    await chat.ask("two")
    chat.request("three")
    for most in (10_000, 200):
        await fit_history(chat, "three", max_tokens=most)
    await chat.fork().ask("four")
    assert len(backend.requests) == 4
    assert all(len(request.messages) < 10 for request in backend.requests)
    assert [text.times for text in told] == [1] * 40
