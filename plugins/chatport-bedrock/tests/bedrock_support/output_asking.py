"""Requests for JSON, to models of every kind, and how they go out."""

import json
from typing import Any

from chatport.backend import ChatRequest, Message, Tool, ToolCall, ToolResult
from chatport_bedrock._body import encode_body
from chatport_bedrock._translate import Translation, translate
from chatport_bedrock.emulator._conversation import Conversation
from chatport_bedrock.emulator._rules import RULES
from chatport_bedrock.emulator._shapes import find_violations, input_shape

CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
OLD_CLAUDE = "anthropic.claude-3-7-sonnet-20250219-v1:0"
NOVA = "amazon.nova-lite-v1:0"
LLAMA = "meta.llama3-3-70b-instruct-v1:0"
TITAN = "amazon.titan-text-express-v1"
NEWCOMER = "newcomer.model-1.5-v1:0"

SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "size": {"type": "integer", "minimum": 0}},
    "required": ["name", "size"],
    "description": "A city.",
}
CLOSED = {
    **SCHEMA,
    "properties": {"name": {"type": "string"}, "size": {"type": "integer", "description": "minimum: 0"}},
    "additionalProperties": False,
}
OPEN = {"type": "object", "additionalProperties": {"type": "integer"}}
HELLO = Message.user("Which city?")
WEATHER = Tool("get_weather", "Get the weather.", {"type": "object", "properties": {"place": {"type": "string"}}})
CALLED = (
    HELLO,
    Message.assistant(ToolCall("tooluse_1", "get_weather", {"place": "Rome"})),
    Message("tool", (ToolResult("tooluse_1", "21 degrees"),)),
)


def asked(model: str, *messages: Message, schema: Any = SCHEMA, **members: Any) -> Translation:
    """Translate a request for JSON."""
    request = ChatRequest(model, messages or (HELLO,), output_schema=schema, output_name="City", **members)
    return translate(request)


def way(translation: Translation) -> str:
    """Which way was chosen."""
    assert translation.output is not None
    return translation.output.way


def told(translation: Translation) -> list[tuple[str, str, str]]:
    """What is reported."""
    return [(item.kind, item.code, item.path) for item in translation.adjustments if item.kind != "lossless"]


def refusal(translation: Translation) -> str | None:
    """Why the emulator would refuse it."""
    body = json.loads(encode_body(translation.body))
    violations = list(find_violations(body, input_shape("Converse")))
    if violations:
        return violations[0].text
    conversation = Conversation(translation.model, body)
    return next(
        (
            f"{rule.name}: {found}"
            for rule in RULES
            if rule.applies_to(conversation) and (found := rule.find(conversation)) and rule.name != "on-demand"
        ),
        None,
    )
