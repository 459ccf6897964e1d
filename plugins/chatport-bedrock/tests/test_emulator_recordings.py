"""Recorded requests that the real service has answered are accepted by the emulator."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from bedrock_support.emulation import broken_shape
from bedrock_support.recordings import FOLDER

from chatport_bedrock.emulator._conversation import Conversation
from chatport_bedrock.emulator._operations import Operation
from chatport_bedrock.emulator._rules import RULES

SIGNED_BY_THE_SERVICE = "reasoning that the real service signed, with a key that nobody else has"
NO_IMAGE = "answered with status 200, but the stream begins with the refusal that is expected here"

EXCEPTIONS = {
    "langchain-aws__test_thinking-v0[1]": SIGNED_BY_THE_SERVICE,
    "pydantic-ai__test_bedrock_model_thinking_part_anthropic_adaptive_effort[1]": SIGNED_BY_THE_SERVICE,
    "pydantic-ai__test_bedrock_model_thinking_part_anthropic_legacy[1]": SIGNED_BY_THE_SERVICE,
    "ruby-llm__chat_with_extended_thinking_bedrock_claude-haiku-4-5_preserves_thinking_signatures_between_turns_when_"
    "provided[1]": SIGNED_BY_THE_SERVICE,
    "req-llm-main__amazon_nova_lite_v1_0__converse_stream_validation_exception[0]": NO_IMAGE,
}
EXPECTED = {SIGNED_BY_THE_SERVICE: "Invalid `signature`", NO_IMAGE: "The detected file MIME type text/plain"}
OPERATIONS: Mapping[str, Operation] = {"converse": "Converse", "converse-stream": "ConverseStream"}
# Large media are kept beside the recordings, or left out of them: neither is looked at here.
MEDIA_RULES = {"image-bytes", "image-format"}


@pytest.mark.skipif(not FOLDER.is_dir(), reason="the recordings are not here")
def test_recorded_requests_that_were_answered_are_accepted() -> None:
    """Every recorded request with status 200 passes shape and rules, but for the exceptions above."""
    refused: dict[str, str] = {}
    seen = Counter[str]()
    for name, operation, model, body in answered_requests():
        seen[operation] += 1
        message = broken_shape(body, operation) or broken_rule(model, body)
        if message is not None:
            refused[name] = message
    assert refused.keys() == EXCEPTIONS.keys()
    assert all(EXPECTED[reason] in refused[name] for name, reason in EXCEPTIONS.items())
    assert seen["Converse"] > 200
    assert seen["ConverseStream"] > 50


def answered_requests() -> Iterator[tuple[str, Operation, str, dict[str, Any]]]:
    """Name, operation, model and body of every recorded request that got status 200."""
    for path in sorted(FOLDER.glob("*.json")):
        for number, exchange in enumerate(json.loads(path.read_text(encoding="utf-8"))["exchanges"]):
            body = exchange["request"].get("body")
            if exchange["operation"] in OPERATIONS and exchange["response"]["status"] == 200 and body:
                name = f"{path.stem}[{number}]"
                yield name, OPERATIONS[exchange["operation"]], exchange["model"], with_any_media(body)


def with_any_media(value: Any) -> Any:
    """A recorded request whose references to media are replaced by bytes that mean nothing."""
    if isinstance(value, dict):
        return {key: with_any_media(item) for key, item in value.items()}
    if isinstance(value, list):
        return [with_any_media(item) for item in value]
    return "AAEC" if isinstance(value, str) and value.startswith("$blob:") else value


def broken_rule(model: str, body: dict[str, Any]) -> str | None:
    """What the rules say; those about images only if the images are there."""
    conversation = Conversation(model, body)
    skipped = MEDIA_RULES if "AAEC" in json.dumps(body) else set[str]()
    for rule in RULES:
        if rule.applies_to(conversation) and rule.name not in skipped:
            message = rule.find(conversation)
            if message is not None:
                return message
    return None
