"""Unmodified boto3 converses with the emulator: it is the judge of the wire here, as it reads what AWS sends."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import boto3
import pytest
from bedrock_support.emulation import (
    CLAUDE,
    NOVA,
    TOOLS,
    assistant,
    png,
    tool_result,
    user,
)
from botocore.config import Config
from botocore.eventstream import ChecksumMismatch
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    EventStreamError,
    ReadTimeoutError,
)
from urllib3.exceptions import ProtocolError

from chatport_bedrock.emulator import (
    Answer,
    BadChecksum,
    Credentials,
    Cut,
    Emulator,
    Hold,
    HttpError,
    StreamException,
)

THINKING = {"thinking": {"type": "enabled", "budget_tokens": 1024}}


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    """An emulator that knows the client's keys, and verifies its signatures."""
    with Emulator(credentials=Credentials("AKIDEXAMPLE", "not-a-secret")) as running:
        yield running


@pytest.fixture
def client(emulator: Emulator) -> Iterator[Any]:
    """A client as every user makes one, pointed at the emulator; it does not repeat what failed."""
    with closing(make_client(emulator)) as made:
        yield made


def make_client(emulator: Emulator, **settings: Any) -> Any:
    """A client with a key of its own, and nothing from the environment."""
    return boto3.client(
        "bedrock-runtime",
        region_name="us-east-1",
        endpoint_url=emulator.url,
        aws_access_key_id="AKIDEXAMPLE",
        aws_secret_access_key="not-a-secret",
        config=Config(retries={"total_max_attempts": 1}, **settings),
    )


def text_of(response: dict[str, Any]) -> str:
    """The words of an answer."""
    return "".join(block.get("text", "") for block in response["output"]["message"]["content"])


def read_stream(response: dict[str, Any]) -> tuple[list[dict[str, Any]], dict[str, Any], str]:
    """The blocks, the metadata and the stop reason of a stream, put together from botocore's events."""
    blocks: list[dict[str, Any]] = []
    metadata: dict[str, Any] = {}
    reason = ""
    for event in response["stream"]:
        ((name, payload),) = event.items()
        match name:
            case "contentBlockStart":
                blocks.append({"toolUse": {**payload["start"]["toolUse"], "input": ""}})
            case "contentBlockDelta":
                if payload["contentBlockIndex"] == len(blocks):
                    blocks.append({})
                _add(blocks[payload["contentBlockIndex"]], payload["delta"])
            case "messageStop":
                reason = payload["stopReason"]
            case "metadata":
                metadata = payload
            case _:
                assert name in {"messageStart", "contentBlockStop"}
    return blocks, metadata, reason


def _add(block: dict[str, Any], delta: dict[str, Any]) -> None:
    if "text" in delta:
        block["text"] = block.get("text", "") + delta["text"]
    elif "toolUse" in delta:
        block["toolUse"]["input"] += delta["toolUse"]["input"]
    else:
        for key, value in delta["reasoningContent"].items():
            block[key] = block.get(key, "") + value


# --- answers ---------------------------------------------------------------------------------------------------------


def test_unary(client: Any, emulator: Emulator) -> None:
    """An answer is parsed: role, text, reason, usage, latency, request id; and the request arrived as it was meant."""
    response = client.converse(
        modelId=NOVA,
        messages=[user("Which way?")],
        system=[{"text": "Be kind."}],
        inferenceConfig={"maxTokens": 200, "temperature": 0},
    )
    assert response["output"]["message"]["role"] == "assistant"
    assert "“Which way?”" in text_of(response)
    assert response["stopReason"] == "end_turn"
    usage = response["usage"]
    assert usage["totalTokens"] == usage["inputTokens"] + usage["outputTokens"]
    assert response["metrics"]["latencyMs"] >= 1
    assert len(response["ResponseMetadata"]["RequestId"]) == 36
    (request,) = emulator.requests
    assert (request.operation, request.model) == ("Converse", NOVA)
    assert request.body["inferenceConfig"] == {"maxTokens": 200, "temperature": 0}


def test_stream(client: Any) -> None:
    """A stream is parsed, in many pieces, with usage in its last event; it says what Converse says."""
    request = {"modelId": NOVA, "messages": [user("Tell me a story.")]}
    response = client.converse_stream(**request)
    blocks, metadata, reason = read_stream(response)
    unary = client.converse(**request)
    assert blocks == unary["output"]["message"]["content"]
    assert reason == "end_turn"
    assert metadata["usage"] == unary["usage"]
    assert response["ResponseMetadata"]["HTTPHeaders"]["content-type"] == "application/vnd.amazon.eventstream"


