"""Several backends as one: who is asked for what, and what a reader sees of it."""

import logging
from contextlib import aclosing

import pytest
from tests.conversations import call, get_weather
from tests.fallbacks import BUSY, REQUEST, Watched, ask, two

import chatport
from chatport import (
    ChatError,
    FallbackBackend,
    Message,
    MessageStart,
    RateLimitError,
    Retry,
    ServiceError,
    Session,
    StreamInterruptedError,
    UnsupportedError,
    Usage,
)
from chatport.testing import Answer, ScriptedBackend

pytestmark = pytest.mark.anyio


# --- who is asked -----------------------------------------------------------------------------------------------------


async def test_the_first_that_answers_is_the_only_one_asked() -> None:
    """As if it stood there alone."""
    backend, near, far = two(["Hello."], [])
    reply = await ask(backend).ask("Hi")
    assert (reply.text, reply.adjustments, reply.steps[0].model) == ("Hello.", (), "model-1")
    assert near.requests == [ask(near).request("Hi")]
    assert far.requests == []


@pytest.mark.parametrize(
    "error",
    [
        BUSY,
        RateLimitError("slow down"),
        RateLimitError("come back tomorrow", retryable=False),
        chatport.TransportError("no way there"),
        chatport.StreamTimeoutError("silent"),
        StreamInterruptedError("cut"),
    ],
    ids=repr,
)
@pytest.mark.parametrize("way", ["ask", "stream"])
async def test_what_another_may_not_have_is_asked_elsewhere(error: ChatError, way: str) -> None:
    """The same request, for the model that was named there; the reply says who answered."""
    backend, near, far = two([error], ["Hello."])
    session = ask(backend)
    if way == "ask":
        reply = await session.ask("Hi")
    else:
        async with session.stream("Hi") as stream:
            assert "".join([text async for text in stream.text]) == "Hello."
        reply = stream.reply
    assert reply.text == "Hello."
    assert (reply.steps[0].model, reply.attempts) == ("model-2", 1)
    (adjustment,) = reply.adjustments
    assert (adjustment.kind, adjustment.code, adjustment.path) == ("renamed", "answered-by-fallback", "model")
    assert adjustment.message == f"far:model-2 answers in place of near:model-1 ({type(error).__name__})"
    assert [request.model for request in (*near.requests, *far.requests)] == ["model-1", "model-2"]
    assert session.messages == (Message.user("Hi"), Message.assistant("Hello."))


_ELSEWHERE_TOO: list[ChatError] = [
    chatport.InvalidRequestError("no"),
    chatport.AuthenticationError("who?"),
    chatport.PermissionDeniedError("not you"),
    chatport.ModelNotFoundError("what?"),
    chatport.ProtocolError("garbage"),
    chatport.ConfigurationError("no region"),
    UnsupportedError("cannot say this"),
]


@pytest.mark.parametrize("error", _ELSEWHERE_TOO, ids=repr)
async def test_what_is_wrong_with_request_or_set_up_is_raised(error: ChatError) -> None:
    """An answer from elsewhere would hide it, unless `when` says so."""
    backend, _, far = two([error], ["Hello."])
    with pytest.raises(type(error)) as caught:
        await ask(backend).ask("Hi")
    assert caught.value is error
    assert far.requests == []
    seen: list[ChatError] = []

    def when(error: ChatError) -> bool:
        seen.append(error)
        return True

    backend, _, _ = two([error], ["Hello."], when=when)
    assert (await ask(backend).ask("Hi")).text == "Hello."
    assert seen == [error]


async def test_when_may_say_no() -> None:
    """It adds to what is asked elsewhere anyway, and takes nothing away."""
    backend, _, _ = two([chatport.ModelNotFoundError("what?")], [], when=lambda _: False)
    with pytest.raises(chatport.ModelNotFoundError):
        await ask(backend).ask("Hi")
    backend, _, _ = two([BUSY], ["Hello."], when=lambda _: False)
    assert (await ask(backend).ask("Hi")).text == "Hello."


@pytest.mark.parametrize("error", [RuntimeError("a bug"), KeyboardInterrupt()], ids=repr)
async def test_what_is_no_error_of_a_conversation_passes_through(error: BaseException) -> None:
    """A mistake in a backend is not covered up, whatever `when` says."""
    backend, _, far = two([error], ["Hello."], when=lambda _: True)
    with pytest.raises(type(error)):
        async with aclosing(backend.stream(REQUEST)) as events:
            await anext(events)
    assert far.requests == []


@pytest.mark.parametrize("kind", [chatport.InvalidRequestError, ServiceError])
async def test_who_has_learned_something_is_asked_again_itself(kind: type[chatport.BackendError]) -> None:
    """A refusal that is to be repeated at once is the session's business, whatever `when` says."""
    learned = kind("not that way", retryable=True, retry_after=0)
    backend, near, far = two([learned, "Hello."], [], when=lambda _: True)
    reply = await Session(backend, "model-1").ask("Hi")
    assert (reply.text, reply.attempts, len(near.requests), far.requests) == ("Hello.", 2, 2, [])


async def test_each_attempt_of_a_session_asks_each_target_once() -> None:
    """From the first on: repeating is the session's, and it waits only when nobody answers."""
    backend, near, far = two([BUSY] * 3, [BUSY, BUSY, "Hello."])
    reply = await Session(backend, "model-1", retry=Retry(base_delay=0)).ask("Hi")
    assert (reply.attempts, len(near.requests), len(far.requests)) == (3, 3, 3)


