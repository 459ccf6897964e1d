"""Secrets show nowhere: not in a `repr`, not in an error, not in a log."""

from __future__ import annotations

import json
import logging
import traceback
from typing import TYPE_CHECKING, Any

import anyio.lowlevel
import pytest
from bedrock_support.answers import MODEL, refusal, unary
from bedrock_support.asking import REGION
from bedrock_support.http_bytes import whole

import chatport
from chatport import Session
from chatport_bedrock import AwsCredentials
from chatport_bedrock.backend import BedrockBackend

if TYPE_CHECKING:
    from bedrock_support.loopback import LoopbackServer

pytestmark = pytest.mark.anyio


# As long as real ones: what a service quotes in an error is recognised by its length too.
_HIDDEN: dict[str, Any] = {
    "access_key_id": "ASIA0HIDDEN0KEY0ID00",
    "secret_access_key": "hidden/secret/of/forty/characters/0123456",
    "session_token": "hidden+session+token+" * 10,
}
_HIDDEN_BEARER = {"api_key": "bedrock-api-key-hidden" + "0a" * 60}
_HIDDEN_PROXY = "hidden-password"


async def _give() -> AwsCredentials:
    await anyio.lowlevel.checkpoint()
    return AwsCredentials(**_HIDDEN)


@pytest.mark.parametrize(
    ("options", "secrets"),
    [(_HIDDEN, _HIDDEN), (_HIDDEN_BEARER, _HIDDEN_BEARER), ({"credentials": _give}, _HIDDEN)],
    ids=["keys", "bearer", "function"],
)
async def test_no_secret_shows(
    options: dict[str, Any], secrets: dict[str, str], server: LoopbackServer, caplog: pytest.LogCaptureFixture
) -> None:
    """Not in a `repr`, not in an error or what caused it, not in a record of any logger at any level."""
    caplog.set_level(logging.DEBUG)
    quoted = f"bad request, x-amz-security-token:{secrets.get('session_token')} Bearer {secrets.get('api_key')}"
    server.answer(unary())
    server.answer(refusal("403 Forbidden", "InvalidSignatureException", json.dumps({"message": quoted}).encode()))
    server.answer(whole(b"no JSON"))
    proxies = {"http": f"http://me:{_HIDDEN_PROXY}@127.0.0.1:1"}
    shown: list[str] = []
    ways: list[dict[str, Any]] = [{}, {}, {}, {"endpoint_url": "http://127.0.0.1:1"}, {"proxies": proxies}]
    for way in ways:
        shown += await _shown({"endpoint_url": server.url, **REGION, **options, **way})
    shown += [f"{record.getMessage()} {record.args} {record.exc_text}" for record in caplog.records]
    assert len(caplog.records) > 10
    assert sum("Traceback" in line for line in shown) == 4
    for secret in (*secrets.values(), _HIDDEN_PROXY):
        assert not [line for line in shown if secret in line]


def _with_locals(error: BaseException) -> str:
    """The traceback as tools for reporting errors show it: with the local variables of every frame but this test's."""
    report = traceback.TracebackException.from_exception(error, capture_locals=True)
    lines: list[str] = []
    seen: traceback.TracebackException | None = report
    while seen is not None:
        for frame in seen.stack:
            # The functions of this file hold the options themselves, as they came from the caller.
            lines += [] if frame.filename == __file__ else [f"{frame.filename} {frame.locals}"]
        seen = seen.__cause__ or seen.__context__
    return "\n".join(lines)


async def _shown(options: dict[str, Any]) -> list[str]:
    """What a turn lets people see."""
    backend = BedrockBackend(**options)
    session = Session(backend, MODEL, retry=chatport.Retry(base_delay=0))  # records of repeating are looked at too
    shown: list[str] = []
    try:
        await session.ask("hi")
    except chatport.ChatError as error:
        shown += [repr(error), str(error), "".join(traceback.format_exception(error))]
        # Where the service itself quotes a secret, the bytes that it sent are a local variable, as they have to be.
        if not isinstance(error, chatport.AuthenticationError):
            shown.append(_with_locals(error))
    identity = backend._wire._identity
    shown += map(repr, [backend, session, backend._options, backend._wire, identity, await identity.endpoint(MODEL)])
    if "api_key" not in options:
        shown.append(repr(await identity.keys()))
    await backend.aclose()
    return shown
