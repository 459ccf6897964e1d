"""What the tests of the Anthropic backend share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from chatport.testing import HttpService


@pytest.fixture
def service() -> Iterator[HttpService]:
    """A service on loopback that answers what the test says."""
    with HttpService() as running:
        yield running


@pytest.fixture
def options(service: HttpService) -> dict[str, Any]:
    """The options that lead to the service."""
    return {"base_url": service.url, "api_key": "test-key"}
