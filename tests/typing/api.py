"""The public API as a user types it: checked by type checkers, never run.

Each `assert_type` says what an editor should show. Each ignored line is a mistake that a type checker has to find:
`--strict` reports an ignore that ignores nothing.
"""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Annotated, Any, Literal, assert_type

from typing_extensions import TypedDict

import chatport
from chatport import (
    Adjustment,
    Allow,
    BackendError,
    ChatSession,
    ConflictError,
    Decision,
    Deny,
    Document,
    Event,
    FallbackBackend,
    HistoryProblem,
    Image,
    LibraryPrices,
    Message,
    MessageEnd,
    MessageStart,
    Opaque,
    OutputError,
    Part,
    Partial,
    Pause,
    Preview,
    ProblemKind,
    Reply,
    ReplyEnd,
    ReplyStream,
    Revision,
    SearchHit,
    Session,
    SessionStore,
    SessionSummary,
    Settings,
    SqliteStore,
    Step,
    StopReason,
    StoredSession,
    StoredTurn,
    StoreError,
    StreamTimeoutError,
    Text,
    TextDelta,
    Timeouts,
    TokenCount,
    Tool,
    ToolCall,
    ToolCallStart,
    ToolContext,
    ToolErrorKind,
    ToolResult,
    ToolRunEnd,
    Usage,
    UsageLimits,
    open_session,
    tool,
)
from chatport.backend import Backend, BackendEvent, ChatRequest


@tool
async def get_weather(location: str, unit: Literal["celsius", "fahrenheit"] = "fahrenheit") -> dict[str, Any]:
    """Get the current weather in a location."""
    return {"location": location, "unit": unit}


@tool(timeout=5)
async def look_up(word: str, context: ToolContext[dict[str, str]]) -> str:
    """Look a word up."""
    assert_type(context.state, dict[str, str])
    assert_type(context.call, ToolCall)
    return context.state[word]


async def no_state(context: ToolContext) -> None:
    """A tool that wants to know its call only."""
    assert_type(context.state, None)


async def approve(call: ToolCall) -> Decision:
    """One of three things is said."""
    if call.name == "look_up":
        return Allow({"word": "tide"})
    return Deny("no") if call.arguments else Pause()


async def approve_with_a_bool(call: ToolCall) -> bool:
    """A bool is no decision."""
    return bool(call)


async def calls_that_wait(session: Session) -> None:
    """Asking first, and going on."""
    reply = await session.ask("Hi", tools=[look_up, no_state], approve=approve, tool_timeout=5, state={"a": "b"})
    assert_type(reply.pending_calls, tuple[ToolCall, ...])
    assert_type(session.pending_calls, tuple[ToolCall, ...])
    assert_type(await session.resume(ToolResult("1", "x"), approve=approve), Reply[None])
    assert_type(await session.resume(output=City), Reply[City])
    assert_type(session.resume_stream(output=list[int]), ReplyStream[list[int]])
    assert_type(ToolResult("1", "x").error_kind, ToolErrorKind | None)
    await session.ask("Hi", approve=approve_with_a_bool)  # type: ignore[arg-type]
    await session.ask("Hi", max_parallel_tools="many")  # type: ignore[call-overload]


def roll(sides: int = 6) -> int:
    """Roll a die."""
    return sides


async def a_decorated_function_is_still_a_function() -> None:
    """`@tool` keeps the signature."""
    assert_type(await get_weather("Rome", unit="celsius"), dict[str, Any])
    await get_weather(42)  # type: ignore[arg-type]