def test_image_and_document(client: Any) -> None:
    """Bytes travel as base64 and are recognised."""
    content = [
        {"text": "What is this?"},
        {"image": {"format": "png", "source": {"bytes": png(40, 30)}}},
        {"document": {"name": "notes", "format": "md", "source": {"bytes": b"# Notes about everything"}}},
    ]
    text = text_of(client.converse(modelId=NOVA, messages=[{"role": "user", "content": content}]))
    assert "PNG of 40 x 30 pixels" in text
    assert "“notes” is MD, 24 bytes, and begins: “# Notes about everything”" in text


def test_tool_round_trip(client: Any) -> None:
    """Two calls at once, sent back as they came with their results, are answered with what the tools said."""
    messages = [user("How is the weather in Paris and Rome?")]
    first = client.converse(modelId=NOVA, messages=messages, toolConfig=TOOLS)
    assert first["stopReason"] == "tool_use"
    uses = [block["toolUse"] for block in first["output"]["message"]["content"] if "toolUse" in block]
    assert [use["input"] for use in uses] == [{"location": "Paris"}, {"location": "Rome"}]
    results = [tool_result(use["toolUseId"], {"json": {"celsius": 20 + n}}) for n, use in enumerate(uses)]
    second = client.converse(
        modelId=NOVA, messages=[*messages, first["output"]["message"], user(*results)], toolConfig=TOOLS
    )
    assert second["stopReason"] == "end_turn"
    assert "get_weather(Rome) says: celsius 21." in text_of(second)


def test_tool_call_in_a_stream(client: Any) -> None:
    """The call's id, name and input come out of start and deltas."""
    messages = [user("How is the weather in Paris?")]
    blocks, _, reason = read_stream(client.converse_stream(modelId=CLAUDE, messages=messages, toolConfig=TOOLS))
    assert reason == "tool_use"
    use = blocks[1]["toolUse"]
    assert (use["name"], use["input"]) == ("get_weather", '{"location": "Paris"}')
    assert use["toolUseId"].startswith("tooluse_")


def test_reasoning(client: Any) -> None:
    """Reasoning is parsed in both forms, and accepted when it comes back; forged reasoning is not."""
    request = {"modelId": CLAUDE, "additionalModelRequestFields": THINKING}
    first = client.converse(messages=[user("Well?")], **request)["output"]["message"]
    reasoning = first["content"][0]["reasoningContent"]["reasoningText"]
    blocks, _, _ = read_stream(client.converse_stream(messages=[user("Well?")], **request))
    assert blocks[0] == reasoning
    history = [user("Well?"), first, user("And now?")]
    assert text_of(client.converse(messages=history, **request))
    forged = assistant({"reasoningContent": {"reasoningText": {**reasoning, "text": "Something else"}}}, "Hm.")
    with pytest.raises(client.exceptions.ValidationException, match="Invalid `signature` in `thinking` block"):
        client.converse(messages=[user("Well?"), forged, user("And now?")], **request)


def test_arns_find_their_way(client: Any, emulator: Emulator) -> None:
    """Botocore encodes the slash of an ARN; the emulator sees the id as it was given."""
    arn = "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.amazon.nova-lite-v1:0"
    client.converse(modelId=arn, messages=[user("Hello!")])
    assert "%2F" in emulator.requests[0].path
    assert emulator.requests[0].model == arn


# --- errors ----------------------------------------------------------------------------------------------------------


def test_a_refused_request(client: Any) -> None:
    """The modelled exception, with status, code, message and request id; for a stream too, before it begins."""
    for operation in (client.converse, client.converse_stream):
        with pytest.raises(client.exceptions.ValidationException) as caught:
            operation(modelId=NOVA, messages=[user(" ")])
        assert caught.value.response["Error"]["Code"] == "ValidationException"
        assert "messages.0.content.0 is blank" in caught.value.response["Error"]["Message"]
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
        assert len(caught.value.response["ResponseMetadata"]["RequestId"]) == 36


@pytest.mark.parametrize(
    ("status", "code", "modelled"),
    [
        (429, "ThrottlingException", True),
        (503, "ServiceUnavailableException", True),
        (404, "ResourceNotFoundException", True),
        (424, "ModelErrorException", True),
        (403, "ExpiredTokenException", False),
    ],
)
def test_a_scripted_error(client: Any, emulator: Emulator, status: int, code: str, modelled: bool) -> None:
    """Status, code and headers arrive, and the class is the one that botocore has for the code."""
    emulator.enqueue(HttpError(status, code, "Not now.", {"retry-after": "3"}))
    with pytest.raises(ClientError, match="Not now") as caught:
        client.converse(modelId=NOVA, messages=[user("Hello!")])
    assert caught.value.response["Error"]["Code"] == code
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
    assert caught.value.response["ResponseMetadata"]["HTTPHeaders"]["retry-after"] == "3"
    assert (type(caught.value) is not ClientError) is modelled


