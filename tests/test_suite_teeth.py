"""The suite for backends has teeth: whatever is broken in one way, exactly those tests fail that are about it."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

_ROOT = Path(__file__).resolve().parents[1]
_TEETH = _ROOT / "tests" / "suite_teeth"
_PARROT = _ROOT / "docs" / "examples" / "parrot"
_EXPECTED: dict[str, list[str]] = json.loads((_TEETH / "expected.json").read_text(encoding="utf-8"))


_HARMLESS = {
    "test_a_stream_that_was_never_read": "an async generator does nothing before it is read",
    "test_what_is_lacking_is_known": "it is about the script",
}


@pytest.fixture(scope="module")
def failed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """What failed for each backend: one run of all, in a process of its own."""
    folder = tmp_path_factory.mktemp("teeth")
    (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    settings = {
        "PYTHONPATH": os.pathsep.join(map(str, (_TEETH, _PARROT / "src", _PARROT / "tests"))),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTEST_PLUGINS": "anyio.pytest_plugin",
    }
    ran = subprocess.run(
        [sys.executable, str(_TEETH / "run_suite.py"), str(folder / "failed.json"), str(folder / "pytest.ini")],
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        check=False,
        timeout=560,
    )
    assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-3000:]
    found: dict[str, Any] = json.loads((folder / "failed.json").read_text(encoding="utf-8"))
    return found


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", _EXPECTED)
def test_what_is_broken_is_found(name: str, failed: dict[str, list[str]]) -> None:
    """The tests that fail are those that are expected to, no fewer and no more; what is sound passes them all."""
    assert sorted(failed[name]) == _EXPECTED[name]
    assert bool(failed[name]) == (name != "Sound")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_all_broken_backends_are_expected(failed: dict[str, list[str]]) -> None:
    """None is run and not looked at, and there are enough of them."""
    assert failed.keys() == _EXPECTED.keys()
    assert len(_EXPECTED) > 20


def test_every_test_of_the_suite_bites_somebody() -> None:
    """A test that no broken backend fails might be one that cannot fail; those are named here, with the reason."""
    from chatport.testing import BackendSuite

    tests = {name for name in dir(BackendSuite) if name.startswith("test_")}
    biting = {name for names in _EXPECTED.values() for name in names}
    assert biting <= tests
    assert tests - biting == _HARMLESS.keys()
