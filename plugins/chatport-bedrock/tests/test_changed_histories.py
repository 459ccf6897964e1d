"""A long history with everything in it, cut and broken: repaired, forked, rewound and shortened, it is accepted."""

import re
from collections.abc import AsyncGenerator, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from bedrock_support.any_request import requests
from bedrock_support.emulation import jpeg, png
from hypothesis import given

import chatport
from chatport import (
    CachePoint,
    Document,
    Image,
    Json,
    Message,
    Part,
    Reasoning,
    Session,
    Text,
    TokenCount,
    ToolCall,
    ToolResult,
    UnsupportedError,
    tool,
)
from chatport.backend import Backend, ChatRequest
from chatport_bedrock._translate import translate
from chatport_bedrock.emulator import Emulator
from chatport_bedrock.emulator._signatures import sign

pytestmark = pytest.mark.anyio

CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
MODELS = [
    CLAUDE,
    "us.amazon.nova-2-lite-v1:0",
    "us.meta.llama4-scout-17b-instruct-v1:0",
    "us.mistral.pixtral-large-2502-v1:0",
    "openai.gpt-oss-120b-1:0",
]
SIGHTED = frozenset(MODELS[:4])
# What the planner says of a history that a repair should have put right.
REPAIRS = frozenset(
    {
        "call-unanswered",
        "orphan-result",
        "duplicate-result",
        "call-id-repeated",
        "leading-turn-added",
        "results-reordered",
    }
)

each_model = pytest.mark.parametrize("model", MODELS)


@tool
def get_weather(location: str) -> str:
    """Get the weather in a place."""
    return f"It rains in {location}."


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    """An emulator with all its rules."""
    with Emulator(api_key="test-key") as running:
        yield running


@pytest.fixture
async def backend(emulator: Emulator) -> AsyncGenerator[Backend]:
    """A backend that asks it."""
    options = {"endpoint_url": emulator.url, "region": "us-east-1", "api_key": "test-key"}
    async with chatport.open_backend("bedrock", **options) as opened:
        yield opened


def call(id_: str, location: str = "Paris") -> ToolCall:
    """Return a call of the weather tool."""
    return ToolCall(id_, "get_weather", {"location": location})


def thought(text: str, family: str | None = "anthropic") -> Reasoning:
    """Return reasoning as the service left it, signed where its family signs."""
    signature = sign(text) if family == "anthropic" else None
    return Reasoning(text, signature, metadata={"bedrock": {"family": family}} if family else {"openai": {"id": "r"}})


def twelve_turns(model: str) -> tuple[Message, ...]:
    """Return twelve turns: tools one by one and together, pictures, documents, reasoning of many, errors, cut ends."""
    sees = model in SIGHTED
    picture: Part = Image("image/png", png()) if sees else Text("(a picture)")
    photo: Part = Image("image/jpeg", jpeg()) if sees else Text("(a photo)")
    notes: Part = Document("text/plain", b"Paris is wet.", name="notes.txt") if sees else Text("Paris is wet.")
    history = [
        *(Message.user("Hello!"), Message.assistant("Hello.")),
        *(Message.user("What is this?", picture), Message.assistant(thought("grey"), "A grey picture.")),
        Message.user("Is it warm in Paris?"),
        *(Message.assistant(thought("look"), "I will look.", call("t3")), Message("tool", (ToolResult("t3", "rain"),))),
        Message.assistant("No."),
        Message.user("In Oslo and in Rome?"),
        Message.assistant(call("t4a", "Oslo"), call("t4b", "Rome")),
        Message("tool", (ToolResult("t4a", {"celsius": 3}), ToolResult("t4b", "no such place", is_error=True))),
        *(Message.assistant(call("t4c", "Roma")), Message("tool", (ToolResult("t4c", [Json([1, 2]), "warm"]),))),
        Message.assistant("In Rome it is."),
        *(Message.user("Read this.", notes), Message.assistant("It says that Paris is wet.")),
        Message.user("A call that was cut?"),
        Message.assistant(ToolCall("t6", "get_weather", {}, '{"loc')),
        Message("tool", (ToolResult("t6", "Not run.", is_error=True),)),
        Message.assistant(thought("again", "openai"), "Once more, then."),
        *(Message.user("And elsewhere?"), Message.assistant(thought("theirs", None), "Elsewhere too.")),
        *(Message.system("Be brief."), Message.user("Now?", CachePoint()), Message.assistant("Yes.")),
        *(Message.user("Look."), Message.assistant(call("t9")), Message("tool", (ToolResult("t9", [photo, "see"]),))),
        Message.assistant("I see."),
        *(Message.user("Say nothing."), Message("assistant", ())),
        *(Message.user("Stop!"), Message.assistant("I sto")),
        *(Message.user("Go on."), Message.assistant(thought("on", "amazon"), "ped. ")),
    ]
    assert sum(message.role == "user" for message in history) == 12
    assert chatport.validate_messages(history) == ()
    return tuple(history)