async def ask() -> None:
    """A session answers with a reply."""
    async with open_session(
        "bedrock:amazon.nova-lite-v1:0",
        system="Be brief.",
        tools=[get_weather, roll, Tool("search", "Search the web.", {"type": "object"})],
        tool_choice="auto",
        settings=Settings(max_tokens=500, temperature=0),
        max_steps=3,
        output_retries=2,
        usage_limits=UsageLimits(tokens=10_000, requests=20, cost=0.5, prices=LibraryPrices()),
        strict=True,
        backend_options={"region": "eu-west-1"},
    ) as session:
        assert_type(session, Session)
        reply = await session.ask("What is in this?", Image.from_path("cat.jpg"), Document.from_path("report.pdf"))
        assert_type(reply, Reply[None])
        assert_type(reply.text, str)
        assert_type(reply.message, Message)
        assert_type(reply.messages, tuple[Message, ...])
        assert_type(reply.steps, tuple[Step, ...])
        assert_type(reply.tool_calls, tuple[ToolCall, ...])
        assert_type(reply.stop_reason, StopReason)
        assert_type(reply.raw_stop_reason, str | None)
        assert_type(reply.usage, Usage)
        assert_type(reply.usage.input_tokens, int | None)
        assert_type(reply.request_id, str | None)
        assert_type(reply.adjustments, tuple[Adjustment, ...])
        assert_type(reply.output, None)
        assert_type(session.messages, tuple[Message, ...])
        assert_type(session.usage, Usage)
        assert_type(LibraryPrices().cost(session.usage, backend="b", model="m").amount, Decimal | None)
        await session.ask("Hi", usage_limits=UsageLimits(requests=1))
        await session.ask("Hi", usage_limits=UsageLimits(tokens="many"))  # type: ignore[arg-type]
        assert_type(await session.preview("Hi"), Preview)

        assert_type((await session.ask("Hi", output=list[int], output_retries=0)).output, list[int])
        await session.ask("Hi", temperature=1)  # type: ignore[call-overload]
        await session.ask(3.5)  # type: ignore[call-overload]
        await session.ask("Hi", settings=Settings(max_tokens="many"))  # type: ignore[arg-type]


@dataclass
class City:
    """A type to ask for."""

    name: str


class Address(TypedDict):
    """Another one."""

    street: str


async def ask_for_a_type(session: Session, other: ChatSession) -> None:
    """The reply knows the type, be it a class or not."""
    assert_type(await session.ask("Which?", output=City), Reply[City])
    assert_type((await session.ask("Which?", Image.from_path("cat.jpg"), output=City, strict=True)).output, City)
    assert_type(await session.ask("Which?", output=Address), Reply[Address])
    assert_type(await session.ask("Which?", output=list[City]), Reply[list[City]])
    assert_type(await session.ask("Which?", output=Literal["yes", "no"]), Reply[Literal["yes", "no"]])
    assert_type(await session.ask("Which?", output=City | None), Reply[City | None])
    assert_type(await session.ask("Which?", output=Annotated[int, "positive"]), Reply[int])
    assert_type(await session.ask("Which?", output=None), Reply[None])
    assert_type(await other.ask("Which?", output=City), Reply[City])
    assert_type(await chatport.ask("echo:any", "Which?", output=City), Reply[City])
    assert_type(await chatport.ask("echo:any", "Which?", output=int | str, system="Hi"), Reply[int | str])
    assert_type(session.request("Which?", output=City | None), ChatRequest)
    assert_type(await session.preview("Which?", output=list[int]), Preview)

    async with session.stream("Which?", output=City) as stream:
        assert_type(stream, ReplyStream[City])
        assert_type(await stream.finish(), Reply[City])
    assert_type(stream.reply.output, City)
    async with other.stream("Which?", output=int | str) as stream_of_union:
        assert_type(stream_of_union.reply.output, int | str)

    await session.ask("Which?", output=3)  # type: ignore[call-overload]
    city = (await session.ask("Which?", output=City)).output
    city.population = 3  # type: ignore[attr-defined]


def output_errors(error: OutputError) -> None:
    """The reply that did not fit."""
    assert_type(error.reply, Reply[None])
    assert_type(error.partial, Partial | None)


async def store_sessions(backend: Backend, own: SessionStore) -> None:
    """A session may have a store, and a name in it."""
    async with SqliteStore("chats.db", create=False, lock_timeout=1.5) as store:
        assert_type(store, SqliteStore)
        async with open_session("echo:any", store=store, id="a") as session:
            assert_type(session.id, str | None)
            assert_type(await session.save(), None)
            assert_type(await session.reload(), None)
        async with Session(backend, "m", store=own) as session:
            assert_type(session, Session)
        stored = await store.load("a")
        assert_type(stored, StoredSession | None)
        if stored is not None:
            assert_type(stored.turns, tuple[StoredTurn, ...])
            assert_type(chatport.export_markdown(stored), str)
            assert_type(chatport.export_json_lines(stored), str)
        assert_type(await own.append("a", [StoredTurn(())], version=None, keep=0), str)
        assert_type(await store.list_sessions(limit=1), tuple[SessionSummary, ...])
        assert_type(await store.search("words"), tuple[SearchHit, ...])
        assert_type(await store.delete("a"), bool)
        Session(backend, "m", store="chats.db")  # type: ignore[arg-type]
    own = store  # a SqliteStore is a SessionStore


