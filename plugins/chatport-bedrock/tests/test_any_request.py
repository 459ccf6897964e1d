"""Any request that our types can express is accepted by the emulator with all its rules on, or refused for a reason.

Also: translating changes nothing, gives the same bytes in every process, and keeps the beginning of a conversation that
grows (rules 10, 20).
"""

import copy
import hashlib
import json
import pickle
import re
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from typing import Final

import pytest
from bedrock_support.any_request import MODELS, requests
from bedrock_support.emulation import broken_shape
from hypothesis import Phase, assume, given, settings

from chatport.backend import ChatRequest, Message, UnsupportedError
from chatport_bedrock._body import encode_body, plain_body
from chatport_bedrock._models import model_family
from chatport_bedrock._translate import translate
from chatport_bedrock.emulator._conversation import Conversation
from chatport_bedrock.emulator._rules import RULES

# Why translate refuses, as its messages say it. Whoever adds a reason adds it here.
REASONS: Final = {
    "a part where none of its kind can stand": r"Bedrock takes no (ToolCall|image|audio) in ",
    "a type without a name on the wire": r"Bedrock takes no (document|image) of type ",
    "a medium without content": r"the image is empty",
    "a URL, which a session fetches": r"Bedrock fetches no URL",
    "a block that is no object": r"a block of Bedrock is a JSON object",
    "a life that no cache has": r"Bedrock caches for ",
    "more media than a request holds": r"there are more than \d+ (documents|images)",
    "nothing left to answer": r"there is nothing in the newest message|messages: nothing is said in them",
}
# What one model refuses, and says so clearly, is left to the model: which media it takes, and from where.
LEFT_TO_THE_MODEL: Final = frozenset({"media", "remote-media", "remote-document"})


def _complaints(request: ChatRequest) -> list[tuple[str, str]]:
    """What the emulator's shapes and rules say against a request, but for what is left to the model."""
    body = plain_body(translate(request).body)
    shape = broken_shape(body)
    if shape is not None:
        return [("shape", shape)]
    conversation = Conversation(request.model, body)
    found = [(rule.name, rule.find(conversation)) for rule in RULES if rule.applies_to(conversation)]
    return [(name, text) for name, text in found if text is not None and name not in LEFT_TO_THE_MODEL]


def test_eight_families_and_more_are_asked() -> None:
    """The property below speaks of models that differ."""
    assert len({model_family(model) for model in MODELS}) >= 8


@pytest.mark.parametrize("model", MODELS)
def test_any_request_is_accepted_by_each_family(model: str) -> None:
    """Every part anywhere, any calls and results, any settings: no rule has a complaint, and refusals are rare."""
    outcomes: Counter[str] = Counter()

    @settings(max_examples=settings().max_examples // 2)  # of each model; the profile says how many
    @given(requests((model,)))
    def check(request: ChatRequest) -> None:
        try:
            complaints = _complaints(request)
        except UnsupportedError as error:
            outcomes[next((name for name, words in REASONS.items() if re.search(words, str(error))), str(error))] += 1
            return
        outcomes["said"] += 1
        assert complaints == []

    check()
    assert outcomes.keys() <= {*REASONS, "said"}
    assert outcomes["said"] > 0.7 * outcomes.total()


@given(requests())
def test_no_request_is_changed_and_each_is_said_alike(request: ChatRequest) -> None:
    """Neither translating nor encoding leaves a trace, deep inside arguments and raw blocks too; twice is the same."""
    before = copy.deepcopy(request)
    try:
        first = translate(request)
    except UnsupportedError as error:
        assert request == before
        assert _refusal(request) == str(error)  # noqa: PT017 - either outcome is right, and each is the same twice
        return
    encoded = encode_body(first.body)
    assert json.loads(encoded) == plain_body(first.body)
    second = translate(copy.deepcopy(request))
    assert (encode_body(second.body), second.adjustments) == (encoded, first.adjustments)
    assert request == before


def _refusal(request: ChatRequest) -> str | None:
    try:
        translate(request)
    except UnsupportedError as error:
        return str(error)
    return None


_ANSWERED: Final = (Message.assistant("Fine."), Message.user("Go on."))


@given(requests())
def test_rules_10_and_20_a_conversation_that_grows_keeps_its_beginning(request: ChatRequest) -> None:
    """What was sent is sent again, byte for byte, before what is new: names and ids depend on nothing that follows."""
    assume(request.messages[-1].role != "assistant")
    # Automatic cache points move on, and nothing else does: they have a test of their own.
    request = replace(request, settings=replace(request.settings, cache=None))
    try:
        short = translate(request).body
    except UnsupportedError:
        return
    assume("messages" in short)
    grown = translate(replace(request, messages=(*request.messages, *_ANSWERED))).body
    for member in ("system", "toolConfig"):
        assert encode_body({member: grown.get(member)}) == encode_body({member: short.get(member)})
    sent = [encode_body(turn) for turn in short["messages"]]
    assert [encode_body(turn) for turn in grown["messages"]][: len(sent)] == sent


_PROGRAM: Final = """
import hashlib, pickle, sys
from chatport_bedrock._body import encode_body
from chatport_bedrock._translate import translate
for request in pickle.load(sys.stdin.buffer):
    translation = translate(request)
    print(hashlib.sha256(encode_body(translation.body) + repr(translation.adjustments).encode()).hexdigest())
"""


def test_the_bytes_are_the_same_in_every_process() -> None:
    """No hash order, no chance, no clock: the service's prompt cache finds the same beginning again."""
    found: list[ChatRequest] = []

    @settings(phases=[Phase.generate], max_examples=150)
    @given(requests())
    def collect(request: ChatRequest) -> None:
        if _refusal(request) is None:
            found.append(request)

    collect()
    assert len(found) > 100
    here = [translate(request) for request in found]
    expected = [hashlib.sha256(encode_body(one.body) + repr(one.adjustments).encode()).hexdigest() for one in here]
    for seed in ("1", "2"):
        process = subprocess.run(
            [sys.executable, "-c", _PROGRAM],
            input=pickle.dumps(found),
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        )
        assert process.stdout.decode().split() == expected
