"""The page "Write a backend": its package is built, installed with pip, found by its name, and passes its own tests."""

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

_ROOT = Path(__file__).resolve().parents[1]
_PARROT = _ROOT / "docs" / "examples" / "parrot"
_PAGE = _ROOT / "docs" / "how-to" / "write-a-backend.md"
_LEFT_OUT = shutil.ignore_patterns("__pycache__", ".*", "build", "dist")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package's folder, from which the package was built and installed beside it."""
    folder = tmp_path_factory.mktemp("author")
    project = folder / "chatport-parrot"
    shutil.copytree(_PARROT, project, ignore=_LEFT_OUT)
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-index", "--no-deps", "--no-build-isolation"]
    subprocess.run(
        [*pip, "--target", str(folder / "installed"), str(project)], check=True, capture_output=True, timeout=100
    )
    shutil.rmtree(project / "src")  # what the tests see is what is installed
    return project


def _environment(project: Path) -> dict[str, str]:
    settings = {
        "PYTEST_ADDOPTS": "",  # what this run was asked for is not for that one
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTEST_PLUGINS": "anyio.pytest_plugin",
    }
    return {**os.environ, **settings, "PYTHONPATH": str(project.parent / "installed")}


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_package_built_by_pip_passes_the_suite(project: Path) -> None:
    """On both event loops; no test is skipped, as a parrot has all that answers can hold."""
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--junit-xml=report.xml"],
        cwd=project,
        env=_environment(project),
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )
    assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-3000:]
    cases = ET.parse(project / "report.xml").getroot().iter("testcase")  # noqa: S314 - pytest wrote it just now
    passed: Counter[str] = Counter()
    for case in cases:
        assert case.find("skipped") is None, case.attrib["name"]
        passed["trio" if "trio" in case.attrib["name"] else "asyncio"] += 1
    assert min(passed["asyncio"], passed["trio"]) > 100


@pytest.mark.slow
def test_the_package_built_by_pip_is_found_by_its_name(project: Path) -> None:
    """A program asks for `parrot:grey`, and a service answers."""
    program = """
import anyio, chatport
from chatport.testing import ServiceAnswer
from parrot_service import ParrotScript

async def main():
    with ParrotScript() as script:
        script.enqueue(ServiceAnswer.of_words("Polly ", "wants."))
        options = {"port": script.port, "key": script.secrets[0]}
        async with chatport.open_session("parrot:grey", backend_options=options) as session:
            print((await session.ask("Polly?")).text)

anyio.run(main)
"""
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=project / "tests",
        env=_environment(project),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (ran.stdout, ran.stderr) == ("Polly wants.\n", "")


def test_the_page_shows_every_file_of_the_package() -> None:
    """Who follows the page has the package: no file of it is left out."""
    shown = set(re.findall(r'--8<-- "parrot/([^":]+)', _PAGE.read_text(encoding="utf-8")))
    files = {
        path.relative_to(_PARROT).as_posix()
        for path in _PARROT.rglob("*")
        if path.is_file()
        and not any(part.startswith((".", "__pycache__")) for part in path.parts[len(_PARROT.parts) :])
    }
    assert shown == files - {"src/chatport_parrot/py.typed"}


def test_the_smallest_backend_has_eight_lines() -> None:
    """As the page says."""
    text = (_ROOT / "docs" / "examples" / "smallest_backend.py").read_text(encoding="utf-8")
    (backend,) = re.findall(r"# --8<-- \[start:backend\]\n(.*?)# --8<-- \[end:backend\]", text, re.DOTALL)
    assert len([line for line in backend.splitlines() if line.strip()]) == 8