def store_errors(lost: ConflictError, failed: StoreError) -> None:
    """Both have the reply."""
    assert_type(lost.reply, Reply[Any] | None)
    assert_type(failed.reply, Reply[Any] | None)
    assert_type(lost.partial, Partial | None)


async def answer_by_hand(session: Session) -> None:
    """The caller may run the tools."""
    reply = await session.ask("Is it sunny?", run_tools=False)
    for call in reply.tool_calls:
        assert_type(call.arguments, dict[str, Any])
        assert_type(call.id, str)
        await session.ask(ToolResult(call.id, {"temperature": 78}))
        await session.ask(ToolResult(id=call.id, content="no such place", is_error=True))


async def stream(session: ChatSession) -> None:
    """A stream gives text or events, and a reply in the end."""
    async with session.stream("Tell me a story.") as text_stream:
        assert_type(text_stream, ReplyStream[None])
        async for text in text_stream.text:
            assert_type(text, str)
    assert_type(text_stream.reply, Reply[None])
    assert_type(text_stream.partial, Partial)

    async with session.stream("And in New York?") as event_stream:
        async for event in event_stream:
            assert_type(event, Event)
            show(event)
        assert_type(await event_stream.finish(), Reply[None])


def show(event: Event) -> None:
    """Events are told apart by class."""
    match event:
        case MessageStart(model=model, request_id=request_id):
            assert_type(model, str)
            assert_type(request_id, str | None)
        case TextDelta(index, text):
            assert_type(index, int)
            assert_type(text, str)
        case ToolCallStart(name=name):
            assert_type(name, str)
        case ToolRunEnd(call, result):
            assert_type(call, ToolCall)
            assert_type(result, ToolResult)
        case MessageEnd(stop_reason=stop_reason):
            assert_type(stop_reason, StopReason)
        case ReplyEnd(reply):
            assert_type(reply, Reply[Any])  # of whatever type the turn was asked for
        case _:
            pass  # new events are not a breaking change


def values() -> None:
    """Messages are plain values, to JSON and back."""
    message = Message("user", (Text("Hi"), Image.from_bytes(b"...")))
    assert_type(message.parts, tuple[Part, ...])
    history = chatport.dump_messages([message])
    assert_type(history, str)
    assert_type(chatport.load_messages(history), tuple[Message, ...])
    assert_type(Opaque("bedrock", {"new": 1}).backend, str)
    Message("robot", (Text("Hi"),))  # type: ignore[arg-type]


async def one_pool_for_many_sessions(messages: tuple[Message, ...]) -> None:
    """A backend may be shared; a session borrows it."""
    async with chatport.open_backend("bedrock", region="us-east-1") as backend:
        assert_type(backend, Backend)
        first = Session(backend, "amazon.nova-lite-v1:0", messages=messages)
        second = chatport.Session(backend, "us.anthropic.claude-haiku-4-5-20251001-v1:0", messages=first.messages)
        session: ChatSession = second
        assert_type(await session.ask("Hi"), Reply[None])
        assert_type(first.request("Hi"), ChatRequest)
        Session(backend, "amazon.nova-lite-v1:0", max_step=3)  # type: ignore[call-arg]


async def for_scripts() -> None:
    """One shot, in one line; and what is installed."""
    assert_type(await chatport.ask("echo:any", "One shot."), Reply[None])
    assert_type(chatport.available_backends(), tuple[str, ...])


def fallback(first: Backend, second: Backend) -> Backend:
    """A backend around backends is a backend; a target is a pair."""
    FallbackBackend([first])  # type: ignore[list-item]
    FallbackBackend([("echo", "any")])  # type: ignore[list-item]
    FallbackBackend([(first, None)], when=lambda error: error.retryable)  # type: ignore[attr-defined]  # any ChatError
    return FallbackBackend([(first, None), (second, "model")], when=lambda error: isinstance(error, BackendError))


def errors(error: BackendError) -> None:
    """An error says what a caller needs to decide."""
    assert_type(error.status, int | None)
    assert_type(error.retryable, bool)
    assert_type(error.retry_after, float | None)
    assert_type(error.partial, Partial | None)
    assert_type(error.phase, Literal["connect", "request", "stream"] | None)
    if isinstance(error, StreamTimeoutError):
        assert_type(error.timeout, Literal["connect", "acquire", "first_event", "idle", "total"] | None)


