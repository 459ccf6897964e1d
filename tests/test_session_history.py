"""A session's history can be changed, forked, rewound and answered again; and a window says what of it is sent."""

from typing import Any

import anyio
import pytest
from hypothesis import given
from tests.conversations import call, get_weather, session
from tests.histories import broken_histories

import chatport
from chatport import (
    Adjustment,
    Allow,
    BusyError,
    CachePoint,
    Decision,
    Image,
    Message,
    Partial,
    Retry,
    Revision,
    Session,
    SessionOptions,
    Settings,
    StreamClosedError,
    Timeouts,
    ToolCall,
    ToolResult,
    UsageLimits,
    repair_messages,
)
from chatport._revision import is_question
from chatport.testing import Answer, ScriptedBackend

pytestmark = pytest.mark.anyio

QUESTION, ANSWER = Message.user("one"), Message.assistant("first")
AGAIN, SECOND = Message.user("two"), Message.assistant("second")
HISTORY = (QUESTION, ANSWER, AGAIN, SECOND)
WEATHER = (Message.user("Paris?"), Message.assistant(call()), Message("tool", (ToolResult("1", "rain"),)))
BROKEN_OFF = chatport.StreamInterruptedError("cut")


# --- edit and rewind -------------------------------------------------------------------------------------------------


async def test_the_history_is_replaced() -> None:
    """The next turn begins with the new one; the old one is given back."""
    chat, backend = session("fine", messages=HISTORY)
    assert chat.edit([QUESTION, ANSWER]) == HISTORY
    await chat.ask("go")
    assert backend.requests[0].messages == (QUESTION, ANSWER, Message.user("go"))
    with pytest.raises(TypeError, match=r"messages\[0\] is a str"):
        chat.edit(["go"])  # type: ignore[list-item]


@pytest.mark.parametrize(
    ("history", "questions", "left"),
    [
        (HISTORY, 1, 2),
        (HISTORY, 2, 0),
        ((*WEATHER, Message.assistant("It rains.")), 1, 0),
        ((*WEATHER, AGAIN, SECOND), 1, 3),
        ((*HISTORY, *WEATHER), 1, 4),
        ((*HISTORY, AGAIN), 1, 4),
        ((ANSWER, *HISTORY), 2, 1),
        ((QUESTION, Message.assistant(call()), Message.user(ToolResult("1", "x"), "and?"), ANSWER), 1, 0),
        ((Message.system("be kind"), QUESTION, ANSWER), 1, 1),
        ((QUESTION, Message.user(CachePoint()), ANSWER), 1, 0),
        ((QUESTION, ANSWER, Message.user(""), ANSWER), 1, 2),
    ],
)
async def test_questions_are_taken_off(history: tuple[Message, ...], questions: int, left: int) -> None:
    """From where the user spoke; a result of a tool is no question, so no call is parted from it."""
    chat, _ = session(messages=history)
    assert chat.rewind(questions) == history[left:]
    assert chat.messages == history[:left]


async def test_the_history_is_rewound_to_a_message() -> None:
    """The very object: of two that say the same, the one that was meant."""
    twin = Message.user("one")
    chat, _ = session(messages=(*HISTORY, twin, ANSWER))
    assert chat.rewind(to=twin) == (twin, ANSWER)
    assert chat.rewind(to=QUESTION) == HISTORY
    assert chat.messages == ()


async def test_what_cannot_be_taken_off_is_refused() -> None:
    """The message says how many questions there are; the history stays."""
    chat, _ = session(messages=HISTORY)
    for questions in (0, 3):
        with pytest.raises(ValueError, match=f"there are 2 questions in this history, .* off: {questions}"):
            chat.rewind(questions)
    for message in (ANSWER, Message.user("one")):
        with pytest.raises(ValueError, match="no question of this history"):
            chat.rewind(to=message)
    assert chat.messages == HISTORY


