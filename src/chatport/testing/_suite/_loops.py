"""One backend for many: requests at once, event loops one after the other and in threads, and closing."""

from __future__ import annotations

import gc
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
import pytest

from chatport._errors import BackendError
from chatport._session import Session
from chatport.testing._service import Hold, ServiceAnswer, ServiceRefusal, ServiceScript
from chatport.testing._suite._asking import PATIENCE, SuiteTests, answer_of, listen, question, question_for

if TYPE_CHECKING:
    from chatport.backend import Backend

_ANSWER = ServiceAnswer.of_words("One, ", "two, ", "three.")
_COUNT = 5


class LoopTests(SuiteTests):
    """Event loops, threads and tasks."""

    @pytest.mark.anyio
    async def test_closing_twice(self, backend: Backend, script: ServiceScript) -> None:
        """Before the first request, after it, and again: it is no error."""
        await backend.aclose()
        await backend.aclose()
        await listen(backend, question_for(script, _ANSWER))
        with anyio.fail_after(PATIENCE):
            await backend.aclose()
            await backend.aclose()

    @pytest.mark.anyio
    async def test_many_at_once(self, opened: Backend, script: ServiceScript) -> None:
        """Streams of one backend run side by side: each gets an answer of its own, whole."""
        answers = [ServiceAnswer.of_words(f"Answer {number}", " is", " whole.") for number in range(_COUNT)]
        can_hold = "holds" not in script.lacks
        texts: list[str] = []

        async def ask(answer: ServiceAnswer) -> None:
            _, message, _ = await answer_of(opened, question(script, answer.message.text))
            texts.append(message.text)

        script.enqueue(*(replace(answer, fault=Hold(after=1)) if can_hold else answer for answer in answers))
        with anyio.fail_after(PATIENCE):
            async with anyio.create_task_group() as group:
                for answer in answers:
                    group.start_soon(ask, answer)
                if can_hold:
                    await script.until_held(_COUNT)
                    script.release()
        assert sorted(texts) == [answer.message.text for answer in answers]
        if "requests" not in script.lacks:
            assert len(script.requests) == _COUNT

    @pytest.mark.anyio
    async def test_many_turns(self, opened: Backend, script: ServiceScript) -> None:
        """A session of several turns, in both ways by turns."""
        async with Session(opened, script.model) as session:
            for number in range(4):
                answer = ServiceAnswer.of_words("Answer ", f"{number}.")
                script.enqueue(answer)
                if number % 2:
                    text = (await session.ask(answer.message.text)).text
                else:
                    async with session.stream(answer.message.text) as stream:
                        text = (await stream.finish()).text
                assert text == answer.message.text
            assert len(session.messages) == 8

    @pytest.mark.parametrize(
        "loops", [("asyncio", "asyncio"), ("trio", "trio"), ("asyncio", "trio", "asyncio")], ids="-then-".join
    )
    def test_one_loop_after_the_other(self, backend: Backend, script: ServiceScript, loops: tuple[str, ...]) -> None:
        """A backend that was closed, or not, in one event loop serves the next."""
        for closes in (False, True):
            for loop in loops:
                assert anyio.run(_two_answers, backend, script, closes, backend=loop) == [_ANSWER.message.text] * 2
        anyio.run(backend.aclose, backend=loops[-1])

    @pytest.mark.parametrize("loops", [("asyncio", "asyncio"), ("trio", "trio"), ("asyncio", "trio")], ids="-and-".join)
    def test_loops_in_threads(self, backend: Backend, script: ServiceScript, loops: tuple[str, ...]) -> None:
        """Two event loops in two threads ask at once."""
        can_hold = "holds" not in script.lacks
        script.enqueue(*[replace(_ANSWER, fault=Hold(after=1)) if can_hold else _ANSWER] * 2)
        together = threading.Barrier(2, timeout=PATIENCE)

        def run(loop: str) -> str:
            return anyio.run(_one_answer, backend, script, together, backend=loop)

        with ThreadPoolExecutor(2) as pool:
            texts = [pool.submit(run, loop) for loop in loops]
            if can_hold:
                anyio.run(script.until_held, 2)
                script.release()
            assert [text.result(PATIENCE) for text in texts] == [_ANSWER.message.text] * 2

    @pytest.mark.parametrize("loop", ["asyncio", "trio"])
    def test_nothing_is_left_behind(
        self, backend: Backend, script: ServiceScript, loop: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Of answers that were read, left, cancelled and refused: no task, no thread, no complaint of the loop."""
        _collect_what_others_left()
        caplog.clear()
        threads = set(threading.enumerate())
        anyio.run(_scenes, backend, script, backend=loop)
        gc.collect()
        # Where asyncio complains of what nobody has awaited or closed; trio has warnings for it.
        assert [record.getMessage() for record in caplog.records if record.name == "asyncio"] == []
        for thread in _of_backend(threads):
            thread.join(2)
        assert _of_backend(threads) == []


def _collect_what_others_left() -> None:
    """Collect the rubbish of tests before this one, which may have failed: its complaints are not about this one."""
    hook, sys.unraisablehook = sys.unraisablehook, _say_nothing
    try:
        gc.collect()
    finally:
        sys.unraisablehook = hook


def _say_nothing(complaint: object) -> None:
    """Take a complaint for nothing."""


def _of_backend(before: set[threading.Thread]) -> list[threading.Thread]:
    # Trio keeps threads for the next one who asks for one; they end by themselves.
    return [t for t in threading.enumerate() if t not in before and t.is_alive() and not t.name.startswith("Trio")]


async def _two_answers(backend: Backend, script: ServiceScript, closes: bool) -> list[str]:  # noqa: FBT001 - from `run`
    texts: list[str] = []
    for streaming in (True, False):
        _, message, _ = await answer_of(backend, question_for(script, _ANSWER, streaming=streaming))
        texts.append(message.text)
    if closes:
        await backend.aclose()
    return texts


async def _one_answer(backend: Backend, script: ServiceScript, together: threading.Barrier) -> str:
    await anyio.to_thread.run_sync(together.wait)
    _, message, _ = await answer_of(backend, question(script, _ANSWER.message.text))
    await backend.aclose()
    return message.text


async def _scenes(backend: Backend, script: ServiceScript) -> None:
    before = {task.id for task in anyio.get_running_tasks()}
    await answer_of(backend, question_for(script, _ANSWER))
    await answer_of(backend, question_for(script, _ANSWER, streaming=False))
    async with aclosing(backend.stream(question_for(script, _ANSWER))) as events:
        await anext(events)
    if "holds" not in script.lacks:
        script.enqueue(replace(_ANSWER, fault=Hold(after=1)))
        with anyio.move_on_after(0.05):
            await listen(backend, question(script))
        script.release()
    if "throttled" not in script.lacks:
        script.enqueue(ServiceRefusal("throttled"))
        assert isinstance((await listen(backend, question(script))).error, BackendError)
    await backend.aclose()
    await anyio.wait_all_tasks_blocked()
    left = [task for task in anyio.get_running_tasks() if task.id not in before]
    assert not left, f"tasks are left behind: {left}"
