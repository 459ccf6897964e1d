"""A refusal that teaches: the backend remembers, the session repeats, the reply says so."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import anyio
import pytest

import chatport
from chatport import (
    CachePoint,
    Document,
    InvalidRequestError,
    Message,
    MessageStart,
    PermissionDeniedError,
    Reply,
    RetryStart,
    Text,
    ToolCall,
    ToolResult,
    UnsupportedError,
    tool,
)
from chatport_bedrock.emulator import Answer, Emulator, HttpError, StreamException

if TYPE_CHECKING:
    from chatport.backend import Backend

pytestmark = pytest.mark.anyio

# Of this one neither table knows anything: the emulator takes everything, and refuses what it is told to refuse.
UNKNOWN = "maker.model-1-v1:0"
LLAMA = "us.meta.llama3-3-70b-instruct-v1:0"

NO_TOOLS_IN_STREAMS = "This model doesn't support tool use in streaming mode."
NO_STATUS = "This model doesn't support the status field. Remove status and try again."


def no_choice(kind: str) -> str:
    """What the service says to a choice that a model does not take."""
    field = f"toolConfig.toolChoice.{kind}"
    return f"This model doesn't support the {field} field. Remove {field} and try again."


def refusal(words: str, code: str = "ValidationException") -> HttpError:
    """Return an error with the service's words."""
    return HttpError(403 if code == "AccessDeniedException" else 400, code, words)


@tool
def get_local_time(city: str) -> str:
    """Get the local time in a city."""
    return f"noon in {city}"


@tool
def get_weather(city: str) -> str:
    """Get the weather in a city."""
    return f"sunny in {city}"


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    """An emulator of its own for each test."""
    with Emulator(api_key="made-up") as running:
        yield running


def options(emulator: Emulator, **more: Any) -> dict[str, Any]:
    """Return what a backend needs to reach it."""
    return {"region": "us-east-1", "endpoint_url": emulator.url, "api_key": "made-up", **more}


def open_chat(emulator: Emulator, model: str = UNKNOWN, backend: dict[str, Any] | None = None, **session: Any) -> Any:
    """Open a session with a model through the emulator."""
    given = options(emulator, **(backend or {}))
    return chatport.open_session(f"bedrock:{model}", backend_options=given, **session)


def operations(emulator: Emulator) -> list[str | None]:
    """Return which operations were asked for."""
    return [request.operation for request in emulator.requests]


def codes(reply: Reply) -> list[str]:
    """Return what a reply says was adjusted."""
    return [adjustment.code for adjustment in reply.adjustments]


FAILED_CALL = (
    Message.user("What is the time in Oslo?"),
    Message.assistant(ToolCall("call-1", "get_local_time", {"city": "Oslo"})),
)
RESULT = ToolResult("call-1", "no such city", is_error=True)


# --- rule 43: tools in a stream --------------------------------------------------------------------------------------


async def test_rule_43_tools_in_a_stream_are_learned(emulator: Emulator) -> None:
    """Refused once; from then on this model is asked with Converse, whenever tools are on offer."""
    emulator.enqueue(refusal(NO_TOOLS_IN_STREAMS))
    async with open_chat(emulator, tools=[get_local_time]) as session:
        async with session.stream("What is the local time in Oslo?") as stream:
            events = [event async for event in stream]
        assert operations(emulator) == ["ConverseStream", "Converse", "Converse"]
        reply = stream.reply
        assert "noon in Oslo" in reply.text
        assert [step.attempts for step in reply.steps] == [2, 1]
        assert codes(reply) == ["answered-whole"]
        first, *rest = events
        assert isinstance(first, RetryStart)
        assert (first.attempt, first.delay, type(first.error)) == (2, 0, InvalidRequestError)
        assert sum(isinstance(event, MessageStart) for event in rest) == 2
        async with session.stream("And without?", tools=[], run_tools=False) as stream:
            await stream.finish()
        # Calls stand in the conversation, so that tools have to be named: it goes whole again.
        assert operations(emulator)[3:] == ["Converse"]
    assert reply.steps[1].message.text == reply.text


async def test_rule_43_the_same_words_in_the_first_frame_of_a_stream_teach_too(emulator: Emulator) -> None:
    """Some models refuse a stream after it has begun."""
    emulator.enqueue(Answer(fault=StreamException(0, "validationException", NO_TOOLS_IN_STREAMS)))
    async with open_chat(emulator, tools=[get_local_time]) as session, session.stream("Hello.") as stream:
        reply = await stream.finish()
    assert (operations(emulator), reply.attempts) == (["ConverseStream", "Converse"], 2)


