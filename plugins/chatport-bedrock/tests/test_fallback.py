"""Two regions and two families behind one backend: what one does not answer the other does, and the history moves."""

from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import anyio.to_thread
import pytest

import chatport
from chatport import (
    FallbackBackend,
    ModelNotFoundError,
    RateLimitError,
    Reasoning,
    Retry,
    Session,
    Settings,
    UnsupportedError,
    tool,
)
from chatport_bedrock.emulator import Answer, Emulator, Hold, HttpError

pytestmark = pytest.mark.anyio

CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
CLAUDE_THERE = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"
NOVA = "eu.amazon.nova-2-lite-v1:0"
BUSY = HttpError(429, "ThrottlingException", "Too many requests, please wait before trying again.")


@pytest.fixture
def here() -> Iterator[Emulator]:
    """The region that is asked first."""
    with Emulator(api_key="test-key") as running:
        yield running


@pytest.fixture
def there() -> Iterator[Emulator]:
    """The other region."""
    with Emulator(api_key="test-key") as running:
        yield running


@tool
def get_weather(location: str) -> str:
    """Get the weather in a place."""
    return f"It rains in {location}."


@asynccontextmanager
async def both(here: Emulator, there: Emulator, model: str, **options: Any) -> AsyncGenerator[FallbackBackend]:
    """A backend for each region, and one around them."""

    def region(emulator: Emulator, name: str) -> dict[str, Any]:
        return {"endpoint_url": emulator.url, "region": name, "api_key": "test-key"}

    async with (
        chatport.open_backend("bedrock", **region(here, "us-east-1")) as near,
        chatport.open_backend("bedrock", **region(there, "eu-west-1")) as far,
    ):
        yield FallbackBackend([(near, None), (far, model)], **options)


def models(emulator: Emulator) -> list[str]:
    """Which models a region was asked for."""
    return [request.model for request in emulator.requests]


@pytest.mark.parametrize("way", ["ask", "stream"])
async def test_another_region_answers_with_its_name_for_the_model(here: Emulator, there: Emulator, way: str) -> None:
    """Throttled here, answered there, with one request to each; the next turn begins here again."""
    here.enqueue(BUSY)
    async with both(here, there, CLAUDE_THERE) as backend:
        session = Session(backend, CLAUDE, retry=None)
        if way == "ask":
            reply = await session.ask("Hi")
        else:
            async with session.stream("Hi") as stream:
                reply = await stream.finish()
        assert reply.text
        assert reply.steps[0].model == CLAUDE_THERE
        assert [adjustment.code for adjustment in reply.adjustments] == ["answered-by-fallback"]
        assert (await session.ask("And now?")).adjustments == ()
    assert (models(here), models(there)) == ([CLAUDE, CLAUDE], [CLAUDE_THERE])


async def test_reasoning_of_one_region_is_good_in_the_other(here: Emulator, there: Emulator) -> None:
    """Signatures belong to the family of models: in the middle of a turn with tools nothing is left out."""
    async with both(here, there, CLAUDE_THERE) as backend:
        session = Session(
            backend, CLAUDE, tools=[get_weather], settings=Settings(reasoning="low", max_tokens=500), retry=None
        )
        first = await session.ask("What is the weather in Paris?")
        assert any(isinstance(part, Reasoning) for message in first.messages for part in message.parts)
        here.enqueue(BUSY)
        second = await session.ask("Hello!")
    assert [adjustment.code for adjustment in second.adjustments] == ["answered-by-fallback"]
    assert len(models(there)) == 1
    assert "reasoningContent" in str(there.requests[0].body["messages"])


async def test_another_family_says_what_it_leaves_out(here: Emulator, there: Emulator) -> None:
    """The thoughts that another family has signed; a strict turn is refused instead, and the refusal says why there."""
    async with both(here, there, NOVA) as backend:
        session = Session(
            backend, CLAUDE, tools=[get_weather], settings=Settings(reasoning="low", max_tokens=500), retry=None
        )
        await session.ask("What is the weather in Paris?")
        here.enqueue(BUSY, BUSY)
        strict = Session(
            backend,
            CLAUDE,
            messages=session.messages,
            strict=True,
            tools=[get_weather],
            settings=Settings(),
            retry=None,
        )
        with pytest.raises(UnsupportedError) as caught:
            await strict.ask("Hello!")
        assert "RateLimitError" in caught.value.__notes__[0]
        reply = await session.ask("Hello!")
    assert reply.text
    assert {"answered-by-fallback", "foreign-reasoning"} <= {adjustment.code for adjustment in reply.adjustments}
    assert models(there) == [NOVA]


async def test_when_both_are_throttled_the_session_repeats(here: Emulator, there: Emulator) -> None:
    """Each attempt asks each region once, and the error that is left in the end names both."""
    here.enqueue(BUSY, BUSY)
    there.enqueue(BUSY, BUSY)
    async with both(here, there, CLAUDE_THERE) as backend:
        with pytest.raises(RateLimitError) as caught:
            await Session(backend, CLAUDE, retry=None).ask("Hi")
        assert (caught.value.backend, caught.value.model) == ("bedrock", CLAUDE_THERE)
        assert caught.value.__notes__[0].startswith(f"before it bedrock:{CLAUDE} failed with RateLimitError")
        reply = await Session(backend, CLAUDE, retry=Retry(base_delay=0)).ask("Hi")
    assert (reply.attempts, reply.steps[0].model) == (2, CLAUDE)
    assert (len(models(here)), len(models(there))) == (3, 2)


async def test_a_model_that_is_not_here_may_be_asked_for_there(here: Emulator, there: Emulator) -> None:
    """If that is wanted."""
    missing = HttpError(404, "ResourceNotFoundException", "Could not resolve the foundation model from the model id.")
    here.enqueue(missing, missing)
    async with both(here, there, CLAUDE_THERE) as backend:
        with pytest.raises(ModelNotFoundError):
            await Session(backend, CLAUDE).ask("Hi")
    async with both(here, there, CLAUDE_THERE, when=lambda error: isinstance(error, ModelNotFoundError)) as backend:
        assert (await Session(backend, CLAUDE).ask("Hi")).steps[0].model == CLAUDE_THERE


async def test_a_stream_that_is_left_lets_go_of_its_connection(here: Emulator, there: Emulator) -> None:
    """The region that answers sees the close in the middle of its answer; the next turn is asked as ever."""
    here.enqueue(BUSY)
    there.enqueue(Answer(hold=Hold(after_events=5)))
    async with both(here, there, CLAUDE_THERE) as backend:
        async with Session(backend, CLAUDE).stream("Tell me a story.") as stream:
            async for _ in stream.text:
                break
            assert not there.disconnects
        with anyio.fail_after(20):
            await anyio.to_thread.run_sync(there.wait_for_disconnects)
        assert (await Session(backend, CLAUDE).ask("Hi")).text
    assert there.disconnects[0].parts_sent <= 5  # as far as it had come
    assert (len(models(here)), len(models(there))) == (2, 1)
