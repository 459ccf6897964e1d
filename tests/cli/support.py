"""What the tests of the command share: a run of it, in this process or in one of its own."""

import io
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from chatport.cli import main
from chatport.testing import ScriptedBackend

Scripted: TypeAlias = Callable[..., ScriptedBackend]
"""Makes a backend from a script, to be asked as `scripted:model` until the test ends."""

SECONDS = 30.0
"""How long a process of ours may take before it counts as hung."""


@dataclass(frozen=True)
class Result:
    """How a run of the command ended.

    Attributes:
        code: The exit code.
        output: What came on standard output.
        errors: What came on standard error.
    """

    code: int
    output: str
    errors: str

    @property
    def lines(self) -> list[str]:
        """The lines on standard error."""
        return self.errors.splitlines()


class Terminal(io.TextIOWrapper):
    """An input or output that says a person is at it."""

    def isatty(self) -> bool:
        """Say so."""
        return True


class Command:
    """The command, run in this process."""

    def __init__(self, capture: Any, patch: Any) -> None:
        """Take pytest's `capsys` and `monkeypatch`."""
        self._capture = capture
        self._patch = patch

    def __call__(self, *arguments: str, piped: bytes = b"", at_terminal: bool = False) -> Result:
        """Run it.

        Args:
            *arguments: The words after the command's name.
            piped: What comes in on standard input.
            at_terminal: Whether standard input is a terminal, and so nothing is piped in.
        """
        kind = Terminal if at_terminal else io.TextIOWrapper
        self._patch.setattr(sys, "stdin", kind(io.BytesIO(piped), encoding="utf-8"))
        self._capture.readouterr()
        code = main(arguments)
        seen = self._capture.readouterr()
        return Result(code, seen.out, seen.err)


def run_process(*arguments: str, piped: str = "", path: Path | None = None, **variables: str) -> Result:
    """Run the command in a process of its own, warnings as errors.

    Args:
        *arguments: The words after the command's name.
        piped: What comes in on standard input.
        path: A folder with more packages to be found.
        **variables: More environment variables.
    """
    return _result([sys.executable, "-W", "error", "-m", "chatport.cli", *arguments], piped, path, variables)


def run_program(program: str, *, path: Path | None = None) -> Result:
    """Run a program in an interpreter of its own, warnings as errors."""
    return _result([sys.executable, "-W", "error", "-c", program], "", path, {})


def _result(command: list[str], piped: str, path: Path | None, variables: dict[str, str]) -> Result:
    found = {} if path is None else {"PYTHONPATH": os.pathsep.join([str(path), os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run(
        command,
        input=piped,
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
        encoding="utf-8",
        env={**os.environ, **found, **variables},
    )
    return Result(done.returncode, done.stdout, done.stderr)


def write_distribution(folder: Path, name: str, entry_points: str, **modules: str) -> None:
    """Write an installed distribution into a folder, as pip would leave it behind.

    Args:
        folder: The folder, to be put on the path.
        name: The distribution's name.
        entry_points: The text of its `entry_points.txt`.
        **modules: The text of each of its modules, by name.
    """
    metadata = folder / f"{name.replace('-', '_')}-2.5.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 2.5\n")
    (metadata / "entry_points.txt").write_text(entry_points)
    for module, text in modules.items():
        (folder / f"{module}.py").write_text(text)
