"""Asking for a type, on the emulator: every way, streamed and whole, with tools, with reasoning, and gone wrong."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Literal

import pytest

import chatport
from chatport import OutputError, Reply, Session, Settings, TextDelta
from chatport_bedrock.emulator import Answer, Emulator, HttpError

pytestmark = pytest.mark.anyio

WAYS = {
    "us.anthropic.claude-sonnet-4-5-20250929-v1:0": "native",
    "openai.gpt-oss-120b-1:0": "native",
    "xai.grok-4-6": "strict-tool",
    "amazon.nova-lite-v1:0": "forced-tool",
    "anthropic.claude-3-haiku-20240307-v1:0": "forced-tool",
    "us.meta.llama3-3-70b-instruct-v1:0": "prompt",
    "cohere.command-r-plus-v1:0": "prompt",
    "amazon.titan-text-express-v1": "prompt",
    "newcomer.model-1.5-v1:0": "prompt",
}
WITH_TOOLS = [model for model in WAYS if not model.startswith("amazon.titan")]
CLAUDE, NOVA, LLAMA = (model for model in WAYS if "sonnet" in model or "nova" in model or "llama" in model)

each_way = pytest.mark.parametrize("model", WAYS)
each_mode = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])


@dataclass
class City:
    """A city."""

    name: str
    inhabitants: int
    sights: list[str]


@dataclass
class Weather:
    location: str
    celsius: int


async def get_weather(location: str) -> dict[str, Any]:
    """Get the current weather in a location."""
    return {"location": location, "celsius": 21}


@pytest.fixture(scope="module", name="emulator")
def running_emulator() -> Any:
    """One emulator for all tests; each looks at the last requests only."""
    with Emulator() as running:
        yield running


@asynccontextmanager
async def opened(emulator: Emulator, model: str, **options: Any) -> AsyncGenerator[Session]:
    """A session with the emulator."""
    backend = {"endpoint_url": emulator.url, "region": "us-east-1", "access_key_id": "a", "secret_access_key": "b"}
    async with chatport.open_session(f"bedrock:{model}", backend_options=backend, **options) as session:
        yield session


async def asked(session: Session, prompt: str, output: Any, *, streamed: bool, **options: Any) -> Reply[Any]:
    """Ask in one of the two ways."""
    if not streamed:
        reply: Reply[Any] = await session.ask(prompt, output=output, **options)
        return reply
    async with session.stream(prompt, output=output, **options) as stream:
        return await stream.finish()


def way(reply: Reply[Any]) -> str:
    """The way by which the JSON came."""
    found: str = reply.metadata["bedrock"]["output"]
    return found


@each_way
@each_mode
async def test_every_way_gives_a_value(emulator: Emulator, model: str, *, streamed: bool) -> None:
    """The text is the JSON, the history holds it as words, and another turn goes on from it."""
    async with opened(emulator, model) as session:
        reply = await asked(session, "The city of Paris has 2100000 inhabitants.", City, streamed=streamed)
        assert isinstance(reply.output, City)
        assert (reply.output.name, reply.output.inhabitants) == ("Paris", 2_100_000)
        assert reply.text.startswith("{")
        assert reply.stop_reason == "stop"
        assert way(reply) == WAYS[model]
        assert not reply.tool_calls
        assert [adjustment.code for adjustment in reply.adjustments] == (
            ["output-prompted"] if WAYS[model] == "prompt" else []
        )
        after = await session.ask("Thank you.")
        assert "output" not in after.metadata["bedrock"]
        assert [message.role for message in session.messages] == ["user", "assistant"] * 2


@each_way
@each_mode
@pytest.mark.parametrize("output", [int, list[int], Literal["red", "blue"], City | None], ids=str)
async def test_values_that_are_no_objects(emulator: Emulator, model: str, output: Any, *, streamed: bool) -> None:
    """They travel in an object and come out of it."""
    async with opened(emulator, model) as session:
        reply = await asked(session, "Is Paris with its 7 hills red or blue?", output, streamed=streamed)
    expected = {int: 7, list[int]: [7], Literal["red", "blue"]: "red"}
    if output in expected:
        assert reply.output == expected[output]
    else:
        assert isinstance(reply.output, City)


@pytest.mark.parametrize("model", WITH_TOOLS)
@each_mode
async def test_tools_run_first(emulator: Emulator, model: str, *, streamed: bool) -> None:
    """The model calls the caller's tool, reads what it found, and answers in the type that was asked for."""
    async with opened(emulator, model, tools=[get_weather]) as session:
        reply = await asked(session, "What is the weather in Rome?", Weather, streamed=streamed)
        assert reply.output == Weather("Rome", 21)
        assert way(reply) == WAYS[model]
        assert len(reply.steps) == 2
        assert [call.name for call in reply.steps[0].message.tool_calls] == ["get_weather"]
        assert reply.steps[0].stop_reason == "tool_calls"
        assert not reply.tool_calls
        assert (await session.ask("Thank you.")).text


