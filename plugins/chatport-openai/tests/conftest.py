"""What the tests of the OpenAI backend share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from chatport.testing import HttpService
from chatport_openai._dialect_table import DIALECTS

_VARIABLES = {"OPENAI_BASE_URL", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID"}


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away what a developer has set: keys, and where requests go."""
    for name in _VARIABLES | {name for dialect in DIALECTS.values() for name in dialect.key_variables}:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def service() -> Iterator[HttpService]:
    """A service on loopback that answers what the test says."""
    with HttpService() as running:
        yield running


@pytest.fixture
def options(service: HttpService) -> dict[str, Any]:
    """The options that lead to the service, with a key of its own."""
    return {"base_url": f"{service.url}/v1", "api_key": "test-key"}
