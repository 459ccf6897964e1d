"""The suite that every backend has to pass, over the wire of the emulator."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from bedrock_support.conformance import BedrockScript

from chatport.testing import BackendSuite
from chatport_bedrock.backend import BedrockBackend


class TestBedrockBackend(BackendSuite):
    @pytest.fixture
    def script(self) -> Iterator[BedrockScript]:
        with BedrockScript() as running:
            yield running

    @pytest.fixture
    def backend(self, script: BedrockScript) -> BedrockBackend:
        return BedrockBackend(**script.options)
