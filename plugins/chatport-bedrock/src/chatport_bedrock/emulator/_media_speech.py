"""What can be said of images, documents, sound and film without looking at more than their headers."""

import re
from collections.abc import Mapping
from typing import Any, Final

from chatport_bedrock._image_header import read_image
from chatport_bedrock.emulator._conversation import Conversation, Placed, Turn, decode_base64

_KINDS: Final = ("image", "document", "audio", "video")
_ASKED: Final = re.compile(r"\b(?:image|picture|photo|document|file|attachment|audio|video)s?\b", re.IGNORECASE)
_TEXT_FORMATS: Final = frozenset({"csv", "html", "md", "txt"})
_FIRST_WORDS: Final = 12


def describe_media(conversation: Conversation, prompt: str) -> list[str]:
    """One sentence for each medium of the user's last turn; of an earlier one if the prompt asks about it now."""
    turns = [turn for turn in conversation.turns if turn.role == "user"]
    found = _media(turns[-1]) if turns else []
    if not found and _ASKED.search(prompt):
        found = next((media for turn in reversed(turns) if (media := _media(turn))), [])
    return [describe(placed.block, _label(placed, found)) for placed in found]


def describe(block: Mapping[str, Any], label: str) -> str:
    """One sentence about one medium."""
    if "image" in block:
        return _describe_image(block["image"], label)
    if "document" in block:
        return _describe_document(block["document"])
    kind = "audio" if "audio" in block else "video"
    return f"The {label} is {block[kind]['format'].upper()}, {_source(block[kind].get('source') or {})}."


def _media(turn: Turn) -> list[Placed]:
    return [placed for placed in turn.blocks if placed.kind in _KINDS]


def _label(placed: Placed, found: list[Placed]) -> str:
    same = [other for other in found if other.kind == placed.kind]
    name = "audio recording" if placed.kind == "audio" else placed.kind
    return name if len(same) == 1 else f"{name} {same.index(placed) + 1}"


def _describe_image(image: Mapping[str, Any], label: str) -> str:
    source: Mapping[str, Any] = image.get("source") or {}
    info = read_image(decode_base64(source["bytes"])) if "bytes" in source else None
    article = f"The {label} is a {image['format'].upper()}"
    if info is None or info.width is None:
        return f"{article}, {_source(source)}."
    return f"{article} of {info.width} x {info.height} pixels, {_source(source)}."


def _describe_document(document: Mapping[str, Any]) -> str:
    source: Mapping[str, Any] = document.get("source") or {}
    kind = (document.get("format") or "txt").upper()
    sentence = f"The document “{document['name']}” is {kind}, {_source(source)}"
    begins = _first_words(source, document.get("format") or "txt")
    return f"{sentence}, and begins: “{begins}”" if begins else f"{sentence}."


def _first_words(source: Mapping[str, Any], kind: str) -> str:
    text = _text(source)
    if text is None and "bytes" in source and kind in _TEXT_FORMATS:
        text = decode_base64(source["bytes"]).decode(errors="replace")
    words = (text or "").split()
    return " ".join(words[:_FIRST_WORDS]) + (" …" if len(words) > _FIRST_WORDS else "")


def _text(source: Mapping[str, Any]) -> str | None:
    if "text" in source:
        return str(source["text"])
    if "content" in source:
        return " ".join(block.get("text", "") for block in source["content"])
    return None


def _source(source: Mapping[str, Any]) -> str:
    if "bytes" in source:
        return f"{len(decode_base64(source['bytes'])):,} bytes"
    if "s3Location" in source:
        return f"stored at {source['s3Location']['uri']}, which I do not read"
    return f"{len(_text(source) or ''):,} characters"
