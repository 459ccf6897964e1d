"""Another backend in the place of the emulator's brain: unmodified clients talk to it over the Bedrock wire."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import closing, contextmanager
from typing import Any

import boto3
import botocore.config
import botocore.exceptions
import pytest

import chatport
from chatport import (
    BackendError,
    ContextWindowError,
    Image,
    Json,
    Message,
    ModelNotFoundError,
    RateLimitError,
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
    UnsupportedError,
)
from chatport.backend import Adjustment, BackendEvent, ChatRequest, MessageEnd, MessageStart, TextDelta, Usage
from chatport.cli._picture import draw_picture
from chatport.testing import ScriptedBackend
from chatport_bedrock.backend import BedrockBackend
from chatport_bedrock.emulator import Answer, Emulator

MODEL = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
SCHEMA = {"type": "object", "properties": {"location": {"type": "string"}}, "required": ["location"]}
TOOLS = {"tools": [{"toolSpec": {"name": "get_weather", "description": "Weather.", "inputSchema": {"json": SCHEMA}}}]}
HELLO = [{"role": "user", "content": [{"text": "Hello!"}]}]
CALL = ToolCall("call_1", "get_weather", {"location": "Oslo"})


@contextmanager
def client_of(emulator: Emulator) -> Generator[Any]:
    """boto3 as it comes, with keys that are made up."""
    client = boto3.client(
        "bedrock-runtime",
        endpoint_url=emulator.url,
        region_name="us-east-1",
        aws_access_key_id="any",
        aws_secret_access_key="any",
        config=botocore.config.Config(retries={"total_max_attempts": 1}),
    )
    try:
        yield client
    finally:
        client.close()


@contextmanager
def guest(*script: Any, model: str = "guest-model") -> Generator[tuple[ScriptedBackend, Any]]:
    """A scripted backend behind an emulator, and boto3 in front of it."""
    backend = ScriptedBackend(*script)
    with Emulator(backend=backend, model=model) as emulator, client_of(emulator) as client:
        yield backend, client


def events_of(client: Any, **members: Any) -> list[dict[str, Any]]:
    """The events of a ConverseStream."""
    with closing(client.converse_stream(modelId=MODEL, **{"messages": HELLO, **members})["stream"]) as stream:
        return list(stream)


def test_converse_is_answered_by_the_backend() -> None:
    """What boto3 asks reaches it in neutral words, and its answer goes back on the wire, with its cost."""
    with guest("Good evening.") as (backend, client):
        answer = client.converse(
            modelId=MODEL,
            messages=HELLO,
            system=[{"text": "Be brief."}],
            inferenceConfig={"maxTokens": 20, "temperature": 0.5, "topP": 0.5, "stopSequences": ["END"]},
        )
    assert answer["output"]["message"] == {"role": "assistant", "content": [{"text": "Good evening."}]}
    assert answer["stopReason"] == "end_turn"
    usage = answer["usage"]
    assert usage["inputTokens"] + usage["outputTokens"] == usage["totalTokens"] > 0
    (request,) = backend.requests
    assert (request.model, request.streaming) == ("guest-model", False)
    assert request.messages == (Message.user("Hello!"),)
    assert request.system == (Text("Be brief."),)
    settings = request.settings
    assert (settings.max_tokens, settings.temperature, settings.top_p) == (20, 0.5, 0.5)
    assert settings.stop_sequences == ("END",)


def test_a_stream_comes_in_its_pieces() -> None:
    """Frame for event, blocks started and stopped, and calls with their arguments."""
    with guest([Reasoning("Hm.", "c2ln"), "Let me look.", CALL]) as (backend, client):
        events = events_of(client, toolConfig=TOOLS)
    assert [next(iter(event)) for event in events if "contentBlockDelta" not in event] == [
        *("messageStart", "contentBlockStop", "contentBlockStop", "contentBlockStart", "contentBlockStop"),
        *("messageStop", "metadata"),
    ]
    deltas = [event["contentBlockDelta"] for event in events if "contentBlockDelta" in event]
    assert "".join(delta["delta"]["text"] for delta in deltas if "text" in delta["delta"]) == "Let me look."
    assert "".join(delta["delta"]["toolUse"]["input"] for delta in deltas if "toolUse" in delta["delta"]) == (
        '{"location": "Oslo"}'
    )
    assert events[-2]["messageStop"]["stopReason"] == "tool_use"
    (request,) = backend.requests
    assert request.streaming
    assert [(tool.name, tool.schema) for tool in request.tools] == [("get_weather", SCHEMA)]


def test_everything_in_a_request_gets_a_neutral_word() -> None:
    """Media, calls, results, thoughts and the choice of a tool."""
    png = draw_picture()
    messages = [
        {
            "role": "user",
            "content": [
                {"image": {"format": "png", "source": {"bytes": png}}},
                {"document": {"format": "txt", "name": "notes", "source": {"bytes": b"Some notes."}}},
                {"text": "Look."},
            ],
        },
        {
            "role": "assistant",
            "content": [
                {"text": "I look."},
                {"toolUse": {"toolUseId": "call_1", "name": "get_weather", "input": {"location": "Oslo"}}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"toolResult": {"toolUseId": "call_1", "content": [{"json": {"a": 1}}], "status": "error"}},
                {"text": "And now?"},
            ],
        },
    ]
    with guest(CALL) as (backend, client):
        client.converse(
            modelId=MODEL, messages=messages, toolConfig={**TOOLS, "toolChoice": {"tool": {"name": "get_weather"}}}
        )
    (request,) = backend.requests
    assert request.tool_choice == "get_weather"
    first, second, third, fourth = request.messages
    image, document, text = first.parts
    assert isinstance(image, Image)
    assert (image.media_type, image.data, text) == ("image/png", png, Text("Look."))
    assert getattr(document, "name", None) == "notes"
    assert second.parts == (Text("I look."), CALL)
    assert third == Message("tool", (ToolResult("call_1", [Json({"a": 1})], is_error=True),))
    assert fourth == Message.user("And now?")


def test_an_answer_that_fits_a_schema() -> None:
    """The schema of the request is the backend's to hold."""
    structure = {
        "jsonSchema": {
            "name": "place",
            "schema": '{"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": false}',
        }
    }
    with guest('{"a": "b"}') as (backend, client):
        answer = client.converse(
            modelId=MODEL,
            messages=HELLO,
            outputConfig={"textFormat": {"type": "json_schema", "structure": structure}},
        )
    assert answer["output"]["message"]["content"] == [{"text": '{"a": "b"}'}]
    assert backend.requests[0].output_schema == {
        "type": "object",
        "properties": {"a": {"type": "string"}},
        "additionalProperties": False,
    }


