"""What the tests of stored sessions share."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from chatport import Message, Session, SessionStore
from chatport.testing import ScriptedBackend

HI = (Message.user("Hi"), Message.assistant("Hello."))


@asynccontextmanager
async def stored(store: SessionStore, *script: Any, **options: Any) -> AsyncGenerator[Session]:
    """A session named `a` on a scripted backend."""
    options.setdefault("id", "a")
    async with Session(ScriptedBackend(*script), "model-1", store=store, **options) as session:
        yield session


async def history_of(store: SessionStore, name: str = "a") -> tuple[Message, ...]:
    """What is stored of a session."""
    found = await store.load(name)
    assert found is not None
    return found.messages