# --- what is answered -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [None, BUSY], ids=repr)
async def test_an_answer_that_breaks_off_before_its_first_word_is_asked_elsewhere(error: ChatError | None) -> None:
    """One beginning reaches the reader, that of the answer that came; the cost of the other is not known."""
    near = Watched(MessageStart("model-1", "r-1"), error=error)
    far = ScriptedBackend(Answer("Hello.", usage=Usage(7, 3)))
    session = ask(FallbackBackend([(near, None), (far, None)]))
    async with session.stream("Hi") as stream:
        starts = [event async for event in stream if isinstance(event, MessageStart)]
    assert len(starts) == 1
    assert (stream.reply.text, stream.reply.usage) == ("Hello.", Usage(7, 3, complete=False))
    assert near.log == ["open model-1", "close"]


async def test_a_stream_without_any_event_is_asked_elsewhere() -> None:
    """It was cut before it began."""
    session = ask(FallbackBackend([(Watched(), None), (ScriptedBackend("Hello."), None)]))
    reply = await session.ask("Hi")
    assert (reply.text, reply.usage.complete) == ("Hello.", True)
    assert "StreamInterruptedError" in reply.adjustments[0].message


async def test_after_the_first_word_nobody_else_is_asked() -> None:
    """A reader would get the beginning twice."""
    cut = StreamInterruptedError("cut")
    backend, _, far = two([Answer("So far", error=cut)], ["Hello."], when=lambda _: True)
    with pytest.raises(StreamInterruptedError) as caught:
        await Session(backend, "model-1").ask("Hi")
    assert caught.value is cut
    assert caught.value.partial is not None
    assert caught.value.partial.text == "So far"
    assert far.requests == []


async def test_when_nobody_answers_the_last_error_leaves_and_names_the_others() -> None:
    """With its place, and once, also if the same error is raised again."""
    first, last = BUSY, RateLimitError("slow down", retry_after=9)
    backend, _, _ = two([first] * 2, [last] * 2)
    for _ in range(2):
        with pytest.raises(RateLimitError) as caught:
            await ask(backend).ask("Hi")
        assert caught.value is last
        assert (last.backend, last.model, last.retry_after) == ("far", "model-2", 9)
        assert last.__notes__ == [f"before it near:model-1 failed with ServiceError: {first}"]


async def test_what_was_begun_and_not_finished_anywhere_has_cost_something() -> None:
    """Nobody answers, but somebody had begun: that the price is not known is not lost."""
    near = Watched(MessageStart("model-1"), error=BUSY)
    session = ask(FallbackBackend([(near, None), (ScriptedBackend(RateLimitError("slow down")), None)]))
    with pytest.raises(RateLimitError) as caught:
        await session.ask("Hi")
    assert caught.value.partial == chatport.Partial((Message.user("Hi"),), Usage(complete=False))


async def test_each_switch_is_a_log_record(caplog: pytest.LogCaptureFixture) -> None:
    """With the facts, and without the error's words: they may repeat what was said."""
    error = ServiceError("no room for 'my secret'", status=503, code="Busy", request_id="r-1")
    backend, _, _ = two([error], ["Hello."])
    with caplog.at_level(logging.DEBUG):
        await ask(backend).ask("my secret")
    (record,) = [record for record in caplog.records if record.name == "chatport"]
    assert record.levelno == logging.INFO
    assert record.getMessage() == (
        "near:model-1 failed with ServiceError (status=503, code=Busy, request_id=r-1); falling back to far:model-2"
    )
    assert "my secret" not in str(vars(record))


async def test_strict_turns_take_another_target() -> None:
    """It was asked for; what that target cannot say without loss it refuses itself, and the refusal names the cause."""
    backend, _, far = two([BUSY], ["Hello."])
    reply = await ask(backend, strict=True).ask("Hi")
    assert [adjustment.code for adjustment in reply.adjustments] == ["answered-by-fallback"]
    assert far.requests[0].strict
    backend, _, _ = two([BUSY], [UnsupportedError("not without loss")])
    with pytest.raises(UnsupportedError) as caught:
        await ask(backend, strict=True).ask("Hi")
    assert caught.value.__notes__ == [f"before it near:model-1 failed with ServiceError: {BUSY}"]


async def test_each_step_of_a_turn_with_tools_finds_its_target() -> None:
    """The second answer may come from elsewhere than the first; the history goes along."""
    backend, near, far = two([[call()], BUSY], ["21 degrees."], name="both")
    session = ask(backend, tools=[get_weather])
    reply = await session.ask("Weather?")
    assert reply.text == "21 degrees."
    assert [step.model for step in reply.steps] == ["model-1", "model-2"]
    assert far.requests[0].messages == near.requests[1].messages == session.messages[:-1]
    assert repr(session) == "<Session both:model-1, 4 messages>"


async def test_metadata_and_extra_keep_the_names_of_the_targets() -> None:
    """The wrapper puts none of its own in their place: what one target has signed finds its way back to it."""
    signed = Message("assistant", (chatport.Reasoning("Hm.", "sig", metadata={"near": {"family": "x"}}),))
    answer = Message("assistant", (*signed.parts, chatport.Text("Hello.")))
    backend, near, _ = two([answer, "Bye."], [])
    session = ask(backend, settings=chatport.Settings(extra={"near": {"a": 1}}))
    await session.ask("Hi")
    await session.ask("And?")
    assert near.requests[1].messages[1].parts == answer.parts
    assert near.requests[1].settings.extra == {"near": {"a": 1}}
