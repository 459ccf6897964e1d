"""Measure other libraries that ask Amazon Bedrock, against the same server and aiobotocore's own client.

    python benchmarks/peers.py [--quick] [--only NAME] [--environments FOLDER] [--rounds 5] [--save NAME]

Each library gets a virtual environment of its own, below a folder outside the repository; it is kept there if the
folder is named. A library that cannot be installed or does not work is said so, with its reason.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # run as a program this file stands alone

from benchmarks.machine import machine_facts, package_versions  # noqa: E402 - after the line above
from benchmarks.results import FOLDER, Results, table, write_results  # noqa: E402
from benchmarks.runner import WorkerError, clean_environment, run_scenario  # noqa: E402
from benchmarks.scenarios import BASE, Scenario  # noqa: E402
from benchmarks.server import running_server  # noqa: E402

# Exact versions: figures are of these, and a new release is to be looked at before it is installed.
PEERS: Final = {
    "any-llm": "any-llm-sdk[bedrock]==1.40.2",
    "langchain-aws": "langchain-aws==1.9.1",
    "litellm": "litellm==1.106.2",
    "llama-index": "llama-index-llms-bedrock-converse==0.15.5",
    "pydantic-ai": "pydantic-ai-slim[bedrock]==2.68.0",
    "strands-agents": "strands-agents==1.62.0",
}

SCENARIOS: Final = (
    ("burst of 5,000 deltas", "burst", {"count": 5000}, {"count": 200}),
    ("burst, 16 frames a chunk", "burst", {"count": 5000, "bunch": 16}, {"count": 200}),
    ("10 streams of 20 events/s", "paced", {"streams": 10, "rate": 20, "seconds": 3}, {"seconds": 0.5}),
    (
        "200 streams of 20 events/s",
        "paced",
        {"streams": 200, "rate": 20, "seconds": 3},
        {"streams": 20, "seconds": 0.5},
    ),
)


def environment(name: str, folder: Path) -> Path:
    """Return the interpreter of a library's environment, which is made if it is not there.

    Raises:
        CalledProcessError: The library cannot be installed; pip's last words are in it.
    """
    python = folder / name / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    if not python.exists():
        venv.create(folder / name, with_pip=True)
    command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", PEERS[name]]
    subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 - pip, for what stands above
    return python


def say(line: str) -> None:
    """Tell what goes on, beside the table."""
    print(line, file=sys.stderr, flush=True)


def install(names: list[str], folder: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Return the interpreters of the libraries, and the reasons of those that have none."""
    pythons: dict[str, str] = {}
    failures: dict[str, str] = {}
    for name in names:
        say(f"installing {PEERS[name]}")
        try:
            pythons[name] = str(environment(name, folder))
        except subprocess.CalledProcessError as error:
            failures[name] = f"not installed: {str(error.stderr).strip().splitlines()[-1]}"
    return pythons, failures


def measure(
    pythons: dict[str, str], *, rounds: int, quick: bool
) -> tuple[dict[str, dict[str, dict[str, float]]], dict[str, str]]:
    """Measure each library beside aiobotocore and chatport; return figures, and the reasons of those that fail."""
    measured: dict[str, dict[str, dict[str, float]]] = {}
    failures: dict[str, str] = {}
    with running_server() as url:
        for title, kind, parameters, short in SCENARIOS:
            say(title)
            clients = [BASE, "events", *pythons]
            while title not in measured:
                scenario = Scenario(title, kind, parameters, short, tuple(clients))
                try:
                    measured[title] = run_scenario(scenario, url, rounds=rounds, quick=quick, pythons=pythons, say=say)
                except WorkerError as error:
                    if error.client not in pythons:
                        raise
                    # The others are measured again from the start, so that they take turns in one run.
                    failures[f"{title}, {error.client}"] = str(error)
                    clients.remove(error.client)
    return measured, failures


def main() -> int:
    """Install, measure, print; 1 when a library is missing from the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="measure little: to see whether everything works")
    parser.add_argument("--only", choices=list(PEERS), help="one library")
    parser.add_argument("--environments", type=Path, help="where to keep the environments (default: nowhere)")
    parser.add_argument("--rounds", type=int, help="measurements per figure (default: 5, and 2 in a short run)")
    parser.add_argument("--save", metavar="NAME", help="write benchmarks/results/NAME.json as well")
    arguments = parser.parse_args()
    if arguments.save and (arguments.quick or arguments.only):
        parser.error("only a whole run is kept")
    rounds = arguments.rounds or (2 if arguments.quick else 5)
    names = [arguments.only] if arguments.only else list(PEERS)
    os.chdir(ROOT)
    with tempfile.TemporaryDirectory() as scratch:
        pythons, missing = install(names, arguments.environments or Path(scratch))
        load = os.getloadavg()[0]
        os.environ.update(clean_environment())
        measured, failed = measure(pythons, rounds=rounds, quick=arguments.quick)
    failures = missing | failed
    versions = package_versions() | {name: PEERS[name].partition("==")[2] for name in pythons}
    results = Results(machine_facts(), versions, rounds, arguments.quick, load, measured, failures)
    print(table(results, ("events", *PEERS), with_aims=False))
    for name, reason in failures.items():
        print(f"failed: {name}: {reason}")
    if arguments.save:
        write_results(results, FOLDER / f"{arguments.save}.json")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
