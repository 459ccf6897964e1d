"""What a conversation says, fact by fact: what has to be found in what is sent for it, or be named as left out."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias, assert_never

from chatport import (
    Audio,
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
    Video,
)

Form: TypeAlias = Literal[
    "text", "name", "id", "title", "bytes", "value", "point", "flag", "role", "server", "arguments"
]
"""How a fact is looked for; see `tests.swap.ledger`."""

LEFT_OUT: Final = "(left out)"
"""Stands where a medium stood that somebody has refused; it is nobody's word."""

KINDS: Final = (
    "text",
    "system message inside",
    "image",
    "document",
    "audio",
    "video",
    "tool call",
    "tool call that was cut",
    "tool result",
    "failed result",
    "image in a result",
    "document in a result",
    "reasoning",
    "signed reasoning",
    "redacted reasoning",
    "citation",
    "cache point",
    "tool run by the service",
    "what only one service has",
)
"""The rows of the table."""


@dataclass(frozen=True)
class Fact:
    """One thing that is said.

    Attributes:
        kind: The row of the table that it belongs to.
        path: Where it stands, as adjustments name it.
        form: How it is looked for.
        value: What is looked for.
        is_detail: Whether what it belongs to is still there without it: then it may be `changed` and not `dropped`.
        speaker: Whose message it stands in.
        message: The number of that message.
    """

    kind: str
    path: str
    form: Form
    value: Any
    is_detail: bool
    speaker: str
    message: int


def facts_of(messages: Sequence[Message]) -> Iterator[Fact]:
    """Yield the facts of a conversation, in its order.

    Text without a visible character is none: nothing is said by it. Which result answers which call, and whether a tool
    has failed, is not here: see `tests.swap.pairs`.
    """
    for index, message in enumerate(messages):
        for position, part in enumerate(message.parts):
            path = f"messages[{index}].parts[{position}]"
            for kind, where, form, value, is_detail in _facts(part, path, message.role):
                yield Fact(kind, where, form, value, is_detail, message.role, index)


_Row: TypeAlias = tuple[str, str, Form, Any, bool]


def _facts(part: Part, path: str, role: str) -> Iterator[_Row]:
    match part:
        case Text():
            yield from _text_facts(part, path, "system message inside" if role == "system" else "text", role)
        case Image() | Document() | Audio() | Video():
            yield from _media_facts(part, path, type(part).__name__.lower())
        case Reasoning():
            yield from _reasoning_facts(part, path)
        case ToolCall():
            yield from _call_facts(part, path)
        case ToolResult():
            yield from _result_facts(part, path, role)
        case Json(value):
            yield "text", path, "value", value, False
        case CachePoint(ttl):
            yield "cache point", path, "point", ttl, False
        case Opaque(data=data):
            yield "what only one service has", path, "value", data, False
        case _:
            assert_never(part)


def _text_facts(part: Text, path: str, kind: str, role: str) -> Iterator[_Row]:
    if part.text.strip() and part.text != LEFT_OUT:
        yield kind, path, "text", part.text, False
        if role == "system":
            yield kind, path, "role", part.text, True
    for index, citation in enumerate(part.citations):
        for value in (citation.title, citation.source, *citation.quotes):
            if value:
                yield "citation", f"{path}.citations[{index}]", "text", value, False


def _media_facts(part: Image | Document | Audio | Video, path: str, kind: str) -> Iterator[_Row]:
    if part.data is None:
        yield kind, path, "name", part.uri or part.url, False
    else:
        yield kind, path, "bytes", part.data, False
    if isinstance(part, Document):
        if part.name is not None:
            yield kind, path, "title", part.name, True
        if part.context is not None:
            yield kind, path, "text", part.context, True
        if part.citations:
            yield kind, path, "flag", part.data, True


def _reasoning_facts(part: Reasoning, path: str) -> Iterator[_Row]:
    kind = "reasoning" if part.signature is None else "signed reasoning"
    if part.text.strip():
        yield kind, path, "text", part.text, False
    if part.signature is not None:
        yield kind, path, "name", part.signature, True
    if part.redacted is not None:
        yield "redacted reasoning", path, "bytes", part.redacted, False


def _call_facts(part: ToolCall, path: str) -> Iterator[_Row]:
    kind = "tool call" if part.invalid_json is None else "tool call that was cut"
    if part.executed_by == "server":
        kind = "tool run by the service"
        yield kind, path, "server", part.id, True
        yield kind, path, "id", part.id, True
    yield kind, path, "name", part.name, True
    if part.invalid_json is not None:
        yield kind, path, "text", part.invalid_json, False
        yield kind, path, "arguments", part.invalid_json, True
    elif part.arguments:
        yield kind, path, "value", part.arguments, False


def _result_facts(part: ToolResult, path: str, role: str) -> Iterator[_Row]:
    kind = "failed result" if part.is_error else "tool result"
    if role == "assistant":
        kind = "tool run by the service"  # its id is that of its call
    for index, item in enumerate(part.content):
        where = f"{path}.content[{index}]"
        for row in _facts(item, where, "tool"):
            inner = {"text": kind, "image": "image in a result", "document": "document in a result"}
            yield inner.get(row[0], row[0]), *row[1:]
