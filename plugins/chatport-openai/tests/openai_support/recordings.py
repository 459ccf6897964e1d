"""Recorded traffic, read a second time: what a recording says, by code that shares nothing with the backend."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[5] / "shared" / "recordings-openai"
# The recorder's name of a server → the dialect that speaks to it.
SERVERS = {
    "anthropic-compat": "anthropic-compatible",
    "bedrock-mantle": "bedrock",
    "bedrock-openai": "bedrock",
    "crusoe": "crusoe",
    "gpustack": "compatible",
    "gateway": "groq",
    "heroku": "compatible",
    "litellm-proxy": "compatible",
    "mistralrs": "compatible",
    "other:localhost:5002": "compatible",
    "portkey": "openai",
    "proxy": "openai",
}
_BLOB = re.compile(r"\$blob:sha256:([0-9a-f]{64})$")
_REASONING = ("reasoning_content", "reasoning", "reasoning_text")


@dataclass(frozen=True)
class Exchange:
    """One recorded exchange.

    Attributes:
        name: The file, and which exchange in it.
        server: Who answered.
        model: The model that was asked for.
        streams: Whether it came as a stream.
        status: The HTTP status.
        headers: The headers of the answer, lower case.
        body: The bytes of the answer.
        pieces: The sizes in which the client got them, where they were kept.
        request: The body of the request; None where it was not kept.
        follows: The body of the next request of the same recording; None where there is none.
    """

    name: str
    server: str
    model: str
    streams: bool
    status: int
    headers: dict[str, str]
    body: bytes
    pieces: tuple[int, ...]
    request: dict[str, Any] | None
    follows: dict[str, Any] | None

    @property
    def dialect(self) -> str:
        """The dialect that speaks to the server."""
        return SERVERS.get(self.server, self.server)


def recorded() -> Iterator[Exchange]:
    """Yield every recorded exchange."""
    for path in sorted(FOLDER.glob("*.json")):
        rows = json.loads(path.read_text(encoding="utf-8"))["exchanges"]
        for number, row in enumerate(rows):
            response = row["response"]
            request = row["request"].get("body")
            later = rows[number + 1]["request"].get("body") if number + 1 < len(rows) else None
            yield Exchange(
                f"{path.stem}[{number}]",
                row["server"],
                row["model"] or (request or {}).get("model") or "unknown",
                row["operation"].endswith("stream"),
                response["status"],
                dict(response["headers"]),
                _body(response),
                tuple(row.get("chunk_lengths") or ()),
                request if isinstance(request, dict) else None,
                later if isinstance(later, dict) else None,
            )


def _body(response: dict[str, Any]) -> bytes:
    if "body_text" in response:
        return str(response["body_text"]).encode()
    if "body_json" in response:
        return json.dumps(_resolved(response["body_json"]), ensure_ascii=False).encode()
    events = "".join(f"data: {json.dumps(event, ensure_ascii=False)}\n\n" for event in response.get("events", ()))
    return f"{events}data: [DONE]\n\n".encode()


def _resolved(value: Any) -> Any:
    """A JSON value with the media that the recorder has put beside it, or words where it has left them out."""
    if isinstance(value, dict):
        return {name: _resolved(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_resolved(item) for item in value]
    if isinstance(value, str) and (found := _BLOB.search(value)):
        path = FOLDER / "media" / found[1]
        data = path.read_bytes() if path.exists() else b"left out: " + found[1].encode()
        return value[: found.start()] + base64.b64encode(data).decode()
    return value


@dataclass
class Reading:
    """What an answer says.

    Attributes:
        text: The words, a refusal included.
        reasoning: What the model thought.
        details: `reasoning_details`, put together by their index.
        calls: Id, name and arguments of each call, as text.
        custom: How many calls there are that have a text in place of arguments.
        finish_reason: The last one that says something.
        native: `native_finish_reason`.
        usage: The last usage.
        model: The model that says it answers.
        refused: Whether it refuses.
        error: The error in it.
        is_done: Whether the stream says that it is.
        citations: How many places of the web it cites.
    """

    text: str = ""
    reasoning: str = ""
    details: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    calls: list[list[str]] = field(default_factory=list[list[str]])
    custom: int = 0
    finish_reason: str | None = None
    native: str | None = None
    usage: dict[str, Any] | None = None
    model: str = ""
    refused: bool = False
    error: Any = None
    is_done: bool = False
    citations: int = 0
    member: str | None = None

    def arguments(self) -> list[tuple[str, str, Any]]:
        """Return the calls with what their arguments mean; those that are no object as the text that they are."""
        found: list[tuple[str, str, Any]] = []
        for call_id, name, text in self.calls:
            try:
                value = (json.loads(text) or {}) if text.strip() else {}
            except ValueError:
                value = text
            value = value if isinstance(value, dict) else text
            found.append((call_id, name, value))
        return found


def read_answer(body: bytes) -> Reading:
    """Read an answer that came whole."""
    reading = Reading()
    answer = json.loads(body)
    reading.error = answer.get("error")
    for choice in answer.get("choices", ())[:1]:
        _read_message(reading, choice.get("message") or {}, is_whole=True)
        _read_end(reading, choice)
    reading.usage = answer.get("usage") or (answer.get("x_groq") or {}).get("usage")
    reading.model = answer.get("model") or ""
    return reading


def read_stream(body: bytes) -> Reading:
    """Read a stream, line by line."""
    reading = Reading()
    for line in body.decode().splitlines():
        name, _, value = line.partition(":")
        if name == "error":
            reading.error = json.loads(value)
        if name != "data":
            continue
        if value.strip() == "[DONE]":
            reading.is_done = True
            continue
        chunk = json.loads(value)
        reading.error = reading.error or chunk.get("error")
        if reading.error:
            return reading
        for choice in chunk.get("choices", ()):
            if choice.get("index", 0) == 0:
                reading.model = reading.model or chunk.get("model") or ""
                _read_message(reading, choice.get("delta") or {}, is_whole=False)
                _read_end(reading, choice)
        reading.usage = chunk.get("usage") or (chunk.get("x_groq") or {}).get("usage") or reading.usage
    return reading


def _read_end(reading: Reading, choice: dict[str, Any]) -> None:
    reading.finish_reason = choice.get("finish_reason") or reading.finish_reason
    reading.native = choice.get("native_finish_reason") or reading.native


def _read_message(reading: Reading, message: dict[str, Any], *, is_whole: bool) -> None:
    content = message.get("content")
    if isinstance(content, dict):
        content = json.dumps(content, ensure_ascii=False)
    items: list[dict[str, Any]] = content if isinstance(content, list) else [{"type": "text", "text": content or ""}]
    for item in items:
        if item["type"] == "text":
            reading.text += item["text"]
        if item["type"] == "thinking":
            reading.reasoning += "".join(thought["text"] for thought in item["thinking"])
            reading.member = "content"
    reading.text += message.get("refusal") or ""
    reading.refused = reading.refused or bool(message.get("refusal"))
    members = [name for name in _REASONING if message.get(name)]
    details = message.get("reasoning_details") or []
    if members:
        reading.reasoning += message[members[0]]
        reading.member = reading.member or members[0]
    else:
        reading.reasoning += "".join(entry.get("text") or entry.get("summary") or "" for entry in details)
    for entry in details:
        _read_detail(reading, entry)
    for entry in message.get("tool_calls") or ():
        _read_call(reading, entry, is_whole=is_whole)
    function = message.get("function_call") or {}
    if function.get("name"):
        reading.calls.append(["", function["name"], ""])
    if function.get("arguments"):
        reading.calls[-1][2] += function["arguments"]
    reading.citations += sum("url_citation" in each for each in message.get("annotations") or ())


def _read_detail(reading: Reading, entry: dict[str, Any]) -> None:
    last = reading.details[-1] if reading.details else {"index": object()}
    if (last.get("index"), last.get("type")) != (entry.get("index"), entry.get("type")):
        reading.details.append(dict(entry))
        return
    for name in ("text", "summary", "data", "signature"):
        if isinstance(entry.get(name), str):
            last[name] = (last.get(name) or "") + entry[name]


def _read_call(reading: Reading, entry: dict[str, Any], *, is_whole: bool) -> None:
    function = entry.get("function") or {}
    if entry.get("type") == "custom":
        reading.custom += 1
        return
    known = [call for call in reading.calls if entry.get("id") and call[0] == entry["id"]]
    begins = is_whole or (bool(entry.get("id")) and bool(function.get("name")) and not known)
    if begins:
        reading.calls.append([entry.get("id") or "", function["name"], ""])
    call = reading.calls[-1] if begins or not known else known[-1]
    call[2] += function.get("arguments") or ""
