"""What examples of refusals are made of: models, blocks, requests."""

from dataclasses import dataclass, field
from typing import Any, Literal

from bedrock_support.emulation import (
    TOOLS,
    assistant,
    png,
    talk,
    tool_result,
    tool_use,
    user,
)
from chatport_bedrock.emulator._signatures import sign

MODEL_SAYS = "The model returned the following errors: "

CLAUDE_5 = "us.anthropic.claude-sonnet-5"
LLAMA_4 = "us.meta.llama4-maverick-17b-instruct-v1:0"
MISTRAL = "mistral.mistral-large-3-675b-instruct"
PIXTRAL = "us.mistral.pixtral-large-2502-v1:0"
WRITER = "us.writer.palmyra-x4-v1:0"
QWEN = "qwen.qwen3-32b-v1:0"
DEEPSEEK = "us.deepseek.r1-v1:0"
GPT = "openai.gpt-oss-120b-1:0"
COMMAND = "cohere.command-r-plus-v1:0"
NOVA_2 = "us.amazon.nova-2-lite-v1:0"
ACCOUNTS_OWN = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/emuprof3dog4"
SONNET_ARN = "arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-sonnet-4-5-20250929-v1:0"

HELLO = user("Hello!")
CALL = assistant(tool_use("a"))
POINT = {"cachePoint": {"type": "default"}}
LONG_POINT = {"cachePoint": {"type": "default", "ttl": "1h"}}
SHORT_POINT = {"cachePoint": {"type": "default", "ttl": "5m"}}
FILM = {"video": {"format": "mp4", "source": {"bytes": "AAEC"}}}
SOUND = {"audio": {"format": "mp3", "source": {"bytes": "AAEC"}}}
THOUGHT = {"reasoningContent": {"reasoningText": {"text": "Well"}}}
SIGNED_THOUGHT = {"reasoningContent": {"reasoningText": {"text": "Well", "signature": sign("Well")}}}
REMOTE = {"s3Location": {"uri": "s3://bucket/a"}}
REMOTE_IMAGE = {"image": {"format": "png", "source": REMOTE}}
REMOTE_DOCUMENT = {"document": {"name": "a", "format": "pdf", "source": REMOTE}}
BUDGET = {"thinking": {"type": "enabled", "budget_tokens": 2000}}
ADAPTIVE = {"thinking": {"type": "adaptive"}}
THREE_MEBIBYTES = png() + bytes(3 * 1024 * 1024)

FILM_REFUSED = "This model doesn't support the video content block that you provided. Update the content block"
NO_RESULT = "Malformed input request: #/messages/2/content/0: extraneous key [toolResult] is not permitted"
NOT_MIXED = "Conversation blocks and tool {} blocks cannot be provided in the same turn."


@dataclass(frozen=True)
class Example:
    """A request that one model refuses and another accepts, or that becomes acceptable by a change.

    Attributes:
        rule: The name of the rule.
        model: Who refuses it.
        body: The request.
        message: What the answer begins with.
        accepted: Requests, with their models, that the rule does not mind.
        operation: What is asked.
        status: The status of the answer.
    """

    rule: str
    model: str
    body: dict[str, Any]
    message: str
    accepted: list[tuple[str, dict[str, Any]]] = field(default_factory=list[tuple[str, dict[str, Any]]])
    operation: Literal["Converse", "ConverseStream", "CountTokens"] = "Converse"
    status: int = 400


def answered(*content: Any, **members: Any) -> dict[str, Any]:
    """A request with one tool call and its result."""
    return talk(HELLO, CALL, user(tool_result("a", *content, **members)), toolConfig=TOOLS)


def choosing(choice: str) -> dict[str, Any]:
    """A request with a choice of tool."""
    chosen = {"name": "get_time"} if choice == "tool" else {}
    return talk(HELLO, toolConfig={**TOOLS, "toolChoice": {choice: chosen}})


def no_choice(choice: str) -> str:
    """The refusal of a choice."""
    member = f"toolConfig.toolChoice.{choice}"
    return f"This model doesn't support the {member} field. Remove {member} and try again."


def strict(schema: Any, count: int = 1, *, defs: Any = None, additional: bool = False) -> dict[str, Any]:
    """A request with strict tools, whose objects are closed unless the test says otherwise."""
    closed = {"type": "object", "properties": {"a": schema}, "additionalProperties": additional, "$defs": defs or {}}
    specs = [{"toolSpec": {"name": f"t{n}", "strict": True, "inputSchema": {"json": closed}}} for n in range(count)]
    return talk(HELLO, toolConfig={"tools": specs})


def answer_format(schema: str) -> dict[str, Any]:
    """A request with a schema for the answer."""
    structure = {"jsonSchema": {"schema": schema}}
    return talk(HELLO, outputConfig={"textFormat": {"type": "json_schema", "structure": structure}})


def thinking(fields: dict[str, Any], **members: Any) -> dict[str, Any]:
    """A request with fields of the model's own."""
    return talk(HELLO, additionalModelRequestFields=fields, **members)
