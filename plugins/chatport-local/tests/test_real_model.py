"""The real engine with the real model: what only they can show. All of it is skipped where they are not there."""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import aclosing, closing
from pathlib import Path
from typing import Any, Literal

import anyio
import pytest
from local_support.real import needs_model

import chatport
from chatport import (
    ContextWindowError,
    Message,
    MessageStart,
    Session,
    Settings,
    Text,
    TextDelta,
    Tool,
    ToolCall,
    ToolResult,
)
from chatport.backend import BackendError, ChatRequest, ConfigurationError, Fold
from chatport_local import find_weights, unload_models
from chatport_local._engine import ENGINES, Engine, EngineError, EngineSettings
from chatport_local._models import WEIGHTS_SHA256, ModelFiles
from chatport_local._options import LocalOptions
from chatport_local.backend import LocalBackend

pytestmark = [needs_model, pytest.mark.slow]

MODEL = "smollm2"
SHORT = Settings(max_tokens=12, temperature=0)
WEATHER = Tool(
    "get_weather",
    "Get the current weather in a location.",
    {
        "type": "object",
        "properties": {"location": {"type": "string"}, "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]}},
        "required": ["location"],
    },
)
PLACE: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string", "maxLength": 20}, "degrees": {"type": "integer", "minimum": 0}},
    "required": ["city", "degrees"],
}
PLACE_BY_NAME: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
}
CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
LONG = "rivers and lakes and seas " * 700


@pytest.fixture
def backend() -> LocalBackend:
    """A backend; its engine is that of the process, loaded by the first test."""
    return LocalBackend()


@pytest.fixture(scope="module")
def engine() -> Engine:
    """The engine that `backend` asks."""
    from chatport_local._models import find_model

    return ENGINES.get(EngineSettings.of(find_model(MODEL), LocalOptions()))


def request(words: str = "Say hello.", **members: Any) -> ChatRequest:
    """Return a request for a few words."""
    given: dict[str, Any] = {"settings": SHORT, **members}
    return ChatRequest(MODEL, (Message.user(words),), **given)


# --- answers ---------------------------------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_words_stream_through_the_public_door() -> None:
    """`open_session` finds the plugin; the answer comes in pieces, with its cost, and the history goes on."""
    async with chatport.open_session(f"local:{MODEL}", settings=SHORT) as session:
        async with session.stream("What is the capital of France?") as stream:
            pieces = [piece async for piece in stream.text]
        reply = stream.reply
        assert len(pieces) > 3
        assert "Paris" in reply.text
        assert reply.usage.input_tokens is not None
        assert reply.usage.output_tokens is not None
        assert 0 < reply.usage.output_tokens <= 12
        assert reply.stop_reason in {"stop", "length"}
        assert reply.request_id
        again = await session.ask("And of Italy?")
        assert again.usage.cache_read_tokens, "the slot keeps what the conversation begins with"


@pytest.mark.anyio
async def test_a_named_tool_is_called(backend: LocalBackend) -> None:
    """The call fits the schema of the tool, and its arguments come piece by piece."""
    async with aclosing(
        backend.stream(request("What is the weather in Boston?", tools=(WEATHER,), tool_choice="any"))
    ) as events:
        heard = [event async for event in events]
    fold = Fold()
    for event in heard:
        fold.feed(event)
    _, message, end = fold.complete()
    assert end.stop_reason == "length" or [call.name for call in message.tool_calls] == ["get_weather"]
    assert len(heard) > 5


@pytest.mark.anyio
async def test_a_tool_is_called_of_its_own_accord_and_answered_from(backend: LocalBackend) -> None:
    """Where what the call says was said; the results go back, and words come."""
    session = Session(backend, MODEL, tools=[WEATHER], settings=Settings(max_tokens=40, temperature=0))
    reply = await session.ask("What is the weather in Boston, MA?", run_tools=False)
    (call,) = reply.tool_calls
    assert (call.name, call.arguments["location"].partition(",")[0]) == ("get_weather", "Boston")
    assert [item.code for item in reply.adjustments] == ["tool-choice-approximate"]
    answer = await session.ask(ToolResult(call.id, {"degrees": 31, "sky": "clear"}))
    assert answer.text
    assert not answer.tool_calls
    other = await Session(backend, MODEL, tools=[WEATHER], settings=SHORT).ask("Tell me a joke.")
    assert not other.tool_calls


