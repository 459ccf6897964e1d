"""The documentation is code: its examples run, its pages include them, its decisions are listed."""

import ast
import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parents[1]
_DOCS = _ROOT / "docs"
EXAMPLES = sorted((_DOCS / "examples").glob("*.py"))
DECISIONS = sorted((_DOCS / "decisions").glob("[0-9]*.md"))

PROGRAMS = [
    pytest.param(text, id=f"{path.relative_to(_ROOT)}-{number}")
    for path in sorted([_ROOT / "README.md", *_ROOT.glob("plugins/*/README.md"), *_DOCS.rglob("*.md")])
    for number, text in enumerate(
        re.findall(r"^```python\n(.*?)^```$", path.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL), 1
    )
    if "--8<--" not in text
]

_SNIPPET = re.compile(r"""^[ ]*-+8<-+\s+["']([^"'\n]+)["']""", re.MULTILINE)


@pytest.mark.slow
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_examples_run(path: Path) -> None:
    """Each example runs as it stands: no account, no network, no warnings, and it prints something."""
    command = [sys.executable, "-W", "error", str(path)]
    result = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=path.parent, timeout=60, stdin=subprocess.DEVNULL
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip()
    assert not result.stderr


def test_there_are_examples() -> None:
    """The test above has something to run, in the clean environment that the conftest makes."""
    assert EXAMPLES
    assert "AWS_REGION" not in os.environ


def test_every_example_is_on_a_page() -> None:
    """An example that no page includes is dead, and a page that includes a missing file is broken."""
    included = {
        name.split(":")[0]
        for page in _DOCS.rglob("*.md")
        for name in _SNIPPET.findall(page.read_text(encoding="utf-8"))
    }
    # Plugins' own sources may be shown as well; that they exist is for the builder of the site to check.
    assert {name for name in included if "/" not in name} == {path.name for path in EXAMPLES}


@pytest.mark.parametrize("text", PROGRAMS)
def test_programs_in_pages_use_what_exists(text: str) -> None:
    """Code that stands in a page itself parses, and every name that it takes from us is there."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        match node:
            case ast.ImportFrom(module=str(name), names=names) if name.split(".")[0].startswith("chatport"):
                module = importlib.import_module(name)
                assert {alias.name for alias in names} <= set(dir(module))
            case ast.Attribute(value=ast.Name(id="chatport"), attr=attribute):
                assert hasattr(importlib.import_module("chatport"), attribute), attribute
            case _:
                pass


def test_every_decision_is_listed_and_complete() -> None:
    """The index names each decision once, in order; each says its context, the decision and what follows."""
    index = (_DOCS / "decisions" / "index.md").read_text(encoding="utf-8")
    assert re.findall(r"\((\d{4}-[a-z0-9-]+\.md)\)", index) == [path.name for path in DECISIONS]
    numbers = [path.name[:4] for path in DECISIONS]
    assert len(set(numbers)) == len(numbers), "two decisions have the same number"
    for path in DECISIONS:
        text = path.read_text(encoding="utf-8")
        assert re.findall(r"^## (.+)$", text, re.MULTILINE)[:3] == ["Context", "Decision", "Consequences"], path.name


def test_every_page_is_in_the_navigation() -> None:
    """No page is written and then not found."""
    navigation = (_ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    pages = [page.relative_to(_DOCS).as_posix() for page in _DOCS.rglob("*.md")]
    missing = [name for name in pages if name not in navigation and not name.startswith("examples/")]
    assert not missing


def test_readme_and_ci_cannot_drift() -> None:
    """The README has its two commands between the markers that CI reads them from."""
    text = (_ROOT / "README.md").read_text(encoding="utf-8")
    for name, expected in [("demo", "chatport demo"), ("tests", "-m pytest")]:
        (block,) = re.findall(rf"<!-- {name}:start -->\n```sh\n(.+?)\n```\n<!-- {name}:end -->", text, re.DOTALL)
        assert expected in block
        assert "\n" not in block, "one command, one line"


def test_the_documentation_speaks_of_itself() -> None:
    """No page loads a font or a script from elsewhere: the site works offline and tells nobody who reads it."""
    configuration = (_ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    assert re.search(r"^  font: false$", configuration, re.MULTILINE)
    assert "extra_javascript" not in configuration
    assert "analytics" not in configuration
