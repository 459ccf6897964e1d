"""The types that a user sees: programs written against the installed packages, checked and never run."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

_PROGRAMS = sorted((Path(__file__).parent / "typing").glob("*.py"))


@pytest.mark.typing
@pytest.mark.slow
@pytest.mark.skipif(find_spec("mypy") is None, reason="mypy is not installed")
@pytest.mark.parametrize("path", _PROGRAMS, ids=lambda path: path.name)
def test_the_public_api_as_a_user_types_it(path: Path, tmp_path: Path) -> None:
    """Strict mypy, told nothing of this repository, agrees with every `assert_type` and refuses every marked misuse."""
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--cache-dir", str(tmp_path / "cache")]
    result = subprocess.run(
        [*command, "--python-executable", sys.executable, str(path)],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,  # neither the configuration nor the sources of the repository are within reach from here
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_there_are_programs() -> None:
    """The test above has something to check."""
    assert {path.name for path in _PROGRAMS} >= {"api.py"}


@pytest.mark.parametrize("package", ["chatport", "chatport_bedrock", "chatport_echo"])
def test_packages_say_that_they_are_typed(package: str) -> None:
    """Without `py.typed` a type checker would ignore our annotations."""
    found = find_spec(package)
    assert found is not None
    assert found.submodule_search_locations
    assert any((Path(location) / "py.typed").is_file() for location in found.submodule_search_locations)
