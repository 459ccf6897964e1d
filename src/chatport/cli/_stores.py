"""Where the command keeps sessions."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from chatport import SqliteStore
from chatport._store import checked_id
from chatport.cli._errors import UsageError

_STORE_VARIABLE = "CHATPORT_STORE"
_HINT = f"--store PATH says where sessions are kept, or the environment variable {_STORE_VARIABLE}"


@asynccontextmanager
async def opened_store(path: str | None, session: str | None) -> AsyncGenerator[SqliteStore | None]:
    """Give the store of a command that asks, made where it is not there; None where nothing is to be stored.

    Raises:
        UsageError: There is a session and no store, or its name cannot be one.
        StoreError: The store cannot be opened.
    """
    if session is not None:
        path = store_path(path)
        try:
            checked_id(session)
        except ValueError as error:
            raise UsageError(f"--session: {error}") from error
    if path is None:
        yield None
        return
    async with SqliteStore(path) as store:
        yield store


def store_path(path: str | None) -> str:
    """Return where sessions are kept.

    Raises:
        UsageError: Nobody has said it.
    """
    found = path or os.environ.get(_STORE_VARIABLE)
    if not found:
        raise UsageError("no store is named", hint=_HINT)
    return found
