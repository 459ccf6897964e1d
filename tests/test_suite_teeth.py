"""The suite for backends has teeth: whatever is broken in one way, exactly those tests fail that are about it."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parents[1]
_TEETH = _ROOT / "tests" / "suite_teeth"
_PARROT = _ROOT / "docs" / "examples" / "parrot"
_PARTS = 3
_EXPECTED: dict[str, list[str]] = json.loads((_TEETH / "expected.json").read_text(encoding="utf-8"))


_HARMLESS = {
    "test_a_stream_that_was_never_read": "an async generator does nothing before it is read",
    "test_what_is_lacking_is_known": "it is about the script",
}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_what_is_broken_is_found(tmp_path: Path) -> None:
    """The tests that fail are those that are expected to, no fewer and no more; what is sound passes them all.

    One test, of a few processes that share the parrots: most of the time they wait for what hangs.
    """
    (tmp_path / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    with ThreadPoolExecutor(_PARTS) as pool:
        parts = list(pool.map(lambda part: _failed(tmp_path, part), range(_PARTS)))
    failed = {name: sorted(tests) for part in parts for name, tests in part.items()}
    assert failed == _EXPECTED


def _failed(folder: Path, part: int) -> dict[str, list[str]]:
    """Run the suite on a part of the broken backends, and return the names of the tests that failed for each."""
    settings = {
        "PYTHONPATH": os.pathsep.join(map(str, (_TEETH, _PARROT / "src", _PARROT / "tests"))),
        "PYTEST_ADDOPTS": "",  # what this run was asked for is not for that one
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTEST_PLUGINS": "anyio.pytest_plugin",
    }
    found = folder / f"failed-{part}.json"
    ran = subprocess.run(
        [sys.executable, str(_TEETH / "run_suite.py"), found, folder / "pytest.ini", str(part), str(_PARTS)],
        env={**_without_coverage(os.environ), **settings},
        capture_output=True,
        text=True,
        check=False,
        timeout=840,
    )
    assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-3000:]
    failed: dict[str, list[str]] = json.loads(found.read_text(encoding="utf-8"))
    return failed


def _without_coverage(environment: Mapping[str, str]) -> dict[str, str]:
    """The suite's coverage is that of the sound backends; measured here again it would take twice as long."""
    return {name: value for name, value in environment.items() if not name.startswith("COV")}


def test_there_are_enough_broken_backends() -> None:
    """Each is broken so that something finds it; one is sound, and finds the tests that are wrong."""
    assert [name for name, tests in _EXPECTED.items() if not tests] == ["Sound"]
    assert len(_EXPECTED) > 30


def test_every_test_of_the_suite_bites_somebody() -> None:
    """A test that no broken backend fails might be one that cannot fail; those are named here, with the reason."""
    from chatport.testing import BackendSuite

    tests = {name for name in dir(BackendSuite) if name.startswith("test_")}
    biting = {name for names in _EXPECTED.values() for name in names}
    assert biting <= tests
    assert tests - biting == _HARMLESS.keys()