async def test_what_was_taken_off_has_been_paid_for() -> None:
    """Usage is what was spent."""
    chat, _ = session(Answer("fine", usage=chatport.Usage(input_tokens=3)))
    await chat.ask("go")
    chat.rewind()
    assert chat.usage.input_tokens == 3


async def test_in_the_middle_of_a_turn_the_history_stays() -> None:
    """It is what the turn was asked with; forking changes nothing, and gives what was there before the turn."""
    chat, _ = session("some words", messages=HISTORY)
    async with chat.stream("go") as stream:
        for change in (
            lambda: chat.edit(()),
            chat.rewind,
            lambda: chat.keep(Partial((Message.user("x"),))),
        ):
            with pytest.raises(BusyError, match="middle of a turn"):
                change()
        with pytest.raises(BusyError, match="middle of a turn"):
            await chat.regenerate()
        assert chat.fork().messages == HISTORY
        await stream.finish()
    assert len(chat.messages) == 6


# --- fork ------------------------------------------------------------------------------------------------------------


async def test_a_fork_goes_its_own_way() -> None:
    """Same backend, model and history; what one of them adds, the other has not, and its usage begins at nothing."""
    chat, backend = session("a", "b", "c")
    await chat.ask("go")
    fork = chat.fork()
    assert (fork.backend, fork.model, fork.messages) == (chat.backend, chat.model, chat.messages)
    assert fork.usage == chatport.Usage()
    await fork.ask("left")
    await chat.ask("right")
    assert [request.messages[-1].text for request in backend.requests] == ["go", "left", "right"]
    assert fork.messages[:2] == chat.messages[:2]
    assert fork.messages[2:] != chat.messages[2:]


async def _allow(_: ToolCall) -> Decision:
    return Allow()


async def test_a_fork_has_every_option() -> None:
    """Each of them, and each can be said otherwise; an option that is new has to be thought of here."""
    given: SessionOptions = {
        "system": "be brief",
        "messages": HISTORY,
        "tools": [get_weather],
        "tool_choice": "any",
        "settings": Settings(temperature=0),
        "max_steps": 3,
        "output_retries": 4,
        "retry": None,
        "timeouts": Timeouts(total=5),
        "strict": True,
        "window": Revision,
        "usage_limits": UsageLimits(requests=9),
        "approve": _allow,
        "tool_timeout": 2.5,
        "max_parallel_tools": 2,
        "state": {"a": 1},
    }
    policy = {"approve": "approve", "tool_timeout": "timeout", "max_parallel_tools": "max_parallel", "state": "state"}
    own = Session(ScriptedBackend(), "m", **given)
    fork = own.fork()
    for name in SessionOptions.__annotations__.keys() - {"store", "id", "worker"}:
        assert name in given
        if name in policy:
            assert getattr(fork._setup.tool_policy, policy[name]) == getattr(own._setup.tool_policy, policy[name])
            assert getattr(fork._setup.tool_policy, policy[name]) == dict(given)[name]
            continue
        if name == "usage_limits":
            assert fork._conversation.allowance is not None
            assert fork._conversation.allowance.limits == given["usage_limits"]
        said, own_said = (each if name == "messages" else each._setup for each in (fork, own))
        unsaid = Session(ScriptedBackend(), "m")
        assert getattr(said, name) == getattr(own_said, name)
        assert getattr(said, name) != getattr(unsaid if name == "messages" else unsaid._setup, name)
    other = own.fork(system=None, tools=[], tool_choice=None, retry=Retry(), messages=())
    request = other.request("go")
    assert (request.system, request.tools, request.messages) == ((), (), (Message.user("go"),))
    assert request.settings == Settings(temperature=0)
    with pytest.raises(TypeError, match="unknown option 'sytem'"):
        own.fork(sytem="x")  # type: ignore[call-arg]


