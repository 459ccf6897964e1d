"""What a process loads until its first text, seen in a fresh interpreter: of AWS's packages no more than it needs."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from bedrock_support.answers import MODEL, stream

if TYPE_CHECKING:
    from bedrock_support.loopback import LoopbackServer

_PROGRAM = """
import asyncio, json, sys
import chatport

async def main():
    async with chatport.open_session(sys.argv[1], backend_options=json.loads(sys.argv[2])) as session:
        async with session.stream("hi") as reading:
            text = [piece async for piece in reading.text]
    print(json.dumps([text, sorted(sys.modules)]))

asyncio.run(main())
"""
_KEYS = {"access_key_id": "AKIDEXAMPLE", "secret_access_key": "not-a-secret"}
# botocore's client and what belongs to it: half of what `import aiobotocore.session` takes.
_CLIENT = {
    *("aiobotocore.client", "aiobotocore.session", "botocore.client", "botocore.credentials", "botocore.session"),
    *("botocore.endpoint_provider", "botocore.loaders", "botocore.signers"),
}
_OF_OTHERS = {"chatport._fetch", "chatport_bedrock.emulator", "pydantic", "trio"}


def _loaded(server: LoopbackServer, **options: Any) -> set[str]:
    """The modules that are loaded once a stream is read."""
    server.answer(stream("Hel", "lo"))
    finished = subprocess.run(
        [
            *(sys.executable, "-W", "error", "-c", _PROGRAM),
            *(f"bedrock:{MODEL}", json.dumps({"endpoint_url": server.url, "region": "us-east-1", **options})),
        ],
        capture_output=True,
        check=False,
        text=True,
        timeout=60,
    )
    assert finished.returncode == 0, finished.stderr
    text, loaded = json.loads(finished.stdout)
    assert text == ["Hel", "lo"]
    return set(loaded)


@pytest.mark.parametrize("who", [_KEYS, {"api_key": "test-key"}], ids=["keys", "API key"])
def test_where_everything_is_said_no_session_is_made(server: LoopbackServer, who: dict[str, str]) -> None:
    """Region, address and keys are options: nothing is left to look up, and what would look it up is not loaded."""
    loaded = _loaded(server, **who)
    assert "aiobotocore.httpsession" in loaded
    assert not loaded & (_CLIENT | _OF_OTHERS)


def test_where_something_is_looked_up_a_session_is_made(
    server: LoopbackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """AWS's own chain finds the keys; even then no client is made, which would read the service model."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-a-secret")
    loaded = _loaded(server)
    assert {"botocore.credentials", "botocore.session"} <= loaded
    assert not loaded & ({"aiobotocore.client", "aiobotocore.session"} | _OF_OTHERS)
