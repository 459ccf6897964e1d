"""Recorded answers of the service come out as the recording says, read a second time by code that shares nothing.

What is expected is read from the raw JSON, and from the frames as botocore's own buffer cuts them; both are compared as
plain tuples, so that nothing of the decoder stands on both sides.
"""

import base64
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
from bedrock_support.stream_frames import frame
from botocore.eventstream import EventStreamBuffer

from chatport.backend import (
    AuthenticationError,
    BackendError,
    BackendEvent,
    ChatRequest,
    ContextWindowError,
    Fold,
    InvalidRequestError,
    Message,
    MessageEnd,
    ModelNotFoundError,
    Part,
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
)
from chatport_bedrock._body import plain_body
from chatport_bedrock._decode import StreamDecoder, decode_response
from chatport_bedrock._errors import error_from_response
from chatport_bedrock._frames import FrameReader
from chatport_bedrock._models import capabilities
from chatport_bedrock._translate import translate

RECORDINGS = Path(__file__).resolve().parents[4] / "shared" / "recordings"

needs_recordings = pytest.mark.skipif(not RECORDINGS.is_dir(), reason="the recordings are not beside the repository")

# How many exchanges of which kind there are: a recording that is passed over by mistake makes a figure wrong.
COUNTS = {
    "answer": 279,
    "stream": 59,
    "error over HTTP": 15,
    "error in a stream": 1,
    "events only": 1,
}
# What comes out otherwise than a plain reading of the recording says, how often, and why.
DIFFERENCES = {
    # Services of newer models send it with each call, and mean what no type means.
    "toolUse.type 'tool_use' is not kept": 44,
    # A block of nothing but an empty piece of text is no part: sent back, it would be refused.
    "an empty block is no part": 1,
}
OTHER_OPERATIONS = {"count-tokens": "not an operation of a conversation"}


@dataclass(frozen=True)
class Exchange:
    """One recorded exchange."""

    name: str
    operation: str
    model: str
    status: int
    headers: dict[str, str]
    body: bytes | None


def exchanges() -> Iterator[Exchange]:
    """Every recorded exchange of a conversation."""
    for path in sorted(RECORDINGS.glob("*.json")):
        for number, recorded in enumerate(json.loads(path.read_text(encoding="utf-8"))["exchanges"]):
            if recorded["operation"] in OTHER_OPERATIONS:
                continue
            response = recorded["response"]
            body = response.get("body_json")
            raw = json.dumps(body).encode() if body is not None else None
            if "body_base64" in response:
                raw = base64.b64decode(response["body_base64"])
            yield Exchange(
                f"{path.stem}[{number}]",
                recorded["operation"],
                recorded["model"],
                response["status"],
                response["headers"],
                raw,
            )


# --- the second reading ----------------------------------------------------------------------------------------------


def events_of(data: bytes) -> list[tuple[str, str, Any]]:
    """The frames of a stream as botocore cuts them: message type, name, parsed payload."""
    buffer = EventStreamBuffer()
    buffer.add_data(data)
    found = []
    for message in buffer:
        headers = message.headers
        name = headers.get(":event-type") or headers.get(":exception-type")
        found.append((headers[":message-type"], name, json.loads(message.payload)))
    return found


def assembled(events: Iterable[tuple[str, str, Any]]) -> dict[str, Any]:
    """A stream as the whole answer that Converse would have given."""
    blocks: dict[int, dict[str, Any]] = {}
    answer: dict[str, Any] = {}
    for _, name, payload in events:
        index = payload.get("contentBlockIndex")
        if name == "contentBlockStart":
            blocks[index] = json.loads(json.dumps(payload["start"]))
            if "toolUse" in blocks[index]:
                blocks[index]["toolUse"]["input"] = ""
        elif name == "contentBlockDelta":
            add(blocks.setdefault(index, {}), payload["delta"])
        elif name in {"messageStop", "metadata"}:
            answer |= {key: value for key, value in payload.items() if key != "p"}
    for block in blocks.values():
        if "toolUse" in block:
            block["toolUse"]["input"] = json.loads(block["toolUse"]["input"] or "{}")
    return {**answer, "output": {"message": {"content": [blocks[index] for index in sorted(blocks)]}}}


def add(block: dict[str, Any], delta: dict[str, Any]) -> None:
    """One delta added to the block it belongs to."""
    ((kind, value),) = delta.items()
    match kind:
        case "text" if "citationsContent" in block:
            block["citationsContent"].setdefault("content", [{"text": ""}])[0]["text"] += value
        case "text":
            block["text"] = block.get("text", "") + value
        case "toolUse":
            block["toolUse"]["input"] += value["input"]
        case "toolResult":
            block["toolResult"].setdefault("content", []).extend(value)
        case "citation":
            block.setdefault("citationsContent", {"citations": []})["citations"].append(value)
        case "reasoningContent" if "redactedContent" in value:
            block["reasoningContent"] = value
        case "reasoningContent":
            words = block.setdefault("reasoningContent", {"reasoningText": {"text": ""}})["reasoningText"]
            words["text"] += value.get("text", "")
            words |= {name: item for name, item in value.items() if name == "signature"}
        case _:
            raise AssertionError(f"the recordings have a delta that this reading does not know: {kind}")


