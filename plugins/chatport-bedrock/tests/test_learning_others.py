"""What else a refusal teaches, whom it teaches, and which refusals teach nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import aclosing
from typing import TYPE_CHECKING

import anyio
import pytest
from bedrock_support.lessons import (
    FAILED_CALL,
    LLAMA,
    NO_STATUS,
    NO_TOOLS_IN_STREAMS,
    RESULT,
    UNKNOWN,
    codes,
    get_local_time,
    no_choice,
    open_chat,
    options,
    refusal,
)

import chatport
from chatport import (
    CachePoint,
    Document,
    InvalidRequestError,
    Message,
    MessageStart,
    PermissionDeniedError,
    Reply,
    Text,
)
from chatport_bedrock.emulator import Emulator, HttpError

if TYPE_CHECKING:
    from chatport.backend import Backend

pytestmark = pytest.mark.anyio


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    """An emulator of its own for each test."""
    with Emulator(api_key="made-up") as running:
        yield running


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