@pytest.mark.parametrize("model", [LLAMA, "mistral.mistral-large-2402-v1:0", "writer.palmyra-x5-v1:0"])
async def test_rule_43_what_the_table_knows_is_not_asked_in_vain(emulator: Emulator, model: str) -> None:
    """With tools these go to Converse at once, without tools to ConverseStream; the emulator would refuse a mistake."""
    async with open_chat(emulator, model) as session:
        async with session.stream("Hello.") as stream:
            assert codes(await stream.finish()) == []
        async with session.stream("What is the local time in Oslo?", tools=[get_local_time]) as stream:
            pieces = [text async for text in stream.text]
    assert operations(emulator) == ["ConverseStream", "Converse", "Converse"]
    assert (len(pieces), "noon in Oslo" in pieces[0]) == (1, True)
    assert "answered-whole" in codes(stream.reply)
    assert stream.reply.attempts == 2


async def test_rule_43_a_model_without_tools_refuses_them_either_way(emulator: Emulator) -> None:
    """Titan streams words. Tools it has none, which another operation does not change: nothing is learned from that."""
    async with open_chat(emulator, "amazon.titan-text-express-v1") as session:
        async with session.stream("Hello.") as stream:
            await stream.finish()
        with pytest.raises(InvalidRequestError, match="doesn't support tool use") as caught:
            await session.stream("What is the local time in Oslo?", tools=[get_local_time]).__aenter__()
    assert (operations(emulator), caught.value.retryable) == (["ConverseStream", "Converse"], False)


async def test_a_model_that_does_not_stream(emulator: Emulator) -> None:
    """By the table, or by what the service says of an unknown one."""
    async with open_chat(emulator, "ai21.j2-ultra-v1") as session, session.stream("Hello.") as stream:
        assert codes(await stream.finish()) == ["answered-whole"]
    emulator.enqueue(refusal("The model is unsupported for streaming."))
    async with open_chat(emulator) as session, session.stream("Hello.") as stream:
        reply = await stream.finish()
        assert (codes(reply), reply.attempts) == (["answered-whole"], 2)
    assert operations(emulator) == ["Converse", "ConverseStream", "Converse"]


async def test_an_answer_that_came_whole_is_the_answer_of_ask(emulator: Emulator) -> None:
    """The same events, folded to the same message; strictness does not mind, as nothing is lost."""
    async with open_chat(emulator, LLAMA, tools=[get_local_time], strict=True) as session:
        asked = await session.ask("What is the local time in Oslo?", run_tools=False)
    async with (
        open_chat(emulator, LLAMA, tools=[get_local_time], strict=True) as session,
        session.stream("What is the local time in Oslo?", run_tools=False) as stream,
    ):
        events = [event async for event in stream]
    assert [type(event).__name__ for event in events[:1] + events[-2:]] == ["MessageStart", "MessageEnd", "ReplyEnd"]
    assert [part.name for part in stream.reply.message.tool_calls] == ["get_local_time"]
    assert [part.arguments for part in stream.reply.tool_calls] == [part.arguments for part in asked.tool_calls]
    assert (stream.reply.stop_reason, stream.reply.usage) == (asked.stop_reason, asked.usage)
    assert (codes(asked), codes(stream.reply)) == ([], ["answered-whole"])


async def test_who_wants_streams_always_gets_the_refusal(emulator: Emulator) -> None:
    """There is no other way to say it then, and nothing is repeated in vain."""
    async with open_chat(emulator, LLAMA, {"streaming": "always"}, tools=[get_local_time]) as session:
        with pytest.raises(InvalidRequestError, match="streaming mode") as caught:
            await session.ask("What is the local time in Oslo?")
    assert (operations(emulator), caught.value.retryable) == (["ConverseStream"], False)


async def test_who_wants_no_streams_is_told_nothing_new(emulator: Emulator) -> None:
    """The operation is the caller's own choice."""
    never = {"streaming": "never"}
    async with open_chat(emulator, LLAMA, never, tools=[get_local_time]) as session, session.stream("Hello.") as stream:
        assert codes(await stream.finish()) == []
    assert operations(emulator) == ["Converse"]


# --- rule 40: the choice of a tool -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("choice", "refused", "sent", "told"),
    [
        ("any", ["any"], {"auto": {}}, "tool-choice-not-forced"),
        ("get_weather", ["tool"], {"any": {}}, "tool-choice-any"),
        ("get_weather", ["tool", "any"], {"auto": {}}, "tool-choice-not-forced"),
        ("get_weather", ["tool", "any", "auto"], None, "tool-choice-not-forced"),
        ("auto", ["auto"], None, None),
    ],
)
async def test_rule_40_the_choice_of_a_tool_is_learned(
    emulator: Emulator, choice: str, refused: list[str], sent: dict[str, Any] | None, told: str | None
) -> None:
    """One refusal after the other, until what is left is taken; and the next turn begins there."""
    emulator.enqueue(*(refusal(no_choice(kind)) for kind in refused))
    async with open_chat(emulator, tools=[get_local_time, get_weather]) as session:
        for attempts in (len(refused) + 1, 1):
            reply = await session.ask("Hello.", tool_choice=choice, run_tools=False)
            assert emulator.requests[-1].body["toolConfig"].get("toolChoice") == sent
            assert reply.attempts == attempts
            assert codes(reply) == ([] if told is None else [told])
            if reply.tool_calls:
                await session.ask(*(ToolResult(call.id, "-") for call in reply.tool_calls), run_tools=False)


