"""Parts of messages as blocks."""

from typing import Any

from chatport.backend import Adjustment, ChatRequest, Message, ToolResult
from chatport_bedrock._translate import translate

CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
HELLO = Message.user("Hello")


def translated(message: Message, *, model: str = CLAUDE) -> tuple[list[Any], list[tuple[str, str, str]]]:
    """Blocks of a message of the user, or of one of the model between two of the user, and what was reported."""
    if message.role == "user":
        translation = translate(ChatRequest(model, (message,)))
    else:
        results = [ToolResult(call.id, "done") for call in message.tool_calls]
        translation = translate(ChatRequest(model, (HELLO, message, Message.user(*results, "Go on."))))
    turn = 0 if message.role == "user" else 1
    return translation.body["messages"][turn]["content"], list(map(summary, translation.adjustments))


def summary(adjustment: Adjustment) -> tuple[str, str, str]:
    """Kind, code and path."""
    return adjustment.kind, adjustment.code, adjustment.path


def asked(*parts: Any) -> tuple[list[Any], list[tuple[str, str, str]]]:
    """Blocks of a user's message with a word before the parts, without that word."""
    blocks, found = translated(Message.user("Look:", *parts))
    return blocks[1:], found


def answered(*parts: Any, model: str = CLAUDE) -> tuple[list[Any], list[tuple[str, str, str]]]:
    """Blocks of an answer with a word before the parts, without that word."""
    blocks, found = translated(Message.assistant("So:", *parts), model=model)
    return blocks[1:], [(kind, code, path) for kind, code, path in found if code != "tools-from-history"]
