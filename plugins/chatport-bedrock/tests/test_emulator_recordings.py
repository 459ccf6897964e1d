"""Recorded requests that the real service has answered are accepted by the emulator."""

from collections import Counter

import pytest
from bedrock_support.emulation import broken_shape
from bedrock_support.recorded_requests import RecordedRequest, recorded_requests
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
# Some large media are left out of the recordings, and nothing can be said of them.
MEDIA_RULES = {"image-bytes", "image-format"}


@pytest.mark.skipif(not FOLDER.is_dir(), reason="the recordings are not here")
def test_recorded_requests_that_were_answered_are_accepted() -> None:
    """Every recorded request with status 200 passes shape and rules, but for the exceptions above."""
    refused: dict[str, str] = {}
    seen = Counter[str]()
    for request in recorded_requests():
        operation = operation_of(request)
        seen[operation] += 1
        message = broken_shape(request.body, operation) or broken_rule(request)
        if message is not None:
            refused[request.name] = message
    assert refused.keys() == EXCEPTIONS.keys()
    assert all(EXPECTED[reason] in refused[name] for name, reason in EXCEPTIONS.items())
    assert seen["Converse"] > 200
    assert seen["ConverseStream"] > 50


def operation_of(request: RecordedRequest) -> Operation:
    """Which of the two it was."""
    return "ConverseStream" if request.streaming else "Converse"


def broken_rule(request: RecordedRequest) -> str | None:
    """What the rules say; those about media only if the media are there."""
    conversation = Conversation(request.model, request.body)
    skipped = set[str]() if request.is_complete else MEDIA_RULES
    for rule in RULES:
        if rule.applies_to(conversation) and rule.name not in skipped:
            message = rule.find(conversation)
            if message is not None:
                return message
    return None