async def test_rule_40_a_strict_turn_is_refused_here_after_the_lesson(emulator: Emulator) -> None:
    """What was learned costs meaning: whoever is strict is told so, and the turn does not land."""
    emulator.enqueue(refusal(no_choice("any")))
    async with open_chat(emulator, tools=[get_local_time], strict=True) as session:
        with pytest.raises(UnsupportedError, match="tool_choice") as caught:
            await session.ask("Hello.", tool_choice="any")
        assert [loss.code for loss in caught.value.adjustments] == ["tool-choice-not-forced"]
        assert session.messages == ()
    assert len(emulator.requests) == 1


# --- rule 30: the status of a result ---------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["ask", "stream"])
async def test_rule_30_the_status_of_a_result_is_learned(emulator: Emulator, way: str) -> None:
    """The failure is told in words from then on, and the reply says so."""
    emulator.enqueue(refusal(NO_STATUS))
    async with open_chat(emulator, messages=FAILED_CALL, tools=[get_local_time]) as session:
        if way == "ask":
            reply = await session.ask(RESULT, run_tools=False)
        else:
            async with session.stream(RESULT, run_tools=False) as stream:
                reply = await stream.finish()
    assert reply.attempts == 2
    assert codes(reply) == ["result-status-as-text"]
    first, second = (
        [block for turn in request.body["messages"] for block in turn["content"] if "toolResult" in block]
        for request in emulator.requests
    )
    assert first[0]["toolResult"]["status"] == "error"
    assert "status" not in second[0]["toolResult"]
    assert second[0]["toolResult"]["content"][0] == {"text": "The tool failed:"}


async def test_without_repeating_the_error_says_what_was_learned(emulator: Emulator) -> None:
    """Whoever asks a second time has an answer."""
    emulator.enqueue(refusal(NO_STATUS))
    async with open_chat(emulator, messages=FAILED_CALL, tools=[get_local_time], retry=None) as session:
        with pytest.raises(InvalidRequestError, match="status field") as caught:
            await session.ask(RESULT, run_tools=False)
        assert (caught.value.retryable, caught.value.retry_after, caught.value.status) == (True, 0, 400)
        assert "remembered for the model" in caught.value.message
        assert codes(await session.ask(RESULT, run_tools=False)) == ["result-status-as-text"]


# --- other lessons ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("refused", "messages", "settings", "told"),
    [
        (refusal("You invoked an unsupported model or your request did not allow prompt caching.",
                 "AccessDeniedException"), [Message.user("Hello.", CachePoint())], None, "cache-point-refused"),
        (refusal("messages.0.content.2: Cache point cannot be inserted after document block."),
         [Message.user("Hello.", Document.from_bytes(b"one", name="a.txt"), CachePoint())], None,
         "cache-point-refused"),
        (refusal("A conversation must start with a user message. Try again with one that does."),
         [Message.assistant("Hello."), Message.user("Hello.")], None, "leading-turn-added"),
        (refusal("`temperature` is deprecated for this model."), [Message.user("Hello.")],
         chatport.Settings(temperature=0.5), "setting-dropped"),
    ],
    ids=["caching", "cache point", "leading turn", "temperature"],
)  # fmt: skip
async def test_what_else_is_learned(
    emulator: Emulator,
    refused: HttpError,
    messages: list[Message],
    settings: chatport.Settings | None,
    told: str,
) -> None:
    """Wherever the planner has another way, one refusal is enough."""
    emulator.enqueue(refused)
    *history, last = messages
    async with chatport.open_backend("bedrock", **options(emulator)) as backend:
        for attempts in (2, 1):
            session = chatport.Session(backend, UNKNOWN, messages=history, settings=settings)
            reply = await session.ask(*last.parts)
            assert (reply.attempts, told in codes(reply)) == (attempts, True)


async def test_rule_4_a_prefill_is_learned(emulator: Emulator) -> None:
    """A backend that is asked without a session learns as well; whoever asked repeats."""
    emulator.enqueue(refusal("This model does not support assistant message prefill."))
    request = chatport.ChatRequest(UNKNOWN, (Message.user("Hello."), Message.assistant("I say")))
    async with chatport.open_backend("bedrock", **options(emulator)) as backend:
        with pytest.raises(InvalidRequestError) as caught:
            await start_of(backend, request)
        assert (caught.value.retryable, caught.value.retry_after) == (True, 0)
        start = await start_of(backend, request)
    assert [adjustment.code for adjustment in start.adjustments] == ["prefill-refused"]


