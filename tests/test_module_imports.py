"""Imports are read from source files in every form that they have."""

from pathlib import Path

from tests.module_imports import Import, Source


def _written(tmp_path: Path, name: str, text: str) -> Source:
    root = tmp_path / "chatport"
    root.mkdir(exist_ok=True)
    for other in ("__init__", "_errors", "_session"):
        (root / f"{other}.py").touch()
    (root / name).write_text(text)
    return Source("chatport", root / name, root)


def test_imports_are_read_in_every_form(tmp_path: Path) -> None:
    """Absolute, relative, of a submodule, inside a function, in an else branch; never under TYPE_CHECKING."""
    source = _written(
        tmp_path,
        "_x.py",
        "from typing import TYPE_CHECKING\n"
        "import chatport._session\n"
        "from chatport import _errors\n"
        "from . import _session\n"
        "from ._errors import ChatError\n"
        "if TYPE_CHECKING:\n"
        "    import aiohttp\n"
        "else:\n"
        "    import httpx\n"
        "def f():\n"
        "    from botocore import session\n",
    )
    assert list(source.imports) == [
        Import("typing", 1, at_import=True),
        Import("chatport._session", 2, at_import=True),
        Import("chatport._errors", 3, at_import=True),
        Import("chatport._session", 4, at_import=True),
        Import("chatport._errors", 5, at_import=True),
        Import("httpx", 9, at_import=True),
        Import("botocore", 11, at_import=False),
    ]
