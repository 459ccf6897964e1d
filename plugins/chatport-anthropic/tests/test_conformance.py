"""The suite that every backend has to pass, over the wire of a service on loopback."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from anthropic_support.conformance import AnthropicScript

from chatport.testing import BackendSuite
from chatport_anthropic.backend import AnthropicBackend


class TestAnthropicBackend(BackendSuite):
    @pytest.fixture
    def script(self) -> Iterator[AnthropicScript]:
        with AnthropicScript() as running:
            yield running

    @pytest.fixture
    def backend(self, script: AnthropicScript) -> AnthropicBackend:
        return AnthropicBackend(**script.options)