def expected_parts(answer: dict[str, Any], differences: Counter[str]) -> list[tuple[Any, ...]]:
    """The content of an answer as plain tuples; what comes out differently is counted."""
    found: list[tuple[Any, ...]] = []
    for block in answer["output"]["message"]["content"]:
        ((kind, value),) = block.items()
        match kind:
            case "text" if not value:
                differences["an empty block is no part"] += 1
            case "text":
                found.append(("text", value, []))
            case "citationsContent":
                found.append(("text", "".join(item["text"] for item in value.get("content", [])), value["citations"]))
            case "reasoningContent" if "redactedContent" in value:
                found.append(("reasoning", "", None, base64.b64decode(value["redactedContent"])))
            case "reasoningContent":
                words = value["reasoningText"]
                found.append(("reasoning", words["text"], words.get("signature"), None))
            case "toolUse":
                differences["toolUse.type 'tool_use' is not kept"] += value.get("type") == "tool_use"
                server = value.get("type") == "server_tool_use"
                found.append(("call", value["toolUseId"], value["name"], json.dumps(value["input"]), server))
            case "toolResult":
                marks = {name: value[name] for name in ("status", "type") if name in value}
                found.append(("result", value["toolUseId"], [item["text"] for item in value["content"]], marks))
            case _:
                raise AssertionError(f"the recordings have a block that this reading does not know: {kind}")
    return found


def plain(part: Part) -> tuple[Any, ...]:
    """A part as a plain tuple."""
    match part:
        case Text():
            return ("text", part.text, [citation.metadata["bedrock"] for citation in part.citations])
        case Reasoning():
            return ("reasoning", part.text, part.signature, part.redacted)
        case ToolCall():
            assert part.invalid_json is None
            return ("call", part.id, part.name, json.dumps(part.arguments), part.executed_by == "server")
        case ToolResult():
            return (
                "result",
                part.id,
                [item.text for item in part.content if isinstance(item, Text)],
                part.metadata["bedrock"],
            )
        case _:
            raise AssertionError(f"no recording has a {type(part).__name__}")


STOP_REASONS = {
    "end_turn": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "guardrail_intervened": "content_filter",
}


def check(name: str, message: Message, end: MessageEnd, answer: dict[str, Any], differences: Counter[str]) -> None:
    """A decoded answer against the second reading of it."""
    assert [plain(part) for part in message.parts] == expected_parts(answer, differences), name
    assert (end.stop_reason, end.raw_stop_reason) == (STOP_REASONS[answer["stopReason"]], answer["stopReason"]), name
    usage = answer["usage"]
    cached = usage.get("cacheReadInputTokens", 0) + usage.get("cacheWriteInputTokens", 0)
    assert end.usage.input_tokens == usage["inputTokens"] + cached, name
    assert end.usage.output_tokens == usage["outputTokens"], name
    assert end.usage.total_tokens == usage["totalTokens"], name
    assert end.usage.cache_read_tokens == usage.get("cacheReadInputTokens"), name
    assert end.usage.cache_write_tokens == usage.get("cacheWriteInputTokens"), name
    assert end.usage.raw == usage, name
    assert end.usage.complete, name
    assert end.service_seconds == answer["metrics"]["latencyMs"] / 1000, name
    facts = {key: value for key, value in answer.items() if key not in {"output", "stopReason", "usage"}}
    assert end.metadata == {"bedrock": facts}, name


def fold(events: Iterable[BackendEvent]) -> tuple[Message, MessageEnd]:
    """The message of events and its end."""
    folding = Fold(backend="bedrock")
    for event in events:
        folding.feed(event)
    assert folding.end is not None
    return folding.message(), folding.end


def decode_stream(data: bytes, model: str, *, size: int) -> Iterator[BackendEvent]:
    """The events of a stream that arrives in pieces of a size."""
    reader, decoder = FrameReader(), StreamDecoder(model=model, request_id="id-1")
    for position in range(0, len(data), size):
        for one in reader.feed(data[position : position + size]):
            yield from decoder.feed(one)
    reader.finish()
    yield from decoder.finish()


def family(model: str) -> str:
    """The maker of a model, for the ids that the recordings of reasoning have."""
    name = model.rpartition("/")[2]
    return name.removeprefix("us.").removeprefix("global.").partition(".")[0]


# --- the tests -------------------------------------------------------------------------------------------------------


@needs_recordings
def test_every_recorded_exchange() -> None:
    """Text, calls, reasoning, citations, stop reason, usage and facts of every answer; the class of every error."""
    counts: Counter[str] = Counter()
    differences: Counter[str] = Counter()
    for exchange in exchanges():
        kind = kind_of(exchange)
        counts[kind] += 1
        match kind:
            case "error over HTTP":
                check_error(exchange)
            case "error in a stream":
                check_stream_error(exchange)
            case "answer":
                message, end = fold(decode_response(exchange.body or b"", model=exchange.model, request_id=None))
                check(exchange.name, message, end, json.loads(exchange.body or b""), differences)
                check_marks(message, exchange)
            case "stream":
                check_stream(exchange, differences)
            case _:
                pass  # it has a test of its own
    assert counts == COUNTS
    assert differences == DIFFERENCES


