"""Models as the emulator lists them, as botocore reads them, and as a broken service gives them."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from bedrock_support.http_bytes import whole
from botocore.config import Config

from chatport import (
    AuthenticationError,
    ConfigurationError,
    ModelInfo,
    PermissionDeniedError,
    ProtocolError,
    Session,
    TransportError,
)
from chatport_bedrock import _catalog
from chatport_bedrock._model_list import merge_models
from chatport_bedrock.backend import BedrockBackend
from chatport_bedrock.emulator import Credentials, Emulator, HttpError

if TYPE_CHECKING:
    from bedrock_support.loopback import LoopbackServer

pytestmark = pytest.mark.anyio

KEYS = Credentials("AKIDEXAMPLE", "not-a-secret")
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
