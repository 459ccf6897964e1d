"""A history that is too long, and a count of it, for the tests of what shortens it."""

from typing import Any

from tests.conversations import call

from chatport import Message, ToolResult


def tool(id_: str, text: str = "rain") -> Message:
    """Return the result of one call."""
    return Message("tool", (ToolResult(id_, text),))


# Two turns of three steps each, and their places: 0 | 1 2 | 3 4 | 5 || 6 | 7 8 | 9 10 | 11
LONG = (
    *(Message.user("one"), Message.assistant(call("a")), tool("a"), Message.assistant(call("b")), tool("b")),
    Message.assistant("first"),
    *(Message.user("two"), Message.assistant(call("c")), tool("c"), Message.assistant(call("d")), tool("d")),
    Message.assistant("second"),
)


def each_one(messages: Any) -> int:
    """Count messages in place of tokens."""
    return len(messages)


def places(messages: Any, history: Any = LONG) -> list[int]:
    """Return where messages stood."""
    return [next(place for place, known in enumerate(history) if known is message) for message in messages]
