"""Tokens are counted by the service, for base models: as the emulator counts, and as recordings have it."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Iterator
from typing import TYPE_CHECKING, Any

import botocore.session
import pytest
from bedrock_support.answers import REQUEST_ID
from bedrock_support.http_bytes import whole
from bedrock_support.recordings import FOLDER

from chatport import Message, ModelNotFoundError, ProtocolError, Session, Settings, Text, Tool, UnsupportedError
from chatport.backend import ChatRequest
from chatport_bedrock import _counting
from chatport_bedrock._counting import counted_model
from chatport_bedrock.backend import BedrockBackend
from chatport_bedrock.emulator import Credentials, Emulator

if TYPE_CHECKING:
    from bedrock_support.loopback import LoopbackServer

pytestmark = pytest.mark.anyio

KEYS = Credentials("AKIDEXAMPLE", "not-a-secret")
COUNTED = "anthropic.claude-sonnet-4-20250514-v1:0"


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    """An emulator that verifies signatures."""
    with Emulator(credentials=KEYS) as running:
        yield running


@pytest.fixture
async def backend(emulator: Emulator) -> AsyncGenerator[BedrockBackend]:
    """A backend whose requests the emulator verifies."""
    made = BedrockBackend(
        endpoint_url=emulator.url,
        region="eu-west-1",
        access_key_id=KEYS.access_key_id,
        secret_access_key=KEYS.secret_access_key,
    )
    yield made
    await made.aclose()


def _request(*words: str, model: str = COUNTED, **members: Any) -> ChatRequest:
    return ChatRequest(model, (Message("user", tuple(map(Text, words or ["Hello!"]))),), **members)


@pytest.mark.parametrize(
    ("model", "counted"),
    [
        (COUNTED, COUNTED),
        (f"us.{COUNTED}", COUNTED),
        (f"global.{COUNTED}", COUNTED),
        (f"arn:aws:bedrock:eu-west-3:123456789012:inference-profile/eu.{COUNTED}", COUNTED),
        (f"arn:aws:bedrock:us-east-1::foundation-model/{COUNTED}", COUNTED),
        (f"arn:aws:bedrock:us-east-1:123456789012:custom-model/{COUNTED}/abcdefghijkl", None),
        ("arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abcdef", None),
        ("an-alias", None),
    ],
)
def test_rule_76_tokens_are_counted_for_base_models(model: str, counted: str | None) -> None:
    """Geographies and ARNs around a base model are taken off; an id that hides its model goes as it is."""
    assert counted_model(model) == (counted or model)


def test_what_is_counted_is_what_the_service_model_has() -> None:
    """Members that botocore knows are sent, but for one that counts nothing; others would be refused."""
    shape: Any = botocore.session.Session().get_service_model("bedrock-runtime").shape_for("ConverseTokensRequest")
    assert set(shape.members) == set(_counting._MEMBERS)


async def test_what_costs_no_tokens_is_left_out(backend: BedrockBackend, emulator: Emulator) -> None:
    """Settings, tiers, guardrails and what is asked of the answer stay at home."""
    extra = {"bedrock": {"serviceTier": {"type": "default"}, "requestMetadata": {"a": "b"}}}
    settings = Settings(max_tokens=5, temperature=0, extra=extra)
    count = await backend.count_tokens(_request(settings=settings))
    assert count == await backend.count_tokens(_request())
    assert json.loads(emulator.requests[0].raw_body)["input"]["converse"].keys() == {"messages"}


@pytest.mark.parametrize("model", [COUNTED, f"us.{COUNTED}"])
async def test_rule_76_the_count_is_that_of_an_answer(backend: BedrockBackend, emulator: Emulator, model: str) -> None:
    """The request of a session, with system prompt and tools, counts as many tokens as asking it costs."""
    tools = [Tool("get_time", "Tell the time of day.", {"type": "object", "properties": {}})]
    session = Session(backend, model, system="Be kind.", tools=tools, settings=Settings(max_tokens=99, top_k=3))
    count = await backend.count_tokens(session.request("How long is this?"))
    assert session.messages == ()
    asked = emulator.requests[-1]
    assert (asked.operation, asked.model) == ("CountTokens", COUNTED)
    sent = json.loads(asked.raw_body)["input"]["converse"]
    assert sent.keys() == {"messages", "system", "toolConfig", "additionalModelRequestFields"}
    reply = await Session(
        backend, f"us.{COUNTED}", system="Be kind.", tools=tools, settings=Settings(max_tokens=99, top_k=3)
    ).ask("How long is this?", run_tools=False)
    assert count == reply.usage.input_tokens


async def test_the_region_of_an_arn_is_kept(server: LoopbackServer) -> None:
    """The base id says no region any more; the request is signed for the one in the ARN all the same."""
    server.answer(whole(b'{"inputTokens": 7}'))
    backend = BedrockBackend(endpoint_url=server.url, access_key_id="AKIDEXAMPLE", secret_access_key="s")
    arn = f"arn:aws:bedrock:eu-west-3:123456789012:inference-profile/eu.{COUNTED}"
    assert await backend.count_tokens(_request(model=arn)) == 7
    assert "/eu-west-3/bedrock/aws4_request" in server.requests[0].headers["authorization"]
    assert server.requests[0].target == f"/model/{COUNTED.replace(':', '%3A')}/count-tokens"
    await backend.aclose()


async def test_models_that_are_not_counted_for(backend: BedrockBackend) -> None:
    """What the service says of the model is no fault of the request; an id of nothing is one."""
    with pytest.raises(UnsupportedError, match=r"does not count tokens for the model 'amazon\.nova-lite-v1:0'"):
        await backend.count_tokens(_request(model="amazon.nova-lite-v1:0"))
    with pytest.raises(ModelNotFoundError, match="identifier is invalid"):
        await backend.count_tokens(_request(model="does-not-exist-model-v1:0"))


async def test_what_cannot_be_said_is_not_counted(backend: BedrockBackend, emulator: Emulator) -> None:
    """A strict request is refused as `stream` refuses it, before anything is sent."""
    request = _request(model="meta.llama3-1-8b-instruct-v1:0", settings=Settings(top_k=3), strict=True)
    with pytest.raises(UnsupportedError, match="top_k") as caught:
        await backend.count_tokens(request)
    assert caught.value.adjustments
    assert not emulator.requests


@pytest.mark.parametrize("body", [b"{}", b'{"inputTokens": "7"}', b'{"inputTokens": -1}', b'{"inputTokens": true}'])
async def test_answers_that_are_no_count(server: LoopbackServer, options: dict[str, Any], body: bytes) -> None:
    """An answer without a number is an error that names the model, not a count of nothing."""
    server.answer(whole(body, headers={"x-amzn-RequestId": REQUEST_ID}))
    backend = BedrockBackend(**options)
    with pytest.raises(ProtocolError, match="a number inputTokens") as caught:
        await backend.count_tokens(_request(model=f"us.{COUNTED}"))
    assert caught.value.model == f"us.{COUNTED}"
    await backend.aclose()


@pytest.mark.skipif(not FOLDER.is_dir(), reason="the recordings are not here")
async def test_recorded_counts(server: LoopbackServer, options: dict[str, Any]) -> None:
    """Each recorded answer to a count of a Converse request gives its number, or its error's class."""
    seen: list[int] = []
    backend = BedrockBackend(**options)
    for path in sorted(FOLDER.glob("*count_tokens*.json")):
        for exchange in json.loads(path.read_text(encoding="utf-8"))["exchanges"]:
            response = exchange["response"]
            status = {200: "200 OK", 400: "400 Bad Request"}[response["status"]]
            headers = {"x-amzn-ErrorType": "ValidationException"} if response["status"] != 200 else {}
            server.answer(whole(json.dumps(response["body_json"]).encode(), status=status, headers=headers))
            seen.append(response["status"])
            if response["status"] == 200:
                assert await backend.count_tokens(_request()) == response["body_json"]["inputTokens"], path.stem
            elif "support counting" in response["body_json"]["message"]:
                with pytest.raises(UnsupportedError):
                    await backend.count_tokens(_request(model=exchange["model"]))
            else:
                with pytest.raises(ModelNotFoundError):
                    await backend.count_tokens(_request(model=exchange["model"]))
    await backend.aclose()
    assert sorted(set(seen)) == [200, 400]
