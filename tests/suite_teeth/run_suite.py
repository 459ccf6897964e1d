"""Runs the suite on broken parrots, and writes which tests failed: `run_suite.py FILE INI PART OF`.

The file gets JSON: the name of each class, and the tests that failed for it, in order. Of the parrots those are taken
that are part `PART` of `OF`, so that several runs may go side by side: what hangs is mostly waited for.
"""

from __future__ import annotations

import gc
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import broken_parrots
import broken_works
import parrot_service
import pytest
from chatport_parrot.backend import ParrotBackend
from parrot_service import ParrotScript

from chatport.testing import BackendSuite
from chatport.testing._suite import _asking, _leaving, _limits, _loops

# A backend that is broken so that it hangs is waited for by many tests.
for patient in (_asking, _leaving, _limits, _loops):
    patient.__dict__["PATIENCE"] = 2.0
parrot_service.__dict__["_PATIENCE"] = 2.0
_limits.__dict__["_LIMIT"] = 0.05


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """One event loop: what is broken is so on both."""
    return "asyncio"


def _tests_of(backend_class: type[ParrotBackend]) -> type[BackendSuite]:
    class Tests(BackendSuite):
        @pytest.fixture
        def script(self) -> Iterator[ParrotScript]:
            with ParrotScript() as running:
                yield running

        @pytest.fixture
        def backend(self, script: ParrotScript) -> ParrotBackend:
            return backend_class(port=script.port, key=script.secrets[0])

    return Tests


_ALL = [
    value
    for module in (broken_parrots, broken_works)
    for value in vars(module).values()
    if isinstance(value, type)
    and issubclass(value, ParrotBackend)
    and value.__module__ == module.__name__
    and not value.__name__.startswith("_")
]
BROKEN = _ALL[int(sys.argv[3]) :: int(sys.argv[4])]
globals().update({f"Test{broken.__name__}": _tests_of(broken) for broken in BROKEN})


class _Recorder:
    """Notes who failed in what; a test with parameters counts as one."""

    def __init__(self) -> None:
        self.failed: dict[str, list[str]] = {broken.__name__: [] for broken in BROKEN}

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self) -> None:
        """Keep modules and tests away from the tests that collect garbage, which would walk over all of it."""
        gc.collect()
        gc.freeze()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            _, who, test = report.nodeid.split("::")
            found = self.failed[who.removeprefix("Test")]
            name = test.partition("[")[0]
            if name not in found:
                found.append(name)


if __name__ == "__main__":
    recorder = _Recorder()
    # What an author has: no conftest of this repository.
    arguments: list[Any] = [__file__, "-q", "--tb=no", "--noconftest", "-p", "no:cacheprovider", "-c", sys.argv[2]]
    code = pytest.main([*arguments, "--import-mode=importlib"], plugins=[recorder])
    Path(sys.argv[1]).write_text(json.dumps(recorder.failed, indent=1), encoding="utf-8")
    # That tests fail is what they are here for; anything else is no run.
    sys.exit(0 if code == pytest.ExitCode.TESTS_FAILED else f"pytest ended with {code!r}")