async def limits(session: Session, backend: Backend) -> None:
    """Seconds by name, None for no limit, for a session and for a turn."""
    timeouts = Timeouts(connect=3, total=None)
    assert_type(timeouts.idle, float | None)
    assert_type(timeouts.merged(Timeouts(idle=2.5)), Timeouts)
    await session.ask("hi", timeouts=timeouts)
    assert_type(session.request("hi").timeouts, Timeouts)
    Session(backend, "any", timeouts=timeouts)
    Timeouts(read=3)  # type: ignore[call-arg]
    Timeouts(idle="3")  # type: ignore[arg-type]
    await session.ask("hi", timeouts=3)  # type: ignore[call-overload]


class Parrot:
    """A backend of one's own needs no base class."""

    name = "parrot"

    async def stream(self, request: ChatRequest) -> AsyncGenerator[BackendEvent, None]:
        """Say the last message again."""
        yield MessageStart(request.model)
        yield TextDelta(0, request.messages[-1].text)
        yield MessageEnd("stop")

    async def aclose(self) -> None:
        """Nothing to close."""


backend: Backend = Parrot()


class Named:
    """A name may be a property, or a constant: nobody sets it from outside."""

    def __init__(self, name: str) -> None:
        """Take the name."""
        self._name = name

    @property
    def name(self) -> str:
        """The key of its metadata."""
        return self._name

    async def stream(self, request: ChatRequest) -> AsyncGenerator[MessageStart | TextDelta | MessageEnd, None]:
        """Say its name."""
        yield MessageStart(request.model)
        yield TextDelta(0, self.name)
        yield MessageEnd("stop")

    async def aclose(self) -> None:
        """Nothing to close."""


class Constant:
    """The same with a constant."""

    name: Literal["constant"] = "constant"

    def stream(self, request: ChatRequest) -> AsyncGenerator[BackendEvent, None]:
        """Leave it to another."""
        return Parrot().stream(request)

    async def aclose(self) -> None:
        """Nothing to close."""


named: Backend = Named("named")
constant: Backend = Constant()


class Mute:
    """Not a backend: it cannot stream."""

    name = "mute"

    async def aclose(self) -> None:
        """Nothing to close."""


not_a_backend: Backend = Mute()  # type: ignore[assignment]


def register() -> None:
    """In process, until the block is left."""
    with chatport.register_backend("parrot", Parrot):
        pass


async def histories_change(session: Session, messages: list[Message]) -> None:
    """What repairs gives messages with notes, what takes messages off gives them back."""
    problem = chatport.validate_messages(messages, allow_pending=True)[0]
    assert_type(problem, HistoryProblem)
    assert_type(problem.kind, ProblemKind)
    revision = chatport.repair_messages(session.messages)
    assert_type(revision.messages, tuple[Message, ...])
    assert_type(revision.adjustments, tuple[Adjustment, ...])
    assert_type(session.edit(messages), tuple[Message, ...])
    assert_type(session.rewind(2), tuple[Message, ...])
    assert_type(session.rewind(to=messages[0]), tuple[Message, ...])
    session.rewind(messages[0])  # type: ignore[arg-type]
    assert_type(session.fork(system="Be kind.", window=newest), Session)
    session.fork(window=len)  # type: ignore[arg-type]
    assert_type(await session.regenerate(strict=True), Reply[None])
    assert_type(await session.regenerate(output=int), Reply[int])
    async with session.regenerate_stream(output=Literal["a", "b"]) as stream:
        assert_type(await stream.finish(), Reply[Literal["a", "b"]])
    async with session.regenerate_stream() as again:
        assert_type(again, ReplyStream[None])


def newest(messages: tuple[Message, ...]) -> Revision:
    """Leave the newest message only."""
    return Revision(messages[-1:])


async def long_histories_are_shortened(backend: Backend, session: Session, chat: ChatSession) -> None:
    """What shortens a history gives a revision; what counts says whether it is an estimate."""
    assert_type(chatport.drop_oldest_steps(session.messages, max_tokens=9, count=len), Revision)
    chatport.drop_oldest_steps(session.messages, 9)  # type: ignore[call-arg]
    assert_type(await chatport.count_tokens(backend, session.request("Hi")), TokenCount)
    assert_type(TokenCount(3).reason, str | None)
    revision = await chatport.fit_history(session, "Hi", max_tokens=9, pinned=lambda message: message.role == "user")
    assert_type(revision.tokens, TokenCount | None)
    assert_type(await chatport.summarise_oldest_steps(session.messages, chat, max_tokens=2000), Revision)
    assert_type(await chatport.replay_messages(chat, session.messages, strict=True), tuple[Reply[None], ...])
    session.fork(window=partial(chatport.drop_oldest_steps, max_tokens=9))
