"""A history in the words of a chat template: system, user and assistant in turn, and nothing else.

Templates differ in what they know of tools, so calls and results are told in words: that is what small models answer
to best. A call that is told as JSON they say again.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from chatport.backend import (
    Adjustment,
    AdjustmentKind,
    CachePoint,
    Document,
    Image,
    Json,
    Message,
    Opaque,
    Part,
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
    UnsupportedError,
)
from chatport_local._models import BACKEND

Piece: TypeAlias = dict[str, Any]
"""A piece of a message's content, as OpenAI's Chat Completions has it."""

# What the decoder of llama.cpp reads.
_IMAGE_TYPES: Final = frozenset({"image/png", "image/jpeg", "image/gif", "image/bmp"})
_ROLES: Final = {"user": "user", "assistant": "assistant", "tool": "user", "system": "system"}


@dataclass(slots=True)
class Scope:
    """What is known while a request is put into words.

    Attributes:
        sees_images: Whether the model has a projector.
        adjustments: What could not be said as asked.
        names: The tools' names by the ids of their calls.
    """

    sees_images: bool
    adjustments: list[Adjustment] = field(default_factory=list[Adjustment])
    names: dict[str, str] = field(default_factory=dict[str, str])

    def note(self, kind: AdjustmentKind, code: str, path: str, message: str) -> None:
        """Keep an adjustment."""
        self.adjustments.append(Adjustment(kind, code, path, message))


def chat_messages(messages: Sequence[Message], scope: Scope) -> list[dict[str, Any]]:
    """Return a history as chat messages; neighbours of one role become one, as most templates want them in turn.

    Raises:
        UnsupportedError: There is an image and the model cannot see, or nothing of a message can be said.
    """
    turns: list[tuple[str, list[Piece]]] = []
    for number, message in enumerate(messages):
        pieces = _pieces(message.parts, f"messages[{number}].parts", scope)
        if not pieces:
            if message.parts and message.role != "assistant":
                raise UnsupportedError(f"messages[{number}]: nothing of it can be said to a local model")
            continue
        role = _ROLES[message.role]
        if turns and turns[-1][0] == role:
            turns[-1][1].extend(pieces)
        else:
            turns.append((role, pieces))
    return [{"role": role, "content": _content(pieces)} for role, pieces in turns]


def system_text(parts: Sequence[Part], scope: Scope) -> str:
    """Return a system prompt in words.

    Raises:
        UnsupportedError: There is an image in it.
    """
    pieces = _pieces(parts, "system", scope)
    if any(piece["type"] != "text" for piece in pieces):
        raise UnsupportedError("system: a local model takes words for a system prompt, and no images")
    return "\n".join(piece["text"] for piece in pieces)


def _content(pieces: list[Piece]) -> str | list[Piece]:
    if all(piece["type"] == "text" for piece in pieces):
        return "\n".join(piece["text"] for piece in pieces)
    return pieces


def _pieces(parts: Sequence[Part], place: str, scope: Scope) -> list[Piece]:
    return [piece for number, part in enumerate(parts) for piece in _part_pieces(part, f"{place}[{number}]", scope)]


def _part_pieces(part: Part, path: str, scope: Scope) -> list[Piece]:
    match part:
        case Text():
            for number in range(len(part.citations)):
                why = "a local model is told the words without citations"
                scope.note("dropped", "citations-dropped", f"{path}.citations[{number}]", why)
            pieces = _words(part.text)
        case Json():
            pieces = _words(_json(part.value))
        case Image():
            pieces = [_image(part, path, scope)]
        case Document():
            pieces = _document(part, path, scope)
        case ToolCall():
            scope.names[part.id] = part.name
            said = _json(part.arguments) if part.invalid_json is None else part.invalid_json
            pieces = _words(f"I call {part.name} with {said}.")
        case ToolResult():
            name = scope.names.get(part.id, "a tool")
            told = _pieces(part.content, f"{path}.content", scope)
            pieces = [*_words(f"{'Error' if part.is_error else 'Result'} of {name}:"), *told]
        case _:
            _leave_out(part, path, scope)
            pieces = []
    return pieces


def _leave_out(part: Part, path: str, scope: Scope) -> None:
    """Note why a part is not said."""
    match part:
        case Reasoning() if BACKEND in part.metadata:
            scope.note("lossless", "own-reasoning", path, "a template leaves out what was thought before")
        case Reasoning():
            scope.note("dropped", "foreign-reasoning", path, "it belongs to the model that thought it")
        case CachePoint(ttl=None):
            scope.note("lossless", "cache-point", path, "what a prompt begins with is kept anyway")
        case CachePoint():
            scope.note("dropped", "cache-ttl-dropped", path, "what stands in a slot is kept until the slot is needed")
        case Opaque():
            scope.note("dropped", "foreign-opaque", path, f"only the backend {part.backend!r} understands it")
        case _:  # sounds, films, and what may come to be
            kind = type(part).__name__.lower()
            scope.note("dropped", f"{kind}-dropped", path, f"a local model takes no {kind}")


def _words(text: str) -> list[Piece]:
    return [{"type": "text", "text": text}] if text else []


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _image(image: Image, path: str, scope: Scope) -> Piece:
    if not scope.sees_images:
        why = "the model has no projector (mmproj), so it cannot see; ask a model that has one, with its GGUF file"
        raise UnsupportedError(f"{path}: {why}")
    if image.data is None:
        raise UnsupportedError(f"{path}: a local model reads no image from an address; give its bytes")
    if image.media_type not in _IMAGE_TYPES:
        known = ", ".join(sorted(_IMAGE_TYPES))
        raise UnsupportedError(f"{path}: the engine reads {known}, and no {image.media_type}")
    encoded = base64.b64encode(image.data).decode("ascii")
    return {"type": "image_url", "image_url": {"url": f"data:{image.media_type};base64,{encoded}"}}


def _document(document: Document, path: str, scope: Scope) -> list[Piece]:
    """Return the words of a text; what has to be laid out first, such as a PDF, is left out."""
    words = _plain_text(document)
    if words is None:
        why = f"a local model reads documents of plain text, and no {document.media_type}"
        scope.note("dropped", "document-dropped", path, why)
        return []
    if document.citations:
        why = "a local model does not say what its answer rests on"
        scope.note("dropped", "citations-unavailable", f"{path}.citations", why)
    about = "".join(f" {said}" for said in (document.name, document.context) if said)
    return _words(f"Document{about}:\n{words}")


def _plain_text(document: Document) -> str | None:
    if document.data is None or not document.media_type.startswith("text/"):
        return None
    try:
        return document.data.decode()
    except UnicodeDecodeError:
        return None