async def test_a_fork_of_an_opened_session_borrows_its_backend() -> None:
    """Leaving the fork's block closes nothing; when the block of the first one is left, no fork is made any more."""
    backend = ScriptedBackend("a", "b")
    with chatport.register_backend("scripted", lambda: backend):
        async with chatport.open_session("scripted:m") as chat:
            async with chat.fork() as fork:
                await fork.ask("go")
            assert not backend.closed
            await chat.ask("go on")
        assert backend.closed
        with pytest.raises(StreamClosedError, match="closed"):
            chat.fork()


async def test_a_fork_remembers_what_was_fetched() -> None:
    """The model sees one and the same picture in both conversations."""
    chat, _ = session()
    known: dict[Any, Any] = {(Image, "https://example.org/a.png", "image/png"): Image("image/png", b"p")}
    chat._media._known = known
    fork = chat.fork()
    assert fork._media is not chat._media
    assert fork._media._known == known


# --- again -----------------------------------------------------------------------------------------------------------


async def test_an_answer_is_replaced_by_another() -> None:
    """The model is asked what it was asked, without the old answer; the history has the new one in its place."""
    chat, backend = session("old", "new", "newer")
    first = await chat.ask("go", Image("image/png", b"p"))
    reply = await chat.regenerate(settings=Settings(temperature=1))
    assert backend.requests[1].messages == backend.requests[0].messages
    assert backend.requests[1].settings.temperature == 1
    assert reply.messages == chat.messages == (first.messages[0], Message.assistant("new"))
    async with chat.regenerate_stream() as stream:
        assert [text async for text in stream.text] == ["newer"]
    assert chat.messages == (first.messages[0], Message.assistant("newer"))
    assert backend.requests[2].streaming
    assert not backend.requests[1].streaming


async def test_tools_run_again() -> None:
    """A turn with steps is replaced as a whole, also one whose calls the caller answers by hand."""
    chat, backend = session([call()], "It rains.", [call("2")], "It does.", [call("3")], messages=HISTORY)
    tools = [get_weather]
    await chat.ask("Paris?", tools=tools)
    await chat.regenerate(tools=tools)
    assert [message.role for message in chat.messages[4:]] == ["user", "assistant", "tool", "assistant"]
    assert chat.messages[-1].text == "It does."
    reply = await chat.regenerate(tools=tools, run_tools=False)
    assert chat.messages[4:] == reply.messages
    assert reply.tool_calls[0].id == "3"
    assert [len(request.messages) for request in backend.requests] == [5, 7, 5, 7, 5]


async def test_the_output_may_be_another() -> None:
    """A type can be asked for the second time."""
    chat, _ = session("many", '{"value": 3}')
    await chat.ask("How many?")
    assert (await chat.regenerate(output=int)).output == 3


@pytest.mark.parametrize("end", ["error", "left", "cancelled"])
async def test_an_answer_that_is_not_replaced_stays(end: str) -> None:
    """After an exception, after a stream was left and after a cancellation the old answer is there."""
    chat, _ = session("old", Answer("ne", error=BROKEN_OFF), retry=None)
    await chat.ask("go")
    before = chat.messages
    if end == "error":
        with pytest.raises(chatport.StreamInterruptedError) as caught:
            await chat.regenerate()
        partial = caught.value.partial
    else:
        stream = chat.regenerate_stream()
        with anyio.CancelScope() as scope:
            async with stream:
                if end == "cancelled":
                    scope.cancel()
                    await anyio.lowlevel.checkpoint()
        partial = stream.partial
    assert chat.messages == before
    assert partial is not None
    with pytest.raises(ValueError, match="stands in the history already"):
        chat.keep(partial)
    assert chat.rewind() == before
    chat.keep(partial)
    assert chat.messages[0] is before[0]


