"""What the tests of a store in a SQLite file share."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from chatport import Image, Message, StoredTurn

FIXTURES = Path(__file__).parents[1] / "fixtures"
PNG = b"\x89PNG\r\n\x1a\n"


def turn(*texts: str) -> StoredTurn:
    """A turn of the user's words."""
    return StoredTurn(tuple(Message.user(text) for text in texts))


def pictures(*contents: bytes) -> StoredTurn:
    """A turn that shows pictures."""
    return StoredTurn((Message("user", tuple(Image("image/png", PNG + content) for content in contents)),))


def rows(path: Path, statement: str) -> list[tuple[Any, ...]]:
    """What another program reads from the file."""
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(statement).fetchall()
