"""Answers that have to fit a JSON schema: where a request says so, and what the brain puts into them."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from chatport_bedrock.emulator._conversation import Conversation
from chatport_bedrock.emulator._json import as_list, as_object
from chatport_bedrock.emulator._speech import last_prompt, last_turn

_SCHEMA_WORDS: Final = re.compile(r"\bJSON schema\b", re.IGNORECASE)
_ANSWER_WORDS: Final = re.compile(r"\b(?:final|whole) (?:answer|response|result)\b", re.IGNORECASE)
_DECODER: Final = json.JSONDecoder()


def asked_schema(conversation: Conversation) -> dict[str, Any] | None:
    """The schema that an answer in words has to fit: enforced by the service, or asked for in words."""
    if conversation.answer_schema is not None:
        return conversation.answer_schema
    for text in (conversation.system_text, last_prompt(conversation)):
        said = _SCHEMA_WORDS.search(text)
        found = _object_in(text[said.end() :]) if said else None
        if found is not None:
            return found
    return None


def takes_answer(spec: Mapping[str, Any]) -> bool:
    """Whether a tool says of itself that its input is the answer."""
    words = f"{spec['name'].replace('_', ' ')} {spec.get('description') or ''}"
    return _ANSWER_WORDS.search(words) is not None


def material(conversation: Conversation) -> str:
    """What an answer is made from: what the user said last in words, and what tools have returned since."""
    said = last_prompt(conversation)
    if not said.strip():
        users = (turn for turn in reversed(conversation.turns) if turn.role == "user")
        texts = ("\n".join(placed.block["text"] for placed in turn.of_kind("text")) for turn in users)
        said = next((text for text in texts if text.strip()), "")
    schema_words = _SCHEMA_WORDS.search(said)
    said = said[: schema_words.start()] if schema_words else said
    turn = last_turn(conversation)
    results = turn.of_kind("toolResult") if turn else []
    returned = [text for placed in results for text in _texts(placed.block["toolResult"].get("content"))]
    return "\n".join([said, *returned])


def _object_in(text: str) -> dict[str, Any] | None:
    start = text.find("{")
    if start < 0:
        return None
    try:
        return as_object(_DECODER.raw_decode(text, start)[0])
    except (ValueError, RecursionError):
        return None


def _texts(content: Any) -> Iterator[str]:
    for entry in as_list(content) or ():
        part = as_object(entry) or {}
        if "text" in part:
            yield str(part["text"])
        elif "json" in part:
            yield " ".join(_leaves(part["json"]))


def _leaves(value: Any) -> Iterator[str]:
    members, items = as_object(value), as_list(value)
    for item in members.values() if members is not None else items or ():
        yield from _leaves(item)
    if members is None and items is None and value is not None:
        yield str(value)
