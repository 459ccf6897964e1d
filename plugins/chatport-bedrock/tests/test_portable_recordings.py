"""Recorded conversations taken elsewhere: stored and loaded again, and carried on with a model of another family."""

from dataclasses import replace

import pytest
from bedrock_support.emulation import broken_shape
from bedrock_support.rebuilding import rebuilt
from bedrock_support.recorded_requests import recorded_requests
from bedrock_support.recordings import FOLDER

from chatport import dump_messages, load_messages
from chatport_bedrock._body import encode_body, plain_body
from chatport_bedrock._translate import translate
from chatport_bedrock.emulator._conversation import Conversation
from chatport_bedrock.emulator._rules import RULES

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="the recordings are not beside the repository")

MODELS = [
    *("anthropic.claude-3-haiku-20240307-v1:0", "us.anthropic.claude-sonnet-4-5-20250929-v1:0"),
    *("us.anthropic.claude-sonnet-4-6", "us.anthropic.claude-opus-4-8"),
    *("us.amazon.nova-lite-v1:0", "us.amazon.nova-2-lite-v1:0"),
    *("us.meta.llama3-3-70b-instruct-v1:0", "us.meta.llama4-maverick-17b-instruct-v1:0"),
    *("mistral.mistral-large-2402-v1:0", "us.writer.palmyra-x5-v1:0", "cohere.command-r-plus-v1:0"),
    *("openai.gpt-oss-120b-1:0", "qwen.qwen3-32b-v1:0", "us.deepseek.r1-v1:0", "moonshotai.kimi-k2.5"),
]
# What stays refused, because nobody but the caller can change it: a model does not see what it does not see, a store
# is read where it is read, and the emulator knows none of the real signatures. Large pictures are not recorded.
FOR_THE_CALLER = {"media", "remote-media", "reasoning-signature"}
NOT_RECORDED = {"image-bytes", "image-format"}


def test_stored_conversations_give_the_same_requests() -> None:
    """A history that went through JSON is planned to the very same bytes: media, signatures and marks are in it."""
    count = 0
    for recorded in recorded_requests():
        count += 1
        request = rebuilt(recorded).request
        loaded = load_messages(dump_messages(request.messages))
        assert loaded == request.messages, recorded.name
        again = translate(replace(request, messages=loaded))
        assert encode_body(again.body) == encode_body(translate(request).body), recorded.name
    assert count == 317


@pytest.mark.parametrize("model", MODELS)
def test_recorded_conversations_are_carried_on_by_any_family(model: str) -> None:
    """Whatever a model of one family said and was sent, the emulator's rules of another have no complaint."""
    wrong: list[str] = []
    count = 0
    for recorded in recorded_requests():
        request = rebuilt(recorded).request
        count += 1
        settings = replace(request.settings, extra={})  # what only one model understands stays behind
        body = plain_body(translate(replace(request, model=model, settings=settings)).body)
        if message := broken_shape(body, "ConverseStream" if recorded.streaming else "Converse"):
            wrong.append(f"{recorded.name}: {message}")
        conversation = Conversation(model, body)
        for rule in RULES:
            message = rule.find(conversation) if rule.applies_to(conversation) else None
            if message is not None and rule.name not in FOR_THE_CALLER | NOT_RECORDED:
                wrong.append(f"{recorded.name}: {rule.name}: {message}")
    assert not wrong, "\n".join(wrong)
    assert count == 317
