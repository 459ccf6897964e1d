"""The suite that every backend has to pass."""

from collections.abc import Iterator

import pytest
from chatport_parrot.backend import ParrotBackend
from parrot_service import ParrotScript

from chatport.testing import BackendSuite


class TestParrotBackend(BackendSuite):
    @pytest.fixture
    def script(self) -> Iterator[ParrotScript]:
        with ParrotScript() as running:
            yield running

    @pytest.fixture
    def backend(self, script: ParrotScript) -> ParrotBackend:
        return ParrotBackend(port=script.port, key=script.secrets[0])
