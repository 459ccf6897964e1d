"""The option `resolve_profiles`: which model is behind a profile whose ARN hides it."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from bedrock_support.answers import refusal, unary
from bedrock_support.http_bytes import whole

from chatport import (
    AuthenticationError,
    ConfigurationError,
    Message,
    ModelNotFoundError,
    PermissionDeniedError,
    ProtocolError,
    RateLimitError,
    Reasoning,
    Session,
    Settings,
    Text,
)
from chatport_bedrock import _profile_models
from chatport_bedrock.backend import BedrockBackend
from chatport_bedrock.emulator import Credentials, Emulator, HttpError

if TYPE_CHECKING:
    from bedrock_support.loopback import LoopbackServer

pytestmark = pytest.mark.anyio

KEYS = Credentials("AKIDEXAMPLE", "not-a-secret")
# Of the emulator's account; behind the second is Claude Sonnet 4.5, behind the first Nova Lite.
NOVA = "arn:aws:bedrock:eu-west-1:123456789012:application-inference-profile/emuprof1cat2"
CLAUDE = "arn:aws:bedrock:eu-west-1:123456789012:application-inference-profile/emuprof3dog4"


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    """An emulator that verifies signatures."""
    with Emulator(credentials=KEYS) as running:
        yield running


def _backend(emulator: Emulator, **options: Any) -> BedrockBackend:
    keys = {"access_key_id": KEYS.access_key_id, "secret_access_key": KEYS.secret_access_key}
    return BedrockBackend(endpoint_url=emulator.url, **keys, **options)


@pytest.fixture
async def backend(emulator: Emulator) -> AsyncGenerator[BedrockBackend]:
    """A backend that looks profiles up."""
    made = _backend(emulator, resolve_profiles=True)
    yield made
    await made.aclose()


def _asked(emulator: Emulator) -> list[str | None]:
    return [request.operation for request in emulator.requests]


async def test_a_profile_is_looked_up_once(backend: BedrockBackend, emulator: Emulator) -> None:
    """Before its first request, in the region of its ARN, also where twenty come at the same time."""
    async with anyio.create_task_group() as group:
        for _ in range(20):
            group.start_soon(Session(backend, CLAUDE).ask, "Hi")
    assert _asked(emulator).count("GetInferenceProfile") == 1
    assert _asked(emulator)[0] == "GetInferenceProfile"
    assert _asked(emulator).count("Converse") == 20
    assert "/eu-west-1/bedrock/" in emulator.requests[0].headers["authorization"]
    await Session(backend, NOVA).ask("Hi")
    assert _asked(emulator).count("GetInferenceProfile") == 2
    assert backend._profiles._flights == {}


async def test_the_request_is_made_for_the_model(backend: BedrockBackend, emulator: Emulator) -> None:
    """What the model behind a profile takes decides, as it would for the model's own id; the ARN is what is asked."""
    settings = Settings(top_k=7)
    for arn, fields in [(CLAUDE, {"top_k": 7}), (NOVA, {"inferenceConfig": {"topK": 7}})]:
        reply = await Session(backend, arn, settings=settings).ask("Hi")
        assert reply.adjustments == ()
        assert emulator.requests[-1].model == arn
        assert json.loads(emulator.requests[-1].raw_body)["additionalModelRequestFields"] == fields
        preview = await Session(backend, arn, settings=settings).preview("Hi")
        assert preview.request["additionalModelRequestFields"] == fields


async def test_without_the_option_nothing_is_known(emulator: Emulator) -> None:
    """Nothing is looked up, and what cannot be said is reported."""
    backend = _backend(emulator)
    reply = await Session(backend, CLAUDE, settings=Settings(top_k=7)).ask("Hi")
    assert [item.code for item in reply.adjustments] == ["setting-dropped"]
    assert _asked(emulator) == ["Converse"]
    await backend.aclose()


@pytest.mark.parametrize(
    "model",
    [
        "amazon.nova-lite-v1:0",
        "eu.anthropic.claude-sonnet-4-5-20250929-v1:0",
        "arn:aws:bedrock:eu-west-1:123456789012:inference-profile/eu.amazon.nova-lite-v1:0",
    ],
)
async def test_ids_that_tell_are_not_looked_up(model: str, emulator: Emulator) -> None:
    """They say themselves which model it is."""
    backend = _backend(emulator, resolve_profiles=True, region="eu-west-1")
    await Session(backend, model).ask("Hi")
    assert _asked(emulator) == ["Converse"]
    await backend.aclose()