def kind_of(exchange: Exchange) -> str:
    """What was recorded, in the words of `COUNTS`."""
    if exchange.body is None:
        return "events only"
    if exchange.status != 200:
        return "error over HTTP"
    if exchange.operation == "converse":
        return "answer"
    return "stream" if all(kind == "event" for kind, _, _ in events_of(exchange.body)) else "error in a stream"


def check_error(exchange: Exchange) -> None:
    """A refusal has the class that a person would choose, and all that the recording kept of its headers."""
    error = error_from_response(exchange.status, exchange.headers, exchange.body or b"", model=exchange.model)
    assert type(error) is expected_error(exchange.status, json.loads(exchange.body or b"")), exchange.name
    assert error.request_id == exchange.headers.get("x-amzn-requestid"), exchange.name
    assert error.code == (exchange.headers.get("x-amzn-errortype", "").partition(":")[0] or None), exchange.name
    assert not error.retryable, exchange.name


def check_stream(exchange: Exchange, differences: Counter[str]) -> None:
    """A stream says the same however its bytes are cut."""
    data = exchange.body or b""
    answer = assembled(events_of(data))
    for size in (7, 4096, len(data)):
        message, end = fold(decode_stream(data, exchange.model, size=size))
        check(exchange.name, message, end, answer, Counter())
    message, end = fold(decode_stream(data, exchange.model, size=1))
    check(exchange.name, message, end, answer, differences)
    check_marks(message, exchange)


def check_marks(message: Message, exchange: Exchange) -> None:
    """Reasoning is marked with the family of its model."""
    marks = [part.metadata for part in message.parts if isinstance(part, Reasoning)]
    assert marks == [{"bedrock": {"family": family(exchange.model)}}] * len(marks), exchange.name


def expected_error(status: int, body: dict[str, str]) -> type[BackendError]:
    """The class that a person reading the refusal would choose."""
    words = body.get("message") or body["Message"]
    if "model identifier" in words or "on-demand throughput" in words or status == 404:
        return ModelNotFoundError
    if "Input Tokens Exceeded" in words:
        return ContextWindowError
    return AuthenticationError if status == 403 else InvalidRequestError


def check_stream_error(exchange: Exchange) -> None:
    """An exception is raised in the place of an answer, with the status that the service model gives it."""
    assert exchange.body is not None
    ((kind, name, payload),) = events_of(exchange.body)
    assert (kind, name) == ("exception", "validationException")
    with pytest.raises(InvalidRequestError) as caught:
        fold(decode_stream(exchange.body, exchange.model, size=5))
    assert caught.value.message == payload["message"]
    assert (caught.value.status, caught.value.code, caught.value.phase) == (400, "validationException", "stream")


UNSIGNED: Final = 1  # blocks


@needs_recordings
def test_every_recorded_stream_goes_back_as_it_came() -> None:
    """Decoded, folded and translated, a streamed answer is the content that a whole answer would have had.

    Text without a visible character stays behind: the service streams it, and refuses it in a request. So does
    reasoning that came without a signature from models whose maker has it left out (rule 58).
    """
    streams = [exchange for exchange in exchanges() if kind_of(exchange) == "stream"]
    unsigned = 0
    for exchange in streams:
        message, _ = fold(decode_stream(exchange.body or b"", exchange.model, size=4096))
        content = assembled(events_of(exchange.body or b""))["output"]["message"]["content"]
        for block in content:
            if block.get("toolUse", {}).get("type") == "tool_use":
                del block["toolUse"]["type"]
        request = ChatRequest(exchange.model, (Message.user("?"), message, Message.user("!")))
        sent = plain_body(translate(request).body)["messages"][1]["content"]
        expected = [block for block in content if block.get("text", "words").strip()]
        if not capabilities(exchange.model).reasoning.replays_unsigned:
            unsigned += sum(map(is_unsigned_reasoning, expected))
            expected = [block for block in expected if not is_unsigned_reasoning(block)]
        assert sent == expected, exchange.name
    assert len(streams) == COUNTS["stream"]
    assert unsigned == UNSIGNED


def is_unsigned_reasoning(block: dict[str, Any]) -> bool:
    """Whether a block is reasoning in words that nobody signed."""
    words = block.get("reasoningContent", {}).get("reasoningText")
    return words is not None and "signature" not in words


@needs_recordings
def test_the_recording_of_events_alone() -> None:
    """One recording has kept the events without their frames; they decode like any others."""
    path = RECORDINGS / "vercel-ai__amazon-bedrock-text.chunks__txt.json"
    (recorded,) = json.loads(path.read_text(encoding="utf-8"))["exchanges"]
    events = [("event", *next(iter(event.items()))) for event in recorded["response"]["events"]]
    decoder = StreamDecoder(model="anthropic.x", request_id=None)
    frames = [frame(name, json.dumps(payload).encode()) for _, name, payload in events]
    message, end = fold(event for one in frames for event in decoder.feed(one))
    check(path.name, message, end, assembled(events), Counter())