def test_rules_and_the_script_come_first() -> None:
    """A request that the service refuses never reaches the backend; what is enqueued is answered before it."""
    backend = ScriptedBackend("from the backend")
    with Emulator(backend=backend, model="m") as emulator, client_of(emulator) as client:
        orphan = {"toolResult": {"toolUseId": "call_1", "content": [{"text": "Rain."}]}}
        with pytest.raises(botocore.exceptions.ClientError, match="ValidationException"):
            client.converse(modelId=MODEL, messages=[{"role": "user", "content": [orphan]}], toolConfig=TOOLS)
        body = {"output": {"message": {"role": "assistant", "content": [{"text": "from the script"}]}}}
        figures = {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2}
        emulator.enqueue(Answer(body={**body, "stopReason": "end_turn", "usage": figures, "metrics": {"latencyMs": 1}}))
        texts = [
            client.converse(modelId=MODEL, messages=HELLO)["output"]["message"]["content"][0]["text"] for _ in range(2)
        ]
    assert texts == ["from the script", "from the backend"]
    assert len(backend.requests) == 1


@pytest.mark.parametrize(
    ("error", "code", "status"),
    [
        (UnsupportedError("no eyes"), "ValidationException", 400),
        (ContextWindowError("too long"), "ValidationException", 400),
        (RateLimitError("slowly"), "ThrottlingException", 429),
        (ModelNotFoundError("who?"), "ResourceNotFoundException", 404),
        (BackendError("broken"), "ModelErrorException", 424),
        (chatport.ConfigurationError("no weights"), "InternalServerException", 500),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_a_backend_that_fails(error: Exception, code: str, status: int) -> None:
    """Its error is one of the service's, streamed or not."""
    calls: Sequence[Callable[[Any], Any]] = (
        lambda client: client.converse(modelId=MODEL, messages=HELLO),
        lambda client: client.converse_stream(modelId=MODEL, messages=HELLO),
    )
    for call in calls:
        with guest(error) as (_, client), pytest.raises(botocore.exceptions.ClientError) as raised:
            call(client)
        response: Any = raised.value.response
        assert response["Error"]["Code"] == code
        assert response["ResponseMetadata"]["HTTPStatusCode"] == status


class Saying:
    """A backend that yields what it is given, and raises what is an error."""

    name = "saying"

    def __init__(self, *events: Any) -> None:
        self._events = events

    async def stream(self, request: ChatRequest) -> AsyncGenerator[BackendEvent, None]:
        for event in self._events:
            if isinstance(event, Exception):
                raise event
            yield event

    async def aclose(self) -> None:
        """Nothing is open."""


def test_an_error_in_the_middle_ends_the_stream() -> None:
    """As an exception frame, behind what came before."""
    backend = Saying(MessageStart("m"), TextDelta(0, "One, "), RateLimitError("slowly"))
    with Emulator(backend=backend, model="m") as emulator, client_of(emulator) as client:
        heard: list[str] = []
        with (
            pytest.raises(botocore.exceptions.EventStreamError, match="throttlingException"),
            closing(client.converse_stream(modelId=MODEL, messages=HELLO)["stream"]) as stream,
        ):
            heard.extend(next(iter(event)) for event in stream)
    assert heard == ["messageStart", "contentBlockDelta"]


def test_what_was_adjusted_is_told_and_parts_by_turns_are_refused() -> None:
    """Adjustments stand among the model's own fields; what this wire cannot say is an error and not a mess."""
    told = Adjustment("dropped", "cache-ttl-dropped", "settings.cache", "no cache here")
    ended = MessageEnd("other", "stranger", Usage(5, 2))
    adjusted = Saying(MessageStart("m", adjustments=(told,)), TextDelta(0, "Hi"), ended)
    with Emulator(backend=adjusted, model="m") as emulator, client_of(emulator) as client:
        answer = client.converse(modelId=MODEL, messages=HELLO)
    assert answer["usage"] == {"inputTokens": 5, "outputTokens": 2, "totalTokens": 7}
    fields = answer["additionalModelResponseFields"]["chatport"]["adjustments"]
    assert fields == [{"kind": "dropped", "code": "cache-ttl-dropped", "path": "settings.cache"}]
    turns = Saying(MessageStart("m"), TextDelta(0, "a"), TextDelta(1, "b"), TextDelta(0, "c"), ended)
    with (
        Emulator(backend=turns, model="m") as emulator,
        client_of(emulator) as client,
        pytest.raises(botocore.exceptions.EventStreamError, match="parts that come by turns"),
    ):
        events_of(client)


def test_a_model_without_a_backend_is_refused() -> None:
    """It would be asked of nobody."""
    with pytest.raises(ValueError, match="say which one"):
        Emulator(model="m")


@pytest.mark.anyio
async def test_our_own_backend_in_front_of_it() -> None:
    """Our own client over the Bedrock wire, to another backend of chatport behind it."""
    with Emulator(backend=ScriptedBackend("Through two doors."), model="m", api_key="made-up") as emulator:
        backend = BedrockBackend(endpoint_url=emulator.url, region="us-east-1", api_key="made-up")
        async with chatport.Session(backend, MODEL) as session:
            assert (await session.ask("Who is there?")).text == "Through two doors."
        await backend.aclose()
