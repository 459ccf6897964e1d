"""Recorded traffic, read a second time: what a recording says, by code that shares nothing with the backend."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from botocore.eventstream import EventStreamBuffer

from bedrock_support.answers import event

FOLDER = Path(__file__).resolve().parents[5] / "shared" / "recordings"
# What the recorder lost is put back as the service sends it: without the type of an error, its class is guesswork.
LOST_ERROR_TYPE = "ValidationException:http://internal.amazon.com/coral/com.amazon.bedrock/"


@dataclass(frozen=True)
class Exchange:
    """One recorded exchange.

    Attributes:
        name: The file, and which exchange in it.
        operation: `converse` or `converse-stream`.
        model: The model id.
        status: The HTTP status.
        headers: The headers of the answer, lower case.
        body: The bytes of the answer.
        answer: The JSON of a unary answer, else None.
    """

    name: str
    operation: str
    model: str
    status: int
    headers: dict[str, str]
    body: bytes
    answer: dict[str, Any] | None


def recorded() -> Iterator[Exchange]:
    """Yield every recorded exchange of Converse and ConverseStream."""
    for path in sorted(FOLDER.glob("*.json")):
        for number, exchange in enumerate(json.loads(path.read_text(encoding="utf-8"))["exchanges"]):
            if exchange["operation"] not in {"converse", "converse-stream"}:
                continue
            response = exchange["response"]
            headers = dict(response["headers"])
            if response["status"] != 200:
                headers.setdefault("x-amzn-errortype", LOST_ERROR_TYPE)
            yield Exchange(
                f"{path.stem}[{number}]",
                exchange["operation"],
                exchange["model"],
                response["status"],
                headers,
                _body(response),
                response.get("body_json"),
            )


def _body(response: dict[str, Any]) -> bytes:
    if "body_base64" in response:
        return base64.b64decode(response["body_base64"])
    if "body_json" in response:
        return json.dumps(response["body_json"], ensure_ascii=False).encode()
    return b"".join(event(name, payload) for pair in response["events"] for name, payload in pair.items())


@dataclass
class Reading:
    """What an answer says.

    Attributes:
        blocks: The blocks of the message, as Converse gives them in one piece.
        stop_reason: Why the model stopped, in the service's word.
        usage: The service's figures.
        exception: The exception in place of an answer: its name and message.
    """

    blocks: list[dict[str, Any]] = field(default_factory=list)
    stop_reason: str | None = None
    usage: dict[str, Any] = field(default_factory=dict)
    exception: tuple[str, str] | None = None

    @property
    def text(self) -> str:
        """The words of text and cited text."""
        cited = [piece for block in self.blocks for piece in block.get("citationsContent", {}).get("content", [])]
        assert not cited or all(set(piece) == {"text"} for piece in cited)
        found = []
        for block in self.blocks:
            found += [block["text"]] if "text" in block else []
            found += [piece["text"] for piece in block.get("citationsContent", {}).get("content", [])]
        return "".join(found)

    @property
    def reasoning(self) -> str:
        """The readable reasoning."""
        inner = [block["reasoningContent"] for block in self.blocks if "reasoningContent" in block]
        return "".join(piece["reasoningText"]["text"] for piece in inner if "reasoningText" in piece)

    @property
    def calls(self) -> list[tuple[str, str, Any]]:
        """The calls that the caller has to run: id, name, arguments."""
        calls = [block["toolUse"] for block in self.blocks if "toolUse" in block]
        return [
            (call["toolUseId"], call["name"], call["input"]) for call in calls if call.get("type") != "server_tool_use"
        ]

    @property
    def input_tokens(self) -> int:
        """All of the input: the service counts what a cache gave or took apart from the rest."""
        names = ("inputTokens", "cacheReadInputTokens", "cacheWriteInputTokens")
        return sum(self.usage.get(name, 0) for name in names)


def read_answer(answer: dict[str, Any]) -> Reading:
    """Read a unary answer."""
    return Reading(answer["output"]["message"]["content"], answer.get("stopReason"), answer.get("usage", {}))


def read_stream(body: bytes) -> Reading:
    """Read a streamed answer with botocore's own frame reader."""
    buffer = EventStreamBuffer()
    buffer.add_data(body)
    reading = Reading()
    blocks: dict[int, dict[str, Any]] = {}
    for message in buffer:
        payload = json.loads(message.payload)
        if message.headers[":message-type"] == "exception":
            return Reading(exception=(message.headers[":exception-type"], payload["message"]))
        kind = message.headers[":event-type"]
        index = payload.get("contentBlockIndex")
        if kind == "contentBlockStart":
            blocks[index] = _started(payload["start"])
        elif kind == "contentBlockDelta":
            _grow(blocks.setdefault(index, {}), payload["delta"])
        elif kind == "messageStop":
            reading.stop_reason = payload["stopReason"]
        elif kind == "metadata":
            reading.usage = payload["usage"]
    reading.blocks = [_finished(blocks[index]) for index in sorted(blocks)]
    return reading


def _started(start: dict[str, Any]) -> dict[str, Any]:
    ((kind, members),) = start.items()
    assert kind in {"toolUse", "toolResult"}, kind
    return {kind: {**members, **({"input": ""} if kind == "toolUse" else {"content": []})}}


def _grow(block: dict[str, Any], delta: dict[str, Any]) -> None:
    ((kind, piece),) = delta.items()
    if kind == "text":
        block["text"] = block.get("text", "") + piece
    elif kind == "toolUse":
        block["toolUse"]["input"] += piece["input"]
    elif kind == "toolResult":
        block["toolResult"]["content"] += piece
    elif kind == "citation":
        block.setdefault("citations", []).append(piece)
    else:
        assert kind == "reasoningContent", kind
        ((member, value),) = piece.items()
        reasoning = block.setdefault("reasoningContent", {})
        reasoning[member] = reasoning.get(member, "") + value


def _finished(block: dict[str, Any]) -> dict[str, Any]:
    if "toolUse" in block:
        call = block["toolUse"]
        return {"toolUse": {**call, "input": json.loads(call["input"] or "{}")}}
    if "citations" in block:
        content = {"content": [{"text": block["text"]}]} if block.get("text") else {}
        return {"citationsContent": {**content, "citations": block["citations"]}}
    if "reasoningContent" in block:
        reasoning = block["reasoningContent"]
        if "redactedContent" in reasoning:
            return {"reasoningContent": reasoning}
        return {"reasoningContent": {"reasoningText": reasoning}}
    return block