def broken(history: tuple[Message, ...]) -> Iterator[list[Message]]:
    """Yield the history as crashes and bad stores leave it: each message lost, swapped, doubled; and all at once."""
    for index in range(len(history)):
        yield [*history[:index], *history[index + 1 :]]
    places = [index for index, message in enumerate(history) if message.role == "tool"]
    for index in places:
        swapped = list(history)
        swapped[index], swapped[index + 1] = swapped[index + 1], swapped[index]
        yield swapped
        yield [*history[: index + 1], history[index], *history[index + 1 :]]
        yield [*history[:index], Message.user(*reversed(history[index].parts), "so?"), *history[index + 1 :]]
    yield [
        *history[1:5],
        Message.user(" "),
        *history[7:9],
        Message("tool", ()),
        *history[10:],
        Message.assistant(call("x")),
    ]


async def accepted(session: Session, *content: Any, **options: Any) -> None:
    """Ask, and expect no repair of what is in the history."""
    reply = await session.ask(*(content or ("And now?",)), **options)
    codes = {note.code for note in reply.adjustments}
    assert not codes & REPAIRS
    assert chatport.validate_messages(session.messages) == ()


@each_model
async def test_a_repaired_history_is_accepted(backend: Backend, model: str) -> None:
    """However it was broken; nothing is left for the planner to repair."""
    for history in broken(twelve_turns(model)):
        revision = chatport.repair_messages(history)
        assert chatport.validate_messages(revision.messages) == ()
        await accepted(Session(backend, model, messages=revision.messages, tools=[get_weather]))


@each_model
async def test_a_rewound_and_forked_history_is_accepted(backend: Backend, model: str) -> None:
    """To every turn of the twelve, each on a fork of its own, which is answered a second time."""
    session = Session(backend, model, messages=twelve_turns(model), tools=[get_weather])
    for turns in range(1, 13):
        fork = session.fork()
        fork.rewind(turns)
        await accepted(fork, "What is the weather in Paris?")
        before = len(fork.messages)
        await fork.regenerate()
        assert len(fork.messages) == before
        async with fork.regenerate_stream() as stream:
            await stream.finish()
        await accepted(fork)
    assert len(session.messages) == len(twelve_turns(model))


