"""The suite that every backend has to pass, over the wire of a service on loopback."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from openai_support.conformance import OpenAIScript

from chatport.testing import BackendSuite
from chatport_openai.backend import OpenAIBackend


class TestOpenAIBackend(BackendSuite):
    @pytest.fixture
    def script(self) -> Iterator[OpenAIScript]:
        with OpenAIScript() as running:
            yield running

    @pytest.fixture
    def backend(self, script: OpenAIScript) -> OpenAIBackend:
        return OpenAIBackend(**script.options)
