"""Secrets show nowhere: not in a `repr`, not in an error, not in a log."""

from __future__ import annotations

import json
import logging
import traceback
from typing import Any

import pytest
from anthropic_support.decoding import MODEL
from anyio.lowlevel import checkpoint

import chatport
from chatport import Session
from chatport.testing import HttpReply, HttpService
from chatport_anthropic.backend import AnthropicBackend

pytestmark = pytest.mark.anyio

KEY = "sk-ant-api03-hidden-" + "0a" * 40
PASSWORD = "hidden-password"


async def give() -> str:
    """The key, from a function."""
    await checkpoint()
    return KEY


@pytest.mark.parametrize(
    "options",
    [{"api_key": KEY}, {"auth_token": KEY}, {"api_key": give}, {"api_key": "x", "headers": {"x-api-key": KEY}}],
    ids=["key", "token", "function", "headers"],
)
async def test_no_secret_shows(options: dict[str, Any], service: HttpService, caplog: pytest.LogCaptureFixture) -> None:
    """Not in a `repr`, not in an error or what caused it, not in a record of any logger at any level."""
    caplog.set_level(logging.DEBUG)
    quoted = {"type": "error", "error": {"type": "authentication_error", "message": f"invalid x-api-key: {KEY}"}}
    service.reply(
        HttpReply(status=401, body=json.dumps(quoted).encode(), headers={"content-type": "application/json"}),
        HttpReply(body=b"no JSON", headers={"content-type": "application/json"}),
    )
    ways: list[dict[str, Any]] = [{}, {}, {"base_url": "http://127.0.0.1:1"}]
    ways.append({"proxy": f"http://me:{PASSWORD}@127.0.0.1:1", "base_url": "https://127.0.0.1:1"})
    shown: list[str] = []
    for way in ways:
        shown += await what_shows({"base_url": service.url, **options, **way})
    shown += [f"{record.getMessage()} {record.args} {record.exc_text}" for record in caplog.records]
    assert len(caplog.records) > 10
    assert sum("Traceback" in line for line in shown) == 4
    for secret in (KEY, PASSWORD):
        assert not [line for line in shown if secret in line]


async def what_shows(options: dict[str, Any]) -> list[str]:
    """What a turn lets people see."""
    backend = AnthropicBackend(**options)
    session = Session(backend, MODEL, retry=None)
    shown = [repr(backend), repr(session), repr(backend._options), repr(await backend.describe())]
    try:
        await session.ask("hi")
    except chatport.ChatError as error:
        shown += [repr(error), str(error), "".join(traceback.format_exception(error))]
    await backend.aclose()
    return shown
