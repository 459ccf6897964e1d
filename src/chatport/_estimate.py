"""How many tokens messages may have, where nobody counts them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final, assert_never

from chatport._media import Audio, Document, Image, Media, Video
from chatport._message_facts import MessageFacts
from chatport._messages import CachePoint, Citation, Json, Message, Opaque, Part, Reasoning, Text, ToolCall, ToolResult

if TYPE_CHECKING:
    from chatport._request import ChatRequest

# English has about four bytes to a token, other languages and code fewer: three lean to the safe side.
_BYTES: Final = 3
_PER_MESSAGE: Final = 4  # for its role, and the marks around it
_PER_CALL: Final = 8  # for the marks around a call or a result, and its id
_PER_TOOL: Final = 12
# What services say of media: a picture of the largest size that is not scaled down has about 1,600 tokens; a page of a
# PDF has 1,500 to 3,000, and mostly 50 to 100 kB; sound and film have 25 to 300 tokens a second.
_IMAGE: Final = 1600
_DOCUMENT: Final = 1500
_DOCUMENT_BYTES: Final = 30
_FILM_BYTES: Final = 500


def estimate_tokens(messages: Iterable[Message]) -> int:
    """Return about how many tokens messages have. This is an estimate: it may be off by half, and leans upwards.

    Text and JSON are measured by their bytes, pictures count alike, other media by their size; media that stand
    elsewhere, under a URL, count little. The sum over messages is the sum of each, and each is measured once for as
    long as the message is there: in a conversation that grows, only what is new costs time.

    Args:
        messages: Messages, such as a history.
    """
    return sum(map(_of_message, messages))


def estimate_request(request: ChatRequest) -> int:
    """Return about how many input tokens a request has, its system prompt, tools and output schema included."""
    tools = sum(
        _PER_TOOL + _of_text(tool.name) + _of_text(tool.description) + _of_json(tool.schema) for tool in request.tools
    )
    output = 0 if request.output_schema is None else _of_json(request.output_schema)
    return estimate_tokens(request.messages) + _of_parts(request.system) + tools + output


_of_message: Final = MessageFacts(lambda message: _PER_MESSAGE + _of_parts(message.parts))


def _of_parts(parts: Iterable[Part]) -> int:
    return sum(map(_of_part, parts))


def _of_part(part: Part) -> int:  # noqa: PLR0911 - one return for each kind of part
    match part:
        case Text(text, citations):
            return _of_text(text) + sum(map(_of_citation, citations))
        case Reasoning(text, signature, redacted):
            return _of_text(text) + _of_size(len(signature or "")) + _of_size(len(redacted or b""))
        case ToolCall(_, name, arguments, invalid_json):
            return _PER_CALL + _of_text(name) + (_of_text(invalid_json) if invalid_json else _of_json(arguments))
        case ToolResult(_, content):
            return _PER_CALL + _of_parts(content)
        case Json(value) | Opaque(_, value):
            return _of_json(value)
        case Image() | Document() | Audio() | Video():
            return _of_medium(part)
        case CachePoint():
            return 0
        case _:
            assert_never(part)


def _of_medium(medium: Media) -> int:
    size = len(medium.data or b"")
    match medium:
        case Image():
            return _IMAGE
        case Document(media_type=media_type) if media_type.startswith("text/"):
            return _of_size(size)
        case Document():
            return max(_DOCUMENT, size // _DOCUMENT_BYTES)
        case _:
            return max(_DOCUMENT, size // _FILM_BYTES)


def _of_citation(citation: Citation) -> int:
    return sum(map(_of_text, citation.quotes))


def _of_json(value: Any) -> int:
    return _of_size(len(json.dumps(value, ensure_ascii=False, default=str).encode(errors="replace")))


def _of_text(text: str) -> int:
    return _of_size(len(text.encode(errors="replace")))


def _of_size(size: int) -> int:
    return -(-size // _BYTES)
