"""What the tests of the emulator share: pictures, requests, and clients that know nothing of Bedrock."""

import base64
import http.client
import json
import struct
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit
from zlib import compress, crc32

from botocore.eventstream import EventStreamBuffer

from chatport_bedrock.emulator import Emulator
from chatport_bedrock.emulator._operations import Operation
from chatport_bedrock.emulator._shapes import Violation, describe, find_violations, input_shape, output_shape

CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
OLD_CLAUDE = "anthropic.claude-3-haiku-20240307-v1:0"
NOVA = "us.amazon.nova-lite-v1:0"
LLAMA = "us.meta.llama3-3-70b-instruct-v1:0"
PROMPT_ARN = "arn:aws:bedrock:us-east-1:123456789012:prompt/ABCDEFGHIJ:1"

AUTHORIZATION = "Bearer test-key"

WEATHER = {
    "toolSpec": {
        "name": "get_weather",
        "description": "Get the current weather in a location.",
        "inputSchema": {
            "json": {
                "type": "object",
                "properties": {
                    "location": {"type": "string", "description": "The city and state, e.g. San Francisco, CA"},
                    "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
                },
                "required": ["location"],
            }
        },
    }
}
TIME = {
    "toolSpec": {
        "name": "get_time",
        "description": "Tell the time of day.",
        "inputSchema": {
            "json": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
        },
    }
}
TOOLS = {"tools": [WEATHER, TIME]}


# --- pictures --------------------------------------------------------------------------------------------------------


def png(width: int = 3, height: int = 2) -> bytes:
    """A whole grey picture."""
    rows = (b"\x00" + b"\x80" * width) * height

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", compress(rows)) + chunk(b"IEND", b"")


def jpeg(width: int = 640, height: int = 480) -> bytes:
    """The headers of a picture: a segment to skip, fill bytes, then the frame header of a progressive one."""
    skipped = b"\xff\xe0" + struct.pack(">H", 16) + b"JFIF\x00" + bytes(9)
    frame = b"\xff\xff\xc2" + struct.pack(">HBHHB", 17, 8, height, width, 3) + bytes(9)
    return b"\xff\xd8" + skipped + frame + b"\xff\xd9"


def gif(width: int = 5, height: int = 4) -> bytes:
    """The header of a picture."""
    return b"GIF89a" + struct.pack("<HH", width, height) + bytes(3)


def webp_lossy(width: int = 300, height: int = 200) -> bytes:
    """The headers of a picture with a `VP8 ` chunk."""
    return _riff(b"VP8 ", b"\x00\x00\x00\x9d\x01\x2a" + struct.pack("<HH", width, height))


def webp_lossless(width: int = 300, height: int = 200) -> bytes:
    """The headers of a picture with a `VP8L` chunk."""
    return _riff(b"VP8L", b"\x2f" + struct.pack("<I", (width - 1) | (height - 1) << 14))


