"""The emulator counts tokens: unmodified boto3 asks, and what is counted is what an answer's usage says."""

import base64
import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import boto3
import pytest
from bedrock_support.emulation import (
    CLAUDE,
    NOVA,
    TOOLS,
    assistant,
    document,
    image,
    png,
    post,
    talk,
    tool_result,
    tool_use,
    user,
)
from bedrock_support.recordings import FOLDER
from botocore.config import Config

from chatport_bedrock.emulator import Credentials, Emulator, HttpError
from chatport_bedrock.emulator._shapes import find_violations, output_shape

COUNTED = "anthropic.claude-sonnet-4-20250514-v1:0"
KEYS = Credentials("AKIDEXAMPLE", "not-a-secret")
NO_COUNTING = "The provided model doesn't support counting tokens."


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    """An emulator that verifies signatures."""
    with Emulator(credentials=KEYS) as running:
        yield running


@pytest.fixture
def client(emulator: Emulator) -> Iterator[Any]:
    """A client as every user makes one."""
    made = boto3.client(
        "bedrock-runtime",
        region_name="us-east-1",
        endpoint_url=emulator.url,
        aws_access_key_id=KEYS.access_key_id,
        aws_secret_access_key=KEYS.secret_access_key,
        config=Config(retries={"total_max_attempts": 1}),
    )
    with closing(made):
        yield made


REQUESTS: list[dict[str, Any]] = [
    talk(user("Hello!")),
    talk(user("Hello!"), system=[{"text": "Be kind."}], toolConfig=TOOLS),
    talk(user("Hi"), assistant(tool_use("a", location="Rome")), user(tool_result("a")), toolConfig=TOOLS),
    talk(user("What is this?", image(png(300, 300)), document("report", b"Once upon a time" * 9))),
]


@pytest.mark.parametrize("request_body", REQUESTS)
def test_the_count_is_that_of_an_answer(request_body: dict[str, Any]) -> None:
    """Counting first and asking then comes to the same number; the model is the same by two names."""
    with Emulator() as emulator:
        status, _, counted = post(
            emulator, {"input": {"converse": request_body}}, model=COUNTED, operation="count-tokens"
        )
        _, _, answered = post(emulator, request_body, model=f"us.{COUNTED}")
    assert status == 200
    count = json.loads(counted)
    assert list(find_violations(count, output_shape("CountTokens"))) == []
    assert count["inputTokens"] == json.loads(answered)["usage"]["inputTokens"]


def test_boto3_counts(client: Any, emulator: Emulator) -> None:
    """More words, more tokens; tools count too; nothing is taken from the script."""
    emulator.enqueue(HttpError(500, "InternalServerException", "For a chat."))

    def count(**members: Any) -> int:
        tokens: int = client.count_tokens(modelId=COUNTED, input={"converse": members})["inputTokens"]
        return tokens

    short = count(messages=[user("Hello!")])
    assert 0 < short < count(messages=[user("Hello, dear world!")])
    assert short < count(messages=[user("Hello!")], system=[{"text": "Be kind."}])
    assert short < count(messages=[user("Hello!")], toolConfig=TOOLS)
    assert count(messages=[user("Hello!")], additionalModelRequestFields={"anthropic_beta": ["a"]}) == short
    assert emulator.pending == 1
    assert emulator.requests[-1].operation == "CountTokens"
    assert emulator.requests[-1].model == COUNTED


