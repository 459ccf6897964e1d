"""A recorded request read back into the values that a caller of chatport would have written it with.

This goes from the wire to the values, by code that shares nothing with the planner, which goes from the values to the
wire: what the planner makes of them is held against the recording. Only messages of the model are read by the decoder,
because a session has them from nowhere else.
"""

import base64
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from bedrock_support.recorded_requests import RecordedRequest
from chatport.backend import (
    CachePoint,
    ChatRequest,
    Document,
    Fold,
    Image,
    Json,
    Message,
    Opaque,
    Part,
    Settings,
    Text,
    Tool,
    ToolResult,
    Video,
)
from chatport_bedrock._decode import decode_response

_IMAGES = {"png": "image/png", "jpeg": "image/jpeg", "gif": "image/gif", "webp": "image/webp"}
_VIDEOS = {"mp4": "video/mp4", "mov": "video/quicktime", "webm": "video/webm"}
_OFFICE = "application/vnd.openxmlformats-officedocument"
_DOCUMENTS = {
    "csv": "text/csv",
    "docx": f"{_OFFICE}.wordprocessingml.document",
    "md": "text/markdown",
    "pdf": "application/pdf",
    "txt": "text/plain",
    "xlsx": f"{_OFFICE}.spreadsheetml.sheet",
}
_MEDIA: dict[str, tuple[type[Image | Video | Document], dict[str, str]]] = {
    "image": (Image, _IMAGES),
    "video": (Video, _VIDEOS),
    "document": (Document, _DOCUMENTS),
}
_NEUTRAL = {"messages", "system", "inferenceConfig", "toolConfig", "additionalModelRequestFields"}


@dataclass
class Rebuilt:
    """A request in chatport's values.

    Attributes:
        request: The request.
        verbatim: The kinds of blocks of messages, and of tools, that no value says: they stand in it word for word.
        extra: The members that have no neutral place, which stand in `settings.extra`.
    """

    request: ChatRequest
    verbatim: list[str] = field(default_factory=list)
    extra: list[str] = field(default_factory=list)


class _Reader:
    """Reads one request."""

    def __init__(self, recorded: RecordedRequest) -> None:
        self.recorded = recorded
        self.verbatim: list[str] = []

    def messages(self) -> Iterator[Message]:
        for message in self.recorded.body["messages"]:
            content = message["content"]
            if message["role"] == "assistant":
                yield self._answer(content)
                continue
            # As a session has it: results of tools are a message of their own, and what the user says follows.
            results = [block for block in content if "toolResult" in block]
            if results:
                yield Message("tool", tuple(self._result(block["toolResult"]) for block in results))
            rest = [block for block in content if "toolResult" not in block]
            if rest or not results:
                yield Message("user", tuple(self.parts(rest)))

    def parts(self, blocks: Iterable[dict[str, Any]]) -> Iterator[Part]:
        for block in blocks:
            ((kind, value),) = block.items()
            part = self._part(kind, value)
            if part is None:
                self.verbatim.append(kind)
                part = Opaque("bedrock", block)
            yield part

    def _part(self, kind: str, value: Any) -> Part | None:
        if kind == "text":
            return Text(value)
        if kind == "json":
            return Json(value)
        if kind == "cachePoint":
            assert value["type"] == "default"
            return CachePoint(value.get("ttl"))
        return _medium(kind, value) if kind in _MEDIA else None

    def _result(self, value: dict[str, Any]) -> ToolResult:
        assert value.keys() <= {"toolUseId", "content", "status"}
        return ToolResult(value["toolUseId"], tuple(self.parts(value["content"])), value.get("status") == "error")

    def _answer(self, content: list[dict[str, Any]]) -> Message:
        """A message of the model as the decoder gives it."""
        body = {"output": {"message": {"role": "assistant", "content": content}}, "stopReason": "end_turn", "usage": {}}
        fold = Fold()
        for event in decode_response(body, model=self.recorded.model, request_id=None):
            fold.feed(event)
        return fold.message()


def _medium(kind: str, value: dict[str, Any]) -> Part | None:
    of_kind, types = _MEDIA[kind]
    media_type, source = types[value["format"]], value["source"]
    more = {member: value[member] for member in value if member not in {"format", "source"}}
    if more.keys() != ({"name"} if kind == "document" else set()):
        return None
    if source.keys() == {"bytes"}:
        return of_kind(media_type, base64.b64decode(source["bytes"]), **more)
    if source.keys() == {"s3Location"} and source["s3Location"].keys() == {"uri"}:
        return of_kind(media_type, None, source["s3Location"]["uri"], **more)
    return None


def rebuilt(recorded: RecordedRequest) -> Rebuilt:
    """Return a recorded request as values."""
    reader, body = _Reader(recorded), recorded.body
    config = body.get("toolConfig") or {}
    tools, more_tools = _tools(config)
    settings, rest = _settings(body)
    extra = {name: value for name, value in body.items() if name not in _NEUTRAL}
    if rest:
        extra["additionalModelRequestFields"] = rest
    members = sorted(extra)
    if more_tools:
        extra["toolConfig"] = {"tools": more_tools}
    request = ChatRequest(
        recorded.model,
        tuple(reader.messages()),
        system=tuple(reader.parts(body.get("system") or ())),
        tools=tools,
        tool_choice=_choice(config.get("toolChoice")),
        settings=Settings(**settings, extra={"bedrock": extra} if extra else {}),
        streaming=recorded.streaming,
    )
    return Rebuilt(request, [*reader.verbatim, *map(_kind_of_tool, more_tools)], members)


def _tools(config: dict[str, Any]) -> tuple[tuple[Tool, ...], list[dict[str, Any]]]:
    """The tools; where one of them is more than a `Tool` says, all of them in the service's words."""
    assert config.keys() <= {"tools", "toolChoice"}
    entries = config.get("tools", [])
    if any(_kind_of_tool(entry) != "toolSpec" for entry in entries):
        return (), entries
    specs = [entry["toolSpec"] for entry in entries]
    return tuple(Tool(spec["name"], spec.get("description", ""), spec["inputSchema"]["json"]) for spec in specs), []


def _kind_of_tool(entry: dict[str, Any]) -> str:
    ((kind, value),) = entry.items()
    return f"{kind} with strict" if "strict" in value else kind


def _choice(choice: dict[str, Any] | None) -> str | None:
    if choice is None:
        return None
    ((kind, value),) = choice.items()
    name: str = value["name"] if kind == "tool" else kind
    return name


def _settings(body: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The neutral settings, and the fields for the model that are none."""
    config = dict(body.get("inferenceConfig") or {})
    found: dict[str, Any] = {
        "max_tokens": config.pop("maxTokens", None),
        "temperature": config.pop("temperature", None),
        "top_p": config.pop("topP", None),
        "stop_sequences": config.pop("stopSequences", None),
    }
    assert not config
    rest = dict(body.get("additionalModelRequestFields") or {})
    if "top_k" in rest:
        found["top_k"] = rest.pop("top_k")
    if rest.get("inferenceConfig", {}).keys() == {"topK"}:
        found["top_k"] = rest.pop("inferenceConfig")["topK"]
    return found, rest
