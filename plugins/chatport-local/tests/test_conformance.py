"""The suite that every backend has to pass, with an engine that says what a test tells it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from local_support.conformance import EngineScript

from chatport.testing import BackendSuite

if TYPE_CHECKING:
    from chatport_local.backend import LocalBackend


class TestLocalBackend(BackendSuite):
    @pytest.fixture
    def script(self, tmp_path: Path) -> EngineScript:
        return EngineScript(tmp_path)

    @pytest.fixture
    def backend(self, script: EngineScript) -> LocalBackend:
        return script.backend
