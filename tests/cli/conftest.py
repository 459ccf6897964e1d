"""Fixtures of the command's tests."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from tests.cli.support import Command, Scripted

import chatport
from chatport.testing import Script, ScriptedBackend


@pytest.fixture
def chat(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """The command, run in this process."""
    return Command(capsys, monkeypatch)


@pytest.fixture
def scripted() -> Iterator[Scripted]:
    """What makes a backend from a script, to be asked as `scripted:model` until the test ends."""
    with ExitStack() as registrations:

        def register(*script: Script) -> ScriptedBackend:
            backend = ScriptedBackend(*script)
            registrations.enter_context(chatport.register_backend("scripted", lambda: backend))
            return backend

        yield register
