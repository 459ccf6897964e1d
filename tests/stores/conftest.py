"""Stores, and places for them."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from chatport import SessionStore, SqliteStore
from chatport.testing import MemoryStore


@pytest.fixture(params=["memory", "sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[SessionStore]:
    """Every store there is."""
    if request.param == "memory":
        yield MemoryStore()
    else:
        async with SqliteStore(tmp_path / "chats.db") as opened:
            yield opened


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a file may be made."""
    return tmp_path / "chats.db"