async def test_tokens_are_counted_for_the_model(server: LoopbackServer) -> None:
    """The service counts for base models only, so this makes counting possible."""
    base = "anthropic.claude-sonnet-4-20250514-v1:0"
    profile = {"models": [{"modelArn": f"arn:aws:bedrock:{region}::foundation-model/{base}"} for region in ("a", "b")]}
    server.answer(whole(json.dumps(profile).encode()))
    server.answer(whole(b'{"inputTokens": 7}'))
    backend = BedrockBackend(endpoint_url=server.url, api_key="k", resolve_profiles=True)
    assert await backend.count_tokens(Session(backend, CLAUDE).request("Hi")) == 7
    first, second = (request.target for request in server.requests)
    assert first == f"/inference-profiles/{CLAUDE.replace(':', '%3A').replace('/', '%2F')}"
    assert second == f"/model/{base.replace(':', '%3A')}/count-tokens"
    await backend.aclose()


async def test_a_look_up_that_fails(backend: BedrockBackend, emulator: Emulator) -> None:
    """It is the request's error, and says which permission is missing; the next request looks again."""
    action = "bedrock:GetInferenceProfile"
    emulator.enqueue_error(
        "GetInferenceProfile", HttpError(403, "AccessDeniedException", f"x is not authorized to perform: {action}")
    )
    with pytest.raises(PermissionDeniedError, match=f"`{action}`; the option resolve_profiles asks") as caught:
        await Session(backend, CLAUDE).ask("Hi")
    assert caught.value.model == CLAUDE
    assert _asked(emulator) == ["GetInferenceProfile"]
    emulator.enqueue_error("GetInferenceProfile", HttpError(429, "ThrottlingException", "Slowly."))
    async with aclosing(backend.stream(Session(backend, CLAUDE).request("Hi"))) as events:
        with pytest.raises(RateLimitError) as limited:
            await anext(events)
    assert limited.value.retryable
    assert (await Session(backend, CLAUDE).ask("Hi")).text


async def test_a_profile_that_is_not_there(backend: BedrockBackend) -> None:
    """It cannot be asked either."""
    with pytest.raises(ModelNotFoundError, match="was not found"):
        await Session(backend, CLAUDE.replace("emuprof3dog4", "nobody")).ask("Hi")


@pytest.mark.parametrize("body", [b"{}", b'{"models": []}', b'{"models": [{"modelArn": 1}]}', b"[]", b"<html>"])
async def test_an_answer_that_names_no_model(body: bytes, server: LoopbackServer) -> None:
    """Something else at the endpoint is told as that."""
    server.answer(whole(body))
    backend = BedrockBackend(endpoint_url=server.url, api_key="k", resolve_profiles=True)
    with pytest.raises(ProtocolError, match="cannot be read"):
        await Session(backend, CLAUDE).ask("Hi")
    await backend.aclose()


async def test_only_so_many_are_remembered(server: LoopbackServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest makes room, and is looked up again."""
    monkeypatch.setattr(_profile_models, "MAX_REMEMBERED", 2)
    backend = BedrockBackend(endpoint_url=server.url, api_key="k", resolve_profiles=True)
    looked_up = 0
    for name, is_known in [("a", False), ("b", False), ("c", False), ("c", True), ("b", True), ("a", False)]:
        if not is_known:
            server.answer(whole(b'{"models": [{"modelArn": "arn:aws:bedrock:x::foundation-model/a.b"}]}'))
        server.answer(unary())
        await Session(backend, f"{CLAUDE}{name}").ask("Hi")
        looked_up += not is_known
        found = [request for request in server.requests if request.method == "GET"]
        assert len(found) == looked_up
    await backend.aclose()


async def test_reasoning_belongs_to_the_profile(backend: BedrockBackend) -> None:
    """Histories mean the same with the option and without it: reasoning goes back to the id that wrote it."""
    marks = [{"bedrock": {"family": family}} for family in (CLAUDE, "anthropic")]
    parts = tuple(Reasoning("Hm.", signature="s", metadata=each) for each in marks)
    history = [Message("user", (Text("Hi"),)), Message("assistant", (*parts, Text("Ho")))]
    preview = await Session(backend, CLAUDE, messages=history).preview("And?")
    assert [item.code for item in preview.adjustments] == ["foreign-reasoning"]


async def test_keys_that_have_ended_while_looking_up(server: LoopbackServer) -> None:
    """The look-up is a request like any other, with the same errors."""
    server.answer(refusal("403 Forbidden", "ExpiredTokenException"))
    backend = BedrockBackend(endpoint_url=server.url, access_key_id="a", secret_access_key="b", resolve_profiles=True)
    with pytest.raises(AuthenticationError, match="give fresh ones"):
        await Session(backend, CLAUDE).ask("Hi")
    await backend.aclose()


@pytest.mark.parametrize("value", [None, 1, "yes"])
def test_the_option_is_a_bool(value: Any) -> None:
    """Anything else is refused."""
    with pytest.raises(ConfigurationError, match="resolve_profiles must be True or False"):
        BedrockBackend(resolve_profiles=value)
