"""A stored session as Markdown, for people."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, assert_never

from chatport._media import Audio, Document, Image, Media, Video
from chatport._messages import CachePoint, Json, Opaque, Part, Reasoning, Text, ToolCall, ToolResult
from chatport._stored_form import one_line, title_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from chatport._messages import Message
    from chatport._store import StoredSession

_NAMES = {"system": "System", "user": "User", "assistant": "Assistant", "tool": "Results of tools"}


def session_markdown(session: StoredSession) -> str:
    """Return a session as Markdown."""
    blocks = [f"# {title_of(session.messages) or session.id}"]
    for turn in session.turns:
        said = f"{turn.created_at:%Y-%m-%d %H:%M %Z}" + (f", {turn.model}" if turn.model else "")
        blocks.append(f"*{said}*")
        blocks += _message_blocks(turn.messages)
    return "\n\n".join(blocks) + "\n"


def _message_blocks(messages: Sequence[Message]) -> Iterator[str]:
    for message in messages:
        yield f"## {_NAMES[message.role]}"
        for part in message.parts:
            yield from _part_blocks(part)


def _part_blocks(part: Part) -> Iterator[str]:
    match part:
        case Text():
            if part.text.strip():
                yield part.text.strip("\n")
            yield from (f"> {one_line(citation.title or citation.source or '')}" for citation in part.citations)
        case Reasoning():
            if part.text.strip():
                yield "\n".join(f"> {line}".rstrip() for line in ("*Reasoning*", "", *part.text.strip().splitlines()))
        case ToolCall():
            arguments: Any = part.arguments if part.invalid_json is None else part.invalid_json
            yield f"Calls `{one_line(part.name)}`:"
            yield _fenced(_json_text(arguments))
        case ToolResult():
            yield "The tool failed:" if part.is_error else "The tool says:"
            for inner in part.content:
                # Nobody's words to the reader: a result may be anything, Markdown included.
                yield from (_fenced(inner.text),) if isinstance(inner, Text) else _part_blocks(inner)
        case Json():
            yield _fenced(_json_text(part.value))
        case Image() | Document() | Audio() | Video():
            yield f"*[{_medium_text(part)}]*"
        case CachePoint():
            pass
        case Opaque():
            yield f"*[a part in the words of {one_line(part.backend)}]*"
        case _:
            assert_never(part)


def _medium_text(medium: Media) -> str:
    name = f"{one_line(medium.name)}, " if isinstance(medium, Document) and medium.name else ""
    where = f"{len(medium.data)} bytes" if medium.data is not None else one_line(medium.uri or medium.url or "")
    return f"{type(medium).__name__.lower()}: {name}{medium.media_type}, {where}"


def _json_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)


def _fenced(text: str) -> str:
    """Return a text between fences that are longer than any row of backticks in it."""
    longest = max((len(row) for row in re.findall("`+", text)), default=0)
    fence = "`" * max(longest + 1, 3)
    return f"{fence}\n{text}\n{fence}"