async def test_a_tool_that_cannot_stream_comes_whole(emulator: Emulator) -> None:
    """What fits goes before what flows: the answer is a call, which this model does not stream, and that is told."""
    async with opened(emulator, "mistral.mistral-large-2402-v1:0") as session:
        reply = await asked(session, "The city of Paris has 7 hills.", City, streamed=True)
    assert (reply.output.name, way(reply)) == ("Paris", "forced-tool")
    assert [adjustment.code for adjustment in reply.adjustments] == ["answered-whole"]


@pytest.mark.parametrize(
    ("model", "refusal", "expected"),
    [
        (CLAUDE, "This model doesn't support the outputConfig.textFormat field.", "strict-tool"),
        ("xai.grok-4-6", "tools.0.custom.strict: Extra inputs are not permitted", "forced-tool"),
    ],
)
async def test_what_the_service_refuses_is_asked_in_another_way(
    emulator: Emulator, model: str, refusal: str, expected: str
) -> None:
    """The table of models may be wrong: the refusal is a lesson, and the next request goes the next way."""
    async with opened(emulator, model) as session:
        for turn in range(2):
            if turn == 0:
                emulator.enqueue(HttpError(400, "ValidationException", refusal))
            reply = await session.ask("The city of Paris has 7 hills.", output=City)
            assert (reply.output.name, way(reply)) == ("Paris", expected)


@pytest.mark.parametrize("model", [CLAUDE, NOVA, LLAMA])
async def test_the_json_streams_as_text(emulator: Emulator, model: str) -> None:
    """Whatever it is on the wire: text deltas, no call, and the whole at the end."""
    async with opened(emulator, model) as session, session.stream("Tell me of Paris.", output=City) as stream:
        events = [event async for event in stream]
    pieces = [event.text for event in events if isinstance(event, TextDelta)]
    assert "".join(pieces) == stream.reply.text
    assert "ToolCallStart" not in {type(event).__name__ for event in events}
    if model != NOVA:  # which sends the input of a call in one piece
        assert len(pieces) > 1


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (CLAUDE, "native"),
        ("us.anthropic.claude-3-7-sonnet-20250219-v1:0", "prompt"),
        ("us.amazon.nova-2-lite-v1:0", ""),
    ],
)
@each_mode
async def test_with_reasoning(emulator: Emulator, model: str, expected: str, *, streamed: bool) -> None:
    """Where a forced tool and reasoning exclude each other, another way is gone."""
    async with opened(emulator, model, settings=Settings(reasoning="medium")) as session:
        reply = await asked(session, "Tell me of Paris.", City, streamed=streamed)
    assert reply.output.name == "Paris"
    assert reply.reasoning
    assert way(reply) == (expected or "forced-tool")


async def test_rule_48_what_goes_over_the_wire(emulator: Emulator) -> None:
    """`outputConfig` and `strict` stand in the bytes that the service reads."""
    strict = chatport.Tool("search", "Search the web.", {"type": "object", "properties": {}}, strict=True)
    async with opened(emulator, CLAUDE, tools=[strict]) as session:
        await session.ask("Tell me of Paris.", output=City)
    body = emulator.requests[-1].body
    assert body["outputConfig"]["textFormat"]["structure"]["jsonSchema"]["name"] == "City"
    assert body["toolConfig"]["tools"][0]["toolSpec"]["strict"] is True