@pytest.mark.anyio
async def test_an_answer_fits_a_schema(backend: LocalBackend) -> None:
    """By grammar; one that the strict grammar does not know is held loosely, and that is reported."""
    asked = Session(backend, MODEL, settings=Settings(max_tokens=60))
    reply = await asked.ask("It is 12 degrees in Oslo.", output=Literal["warm", "cold"])
    assert reply.output in {"warm", "cold"}
    async with aclosing(
        backend.stream(request("It is 12 degrees in Oslo.", output_schema=PLACE, settings=Settings(max_tokens=60)))
    ) as events:
        text = "".join([event.text async for event in events if isinstance(event, TextDelta)])
    assert re.fullmatch(r'\{"city":"[^"]{0,40}","degrees":\d+\}', text)
    loose: dict[str, Any] = {
        **PLACE,
        "properties": {
            **PLACE["properties"],
            "tags": {"type": "array", "items": {"type": "integer"}, "uniqueItems": True},
        },
    }
    async with aclosing(backend.stream(request(output_schema=loose))) as events:
        start = await anext(events)
    assert isinstance(start, MessageStart)
    assert "schema-loosely-held" in [item.code for item in start.adjustments]


@pytest.mark.parametrize(
    ("schema", "is_held"),
    [(PLACE, True), ({"type": "object", "properties": {"a": {"not": {"type": "string"}}}}, False)],
)
def test_whether_a_grammar_is_kept_is_found_out(engine: Engine, schema: dict[str, Any], *, is_held: bool) -> None:
    """One that cannot be compiled is left aside in silence: a word that no JSON begins with shows it."""
    from chatport_local._grammar import output_form

    grammar = output_form(schema, is_bounded=False).grammar
    assert engine.holds_grammar(grammar) == is_held
    assert engine.accepts_schema(schema)
    assert not engine.accepts_schema({"type": "object", "properties": {"a": {"$ref": "#/$defs/nowhere"}}})


@pytest.mark.anyio
async def test_a_conversation_that_is_too_long(backend: LocalBackend) -> None:
    """It is refused with both figures, before anything is read; its tokens can be counted all the same."""
    with pytest.raises(ContextWindowError, match=r"has \d+ tokens, and 4096 fit"):
        await Session(backend, MODEL).ask(LONG * 2)
    counted = await backend.count_tokens(request(LONG * 2))
    assert counted > 4096
    assert 10 < await backend.count_tokens(request("Say hello.")) < 60


# --- leaving ---------------------------------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_an_answer_is_left_while_the_prompt_is_read(backend: LocalBackend, engine: Engine) -> None:
    """The thread ends within a second, and the slot is free."""
    asked = request(LONG[:8000])
    with anyio.move_on_after(0.3):
        async with aclosing(backend.stream(asked)) as events:
            await anext(events)
            pytest.fail("the prompt was read at once")
    assert not [thread for thread in threading.enumerate() if thread.name == "chatport-local"]
    assert engine.slots.load().in_flight == 0


@pytest.mark.anyio
async def test_more_conversations_than_slots(backend: LocalBackend) -> None:
    """Each gets its answer; the event loop goes on meanwhile."""
    texts: list[str] = []
    turns = 0

    async def ask(number: int) -> None:
        texts.append((await Session(backend, MODEL, settings=SHORT).ask(f"Say the number {number}.")).text)

    async def count() -> None:
        nonlocal turns
        while True:
            await anyio.sleep(0.005)
            turns += 1

    async with anyio.create_task_group() as group:
        group.start_soon(count)
        async with anyio.create_task_group() as asking:
            for number in range(4):
                asking.start_soon(ask, number)
        group.cancel_scope.cancel()
    assert len(texts) == 4
    assert all(texts)
    assert turns > 10


# --- the engine ------------------------------------------------------------------------------------------------------


