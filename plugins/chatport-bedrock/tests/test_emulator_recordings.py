"""Recorded requests meet what they met: those that the service answered are accepted, those that it refused refused."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from bedrock_support.emulation import broken_shape, connect
from bedrock_support.recorded_requests import RecordedRequest, recorded_requests, with_media
from bedrock_support.recordings import FOLDER

from chatport_bedrock.emulator import Emulator
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
MEDIA_RULES = {"image-bytes", "image-format", "pdf-bytes"}

# What was refused for reasons that are not in the request, or not in it any more.
NOT_REFUSED = {
    "dd-py__bedrock_converse_error[0]": "403: a token that has ended",
    "ruby-llm__chat_error_handling_with_bedrock_amazon_nova-2-lite-v1_0_raises_appropriate_auth_error[0]": "403",
    "rig__model_ids__retired_model_id_preserves_provider_error[0]": "404: which models are retired changes by the day",
    "ruby-llm__chat_real_error_scenarios_bedrock_amazon_nova-2-lite-v1_0_handles_context_length_exceeded_errors[0]": (
        "400: the text that was too long is left out of the recording"
    ),
}

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="the recordings are not here")


def test_recorded_requests_that_were_answered_are_accepted() -> None:
    """Every recorded request with status 200 passes shape and rules, but for the exceptions above."""
    refused: dict[str, str] = {}
    seen = Counter[str]()
    for request in recorded_requests():
        operation = operation_of(request)
        seen[operation] += 1
        seen["complete"] += request.is_complete
        message = broken_shape(request.body, operation) or broken_rule(request)
        if message is not None:
            refused[request.name] = message
    assert refused.keys() == EXCEPTIONS.keys()
    assert all(EXPECTED[reason] in refused[name] for name, reason in EXCEPTIONS.items())
    assert seen["Converse"] > 200
    assert seen["ConverseStream"] > 50
    assert seen["complete"] > 300


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


@dataclass(frozen=True)
class Refused:
    """A recorded request of any operation that was not answered: where it went, and what was said."""

    name: str
    path: str
    body: dict[str, Any]
    status: int
    message: str


def refused_requests() -> Iterator[Refused]:
    """Every recorded refusal of a request that was recorded with its body."""
    for file in sorted(FOLDER.glob("*.json")):
        for number, exchange in enumerate(json.loads(file.read_text(encoding="utf-8"))["exchanges"]):
            request, response = exchange["request"], exchange["response"]
            if response["status"] != 200 and request.get("body"):
                message = response["body_json"]["message"]
                body = with_media(request["body"])
                yield Refused(f"{file.stem}[{number}]", request["path"], body, response["status"], message)


def test_recorded_requests_that_were_refused_are_refused_in_the_same_words() -> None:
    """Every recorded refusal, sent to the emulator: status and message are those of the service, but for the list."""
    differing: set[str] = set()
    count = 0
    with Emulator() as emulator:
        for refused in refused_requests():
            count += 1
            status, message = answer_to(emulator, refused)
            if (status, message) != (refused.status, refused.message):
                differing.add(refused.name)
    assert differing == NOT_REFUSED.keys()
    assert count - len(differing) >= 10


def answer_to(emulator: Emulator, refused: Refused) -> tuple[int, str]:
    """Status and message of the emulator's answer; typographic apostrophes plain, as some recorders left them."""
    connection = connect(emulator)
    try:
        headers = {"authorization": "Bearer made-up", "content-type": "application/json"}
        connection.request("POST", refused.path, json.dumps(refused.body).encode(), headers)
        response = connection.getresponse()
        data = response.read()
        message: str = "" if response.status == 200 else json.loads(data)["message"]
        return response.status, message if "\u2019" in refused.message else message.replace("\u2019", "'")
    finally:
        connection.close()