async def test_a_question_without_an_answer_gets_one() -> None:
    """As `ask` without content does; where the user has said nothing there is nothing to answer."""
    chat, backend = session("fine", messages=[*HISTORY, Message.user("three")])
    await chat.regenerate()
    assert chat.messages[-2:] == (Message.user("three"), Message.assistant("fine"))
    empty, _ = session(messages=[ANSWER])
    with pytest.raises(ValueError, match="said nothing"):
        await empty.regenerate()
    assert len(backend.requests) == 1


# --- windows ---------------------------------------------------------------------------------------------------------

LEFT_OUT = Adjustment("dropped", "left-out", "messages[0:-1]", "all but the newest")


def newest(messages: tuple[Message, ...]) -> Revision:
    """Leave the newest message only."""
    return Revision(messages[-1:], (LEFT_OUT,)) if len(messages) > 1 else Revision(messages)


async def test_a_window_is_for_requests_only() -> None:
    """What it leaves is sent, in every step; the history keeps all, and the reply says what was left out."""
    sizes: list[int] = []

    def window(messages: tuple[Message, ...]) -> Revision:
        sizes.append(len(messages))
        return newest(messages)

    chat, backend = session("a", [call()], "c", tools=[get_weather], window=window)
    assert (await chat.ask("one")).adjustments == ()
    reply = await chat.ask("two", strict=True)
    assert sizes == [1, 3, 5]
    assert [[message.role for message in request.messages] for request in backend.requests] == [
        ["user"],
        ["user"],
        ["tool"],
    ]
    assert reply.adjustments == (LEFT_OUT,)
    assert [step.adjustments for step in reply.steps] == [(LEFT_OUT,), (LEFT_OUT,)]
    assert [message.role for message in chat.messages] == [
        "user",
        "assistant",
        "user",
        "assistant",
        "tool",
        "assistant",
    ]


async def test_what_is_previewed_is_what_is_sent() -> None:
    """And so is a request that somebody counts."""
    chat, _ = session(messages=HISTORY, window=newest)
    assert chat.request("go").messages == (Message.user("go"),)
    preview = await chat.preview("go")
    assert preview.request["messages"] == [{"role": "user", "text": "go"}]
    assert preview.adjustments == (LEFT_OUT,)


@pytest.mark.parametrize(
    ("window", "error", "reason"),
    [
        (lambda messages: Revision(messages[:-1]), ValueError, "left out the newest"),
        (lambda _: Revision(()), ValueError, "left out the newest"),
        (lambda messages: messages, TypeError, "gives a Revision, not a tuple"),
        (lambda _: 1 / 0, ZeroDivisionError, "division"),
    ],
    ids=["another question", "nothing", "no revision", "bug"],
)
async def test_a_window_that_fails_sends_nothing(window: Any, error: type[Exception], reason: str) -> None:
    """The history is as before, and the session is free."""
    chat, backend = session(messages=HISTORY, window=window)
    with pytest.raises(error, match=reason):
        await chat.ask("go")
    assert (backend.requests, chat.messages) == ([], HISTORY)
    chat.rewind()


async def test_a_window_is_a_function() -> None:
    """A number of tokens is none."""
    with pytest.raises(TypeError, match="window must be a function"):
        session(window=1000)


# --- together --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
@given(history=broken_histories())
def test_a_repaired_history_can_be_forked_rewound_and_answered(loop: str, history: list[Message]) -> None:
    """Whatever it was: each of these gives a history that validates, and one can go on."""
    repaired = repair_messages(history).messages
    chat = Session(ScriptedBackend(*["fine"] * 3), "m", messages=repaired)

    async def talk() -> None:
        fork = chat.fork()
        await fork.ask("go on")
        assert chatport.validate_messages(fork.messages) == ()
        await fork.regenerate()
        assert fork.messages == (*repaired, Message.user("go on"), Message.assistant("fine"))
        while any(is_question(message) for message in chat.messages):
            chat.rewind()
            assert chatport.validate_messages(chat.messages) == ()
        assert repaired[: len(chat.messages)] == chat.messages

    anyio.run(talk, backend=loop)
