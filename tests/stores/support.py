"""What the tests of stored sessions share."""

from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import anyio

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


class Hang:
    """A place that is left by a cancellation only: what is cancelled is the block that has come there."""

    def __init__(self) -> None:
        self._scope: anyio.CancelScope | None = None

    @contextmanager
    def cancelled(self) -> Generator[None]:
        """Expect that the block comes to the place, and is cancelled by that."""
        with anyio.CancelScope() as self._scope:
            yield
        assert self._scope.cancelled_caught
        self._scope = None

    async def here(self) -> None:
        """Cancel the block, and wait for that."""
        assert self._scope is not None, "nobody is there to be cancelled"
        self._scope.cancel()
        await anyio.sleep_forever()