async def start_of(backend: Backend, request: chatport.ChatRequest) -> MessageStart:
    """Ask a backend and return how its answer begins."""
    async with aclosing(backend.stream(request)) as events:
        start = await anext(events)
    assert isinstance(start, MessageStart)
    return start


async def test_a_refusal_that_leaves_no_other_way_is_not_repeated(emulator: Emulator) -> None:
    """The words teach something, but not about this request: it would be the same again."""
    emulator.enqueue(refusal(NO_STATUS), refusal(no_choice("any")), refusal(NO_TOOLS_IN_STREAMS))
    async with open_chat(emulator) as session:
        for _ in range(3):
            with pytest.raises(InvalidRequestError) as caught:
                await session.ask("Hello.")
            assert (caught.value.retryable, caught.value.retry_after) == (False, None)
            assert "remembered" not in caught.value.message
    assert len(emulator.requests) == 3


async def test_a_service_that_is_never_content_ends_it(emulator: Emulator) -> None:
    """What was learned once is not learned again: the second refusal of the same leaves."""
    emulator.enqueue(*[refusal(NO_STATUS)] * 9)
    async with open_chat(emulator, messages=FAILED_CALL, tools=[get_local_time]) as session:
        with pytest.raises(InvalidRequestError) as caught:
            await session.ask(RESULT)
    assert (len(emulator.requests), caught.value.retryable) == (2, False)


async def test_what_no_choice_of_ours_caused_is_the_callers(emulator: Emulator) -> None:
    """`extra` is sent as it is, also when it is refused."""
    emulator.enqueue(refusal(no_choice("any")))
    settings = chatport.Settings(extra={"bedrock": {"toolConfig": {"toolChoice": {"any": {}}}}})
    async with open_chat(emulator, tools=[get_local_time], settings=settings) as session:
        with pytest.raises(InvalidRequestError) as caught:
            await session.ask("Hello.")
    assert not caught.value.retryable


@pytest.mark.parametrize("code", ["ThrottlingException", "ModelErrorException"])
async def test_only_refusals_teach(emulator: Emulator, code: str) -> None:
    """The same words in another kind of error are somebody else's."""
    emulator.enqueue(HttpError(429, code, NO_STATUS))
    async with open_chat(emulator, messages=FAILED_CALL, tools=[get_local_time], retry=None) as session:
        with pytest.raises(chatport.BackendError):
            await session.ask(RESULT)
        assert codes(await session.ask(RESULT, run_tools=False)) == []


async def test_all_sessions_of_a_backend_learn_together(emulator: Emulator) -> None:
    """And requests that were under way when one of them learned are repeated too."""
    emulator.enqueue(*[refusal(no_choice("any"))] * 2)
    async with chatport.open_backend("bedrock", **options(emulator)) as backend:
        replies: list[Reply] = []

        async def ask() -> None:
            session = chatport.Session(backend, UNKNOWN, tools=[get_local_time])
            replies.append(await session.ask("Hello.", tool_choice="any", run_tools=False))

        with anyio.fail_after(20):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(ask)
                tasks.start_soon(ask)
        await ask()
        other = chatport.Session(backend, "maker.model-2-v1:0", tools=[get_local_time])
        assert codes(await other.ask("Hello.", tool_choice="any", run_tools=False)) == []
    assert replies[2].attempts == 1
    assert all(codes(reply) == ["tool-choice-not-forced"] for reply in replies)


async def test_a_permission_that_is_missing_is_no_lesson(emulator: Emulator) -> None:
    """The code is that of a model without a cache; the words are not."""
    emulator.enqueue(
        refusal("You don't have access to the model with the specified model ID.", "AccessDeniedException")
    )
    async with open_chat(emulator) as session:
        with pytest.raises(PermissionDeniedError) as caught:
            await session.ask("Hello.", CachePoint())
    assert not caught.value.retryable
    assert len(emulator.requests) == 1


async def test_a_preview_shows_what_was_learned(emulator: Emulator) -> None:
    """It is what would be sent."""
    emulator.enqueue(refusal(no_choice("any")))
    async with open_chat(emulator, tools=[get_local_time], tool_choice="any") as session:
        before = await session.preview("Hello.")
        assert before.request["toolConfig"]["toolChoice"] == {"any": {}}
        await session.ask("Hello.", run_tools=False)
    async with open_chat(emulator, LLAMA, tools=[get_local_time]) as session:
        preview = await session.preview("Hello.")
        assert [adjustment.code for adjustment in preview.adjustments] == ["answered-whole"]
    assert Text("Hello.").text == preview.request["messages"][0]["content"][0]["text"]
