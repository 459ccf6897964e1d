"""What the emulator refuses depends on the model: each rule of a family refuses its own and leaves the others alone."""

import json
from typing import Any

import pytest
from bedrock_support.emulated_examples import (
    ADAPTIVE,
    BUDGET,
    CLAUDE_5,
    COMMAND,
    DEEPSEEK,
    GPT,
    NOVA_2,
    PIXTRAL,
    QWEN,
    WRITER,
    Example,
)
from bedrock_support.emulated_families import EXAMPLES
from bedrock_support.emulation import CLAUDE, LLAMA, NOVA, TOOLS, assistant, broken_shape, post, talk, tool_result, user
from bedrock_support.recordings import FOLDER

from chatport_bedrock.emulator import Emulator
from chatport_bedrock.emulator._brain import plan_answer
from chatport_bedrock.emulator._conversation import Conversation
from chatport_bedrock.emulator._families import Traits, traits_of
from chatport_bedrock.emulator._refusal import RefusedError
from chatport_bedrock.emulator._rules import RULES, check_rules

ACCEPTED = [(each, model, body) for each in EXAMPLES for model, body in each.accepted]
IDS = [f"{index}-{each.rule}" for index, each in enumerate(EXAMPLES)]
BY_NAME = {rule.name: rule for rule in RULES}


def refusal(conversation: Conversation) -> RefusedError | None:
    """What the rules say."""
    try:
        check_rules(conversation)
    except RefusedError as refused:
        return refused
    return None


@pytest.mark.parametrize("example", EXAMPLES, ids=IDS)
def test_the_model_refuses(example: Example) -> None:
    """In the words of the service, with its status; and it is this rule that says so."""
    assert broken_shape(example.body) is None
    conversation = Conversation(example.model, example.body, example.operation)
    refused = refusal(conversation)
    assert refused is not None
    assert refused.error.message.startswith(example.message)
    assert refused.error.status == example.status
    rule = BY_NAME[example.rule]
    assert rule.applies_to(conversation)
    assert (rule.find(conversation) or "nothing") in refused.error.message


@pytest.mark.parametrize(
    ("example", "model", "body"),
    ACCEPTED,
    ids=[f"{index}-{each.rule}-{model}" for index, (each, model, _) in enumerate(ACCEPTED)],
)
def test_others_accept(example: Example, model: str, body: dict[str, Any]) -> None:
    """Another model, or a small change, and no rule has anything against it."""
    assert broken_shape(body) is None
    assert refusal(Conversation(model, body, example.operation)) is None


def test_an_unknown_model_can_do_everything() -> None:
    """The table names what is known to be missing: it is no list of permissions."""
    assert traits_of("someone.new-model-v1:0") == Traits()


@pytest.mark.parametrize(
    ("model", "base"),
    [
        (CLAUDE, "anthropic.claude-sonnet-4-5-20250929-v1:0"),
        ("us-gov.anthropic.claude-3-haiku-20240307-v1:0", "anthropic.claude-3-haiku-20240307-v1:0"),
        ("arn:aws:bedrock:us-east-1::foundation-model/deepseek.r1-v1:0", "deepseek.r1-v1:0"),
        (f"arn:aws:bedrock:us-east-1:123456789012:inference-profile/{NOVA}", "amazon.nova-lite-v1:0"),
        (
            "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/emuprof1cat2",
            "amazon.nova-lite-v1:0",
        ),
        ("arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/unknown", "unknown"),
    ],
)
def test_the_model_behind_an_id(model: str, base: str) -> None:
    """Geographies and ARNs do not hide it, and profiles of the emulator's own account are looked up."""
    assert Conversation(model, talk()).base == base


@pytest.mark.parametrize(
    "model", [CLAUDE, CLAUDE_5, NOVA, NOVA_2, LLAMA, PIXTRAL, WRITER, QWEN, DEEPSEEK, GPT, COMMAND]
)
@pytest.mark.parametrize("asked", ["Hello!", "What is the weather in Rome?"])
def test_what_a_model_says_may_go_back(model: str, asked: str) -> None:
    """No answer of the emulator is refused by the emulator, when it comes back with results and another question."""
    reasoning = ADAPTIVE if model == CLAUDE_5 else BUDGET
    body = talk(user(asked), toolConfig=TOOLS, additionalModelRequestFields=reasoning)
    conversation = Conversation(model, body)
    assert refusal(conversation) is None
    said = plan_answer(conversation).content
    results: list[Any] = [tool_result(block["toolUse"]["toolUseId"]) for block in said if "toolUse" in block]
    assert bool(results) == ("weather" in asked)
    history = [*body["messages"], assistant(*said), user(*(results or ["And?"]))]
    second = Conversation(model, {**body, "messages": history})
    assert refusal(second) is None
    last = assistant(*plan_answer(second).content)
    assert refusal(Conversation(model, {**body, "messages": [*history, last, user("And?")]})) is None


def test_streams_are_refused_before_they_begin() -> None:
    """On the wire: tools in a stream are a plain error of status 400; without a stream they are welcome."""
    body = talk(user("What is the weather in Rome?"), toolConfig=TOOLS)
    with Emulator() as emulator:
        status, headers, answer = post(emulator, body, model=LLAMA, operation="converse-stream")
        assert (status, headers["content-type"]) == (400, "application/json")
        assert json.loads(answer)["message"] == "This model doesn't support tool use in streaming mode."
        assert post(emulator, body, model=LLAMA)[0] == 200


def test_caching_without_access_is_a_403() -> None:
    """On the wire: not a question of the request's form."""
    with Emulator() as emulator:
        body = talk(user("Hi", {"cachePoint": {"type": "default"}}))
        status, headers, _ = post(emulator, body, model=LLAMA)
        assert (status, headers["x-amzn-errortype"].partition(":")[0]) == (403, "AccessDeniedException")


# --- recordings ------------------------------------------------------------------------------------------------------

ELSEWHERE = {
    403: "a question of keys, which is asked before anything is read",
    404: "a model that answered until its end: the emulator has no calendar",
}
OVERFLOW = "ruby-llm__chat_real_error_scenarios_bedrock_amazon_nova-2-lite-v1_0_handles_context_length_exceeded_errors"


@pytest.mark.skipif(not FOLDER.is_dir(), reason="the recordings are not here")
def test_recorded_refusals_are_repeated() -> None:
    """Every recorded 400 is refused in the recorded words, but for one that takes a context of a million tokens."""
    seen: list[str] = []
    for path in sorted(FOLDER.glob("*.json")):
        for exchange in json.loads(path.read_text(encoding="utf-8"))["exchanges"]:
            status, body = exchange["response"]["status"], exchange["request"].get("body")
            if status is None or status < 400 or status in ELSEWHERE or path.stem == OVERFLOW:
                continue
            recorded = exchange["response"]["body_json"]["message"]
            assert refused_in_words(exchange["operation"], exchange["model"], body) == recorded, path.stem
            seen.append(path.stem)
    assert len(seen) >= 12


def refused_in_words(operation: str, model: str, body: dict[str, Any]) -> str | None:
    """The emulator's answer on the wire to a recorded request."""
    with Emulator() as emulator:
        _, _, answer = post(emulator, with_small_media(body), model=model, operation=operation)
    message: str | None = json.loads(answer).get("message")
    return message


def with_small_media(value: Any) -> Any:
    """A recorded request whose references to media are replaced by a few bytes."""
    if isinstance(value, dict):
        return {key: with_small_media(item) for key, item in value.items()}
    if isinstance(value, list):
        return [with_small_media(item) for item in value]
    return "AAEC" if isinstance(value, str) and value.startswith("$blob:") else value
