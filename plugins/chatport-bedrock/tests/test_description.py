"""What a backend says of its set-up: places and versions, never a secret."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import PackageNotFoundError
from typing import Any

import pytest

from chatport_bedrock import _description
from chatport_bedrock.backend import BedrockBackend

pytestmark = pytest.mark.anyio


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


async def test_a_package_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that only some need is said to be missing, and is no error."""

    def version(name: str) -> str:
        if name == "httpx2":
            raise PackageNotFoundError(name)
        return "1.0"

    monkeypatch.setattr(_description, "version", version)
    found = await BedrockBackend().describe()
    assert (found["httpx2"], found["aiohttp"]) == ("none: not installed", "1.0")
