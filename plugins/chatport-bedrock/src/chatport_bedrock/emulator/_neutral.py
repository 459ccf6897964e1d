"""A request off the wire in chatport's own values: what a backend is asked that answers in the brain's place."""

import base64
from collections.abc import Mapping
from typing import Any

from chatport.backend import (
    Audio,
    CachePoint,
    ChatRequest,
    Document,
    Image,
    Json,
    Media,
    Message,
    Opaque,
    Part,
    Reasoning,
    Settings,
    Text,
    Tool,
    ToolCall,
    ToolResult,
    Video,
)
from chatport_bedrock._media_formats import media_type_of
from chatport_bedrock.emulator._conversation import Block, Conversation, kind_of

_NAME = "bedrock"
_MEDIA: dict[str, type[Media]] = {"image": Image, "document": Document, "audio": Audio, "video": Video}


def chat_request(conversation: Conversation, model: str, *, streaming: bool) -> ChatRequest:
    """Return what a backend is asked.

    What chatport has no word for, such as guardrails and a model's own fields, stays with the emulator, which has
    checked it.

    Args:
        conversation: The request, found right.
        model: The model that answers.
        streaming: Whether the answer is streamed.
    """
    body = conversation.body
    config: Mapping[str, Any] = body.get("toolConfig") or {}
    return ChatRequest(
        model,
        tuple(message for given in conversation.messages for message in _messages(given)),
        system=tuple(_part(block) for block in body.get("system") or ()),
        tools=tuple(
            Tool(name, spec.get("description") or "", dict(spec["inputSchema"]["json"]))
            for name, spec in conversation.tools.items()
        ),
        tool_choice=_choice(config.get("toolChoice") or {}),
        settings=_settings(body.get("inferenceConfig") or {}),
        streaming=streaming,
        output_schema=conversation.answer_schema,
    )


def _messages(given: Mapping[str, Any]) -> list[Message]:
    """A message of the wire; of a user's, the results of tools are a message of their own."""
    parts = [_part(block) for block in given["content"]]
    if given["role"] == "assistant":
        return [Message("assistant", tuple(parts))]
    results = tuple(part for part in parts if isinstance(part, ToolResult))
    others = tuple(part for part in parts if not isinstance(part, ToolResult))
    made = (Message("tool", results) if results else None, Message("user", others) if others else None)
    return [message for message in made if message is not None]


def _part(block: Block) -> Part:  # noqa: PLR0911 - one for each kind of block
    kind = kind_of(block)
    value: Any = block[kind]
    match kind:
        case "text":
            return Text(value)
        case "json":
            return Json(value)
        case "image" | "document" | "audio" | "video":
            return _medium(kind, value) or Opaque(_NAME, dict(block))
        case "toolUse":
            return ToolCall(value["toolUseId"], value["name"], dict(value["input"]))
        case "toolResult":
            content = [_part(entry) for entry in value["content"]]
            return ToolResult(value["toolUseId"], content, value.get("status") == "error")
        case "reasoningContent":
            said = value.get("reasoningText") or {}
            return Reasoning(said.get("text") or "", said.get("signature"), metadata={_NAME: {}})
        case "cachePoint":
            return CachePoint(value.get("ttl"))
        case _:
            return Opaque(_NAME, dict(block))


def _medium(kind: str, value: Mapping[str, Any]) -> Part | None:
    """A medium with its bytes or its address; None where it is given in another way."""
    cls = _MEDIA[kind]
    media_type = media_type_of(cls, value["format"])
    source: Mapping[str, Any] = value.get("source") or {}
    if media_type is None:
        return None
    data = base64.b64decode(source["bytes"]) if "bytes" in source else None
    uri = (source.get("s3Location") or {}).get("uri")
    if data is None and uri is None:
        return None
    if cls is Document:
        return Document(media_type, data, uri, name=value.get("name"), context=value.get("context"))
    return cls(media_type, data, uri)  # type: ignore[return-value]  # every one of `_MEDIA` is a part


def _choice(choice: Mapping[str, Any]) -> str | None:
    named = choice.get("tool")
    if named is not None:
        return str(named["name"])
    return next((word for word in ("any", "auto") if choice.get(word) is not None), None)


def _settings(inference: Mapping[str, Any]) -> Settings:
    return Settings(
        max_tokens=inference.get("maxTokens"),
        temperature=inference.get("temperature"),
        top_p=inference.get("topP"),
        stop_sequences=inference.get("stopSequences"),
    )