def test_boto3_counts_a_native_request(client: Any) -> None:
    """The request in the model's own format, as bytes."""
    native = {"max_tokens": 99, "system": "Be kind.", "messages": [{"role": "user", "content": "Hello, world!"}]}

    def count(body: bytes) -> int:
        tokens: int = client.count_tokens(modelId=COUNTED, input={"invokeModel": {"body": body}})["inputTokens"]
        return tokens

    longer = {**native, "system": "Be kind and brief."}
    assert 0 < count(json.dumps(native).encode()) < count(json.dumps(longer).encode())
    with pytest.raises(client.exceptions.ValidationException, match="no JSON object"):
        count(b"[1]")
    with pytest.raises(client.exceptions.ValidationException, match="no JSON object"):
        count(b"\xff")


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (f"us.{COUNTED}", NO_COUNTING),
        (CLAUDE, NO_COUNTING),
        (NOVA, NO_COUNTING),
        ("amazon.nova-lite-v1:0", NO_COUNTING),
        ("anthropic.claude-3-haiku-20240307-v1:0", NO_COUNTING),
        (f"arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.{COUNTED}", NO_COUNTING),
        ("does-not-exist-model-v1:0", "The provided model identifier is invalid."),
    ],
)
def test_boto3_is_refused(client: Any, model: str, message: str) -> None:
    """Inference profiles, models that are not counted for, and ids of nothing: in the recorded words."""
    with pytest.raises(client.exceptions.ValidationException, match=message) as caught:
        client.count_tokens(modelId=model, input={"converse": {"messages": [user("Hello!")]}})
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "'input' failed to satisfy constraint: Member must not be null"),
        ({"input": {}}, "must set one of the following keys: invokeModel, converse"),
        ({"input": {"converse": {}, "invokeModel": {"body": "e30="}}}, "must set only one of the following keys"),
        ({"input": {"converse": {"inferenceConfig": {}}}}, "extraneous key [inferenceConfig] is not permitted"),
        ({"input": {"converse": talk(user())}}, "The content field in the Message object at messages.0 is empty"),
        ({"input": {"invokeModel": {"body": "?"}}}, "not valid base64"),
    ],
)
def test_wrong_requests_are_refused(body: dict[str, Any], message: str) -> None:
    """What is counted has to be a request that could be asked."""
    with Emulator() as emulator:
        status, _, answer = post(emulator, body, model=COUNTED, operation="count-tokens")
        assert status == 400
        assert message in json.loads(answer)["message"]


def test_without_checks_anything_is_counted() -> None:
    """An emulator that checks nothing counts what it can read."""
    with Emulator(check_requests=False) as emulator:
        body = {"input": {"converse": talk(user("Hello!"))}}
        assert post(emulator, body, model="anything", operation="count-tokens")[0] == 200
        assert post(emulator, {}, model="anything", operation="count-tokens")[0] == 400


def test_errors_can_be_scripted(client: Any, emulator: Emulator) -> None:
    """A throttled count, once."""
    emulator.enqueue_error("CountTokens", HttpError(429, "ThrottlingException", "Slowly."))
    counted = {"converse": {"messages": [user("Hello!")]}}
    with pytest.raises(client.exceptions.ThrottlingException, match="Slowly"):
        client.count_tokens(modelId=COUNTED, input=counted)
    assert client.count_tokens(modelId=COUNTED, input=counted)["inputTokens"] > 0


@pytest.mark.skipif(not FOLDER.is_dir(), reason="the recordings are not here")
def test_recorded_counts_are_answered() -> None:
    """Each that was answered is answered, by a number of the same order; Claude adds hundreds of its own for tools."""
    seen = 0
    for path in sorted(FOLDER.glob("*count_tokens*.json")):
        for exchange in json.loads(path.read_text(encoding="utf-8"))["exchanges"]:
            if exchange["operation"] != "count-tokens" or exchange["response"]["status"] != 200:
                continue
            body = exchange["request"]["body"]
            with Emulator() as emulator:
                status, _, answer = post(emulator, body, model=exchange["model"], operation="count-tokens")
            assert status == 200, path.stem
            recorded = exchange["response"]["body_json"]["inputTokens"]
            added = 346 if "toolConfig" in body["input"].get("converse", {}) else 0
            assert (recorded - added) / 10 < json.loads(answer)["inputTokens"] < recorded * 10
            seen += 1
    assert seen >= 4


def test_bytes_are_decoded_once() -> None:
    """On the wire the native request is base64, as botocore sends it."""
    encoded = base64.b64encode(b'{"prompt": "Hello, world!"}').decode()
    with Emulator() as emulator:
        body = {"input": {"invokeModel": {"body": encoded}}}
        status, _, answer = post(emulator, body, model=COUNTED, operation="count-tokens")
    assert (status, json.loads(answer)["inputTokens"] > 2) == (200, True)
