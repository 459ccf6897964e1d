"""What the tests of the Bedrock backend share."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from bedrock_support.loopback import LoopbackServer


@pytest.fixture
def server() -> Iterator[LoopbackServer]:
    """A raw server on loopback that answers what the test says."""
    with LoopbackServer() as running:
        yield running
    assert not running.failures, f"the server failed: {running.failures!r}"


@pytest.fixture(scope="module")
def quick_collecting() -> Iterator[None]:
    """For tests that collect: what was there before them, seconds long behind many others, is not looked at again."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture
def options(server: LoopbackServer) -> dict[str, Any]:
    """The options that lead to the server, with a key of its own."""
    return {"endpoint_url": server.url, "region": "us-east-1", "api_key": "test-key"}


@pytest.fixture
def aws_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Writes AWS's two files, `config` and `credentials`."""

    def write(config: str = "", credentials: str = "") -> None:
        for variable, name, content in (
            ("AWS_CONFIG_FILE", "config", config),
            ("AWS_SHARED_CREDENTIALS_FILE", "credentials", credentials),
        ):
            (tmp_path / name).write_text(content)
            monkeypatch.setenv(variable, str(tmp_path / name))

    return write
