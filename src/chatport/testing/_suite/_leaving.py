"""However a stream is left, the service sees its connection close at once, and the backend is as good as new."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import replace
from math import inf
from typing import TYPE_CHECKING, Final

import anyio
import pytest

from chatport._events import TextDelta
from chatport._session import Session
from chatport.testing._service import Hold, ServiceAnswer, ServiceScript
from chatport.testing._suite._asking import PATIENCE, SuiteTests, answer_of, needs, question, question_for

if TYPE_CHECKING:
    from chatport.backend import Backend

PROMISE: Final = 0.1
"""From leaving to the moment when the service knows, in seconds."""
_TRIES: Final = 3

_ANSWER = ServiceAnswer.of_words("One, ", "two, ", "three.")


class _LeftError(Exception):
    """What the body of a block raises to leave it."""


async def _by_break(backend: Backend, script: ServiceScript) -> float:
    async with Session(backend, script.model) as session, session.stream("Count!") as stream:
        async for _ in stream.text:
            break
        return time.monotonic()


async def _by_exception(backend: Backend, script: ServiceScript) -> float:
    left = 0.0
    with pytest.raises(_LeftError):
        async with Session(backend, script.model) as session, session.stream("Count!") as stream:
            async for _ in stream:
                left = time.monotonic()
                raise _LeftError
    return left


async def _by_closing(backend: Backend, script: ServiceScript) -> float:
    async with aclosing(backend.stream(question(script, "Count!"))) as events:
        await anext(events)
        return time.monotonic()


async def _by_timeout(backend: Backend, script: ServiceScript) -> float:
    left = 0.0
    with anyio.CancelScope() as scope:
        async with aclosing(backend.stream(question(script, "Count!"))) as events:
            await anext(events)
            scope.deadline = anyio.current_time() + 0.02
            try:
                async for _ in events:
                    pass
            finally:
                left = time.monotonic()
        pytest.fail("the cancellation was swallowed")
    assert scope.cancelled_caught
    return left


async def _by_cancelling(backend: Backend, script: ServiceScript) -> float:
    return await _cancelled(backend, script, streaming=True)


async def _by_cancelling_a_whole_answer(backend: Backend, script: ServiceScript) -> float:
    return await _cancelled(backend, script, streaming=False)


async def _cancelled(backend: Backend, script: ServiceScript, *, streaming: bool) -> float:
    """Cancel a task that waits for more, while the service is silent."""
    ended: list[str] = []
    held = len(script.requests) + 1

    async def read() -> None:
        with scope:
            async with aclosing(backend.stream(question(script, "Count!", streaming=streaming))) as events:
                async for _ in events:
                    pass
            ended.append("read to the end")

    scope = anyio.CancelScope()
    left = 0.0
    async with anyio.create_task_group() as group:
        group.start_soon(read)
        await script.until_held(held)
        await anyio.wait_all_tasks_blocked()
        left = time.monotonic()
        scope.cancel()
    assert not ended, "the cancellation was swallowed"
    assert scope.cancelled_caught
    return left


_WAYS: Final[tuple[Callable[[Backend, ServiceScript], Awaitable[float]], ...]] = (
    _by_break,
    _by_exception,
    _by_closing,
    _by_timeout,
    _by_cancelling,
    _by_cancelling_a_whole_answer,
)


async def _time_until_seen(
    backend: Backend, script: ServiceScript, leave: Callable[[Backend, ServiceScript], Awaitable[float]], hold: Hold
) -> float:
    """Leave an answer that is held, and return how long the service did not know of it, in seconds.

    A busy machine is late now and then; what does not close at once is late each time. So it is measured again where
    the promise is not kept, and the shortest time counts.
    """
    took: list[float] = []
    while min(took, default=inf) > PROMISE and len(took) < _TRIES:
        script.enqueue(replace(_ANSWER, fault=hold))
        with anyio.fail_after(PATIENCE):
            left = await leave(backend, script)
            took.append(await script.until_left(len(took) + 1) - left)
    return min(took)


class LeavingTests(SuiteTests):
    """Streams that are not read to their end."""

    @pytest.mark.anyio
    @pytest.mark.parametrize("leave", _WAYS, ids=lambda leave: leave.__name__.strip("_").replace("_", "-"))
    async def test_leaving_closes_the_connection(
        self,
        opened: Backend,
        script: ServiceScript,
        leave: Callable[[Backend, ServiceScript], Awaitable[float]],
    ) -> None:
        """The service, silent in the middle of its answer, sees it within 100 ms; the next question is answered."""
        needs(script, "scripted-answers", "holds", "connections")
        took = await _time_until_seen(opened, script, leave, Hold(after=1))
        assert took <= PROMISE, f"the service learned of it after {took * 1000:.0f} ms"
        _, message, _ = await answer_of(opened, question_for(script, _ANSWER))
        assert message == _ANSWER.message

    @pytest.mark.anyio
    async def test_cancelling_before_the_answer(self, opened: Backend, script: ServiceScript) -> None:
        """The same where nothing of the answer has come."""
        needs(script, "scripted-answers", "holds", "connections")
        took = await _time_until_seen(opened, script, _by_cancelling, Hold(after=None))
        assert took <= PROMISE, f"the service learned of it after {took * 1000:.0f} ms"

    @pytest.mark.anyio
    async def test_what_has_come_is_there_before_the_rest(self, opened: Backend, script: ServiceScript) -> None:
        """Pieces are passed on while the service is silent: nobody waits for the end of the answer."""
        needs(script, "scripted-answers", "holds")
        words: list[str] = []
        with anyio.fail_after(PATIENCE):
            async with aclosing(opened.stream(question_for(script, replace(_ANSWER, fault=Hold(after=2))))) as events:
                async for event in events:
                    if isinstance(event, TextDelta) and event.text:
                        words.append(event.text)
                    if words == ["One, ", "two, "]:
                        script.release()
        assert words == ["One, ", "two, ", "three."]

    @pytest.mark.anyio
    async def test_a_stream_that_was_never_read(self, opened: Backend, script: ServiceScript) -> None:
        """Nothing is sent before the first event is asked for."""
        events = opened.stream(question(script))
        await events.aclose()
        assert list(script.requests) == []
