"""Requests as they arrive: line, signature and headers are those of botocore, through a proxy too."""

from __future__ import annotations

import os
import re
from typing import Any

import boto3
import pytest
from anyio.to_thread import run_sync
from bedrock_support.answers import MODEL, stream, unary
from bedrock_support.identities import ARN, KEYS, ask, scope_of
from bedrock_support.loopback import LoopbackServer
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

import chatport

pytestmark = pytest.mark.anyio


# --- the request on the wire ------------------------------------------------------------------------------------------
_IDS = [
    MODEL,
    "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
    ARN,
    "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/ab12cd34ef56",
    "arn:aws:sagemaker:us-east-1:123456789012:endpoint/some.name_x~y",
]


@pytest.mark.parametrize("model", _IDS)
async def test_the_request_line_is_that_of_botocore(model: str, server: LoopbackServer) -> None:
    """An unmodified client of botocore sends the same path, and so do both of our transports: never a whole address."""
    server.answer_always(unary())
    options: dict[str, Any] = {"endpoint_url": server.url, "region": "us-east-1"}
    await ask(model, **options, **KEYS)

    def ask_with_boto3() -> None:
        client = boto3.client(
            "bedrock-runtime",
            endpoint_url=server.url,
            region_name="us-east-1",
            aws_access_key_id="AKIDEXAMPLE",
            aws_secret_access_key="wJalrXUtnFEMI",
        )
        client.converse(modelId=model, messages=[{"role": "user", "content": [{"text": "hi"}]}])
        client.close()

    await run_sync(ask_with_boto3)
    ours, theirs = server.requests
    assert (ours.method, ours.target) == (theirs.method, theirs.target)
    assert ours.target.startswith("/model/")
    assert ours.headers["host"] == theirs.headers["host"]
    assert scope_of(ours) == scope_of(theirs)


@pytest.mark.parametrize("token", [None, "the-session-token"])
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("model", _IDS[1:4])
async def test_the_signature_fits_what_arrives(model: str, host: str, token: str | None) -> None:
    """Computed again by botocore from the bytes that the server got, it is the same."""
    with LoopbackServer(host=host) as server:
        server.answer(stream("Hello"))
        options = {"endpoint_url": server.url, "region": "us-east-1", "session_token": token, **KEYS}
        settings = chatport.Settings(max_tokens=5)
        async with (
            chatport.open_session(f"bedrock:{model}", backend_options=options) as session,
            session.stream("hi", settings=settings) as reading,
        ):
            await reading.finish()
        received = server.requests[0]
    found = re.fullmatch(
        r"AWS4-HMAC-SHA256 (.*), SignedHeaders=(.*), Signature=(.*)", received.headers["authorization"]
    )
    assert found
    names = found[2].split(";")
    assert names == ["content-type", "host", "x-amz-date", *(["x-amz-security-token"] if token else [])]
    request = AWSRequest(
        received.method,
        url=f"{server.url}{received.target}",
        data=received.body,
        headers={name: received.headers[name] for name in names},
    )
    request.context["timestamp"] = received.headers["x-amz-date"]
    signer = SigV4Auth(Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI", token), "bedrock", "us-east-1")
    assert signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request) == found[3]
    assert received.headers["host"] == server.url.removeprefix("http://")


@pytest.mark.parametrize(
    ("way", "accept"), [("ask", "application/json"), ("stream", "application/vnd.amazon.eventstream")]
)
async def test_the_other_headers(way: str, accept: str, server: LoopbackServer, options: dict[str, Any]) -> None:
    """Both transports send the same ones, each once, and ask for nothing compressed, which nobody would unpack."""
    server.answer(unary() if way == "ask" else stream("Hello"))
    async with chatport.open_session(f"bedrock:{MODEL}", backend_options=options) as session:
        if way == "ask":
            await session.ask("hi")
        else:
            async with session.stream("hi") as reading:
                await reading.finish()
    headers = server.requests[0].headers
    headers.pop("connection", None)
    agent = headers.pop("user-agent")
    assert re.fullmatch(r"chatport-bedrock/\S+ aiobotocore/\S+ python/\S+", agent)
    assert headers == {
        "host": server.url.removeprefix("http://"),
        "content-type": "application/json",
        "accept": accept,
        "accept-encoding": "identity",
        "authorization": "Bearer test-key",
        "content-length": str(len(server.requests[0].body)),
    }


# --- proxies ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["http", "HTTP"])
@pytest.mark.parametrize("place", ["option", "environment"])
async def test_a_proxy(place: str, scheme: str, server: LoopbackServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """It gets the whole address, and the endpoint's host, whatever case the schemes of both are written in."""
    server.answer_always(unary())
    address = f"{scheme}://bedrock.example:8080"
    options: dict[str, Any] = {"endpoint_url": address, "region": "us-east-1", "api_key": "key"}
    proxy = server.url.replace("http", scheme, 1)
    if place == "option":
        options["proxies"] = {"http": proxy}
    else:
        monkeypatch.setenv("HTTP_PROXY", proxy)
    await ask("a.model:0", **options)
    received = server.requests[0]
    assert received.target == "http://bedrock.example:8080/model/a.model%3A0/converse"
    assert received.headers["host"] == "bedrock.example:8080"


async def test_a_proxy_that_is_not_for_the_host(server: LoopbackServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception in the environment holds, and an empty option turns the environment off."""
    server.answer_always(unary())
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    with pytest.raises(chatport.TransportError, match="proxy"):
        await ask(MODEL, endpoint_url=server.url, region="us-east-1", api_key="key")
    await ask(MODEL, endpoint_url=server.url, region="us-east-1", api_key="key", proxies={})
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    await ask(MODEL, endpoint_url=server.url, region="us-east-1", api_key="key")
    assert [request.target[:7] for request in server.requests] == ["/model/", "/model/"]


async def test_the_environment_is_left_alone(server: LoopbackServer, options: dict[str, Any]) -> None:
    """Nothing is written to it, whatever is configured."""
    before = dict(os.environ)
    server.answer(unary())
    await ask(MODEL, **options)
    assert dict(os.environ) == before
