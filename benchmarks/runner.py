"""Runs scenarios: a process for each client, which take turns; medians of what they say."""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from tempfile import TemporaryFile
from types import TracebackType
from typing import Any, Final, Self

from benchmarks.measures import Figures
from benchmarks.scenarios import Scenario

ROOT: Final = Path(__file__).resolve().parents[1]
IMPORTS: Final = {"aiobotocore": "aiobotocore.session", "events": "chatport"}

Say = Callable[[str], None]


class WorkerError(Exception):
    """A client's process has failed.

    Attributes:
        client: Whose it was.
    """

    def __init__(self, client: str, said: str) -> None:
        """Take the client's name and all that its process said; the last line is in the message."""
        lines = said.strip().splitlines()
        super().__init__(f"{client}: {lines[-1] if lines else 'ended without a word'}")
        self.client = client


class Worker:
    """A client in a process of its own."""

    def __init__(self, client: str, url: str, *, python: str = sys.executable) -> None:
        """Name the client, the server's address, and the interpreter that has the client's library."""
        self._client = client
        self._command = [python, "-m", "benchmarks.worker", client, url]
        self._process: subprocess.Popen[str] | None = None
        # A pipe that nobody reads would stop a library that says much.
        self._said = TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115 - `__exit__` closes it

    def __enter__(self) -> Self:
        """Start the process and wait until it is ready.

        Raises:
            WorkerError: It is not.
        """
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(  # noqa: S603 - an interpreter that the caller names
            self._command, stdin=pipe, stdout=pipe, stderr=self._said, text=True, env=clean_environment(), cwd=ROOT
        )
        try:
            self._read()
        except WorkerError:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
        self._said.close()

    def measure(self, name: str, parameters: dict[str, Any]) -> Figures:
        """Take one measure.

        Raises:
            WorkerError: The client could not.
        """
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"measure": name, "parameters": parameters}) + "\n")
        self._process.stdin.flush()
        figures: Figures = json.loads(self._read())
        return figures

    def _read(self) -> str:
        assert self._process is not None
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._process.wait()
            self._said.seek(0)
            raise WorkerError(self._client, self._said.read())
        return line


def clean_environment() -> dict[str, str]:
    """The environment of a measured process: nothing of AWS, no file of its configuration, no service for keys.

    Compiled files are kept, as they are wherever a library is installed; the first start, which writes them, is not
    counted.
    """
    dropped = ("AWS_", "CHATPORT_", "PYTHONDONTWRITEBYTECODE")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
    return kept | {
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "PYTHONPATH": str(ROOT),
    }


def run_scenario(
    scenario: Scenario, url: str, *, rounds: int, quick: bool = False, pythons: dict[str, str] | None = None, say: Say
) -> dict[str, Figures]:
    """Measure all clients of a scenario in turns; return the medians by client.

    Args:
        scenario: What to measure.
        url: The server's address.
        rounds: How often.
        quick: Whether to measure less each time.
        pythons: The interpreters of clients that are not installed beside us.
        say: Told what goes on.

    Raises:
        WorkerError: A client could not be measured.
    """
    parameters = scenario.parameters | (scenario.quick if quick else {})
    if scenario.measure in _STARTED:
        start = _STARTED[scenario.measure]
        return _take_turns({client: partial(start, client, url) for client in scenario.clients}, rounds=rounds, say=say)
    with ExitStack() as stack:
        takes: dict[str, Callable[[], Figures]] = {}
        for client in scenario.clients:
            worker = stack.enter_context(Worker(client, url, python=(pythons or {}).get(client, sys.executable)))
            takes[client] = partial(worker.measure, scenario.measure, parameters)
        figures = _take_turns(takes, rounds=rounds, say=say)
    for client in () if quick else scenario.once:
        with Worker(client, url) as worker:
            say(f"  {client}, once")
            figures[client] = worker.measure(scenario.measure, parameters)
    return figures


def _take_turns(takes: dict[str, Callable[[], Figures]], *, rounds: int, say: Say) -> dict[str, Figures]:
    found: dict[str, list[Figures]] = {client: [] for client in takes}
    for take in takes.values():
        take()  # connections, caches and compiled files
    clients = list(takes)
    for number in range(rounds):
        # Whoever comes first in one round comes last in the next.
        for client in clients[number % len(clients) :] + clients[: number % len(clients)]:
            found[client].append(takes[client]())
        say(f"  round {number + 1} of {rounds}")
    return {client: _medians(figures) for client, figures in found.items()}


def _medians(figures: Sequence[Figures]) -> Figures:
    return {name: statistics.median(each[name] for each in figures) for name in figures[0]}


def _cold_start(client: str, url: str) -> Figures:
    """From the start of a process to the first text that it prints."""
    begun = time.perf_counter()
    command = [sys.executable, "-m", "benchmarks.cold", client, url]
    pipe = subprocess.PIPE
    with subprocess.Popen(  # noqa: S603 - the interpreter that runs us
        command, stdout=pipe, stderr=pipe, text=True, env=clean_environment(), cwd=ROOT
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        elapsed = time.perf_counter() - begun
        _, said = process.communicate()
    if not line.strip() or process.returncode:
        raise WorkerError(client, said)
    return {"wall, ms": elapsed * 1e3}


def _import(client: str, _: str) -> Figures:
    """How much longer an interpreter takes that imports a package, than one that imports nothing; without httpx2."""
    times: list[float] = []
    for program in ("import sys", f"import sys; sys.modules['httpx2'] = None; import {IMPORTS[client]}"):
        begun = time.perf_counter()
        subprocess.run([sys.executable, "-c", program], check=True, env=clean_environment(), cwd=ROOT)  # noqa: S603
        times.append(time.perf_counter() - begun)
    return {"wall, ms": (times[1] - times[0]) * 1e3}


_STARTED: Final[dict[str, Callable[[str, str], Figures]]] = {"cold": _cold_start, "import": _import}
