"""Models and token counts, as the emulator has them, as botocore reads them, and as a broken service gives them."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import closing
from typing import Any

import boto3
import pytest
from bedrock_support.answers import REQUEST_ID
from bedrock_support.loopback import LoopbackServer, whole
from bedrock_support.recordings import FOLDER
from botocore.config import Config

from chatport import (
    AuthenticationError,
    ConfigurationError,
    Message,
    ModelInfo,
    ModelNotFoundError,
    PermissionDeniedError,
    ProtocolError,
    Session,
    Settings,
    Text,
    Tool,
    TransportError,
    UnsupportedError,
)
from chatport.backend import ChatRequest
from chatport_bedrock import _catalog
from chatport_bedrock._counting import counted_model
from chatport_bedrock._model_list import merge_models
from chatport_bedrock.backend import BedrockBackend
from chatport_bedrock.emulator import Credentials, Emulator, HttpError

pytestmark = pytest.mark.anyio

KEYS = Credentials("AKIDEXAMPLE", "not-a-secret")
COUNTED = "anthropic.claude-sonnet-4-20250514-v1:0"
MODELS = "/foundation-models"
PROFILES = "/inference-profiles"


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


# --- models ----------------------------------------------------------------------------------------------------------


async def test_models_are_what_botocore_lists(backend: BedrockBackend, emulator: Emulator) -> None:
    """Every base model that answers by its own id, and every profile; with what botocore reads of the same service."""
    options: Any = {
        "region_name": "eu-west-1",
        "endpoint_url": emulator.url,
        "aws_access_key_id": KEYS.access_key_id,
        "aws_secret_access_key": KEYS.secret_access_key,
        "config": Config(retries={"total_max_attempts": 1}),
    }
    with closing(boto3.client("bedrock", **options)) as client:
        summaries = client.list_foundation_models()["modelSummaries"]
        profiles = client.list_inference_profiles()["inferenceProfileSummaries"]
    found = {model.id: model for model in await backend.models()}
    own = {each["modelId"]: each for each in summaries if "ON_DEMAND" in each["inferenceTypesSupported"]}
    assert len(own) < len(summaries)
    through = {
        each["inferenceProfileId" if each["type"] == "SYSTEM_DEFINED" else "inferenceProfileArn"]: each
        for each in profiles
    }
    assert found.keys() == own.keys() | through.keys()
    for key, summary in own.items():
        assert found[key] == ModelInfo(
            id=key,
            name=summary["modelName"],
            provider=summary["providerName"],
            input=tuple(word.lower() for word in summary["inputModalities"]),
            output=tuple(word.lower() for word in summary["outputModalities"]),
            streaming=summary["responseStreamingSupported"],
            status=summary["modelLifecycle"]["status"].lower(),
            metadata=found[key].metadata,
        )
        assert found[key].metadata["bedrock"]["modelArn"] == summary["modelArn"]
    by_id = {each["modelId"]: each for each in summaries}
    for key, profile in through.items():
        base = by_id[profile["models"][0]["modelArn"].rpartition("/")[2]]
        assert found[key].name == profile["inferenceProfileName"]
        assert found[key].provider == base["providerName"]
        assert found[key].output == tuple(word.lower() for word in base["outputModalities"])
        assert found[key].status == base["modelLifecycle"]["status"].lower()
        assert found[key].metadata["bedrock"]["models"] == profile["models"]


async def test_what_is_listed_can_be_asked(backend: BedrockBackend) -> None:
    """Each id that writes text answers, and none that is left out would."""
    models = await backend.models(output="text", status="active")
    assert len(models) > 10
    for model in models:
        assert (await Session(backend, model.id).ask("Hi")).text
    listed = {model.id for model in models}
    assert "anthropic.claude-sonnet-4-5-20250929-v1:0" not in listed
    assert "eu.anthropic.claude-sonnet-4-5-20250929-v1:0" in listed


async def test_filters(backend: BedrockBackend) -> None:
    """Each alone leaves some, all of them fit; together they leave what fits all."""
    everything = await backend.models()
    ways: list[tuple[dict[str, str], Callable[[ModelInfo], bool]]] = [
        ({"output": "image"}, lambda model: "image" in model.output),
        ({"input": "IMAGE"}, lambda model: "image" in model.input),
        ({"status": "legacy"}, lambda model: model.status == "legacy"),
        ({"provider": "amazon"}, lambda model: model.provider == "Amazon"),
        (
            {"provider": "amazon", "input": "image", "output": "text"},
            lambda model: model.provider == "Amazon" and "image" in model.input and "text" in model.output,
        ),
    ]
    for filters, fits in ways:
        found = await backend.models(**filters)
        assert found == tuple(model for model in everything if fits(model))
        assert 0 < len(found) < len(everything)
    assert await backend.models(provider="nobody") == ()


def _page(*names: str, token: str | None = None) -> bytes:
    entries = [{"inferenceProfileId": name, "inferenceProfileName": name, "status": "ACTIVE"} for name in names]
    body = {"inferenceProfileSummaries": entries, **({"nextToken": token} if token else {})}
    return whole(json.dumps(body).encode())


async def test_pages_are_followed(server: LoopbackServer, options: dict[str, Any]) -> None:
    """The token goes back as it came, encoded; what a profile's model can stays open where its model is not listed."""
    server.answer(whole(b'{"modelSummaries": []}'))
    server.answer(_page("us.a.b", token="a+/= b"))
    server.answer(_page("us.a.c"))
    backend = BedrockBackend(**options)
    found = await backend.models()
    await backend.aclose()
    assert [(each.id, each.output, each.streaming, each.status) for each in found] == [
        ("us.a.b", (), None, "active"),
        ("us.a.c", (), None, "active"),
    ]
    assert [request.target for request in server.requests] == [
        MODELS,
        f"{PROFILES}?maxResults=1000",
        f"{PROFILES}?maxResults=1000&nextToken=a%2B%2F%3D%20b",
    ]
    assert {request.method for request in server.requests} == {"GET"}


