"""A recorded request read back into the values that a caller of chatport would have written it with.

This goes from the wire to the values, by code that shares nothing with the planner, which goes from the values to the
wire: what the planner makes of them is held against the recording. Only messages of the model are read by the decoder,
because a session has them from nowhere else. What only Bedrock has is written with the plugin's own typed forms.
"""

import base64
import json
from collections.abc import Callable, Iterable, Iterator
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
from chatport_bedrock import BedrockOptions, Guardrail, guard_content, search_result, text_document
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
_READ = {
    *("messages", "system", "inferenceConfig", "toolConfig", "additionalModelRequestFields"),
    *("guardrailConfig", "performanceConfig", "outputConfig"),
}


@dataclass
class Rebuilt:
    """A request in chatport's values.

    Attributes:
        request: The request.
        typed: What is said by the plugin's own typed forms, because other services have nothing like it.
        verbatim: What nothing says, and stands in it word for word.
    """

    request: ChatRequest
    typed: list[str] = field(default_factory=list)
    verbatim: list[str] = field(default_factory=list)


class _Reader:
    """Reads one request."""

    def __init__(self, recorded: RecordedRequest) -> None:
        self.recorded = recorded
        self.typed: list[str] = []
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
            if part is None and kind in _TYPED:
                part = _TYPED[kind](value)
                self.typed.append(kind)
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
    if "citations" in more:
        assert more["citations"] == {"enabled": True}
        more["citations"] = True
    if source.keys() == {"bytes"}:
        return of_kind(media_type, base64.b64decode(source["bytes"]), **more)
    if source.keys() == {"s3Location"} and source["s3Location"].keys() == {"uri"}:
        return of_kind(media_type, None, source["s3Location"]["uri"], **more)
    return None


def _guarded(value: dict[str, Any]) -> Opaque | None:
    text = value.get("text", {})
    return guard_content(text["text"], qualifiers=text.get("qualifiers", ())) if "text" in text else None


def _found(value: dict[str, Any]) -> Opaque:
    assert value["citations"] == {"enabled": True}
    return search_result(value["source"], value["title"], [one["text"] for one in value["content"]], citations=True)


def _text_document(value: dict[str, Any]) -> Opaque | None:
    source, citations = value["source"], value.get("citations") == {"enabled": True}
    if source.keys() != {"text"}:
        return None
    return text_document(value["name"], source["text"], context=value.get("context"), citations=citations)


_TYPED: dict[str, Callable[[dict[str, Any]], Opaque | None]] = {
    "guardContent": _guarded,
    "searchResult": _found,
    "document": _text_document,
}


# --- the rest of a request -------------------------------------------------------------------------------------------


def rebuilt(recorded: RecordedRequest) -> Rebuilt:
    """Return a recorded request as values."""
    reader, body = _Reader(recorded), recorded.body
    tools = _Tools(body.get("toolConfig") or {})
    settings, fields = _settings(body)
    options = _options(body, fields, tools.of_the_service)
    rest = {name: value for name, value in body.items() if name not in _READ}
    extra = {**options, **rest}
    request = ChatRequest(
        recorded.model,
        tuple(reader.messages()),
        system=tuple(reader.parts(body.get("system") or ())),
        tools=tools.neutral,
        tool_choice=tools.choice,
        settings=Settings(**settings, extra={"bedrock": extra} if extra else {}),
        streaming=recorded.streaming,
        **_output(body.get("outputConfig")),
    )
    return Rebuilt(request, [*reader.typed, *sorted(options)], [*reader.verbatim, *sorted(rest)])


def _options(body: dict[str, Any], fields: dict[str, Any], system_tools: list[str]) -> BedrockOptions:
    guardrail, latency = body.get("guardrailConfig"), body.get("performanceConfig", {})
    assert latency.keys() <= {"latency"}
    if guardrail is not None:
        names = {"guardrailIdentifier": "identifier", "guardrailVersion": "version", "trace": "trace"}
        guardrail = Guardrail(**{names[member]: value for member, value in guardrail.items()})
    return BedrockOptions(
        guardrail=guardrail, latency=latency.get("latency"), model_fields=fields or None, system_tools=system_tools
    )


class _Tools:
    """The tools of a request, and the choice among them."""

    def __init__(self, config: dict[str, Any]) -> None:
        assert config.keys() <= {"tools", "toolChoice"}
        entries = config.get("tools", [])
        self.neutral = tuple(_tool(entry["toolSpec"]) for entry in entries if "toolSpec" in entry)
        self.of_the_service = [entry["systemTool"]["name"] for entry in entries if "systemTool" in entry]
        self.choice = _choice(config.get("toolChoice"))


def _tool(spec: dict[str, Any]) -> Tool:
    assert spec.keys() <= {"name", "description", "inputSchema", "strict"}
    strict = spec.get("strict", False)
    return Tool(spec["name"], spec.get("description", ""), spec["inputSchema"]["json"], strict=strict)


def _output(config: dict[str, Any] | None) -> dict[str, Any]:
    """The schema that the answer has to fit; what it describes is said in it."""
    if config is None:
        return {}
    assert config.keys() == {"textFormat"}
    definition = config["textFormat"]["structure"]["jsonSchema"]
    assert definition.keys() <= {"name", "schema", "description"}
    described = {"description": definition["description"]} if "description" in definition else {}
    return {"output_schema": {**json.loads(definition["schema"]), **described}, "output_name": definition["name"]}


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
    return {**found, "reasoning": _reasoning(rest)}, rest


def _reasoning(fields: dict[str, Any]) -> str | int | None:
    """How much to reason, in whichever family's words; taken out of the fields if that is all they say of it."""
    match fields:
        case {"thinking": {"type": "enabled", "budget_tokens": int(budget)}}:
            del fields["thinking"]
            return budget
        case {"thinking": {"type": "adaptive"}, "output_config": {"effort": str(level)}}:
            del fields["thinking"], fields["output_config"]
            return level
        case {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": str(level)}}:
            del fields["reasoningConfig"]
            return level
        case {"reasoning_effort": str(level)} | {"reasoning_config": str(level)}:
            fields.pop("reasoning_effort", None)
            fields.pop("reasoning_config", None)
            return level
        case _:
            return None
