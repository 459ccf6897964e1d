"""Which tools to call, if any, and how often: decided by words that the prompt shares with names and descriptions."""

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any, Final

from chatport_bedrock.emulator import _mentions as mentions
from chatport_bedrock.emulator._arguments import fill_arguments, is_place
from chatport_bedrock.emulator._conversation import Conversation
from chatport_bedrock.emulator._json import as_list, as_object
from chatport_bedrock.emulator._structured import material, takes_answer

_NAMED: Final = 100
"""The score of a tool that the prompt names as it is spelt."""
_ENOUGH: Final = 2
"""One word of the name, or two of the description."""


def choose_calls(conversation: Conversation, prompt: str, *, answered: bool) -> list[dict[str, Any]]:
    """The tool calls of the next answer, as wire blocks; empty if it is to be words.

    Args:
        conversation: The request.
        prompt: What the user said last.
        answered: Whether the user's last message holds tool results: then only a forced choice calls again.
    """
    if _is_forbidden(conversation):
        return []
    choice: Mapping[str, Any] = (conversation.body.get("toolConfig") or {}).get("toolChoice") or {}
    tools = conversation.tools
    answers = [name for name, spec in tools.items() if takes_answer(spec)]
    helpers = {name: spec for name, spec in tools.items() if name not in answers}
    if choice.get("tool") is not None:
        names = [choice["tool"]["name"]]
    elif answered and (choice.get("any") is None or answers):
        names = answers[:1] if choice.get("any") is not None else []
    else:
        forced = (answers or list(tools))[:1] if choice.get("any") is not None else []
        names = _matching(helpers, prompt) or forced
    calls = [
        (name, arguments)
        for name in names
        for arguments in (
            [fill_arguments(tools[name]["inputSchema"]["json"], material(conversation))]
            if name in answers
            else _argument_sets(tools[name], prompt)
        )
    ]
    turn = len(conversation.messages)
    return [
        {"toolUse": {"toolUseId": _identifier(turn, index, name, arguments), "name": name, "input": arguments}}
        for index, (name, arguments) in enumerate(calls)
    ]


def _is_forbidden(conversation: Conversation) -> bool:
    """Whether Claude was told in its own words, past the service's, to call nothing."""
    fields = as_object(conversation.body.get("additionalModelRequestFields")) or {}
    own_choice = as_object(fields.get("tool_choice")) or {}
    return conversation.family == "anthropic" and own_choice.get("type") == "none"


def _matching(tools: Mapping[str, Mapping[str, Any]], prompt: str) -> list[str]:
    """The tools that the prompt is about: the best one, and others that cover words which the better ones do not."""
    said = set(mentions.words(prompt))
    ranked = sorted(
        tools.values(), key=lambda spec: -_score(spec, said, prompt)
    )  # equals stay in the order of the request
    chosen: list[str] = []
    covered: set[str] = set()
    for spec in ranked:
        shared = said & set(mentions.words(spec["name"]))
        named = _is_named(spec["name"], prompt)
        if _score(spec, said, prompt) < _ENOUGH or (chosen and not named and not shared - covered):
            continue
        chosen.append(spec["name"])
        covered |= shared
    return sorted(chosen, key=lambda name: list(tools).index(name))


def _score(spec: Mapping[str, Any], said: set[str], prompt: str) -> int:
    name_words = set(mentions.words(spec["name"]))
    described = set(mentions.words(spec.get("description") or "")) - name_words
    named = _NAMED if _is_named(spec["name"], prompt) else 0
    return named + _ENOUGH * len(said & name_words) + len(said & described)


def _is_named(name: str, prompt: str) -> bool:
    return re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", prompt) is not None and bool(re.search(r"[_-]|\d", name))


def _argument_sets(spec: Mapping[str, Any], prompt: str) -> list[dict[str, Any]]:
    """One set of arguments, or one for each place where the tool takes one place and the prompt names several."""
    schema: Mapping[str, Any] = spec["inputSchema"]["json"]
    places = mentions.places(prompt)
    properties = as_object(schema.get("properties")) or {}
    required = [name for name in as_list(schema.get("required")) or [] if isinstance(name, str) and is_place(name)]
    asks = [name for name in required if (as_object(properties.get(name)) or {}).get("type") == "string"]
    if len(places) > 1 and len(asks) == 1:
        return [fill_arguments(schema, prompt, place=place) for place in places]
    return [fill_arguments(schema, prompt)]


def _identifier(turn: int, index: int, name: str, arguments: dict[str, Any]) -> str:
    """An id as the service issues them, the same for the same call at the same place of a conversation."""
    seed = json.dumps([turn, index, name, arguments], sort_keys=True).encode()
    digest = hashlib.sha256(seed).digest()[:16]
    return "tooluse_" + base64.urlsafe_b64encode(digest).decode("ascii").rstrip("=")
