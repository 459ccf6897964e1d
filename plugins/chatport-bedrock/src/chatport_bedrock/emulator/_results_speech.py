"""What tools have answered, put into words."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from chatport_bedrock.emulator._conversation import Conversation, Turn
from chatport_bedrock.emulator._json import as_list, as_object
from chatport_bedrock.emulator._media_speech import describe

_MAX_FACTS: Final = 12


def describe_results(conversation: Conversation, turn: Turn) -> list[str]:
    """One sentence for each tool result of a turn: which call it answers, and what it says."""
    calls = {
        placed.block["toolUse"]["toolUseId"]: placed.block["toolUse"] for placed in conversation.of_kind("toolUse")
    }
    return [
        _sentence(calls.get(result["toolUseId"]), result)
        for result in (placed.block["toolResult"] for placed in turn.of_kind("toolResult"))
    ]


def _sentence(call: Mapping[str, Any] | None, result: Mapping[str, Any]) -> str:
    subject = _call_text(call) if call is not None else "The tool"
    verb = "failed" if result.get("status") == "error" else "says"
    said = "; ".join(text for entry in result["content"] for text in _entry_texts(entry)) or "nothing"
    return f"{subject} {verb}: {said.rstrip('.')}."


def _call_text(call: Mapping[str, Any]) -> str:
    arguments = as_object(call["input"]) or {}
    return f"{call['name']}({', '.join(_plain(value) for value in arguments.values())})"


def _entry_texts(entry: Mapping[str, Any]) -> Iterator[str]:
    if "text" in entry:
        yield from _text_facts(str(entry["text"]))
    elif "json" in entry:
        yield _facts_text(entry["json"])
    elif "searchResult" in entry:
        yield f"{entry['searchResult']['title']} ({entry['searchResult']['source']})"
    else:
        kind = next(iter(entry))
        yield describe(entry, kind).rstrip(".")


def _text_facts(text: str) -> Iterator[str]:
    """A text that is JSON is read like JSON: many clients send objects as text."""
    try:
        value = json.loads(text)
    except ValueError:
        value = text
    found = _facts_text(value) if isinstance(value, dict | list) else text.strip()
    if found:
        yield found


def _facts_text(value: Any) -> str:
    facts = list(_facts(value, ""))
    more = f", and {len(facts) - _MAX_FACTS} more" if len(facts) > _MAX_FACTS else ""
    return ", ".join(facts[:_MAX_FACTS]) + more


def _facts(value: Any, name: str) -> Iterator[str]:
    entries, items = as_object(value), as_list(value)
    if entries is not None:
        for key, item in entries.items():
            yield from _facts(item, f"{name}.{key}" if name else key)
    elif items is not None:
        for item in items:
            yield from _facts(item, name)
    else:
        yield f"{name} {_plain(value)}" if name else _plain(value)


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
