"""What is done before a request is sent: `Timeouts.total` ends it, and no other work of the program holds it up."""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest
from bedrock_support.answers import MODEL, unary

from chatport import Image, Session, StreamTimeoutError, Timeouts
from chatport_bedrock import AwsCredentials, Load
from chatport_bedrock.backend import BedrockBackend

if TYPE_CHECKING:
    from bedrock_support.loopback import LoopbackServer

pytestmark = pytest.mark.anyio

_SECONDS = 0.2
_LATE = 3.0  # a busy machine is late; where the limit does not hold, nothing else ends the wait
_LARGE = Image.from_bytes(b"\x89PNG\r\n\x1a\n" + bytes(16) + bytes(600_000), media_type="image/png")


@asynccontextmanager
async def _busy_threads() -> AsyncGenerator[None]:
    """All threads that anyio has on its own are in use."""
    done = threading.Event()
    limiter = anyio.to_thread.current_default_thread_limiter()
    async with anyio.create_task_group() as group:
        for _ in range(int(limiter.total_tokens)):
            group.start_soon(anyio.to_thread.run_sync, lambda: done.wait(20))
        try:
            while limiter.available_tokens:
                await anyio.lowlevel.checkpoint()
            yield
        finally:
            done.set()


@contextmanager
def _total_is_over() -> Generator[None]:
    started = time.monotonic()
    with pytest.raises(StreamTimeoutError, match=r"within 0\.2 seconds \(Timeouts\.total\)") as caught:
        yield
    assert _SECONDS - 0.02 <= time.monotonic() - started < _SECONDS + _LATE
    failure = caught.value
    assert (failure.timeout, failure.phase, failure.retryable) == ("total", "connect", False)
    assert failure.model == MODEL


@pytest.mark.parametrize("total", [None, 10.0])
async def test_media_do_not_wait_for_other_threads(
    total: float | None, server: LoopbackServer, options: dict[str, Any]
) -> None:
    """They are encoded and signed in threads of their own, so that slow work elsewhere does not hold them up."""
    keys = {"api_key": None, "access_key_id": "id", "secret_access_key": "secret"}
    backend = BedrockBackend(**{**options, **keys})
    server.answer(unary())
    await Session(backend, MODEL).ask("hi")
    server.answer(unary("Seen."))
    async with _busy_threads():
        with anyio.fail_after(5):
            reply = await Session(backend, MODEL).ask("What is it?", _LARGE, timeouts=Timeouts(total=total))
    assert reply.text == "Seen."
    await backend.aclose()


async def test_total_while_the_endpoint_is_found(server: LoopbackServer, options: dict[str, Any]) -> None:
    """It is over before a thread is free to read the AWS configuration; the next request finds it."""
    backend = BedrockBackend(**options)
    session = Session(backend, MODEL)
    async with _busy_threads():
        with _total_is_over():
            await session.ask("hi", timeouts=Timeouts(total=_SECONDS))
        assert backend.load() == Load(0, 0, 1000)
    assert not server.connections
    server.answer(unary("Found."))
    assert (await session.ask("hi")).text == "Found."
    await backend.aclose()


async def test_total_while_files_are_read(
    server: LoopbackServer, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody waits for a slow disk either; what is found after all is there for the next request."""
    backend = BedrockBackend(**options)
    finder: Any = backend._wire.identity._finder
    find, go_on = finder.find, threading.Event()
    calls: list[Any] = []

    def find_slowly(*arguments: Any) -> Any:
        calls.append(arguments)
        go_on.wait(20)
        return find(*arguments)

    monkeypatch.setattr(finder, "find", find_slowly)
    with _total_is_over():
        await Session(backend, MODEL).ask("hi", timeouts=Timeouts(total=_SECONDS))
    go_on.set()
    server.answer(unary("Found."))
    assert (await Session(backend, MODEL).ask("hi")).text == "Found."
    assert len(calls) == 1
    await backend.aclose()


@pytest.mark.parametrize("is_first", [True, False], ids=["asks", "waits"])
async def test_total_while_credentials_are_asked_for(
    is_first: bool, server: LoopbackServer, options: dict[str, Any]
) -> None:
    """The one whose time is over leaves; others get the keys: by asking again where it was the one that asked."""
    go_on, has_asked = anyio.Event(), anyio.Event()
    times = 0

    async def credentials() -> AwsCredentials:
        nonlocal times
        times += 1
        has_asked.set()
        await go_on.wait()
        return AwsCredentials(access_key_id="AKIDEXAMPLE", secret_access_key="secret")

    backend = BedrockBackend(**{**options, "api_key": None, "credentials": credentials})
    answers: list[str] = []

    async def ask() -> None:
        answers.append((await Session(backend, MODEL).ask("hi")).text)

    async def give_up() -> None:
        with _total_is_over():
            await Session(backend, MODEL).ask("hi", timeouts=Timeouts(total=_SECONDS))

    server.answer_always(unary("Known."))
    with anyio.fail_after(10):
        async with anyio.create_task_group() as waiting:
            async with anyio.create_task_group() as leaving:
                if is_first:
                    leaving.start_soon(give_up)
                    await has_asked.wait()
                    waiting.start_soon(ask)
                else:
                    waiting.start_soon(ask)
                    await has_asked.wait()
                    leaving.start_soon(give_up)
            assert not server.connections
            go_on.set()
    assert answers == ["Known."]
    assert times == (2 if is_first else 1)
    await backend.aclose()