def test_what_a_callback_raises_is_raised(engine: Engine) -> None:
    """The engine swallows it: it must not pass for the end of an answer."""

    def fail(_: object) -> bool:
        raise LookupError("of this test")

    with pytest.raises(LookupError, match="of this test"):
        engine.complete({"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 3}, fail)


def test_errors_of_the_engine_come_in_two_ways(engine: Engine) -> None:
    """As a chunk and as an exception; both are raised."""
    with pytest.raises(EngineError) as chunk:
        engine.complete({"messages": [{"role": "user", "content": "Hi"}], "temperature": "hot"}, lambda _: False)
    assert chunk.value.kind == "invalid_request_error"
    picture = [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]
    with pytest.raises(EngineError) as raised:
        engine.complete({"messages": [{"role": "user", "content": picture}]}, lambda _: False)
    assert raised.value.kind == "RuntimeError"


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="no sockets of the file system here")
def test_nobody_else_can_ask_the_engine(engine: Engine) -> None:
    """It listens on a socket whose name is gone, and on no port."""
    address = engine._server.listening_address
    assert address.startswith("unix://")
    assert not Path(address.removeprefix("unix://")).parent.exists()
    inodes = set(re.findall(r"socket:\[(\d+)\]", " ".join(_links())))
    listening = [
        row.split() for name in ("tcp", "tcp6") for row in Path(f"/proc/net/{name}").read_text().splitlines()[1:]
    ]
    assert not [row for row in listening if row[3] == "0A" and row[9] in inodes]


def _links() -> Iterator[str]:
    for link in Path("/proc/self/fd").iterdir():
        try:
            yield str(link.readlink())
        except FileNotFoundError:  # that of the listing itself
            continue


def test_models_are_loaded_once_and_can_be_forgotten(engine: Engine, tmp_path: Path) -> None:
    """A file that is no model, or not the right one, is refused; what nobody uses is unloaded on demand."""
    assert ENGINES.get(engine.settings) is engine
    weights = find_weights()
    assert weights is not None
    settings = EngineSettings.of(ModelFiles("other", weights), LocalOptions(context_size=256, slots=1))
    assert ENGINES.get(settings) is not engine
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF" + bytes(100))
    with pytest.raises(ConfigurationError, match="cannot load"):
        ENGINES.get(EngineSettings.of(ModelFiles("broken", broken), LocalOptions()))
    with pytest.raises(ConfigurationError, match="damaged or something else"):
        ENGINES.get(EngineSettings.of(ModelFiles("broken", broken, sha256=WEIGHTS_SHA256), LocalOptions()))
    assert unload_models() == 2
    assert ENGINES.loaded() == ()


@pytest.mark.anyio
async def test_an_engine_that_refuses(backend: LocalBackend) -> None:
    """What `extra` says goes to the engine, which may not like it."""
    with pytest.raises(BackendError, match="the engine refuses the request"):
        await Session(backend, MODEL, settings=Settings(extra={"local": {"top_p": "high"}})).ask("Hi")


@pytest.mark.anyio
async def test_a_history_with_calls_is_told(backend: LocalBackend) -> None:
    """Calls and results stand in the prompt in words."""
    history = (
        Message.user("Weather?"),
        Message.assistant(ToolCall("1", "get_weather", {"location": "Oslo"})),
        Message("tool", (ToolResult("1", "Rain."),)),
    )
    translated = await backend._translate(ChatRequest(MODEL, history, system=(Text("Be brief."),)))
    assert [message["role"] for message in translated.body["messages"]] == ["system", "user", "assistant", "user"]
    assert translated.body["messages"][3]["content"] == "Result of get_weather:\nRain."


# --- behind the Bedrock wire -----------------------------------------------------------------------------------------


def test_boto3_talks_to_the_model(backend: LocalBackend) -> None:
    """Unmodified: words, a stream, a forced call and an answer that fits a schema, all from SmolLM2."""
    boto3 = pytest.importorskip("boto3")
    from chatport_bedrock.emulator import Emulator

    hello: Any = [{"role": "user", "content": [{"text": "What is the weather in Oslo?"}]}]
    spec = {"name": WEATHER.name, "description": WEATHER.description, "inputSchema": {"json": WEATHER.schema}}
    forced = {"tools": [{"toolSpec": spec}], "toolChoice": {"any": {}}}
    structure = {
        "jsonSchema": {"name": "place", "schema": json.dumps({**PLACE_BY_NAME, "additionalProperties": False})}
    }
    with Emulator(backend=backend, model=MODEL) as emulator:
        client = boto3.client(
            "bedrock-runtime",
            endpoint_url=emulator.url,
            region_name="us-east-1",
            aws_access_key_id="any",
            aws_secret_access_key="any",
        )
        request = {"modelId": CLAUDE, "messages": hello, "inferenceConfig": {"maxTokens": 60, "temperature": 0}}
        try:
            whole = client.converse(**request)
            with closing(client.converse_stream(**request)["stream"]) as stream:
                deltas = [event["contentBlockDelta"]["delta"] for event in stream if "contentBlockDelta" in event]
            called = client.converse(**request, toolConfig=forced)
            text_format = {"type": "json_schema", "structure": structure}
            fitted = client.converse(**request, outputConfig={"textFormat": text_format})
        finally:
            client.close()
    (said,) = whole["output"]["message"]["content"]
    assert said["text"]
    assert whole["usage"]["outputTokens"] > 0
    assert len(deltas) > 3
    assert "".join(delta["text"] for delta in deltas) == said["text"]
    (use,) = called["output"]["message"]["content"]
    assert use["toolUse"]["name"] == "get_weather"
    assert "Oslo" in use["toolUse"]["input"]["location"]
    assert called["stopReason"] == "tool_use"
    assert list(json.loads(fitted["output"]["message"]["content"][0]["text"])) == ["city"]