@each_model
async def test_a_shortened_history_is_accepted(backend: Backend, model: str) -> None:
    """Wherever it is cut, with a picture pinned, as a window of the session, and with a summary in the place."""
    history = twelve_turns(model)
    everything = chatport.estimate_tokens(history)
    for most in range(1, everything + 1, max(1, everything // 20)):
        revision = chatport.drop_oldest_steps(history, max_tokens=most, pinned=lambda message: message is history[3])
        assert history[3] in revision.messages
        await accepted(Session(backend, model, messages=revision.messages, tools=[get_weather]))
        window = partial(chatport.drop_oldest_steps, max_tokens=most)
        windowed = Session(backend, model, messages=history, tools=[get_weather], window=window)
        await accepted(windowed, "What is the weather in Paris?")
        assert windowed.messages[: len(history)] == history
    helper = Session(backend, model)
    summed_up = await chatport.summarise_oldest_steps(history, helper, max_tokens=everything // 4, summary_tokens=50)
    assert {note.code for note in summed_up.adjustments} == {"oldest-steps-summarised"}
    await accepted(Session(backend, model, messages=summed_up.messages, tools=[get_weather]))


async def test_adjustments_behind_a_window_count_the_history(backend: Backend) -> None:
    """What is told of a part, or refused, is told of `session.messages`, wherever the window begins."""
    history = twelve_turns(CLAUDE)
    everything = chatport.estimate_tokens(history)
    sent: set[int] = set()
    for most in (everything, everything // 2, everything // 4):
        window = partial(chatport.drop_oldest_steps, max_tokens=most)
        session = Session(backend, CLAUDE, messages=history, tools=[get_weather], window=window)
        with pytest.raises(UnsupportedError) as caught:
            await session.ask("And now?", strict=True)
        preview = await session.preview("And now?")
        sent.add(len(session.request("And now?").messages))
        reply = await session.ask("And now?")
        foreign = [note for note in reply.adjustments if note.code == "foreign-reasoning"]
        assert foreign == [note for note in caught.value.adjustments if note.code == "foreign-reasoning"]
        assert foreign == [note for note in preview.adjustments if note.code == "foreign-reasoning"]
        assert foreign[0].path in str(caught.value)
        for note in foreign:
            found = re.fullmatch(r"messages\[(\d+)\]\.parts\[(\d+)\]", note.path)
            assert found is not None
            part = session.messages[int(found[1])].parts[int(found[2])]
            assert isinstance(part, Reasoning)
            assert part.metadata.get("bedrock", {}).get("family") != "anthropic"
    assert len(sent) == 3


async def test_a_history_is_fitted_to_the_services_count(emulator: Emulator, backend: Backend) -> None:
    """Counted by the service, with system prompt and tools; what is left is as long as it was said to be."""
    session = Session(backend, CLAUDE, messages=twelve_turns(CLAUDE), tools=[get_weather], system="Be brief.")
    whole = await chatport.count_tokens(backend, session.request("And now?"))
    assert not whole.is_estimate
    sizes: list[int] = []
    for most in (whole.tokens, whole.tokens * 3 // 4, whole.tokens // 2):
        before = emulator.request_count
        revision = await chatport.fit_history(session, "And now?", max_tokens=most)
        assert emulator.request_count - before <= 5
        assert revision.tokens is not None
        assert revision.tokens.tokens <= most
        fork = session.fork(messages=revision.messages)
        assert await chatport.count_tokens(backend, fork.request("And now?")) == revision.tokens
        await accepted(fork)
        sizes.append(len(revision.messages))
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] == len(session.messages)


async def test_a_history_goes_to_another_model_and_back(backend: Backend) -> None:
    """A conversation is repaired once, and then said to one model after the other; questions are replayed to each."""
    history = twelve_turns("openai.gpt-oss-120b-1:0")
    for model in MODELS:
        session = Session(backend, model, messages=history, tools=[get_weather])
        await accepted(session)
        history = session.messages
    replayed = Session(backend, CLAUDE, tools=[get_weather])
    questions = [message for message in history if message.role == "user"]
    assert len(await chatport.replay_messages(replayed, questions)) == len(questions) == 17


@given(requests())
def test_what_is_repaired_leaves_nothing_to_the_planner(request: ChatRequest) -> None:
    """Of any request: what the planner would repair of calls, results and turns, a repair of the history has found."""
    revision = chatport.repair_messages(request.messages)
    try:
        said = translate(replace(request, messages=revision.messages))
    except UnsupportedError:
        return  # a part that the service cannot say at all
    codes = {note.code for note in said.adjustments}
    if "foreign-opaque" in codes or "foreign-reasoning" in codes:  # what goes for that may have been all that was said
        codes.discard("leading-turn-added")
    if "result-media-moved" in codes:  # they are put behind their result, and results come first
        codes.discard("results-reordered")
    assert not codes & REPAIRS


async def test_a_model_that_is_not_counted_for_is_estimated(backend: Backend) -> None:
    """The reason is the backend's own."""
    request = Session(backend, MODELS[2]).request("Hello!")
    counted = await chatport.count_tokens(backend, request)
    assert counted == TokenCount(counted.tokens, counted.reason)
    assert counted.reason