async def test_a_list_without_an_end(
    server: LoopbackServer, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service that always has another page is left after so many."""
    monkeypatch.setattr(_catalog, "MAX_PAGES", 3)
    server.answer(whole(b'{"modelSummaries": []}'))
    for _ in range(3):
        server.answer(_page("us.a.b", token="again"))
    backend = BedrockBackend(**options)
    with pytest.raises(ProtocolError, match="does not end after 3 pages"):
        await backend.models()
    await backend.aclose()


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"<html>", "should be JSON"),
        (b"[]", "should be an object"),
        (b"{}", "a list modelSummaries"),
        (b'{"modelSummaries": {}}', "a list modelSummaries"),
        (b'{"modelSummaries": [1]}', "objects in the list"),
        (b'{"modelSummaries": [], "nextToken": 1}', "a list modelSummaries"),
    ],
)
async def test_answers_that_are_no_list(
    server: LoopbackServer, options: dict[str, Any], body: bytes, reason: str
) -> None:
    """Something else at the endpoint is told as that, and is no empty list."""
    server.answer(whole(body))
    backend = BedrockBackend(**options)
    with pytest.raises(ProtocolError, match=reason) as caught:
        await backend.models()
    assert (caught.value.backend, caught.value.model) == ("bedrock", None)
    await backend.aclose()


def test_entries_that_say_little() -> None:
    """An entry needs its id and nothing else; what it says in another type than documented is not said."""
    (model,) = merge_models([{"modelId": "a.b", "inputModalities": "TEXT", "modelLifecycle": []}], [])
    assert model == ModelInfo(id="a.b", name="a.b", metadata=model.metadata)
    with pytest.raises(ProtocolError, match="a text modelId"):
        merge_models([{"modelName": "b"}], [])
    with pytest.raises(ProtocolError, match="a text inferenceProfileArn"):
        merge_models([], [{"inferenceProfileId": "b", "type": "APPLICATION"}])
    (profile,) = merge_models([], [{"inferenceProfileId": "b", "models": [1, {}, {"modelArn": 2}]}])
    assert (profile.id, profile.provider) == ("b", None)


async def test_refusals(backend: BedrockBackend, emulator: Emulator) -> None:
    """The errors of asking a model, without a model; the next call works."""
    emulator.enqueue_error(
        "ListInferenceProfiles",
        HttpError(403, "AccessDeniedException", "User is not authorized to perform: bedrock:ListInferenceProfiles"),
    )
    with pytest.raises(PermissionDeniedError, match="bedrock:ListInferenceProfiles") as caught:
        await backend.models()
    assert (caught.value.model, caught.value.status, caught.value.phase) == (None, 403, "request")
    assert caught.value.request_id
    assert await backend.models()


async def test_keys_that_are_wrong(emulator: Emulator) -> None:
    """The signature of a GET is verified: another key is refused."""
    backend = BedrockBackend(
        endpoint_url=emulator.url, region="us-east-1", access_key_id=KEYS.access_key_id, secret_access_key="other"
    )
    with pytest.raises(AuthenticationError, match="clock"):
        await backend.models()
    await backend.aclose()


async def test_nothing_to_ask() -> None:
    """Without a region nothing is sent; without a service there is nobody."""
    backend = BedrockBackend(api_key="key")
    with pytest.raises(ConfigurationError, match="no AWS region"):
        await backend.models()
    await backend.aclose()
    backend = BedrockBackend(api_key="key", region="us-east-1", endpoint_url="http://127.0.0.1:1")
    with pytest.raises(TransportError) as caught:
        await backend.models()
    assert (caught.value.phase, caught.value.model) == ("connect", None)
    await backend.aclose()


# --- tokens ----------------------------------------------------------------------------------------------------------


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


# --- the set-up ------------------------------------------------------------------------------------------------------


async def test_a_description_says_where_the_keys_come_from(
    aws_files: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each place by its name; the secret itself is nowhere."""

    async def described(**options: Any) -> str:
        found = await BedrockBackend(region="us-east-1", **options).describe()
        assert "hush" not in str(found)
        assert found["region"] == "us-east-1"
        assert found["endpoint"] == "https://bedrock-runtime.us-east-1.amazonaws.com"
        assert found["control plane"] == "https://bedrock.us-east-1.amazonaws.com"
        return found["credentials"]

    aws_files(credentials="[work]\naws_access_key_id = hush1\naws_secret_access_key = hush2\n")
    assert (await described()).startswith("none: no AWS credentials")
    assert await described(profile="work") == "keys: shared-credentials-file (profile 'work')"
    assert await described(api_key="hush") == "an API key: the option api_key"
    keys = {"access_key_id": "hush", "secret_access_key": "hush"}
    assert await described(**keys) == "keys: the options access_key_id and secret_access_key"
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "hush1")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush2")
    assert await described() == "keys: env (profile 'default')"
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", "hush")
    assert await described() == "an API key: the variable AWS_BEARER_TOKEN_BEDROCK"
    assert await described(profile="work") == "keys: shared-credentials-file (profile 'work')"


async def test_a_description_of_nothing() -> None:
    """What is missing is said, and is no error; the versions are there."""
    found = await BedrockBackend().describe()
    assert found["region"].startswith("none: no AWS region")
    assert found["endpoint"] == found["control plane"] == "none: for the same reason"
    assert found["credentials"].startswith("none: no AWS credentials")
    assert found["aiobotocore"][0].isdigit()
    assert found["chatport-bedrock"][0].isdigit()