def test_wrong_keys(emulator: Emulator) -> None:
    """A client with keys that the emulator does not know gets the service's answer to that."""
    with (
        Emulator(credentials=Credentials("SOMEBODYELSE", "not-a-secret")) as other,
        closing(make_client(other)) as client,
    ):
        with pytest.raises(ClientError) as caught:
            client.converse(modelId=NOVA, messages=[user("Hello!")])
        assert caught.value.response["Error"]["Code"] == "UnrecognizedClientException"
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_a_bearer_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a key in the environment botocore sends it, and the emulator takes exactly the right one."""
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", "right")
    with Emulator(api_key="right") as right, Emulator(api_key="wrong") as wrong:
        with closing(make_client(right)) as client:
            assert text_of(client.converse(modelId=NOVA, messages=[user("Hello!")]))
        assert right.requests[0].headers["authorization"] == "Bearer right"
        with closing(make_client(wrong)) as client, pytest.raises(ClientError, match="API Key is valid"):
            client.converse(modelId=NOVA, messages=[user("Hello!")])


@pytest.mark.parametrize("modelled", [True, False])
def test_an_error_in_the_middle_of_a_stream(client: Any, emulator: Emulator, modelled: bool) -> None:
    """The events before it arrive, then botocore raises what it raises for a stream of the real service."""
    emulator.enqueue(Answer(fault=StreamException(3, "throttlingException", "Too many tokens.", modelled=modelled)))
    response = client.converse_stream(modelId=NOVA, messages=[user("Tell me a story.")])
    with closing(response["stream"]) as stream:
        events = iter(stream)
        assert [next(iter(next(events))) for _ in range(3)] == [
            "messageStart",
            "contentBlockDelta",
            "contentBlockDelta",
        ]
        with pytest.raises(EventStreamError, match="Too many tokens") as caught:
            next(events)
    assert caught.value.response["Error"]["Code"] == "throttlingException"


def test_a_bad_image_in_a_stream(client: Any) -> None:
    """Recorded of Nova: the stream begins, and its first frame is the refusal."""
    content = [{"image": {"format": "png", "source": {"bytes": b"no image"}}}]
    response = client.converse_stream(modelId=NOVA, messages=[{"role": "user", "content": content}])
    with closing(response["stream"]) as stream, pytest.raises(EventStreamError) as caught:
        next(iter(stream))
    assert caught.value.response["Error"]["Code"] == "validationException"


def test_a_damaged_frame(client: Any, emulator: Emulator) -> None:
    """Botocore finds the wrong checksum."""
    emulator.enqueue(Answer(fault=BadChecksum(2)))
    response = client.converse_stream(modelId=NOVA, messages=[user("Tell me a story.")])
    with closing(response["stream"]) as stream, pytest.raises(ChecksumMismatch):
        list(stream)


def test_a_connection_that_breaks(client: Any, emulator: Emulator) -> None:
    """Closed before the answer it is botocore's error; reset in the middle of a stream, that of the layer below."""
    emulator.enqueue(Answer(fault=Cut(how="close")), Answer(fault=Cut(how="abort", after_events=3)))
    with pytest.raises(ConnectionClosedError):
        client.converse(modelId=NOVA, messages=[user("Hello!")])
    response = client.converse_stream(modelId=NOVA, messages=[user("Tell me a story.")])
    with closing(response["stream"]) as stream, pytest.raises(ProtocolError, match="reset"):
        list(stream)


def test_a_client_that_does_not_wait(emulator: Emulator) -> None:
    """A read timeout closes the connection, and the emulator notices."""
    emulator.enqueue(Answer(hold=Hold()))
    with closing(make_client(emulator, read_timeout=0.1)) as client, pytest.raises(ReadTimeoutError):
        client.converse(modelId=NOVA, messages=[user("Hello!")])
    emulator.wait_for_disconnects()
    assert emulator.disconnects[0].parts_sent == 0


def test_a_stream_that_is_left(client: Any, emulator: Emulator) -> None:
    """Closing a stream early closes the connection, and the emulator notices, with what it had sent."""
    emulator.enqueue(Answer(hold=Hold(after_events=5)))
    response = client.converse_stream(modelId=NOVA, messages=[user("Tell me a story.")])
    with closing(response["stream"]) as stream:
        assert next(iter(stream)) == {"messageStart": {"role": "assistant"}}
        emulator.wait_for_holds()
    emulator.wait_for_disconnects()
    assert emulator.disconnects[0].parts_sent == 5


def test_two_clients_at_once(emulator: Emulator) -> None:
    """While one answer is held, another is given: each connection has its own."""
    emulator.enqueue(Answer(hold=Hold(after_events=1)))
    with closing(make_client(emulator)) as one, closing(make_client(emulator)) as other:
        held = one.converse_stream(modelId=NOVA, messages=[user("Tell me a story.")])
        emulator.wait_for_holds()
        assert text_of(other.converse(modelId=NOVA, messages=[user("Hello!")]))
        emulator.release()
        assert read_stream(held)[2] == "end_turn"
