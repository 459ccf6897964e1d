"""Asking the emulator's brain without a server."""

import json
from typing import Any

from bedrock_support.emulation import CLAUDE, assert_valid_answer, broken_shape
from chatport_bedrock.emulator._answer import response_body
from chatport_bedrock.emulator._brain import plan_answer
from chatport_bedrock.emulator._conversation import Conversation
from chatport_bedrock.emulator._rules import check_rules


def answer(*messages: dict[str, Any], model: str = CLAUDE, **members: Any) -> dict[str, Any]:
    """What the brain answers to a request that is right; the answer is right too."""
    request = {"messages": list(messages), **members}
    assert broken_shape(request) is None
    conversation = Conversation(model, request)
    check_rules(conversation)
    paths = request.get("additionalModelResponseFieldPaths", ())
    body: dict[str, Any] = json.loads(json.dumps(response_body(plan_answer(conversation), latency=0.1, paths=paths)))
    assert_valid_answer(body)
    return body


def content(body: dict[str, Any]) -> list[dict[str, Any]]:
    """The blocks of an answer."""
    blocks: list[dict[str, Any]] = body["output"]["message"]["content"]
    return blocks