def webp_extended(width: int = 300, height: int = 200) -> bytes:
    """The headers of a picture with a `VP8X` chunk."""
    return _riff(b"VP8X", bytes(4) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little"))


def _riff(kind: bytes, data: bytes) -> bytes:
    chunk = kind + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", 4 + len(chunk)) + b"WEBP" + chunk


# --- requests --------------------------------------------------------------------------------------------------------


def user(*content: Any) -> dict[str, Any]:
    """A message of the user: of texts, blocks, and whatever a test wants to see refused."""
    return {"role": "user", "content": [_block(each) for each in content]}


def assistant(*content: Any) -> dict[str, Any]:
    """A message of the model."""
    return {"role": "assistant", "content": [_block(each) for each in content]}


def _block(content: Any) -> Any:
    return {"text": content} if isinstance(content, str) else content


def image(data: bytes, kind: str = "png") -> dict[str, Any]:
    """A block with a picture."""
    return {"image": {"format": kind, "source": {"bytes": base64.b64encode(data).decode()}}}


def document(name: str, data: bytes = b"Once upon a time", kind: str = "txt") -> dict[str, Any]:
    """A block with a document."""
    return {"document": {"name": name, "format": kind, "source": {"bytes": base64.b64encode(data).decode()}}}


def tool_use(identifier: str, name: str = "get_weather", **arguments: Any) -> dict[str, Any]:
    """A block with a call."""
    return {"toolUse": {"toolUseId": identifier, "name": name, "input": arguments}}


def tool_result(identifier: str, *content: dict[str, Any], **members: Any) -> dict[str, Any]:
    """A block with a result."""
    return {"toolResult": {"toolUseId": identifier, "content": list(content or ({"text": "fine"},)), **members}}


def talk(*messages: Any, **members: Any) -> dict[str, Any]:
    """A request."""
    return {"messages": list(messages), **members}


# --- clients ---------------------------------------------------------------------------------------------------------


def connect(emulator: Emulator) -> http.client.HTTPConnection:
    """A connection that is not open yet."""
    address = urlsplit(emulator.url)
    assert address.hostname is not None
    return http.client.HTTPConnection(address.hostname, address.port, timeout=20)


def post(
    emulator: Emulator,
    body: dict[str, Any] | bytes,
    *,
    model: str = NOVA,
    operation: str = "converse",
    path: str | None = None,
    headers: dict[str, str] | None = None,
) -> tuple[int, dict[str, str], bytes]:
    """Send one request and read the answer: status, headers by lower-case name, body."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    sent = {"authorization": AUTHORIZATION, "content-type": "application/json"} if headers is None else headers
    connection = connect(emulator)
    try:
        connection.request("POST", path or f"/model/{model}/{operation}", data, sent)
        response = connection.getresponse()
        return response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
    finally:
        connection.close()


def converse(emulator: Emulator, *messages: dict[str, Any], model: str = NOVA, **members: Any) -> dict[str, Any]:
    """Ask Converse; the answer has to be one."""
    status, _, body = post(emulator, {"messages": list(messages), **members}, model=model)
    assert status == 200, body
    answer: dict[str, Any] = json.loads(body)
    return answer


def read_events(data: bytes) -> list[dict[str, Any]]:
    """The events of a stream, read by botocore: each as `{type: payload}`; exceptions too."""
    buffer = EventStreamBuffer()
    buffer.add_data(data)
    return [
        {str(m.headers.get(":event-type") or m.headers.get(":exception-type")): json.loads(m.payload)} for m in buffer
    ]


def raw_request(emulator: Emulator, body: dict[str, Any], *, model: str = NOVA, operation: str = "converse") -> bytes:
    """The bytes of a request, for a client that speaks TCP only."""
    data = json.dumps(body).encode()
    head = (
        f"POST /model/{model}/{operation} HTTP/1.1\r\nHost: {urlsplit(emulator.url).netloc}\r\n"
        f"Authorization: {AUTHORIZATION}\r\nContent-Length: {len(data)}\r\n\r\n"
    )
    return head.encode() + data


# --- what is right ---------------------------------------------------------------------------------------------------


def broken_shape(body: dict[str, Any], operation: Operation = "Converse") -> str | None:
    """What the service's model says against a request; None if it fits."""
    violations = list(find_violations(body, input_shape(operation)))
    return describe(violations) if violations else None


def output_violations(operation: Operation, answer: dict[str, Any]) -> Iterator[Violation]:
    """What of an answer is not in the service model, recorded deviations of the real service left out."""
    for violation in find_violations(answer, output_shape(operation)):
        unmodelled_usage = violation.path[-1:] == ("usage",) and "[serverToolUsage]" in violation.text
        typed_call = violation.path[-2:] == ("toolUse", "type") and violation.subject == "Value 'tool_use'"
        if not (unmodelled_usage or typed_call):
            yield violation


def assert_valid_answer(answer: dict[str, Any]) -> None:
    """An answer of Converse is as the service model has it, and its figures agree."""
    assert list(output_violations("Converse", answer)) == []
    _assert_valid_usage(answer["usage"])


def assert_valid_events(events: list[dict[str, Any]]) -> None:
    """A complete stream is as the service model has it, and in the order that was always recorded."""
    for event in events:
        (name,) = event
        payload = {key: value for key, value in event[name].items() if key != "p"}
        assert list(output_violations("ConverseStream", {"stream": {name: payload}})) == []
        assert "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789".startswith(event[name]["p"])
        assert 2 <= len(event[name]["p"]) <= 61
    names = [next(iter(event)) for event in events]
    assert names[0] == "messageStart"
    assert names[-2:] == ["messageStop", "metadata"]
    _assert_blocks_in_order(events[1:-2])
    _assert_valid_usage(events[-1]["metadata"]["usage"])


def _assert_blocks_in_order(events: list[dict[str, Any]]) -> None:
    current, started = 0, False
    for event in events:
        name, payload = next(iter(event.items()))
        assert payload["contentBlockIndex"] == current
        if name == "contentBlockStart":
            assert not started
            assert set(payload["start"]) <= {"toolUse", "toolResult", "image"}
        if name == "contentBlockStop":
            current += 1
        started = name != "contentBlockStop"


def _assert_valid_usage(usage: dict[str, Any]) -> None:
    assert usage["inputTokens"] > 0
    assert usage["totalTokens"] == usage["inputTokens"] + usage["outputTokens"]