@pytest.mark.parametrize("model", [CLAUDE, NOVA, LLAMA])
@each_mode
async def test_what_does_not_fit_is_an_error(emulator: Emulator, model: str, *, streamed: bool) -> None:
    """By each way; the reply is in the error, the history is as before."""
    wrong = {"name": "Paris", "inhabitants": "many", "sights": []}
    emulator.enqueue(Answer(body=said_by(model, wrong)))
    async with opened(emulator, model) as session:
        with pytest.raises(OutputError, match=r'- inhabitants: .*, not "many"') as caught:
            await asked(session, "Tell me of Paris.", City, streamed=streamed, output_retries=0)
        assert '"Paris"' in caught.value.reply.text
        assert caught.value.partial is not None
        before = session.messages
        assert len(before) == 0
        session.keep(caught.value.partial)
        assert (await session.ask("Thank you.")).text


@each_way
@each_mode
@pytest.mark.parametrize("first", ["wrong", "empty"])
async def test_what_does_not_fit_is_asked_for_again(
    emulator: Emulator, model: str, first: str, *, streamed: bool
) -> None:
    """By each way, with all rules on: the service takes the request that says what is wrong, and the next turn."""
    wrong = said_by(model, {"name": "Paris", "inhabitants": "many", "sights": []})
    empty = {**wrong, "output": {"message": {"role": "assistant", "content": []}}, "stopReason": "end_turn"}
    right = said_by(model, {"name": "Paris", "inhabitants": 7, "sights": []})
    emulator.enqueue(Answer(body=wrong if first == "wrong" else empty), Answer(body=right))
    async with opened(emulator, model) as session:
        reply = await asked(session, "Tell me of Paris.", City, streamed=streamed, output_retries=1)
        assert reply.output == City("Paris", 7, [])
        assert len(reply.steps) == 2
        assert way(reply) == WAYS[model]
        assert [message.role for message in session.messages] == ["user", "assistant"]
        assert (await session.ask("Thank you.")).text


def said_by(model: str, value: dict[str, Any]) -> dict[str, Any]:
    """The body of an answer that says a value in the way of the model."""
    call = {"toolUse": {"toolUseId": "tooluse_1", "name": "final_answer", "input": value}}
    block = call if WAYS[model] == "forced-tool" else {"text": json.dumps(value)}
    return {
        "output": {"message": {"role": "assistant", "content": [block]}},
        "stopReason": "tool_use" if "toolUse" in block else "end_turn",
        "usage": {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2},
        "metrics": {"latencyMs": 1},
    }


@pytest.mark.parametrize("model", WAYS)
@each_mode
async def test_an_answer_that_is_cut_is_never_taken_for_a_shorter_one(
    emulator: Emulator, model: str, *, streamed: bool
) -> None:
    """The token limit ends it in the middle: an error that says so, even where every member may be absent."""

    @dataclass
    class Loose:
        name: str = "unknown"
        inhabitants: int = 0

    limit = Settings(max_tokens=2)
    async with opened(emulator, model, settings=limit) as session:
        with pytest.raises(OutputError, match=r"cut short \(length\)"):
            await asked(session, "The city of Paris has 2100000 inhabitants.", City, streamed=streamed)
        emulator.enqueue(Answer(body={**said_by(NOVA, {}), "stopReason": "max_tokens"}))
        if WAYS[model] in {"forced-tool", "strict-tool"}:
            with pytest.raises(OutputError, match=r"cut short \(length\)"):
                await asked(session, "The city of Paris has 2100000 inhabitants.", Loose, streamed=streamed)
        else:
            await session.ask("Hello")


async def test_preview_shows_the_way(emulator: Emulator) -> None:
    """Nothing is sent."""
    count = len(emulator.requests)
    async with opened(emulator, CLAUDE) as session:
        preview = await session.preview("Tell me of Paris.", output=City)
    assert preview.request["outputConfig"]["textFormat"]["type"] == "json_schema"
    assert len(emulator.requests) == count


async def test_strict_refuses_what_nothing_enforces(emulator: Emulator) -> None:
    """And takes what is enforced, or checked."""
    async with opened(emulator, LLAMA, strict=True) as session:
        with pytest.raises(chatport.UnsupportedError, match="in words"):
            await session.ask("Tell me of Paris.", output=City)
    async with opened(emulator, NOVA, strict=True) as session:
        assert (await session.ask("Tell me of Paris.", output=City)).output.name == "Paris"
