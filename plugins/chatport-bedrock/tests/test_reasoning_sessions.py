"""Sessions that reason and cache, against the emulator: turn after turn, with tools, and from one family to another."""

from collections.abc import Iterator
from typing import Any

import pytest

import chatport
from chatport import Reasoning, ReasoningDelta, Session, Settings, TextDelta, UnsupportedError, tool
from chatport.backend import Backend
from chatport_bedrock.emulator import Emulator

pytestmark = pytest.mark.anyio

CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
NOVA = "us.amazon.nova-2-lite-v1:0"
GPT_OSS = "openai.gpt-oss-120b-1:0"
LLAMA = "us.meta.llama3-3-70b-instruct-v1:0"


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    """An emulator with all its rules."""
    with Emulator(api_key="test-key") as running:
        yield running


@pytest.fixture
def options(emulator: Emulator) -> dict[str, Any]:
    """The options that lead to it."""
    return {"endpoint_url": emulator.url, "region": "us-east-1", "api_key": "test-key"}


@tool
def get_weather(location: str) -> str:
    """Get the weather in a place."""
    return f"It rains in {location}."


def fields(emulator: Emulator) -> list[Any]:
    """What went past the common settings, request by request."""
    return [request.body.get("additionalModelRequestFields") for request in emulator.requests]


async def converse(backend: Backend, model: str, settings: Settings) -> Session:
    """Three turns, one with a tool, one streamed."""
    session = Session(backend, model, tools=[get_weather], settings=settings, system="Be brief.")
    await session.ask("What is the weather in Paris?")
    async with session.stream("Hello!") as stream:
        await stream.finish()
    await session.ask("Are you sure?")
    return session


@pytest.mark.parametrize("model", [CLAUDE, NOVA, GPT_OSS, "us.anthropic.claude-sonnet-4-6", "qwen.qwen3-32b-v1:0"])
async def test_a_conversation_that_reasons_goes_on(emulator: Emulator, options: dict[str, Any], model: str) -> None:
    """Tools, streams and whole answers: what was thought is in the history, and no later turn is refused for it."""
    async with chatport.open_backend("bedrock", **options) as backend:
        session = await converse(backend, model, Settings(reasoning="low", cache="auto", max_tokens=500))
    thoughts = [part for message in session.messages for part in message.parts if isinstance(part, Reasoning)]
    assert len(thoughts) == 4
    assert all(each == fields(emulator)[0] for each in fields(emulator))


async def test_strict_conversations_reason_too(options: dict[str, Any]) -> None:
    """What is left out of the next request of gpt-oss is nothing that it would read; no turn is refused as a loss."""
    async with chatport.open_backend("bedrock", **options) as backend:
        session = Session(backend, GPT_OSS, settings=Settings(reasoning="low"), strict=True)
        for _ in range(2):
            reply = await session.ask("Hello!")
            assert reply.reasoning
            assert reply.adjustments == ()


async def test_reasoning_comes_in_pieces_before_the_words(options: dict[str, Any]) -> None:
    """And a turn may say otherwise than its session."""
    async with chatport.open_backend("bedrock", **options) as backend:
        session = Session(backend, CLAUDE, settings=Settings(reasoning=2000))
        async with session.stream("Hello!") as stream:
            kinds = [type(event) async for event in stream if isinstance(event, (ReasoningDelta, TextDelta))]
        assert kinds == sorted(kinds, key=lambda kind: kind is TextDelta)
        assert {ReasoningDelta, TextDelta} == set(kinds)
        assert (await session.ask("Hello!", settings=Settings(reasoning="off"))).reasoning == ""


async def test_the_same_settings_go_with_every_family(emulator: Emulator, options: dict[str, Any]) -> None:
    """A conversation is carried on elsewhere; the reply says what could not be said there, and strict refuses it."""
    settings = Settings(reasoning="max", cache="1h", temperature=0.5)
    async with chatport.open_backend("bedrock", **options) as backend:
        messages: tuple[chatport.Message, ...] = ()
        lost: dict[str, set[str]] = {}
        for model in (CLAUDE, NOVA, LLAMA, CLAUDE):
            session = Session(backend, model, messages=messages, settings=settings)
            reply = await session.ask("Hello!")
            lost[model] = {item.path for item in reply.adjustments if item.path.startswith("settings.")}
            messages = session.messages
        assert lost == {
            CLAUDE: {"settings.temperature"},
            NOVA: {"settings.reasoning", "settings.temperature", "settings.cache"},
            LLAMA: {"settings.reasoning", "settings.cache"},
        }
        before = emulator.request_count
        with pytest.raises(UnsupportedError, match=r"settings\.reasoning"):
            await Session(backend, LLAMA, settings=settings, strict=True).ask("Hello!")
        assert emulator.request_count == before
