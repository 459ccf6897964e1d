"""Limits of time, and secrets that stay where they are."""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import anyio
import pytest

from chatport._errors import BackendError, StreamTimeoutError
from chatport._timeouts import Timeouts
from chatport.backend import DescribesItself
from chatport.testing._service import Hold, ServiceAnswer, ServiceRefusal, ServiceScript, StreamFailure
from chatport.testing._suite._asking import PATIENCE, SuiteTests, answer_of, listen, needs, question, question_for

if TYPE_CHECKING:
    from chatport.backend import Backend

_ANSWER = ServiceAnswer.of_words("One, ", "two, ", "three.")
_LIMIT = 0.2


class TimeoutTests(SuiteTests):
    """`ChatRequest.timeouts`."""

    @pytest.mark.anyio
    @pytest.mark.parametrize(
        ("limit", "hold", "streaming"),
        [
            ("first_event", Hold(after=None), True),
            ("first_event", Hold(after=None), False),
            ("idle", Hold(after=1), True),
            ("total", Hold(after=None), True),
            ("total", Hold(after=1), True),
            ("total", Hold(after=None), False),
        ],
        ids=[
            *("first-event-of-a-stream", "first-event-of-a-whole-answer", "idle"),
            *("total-before-the-answer", "total-in-the-answer", "total-of-a-whole-answer"),
        ],
    )
    async def test_limits(
        self,
        opened: Backend,
        script: ServiceScript,
        limit: Literal["first_event", "idle", "total"],
        hold: Hold,
        *,
        streaming: bool,
    ) -> None:
        """A service that falls silent is left when the time is up, with the name of the limit; it sees that too."""
        needs(script, "scripted-answers", "holds")
        # What is loaded and connected for a first request may take longer than the limit, on a busy machine.
        await answer_of(opened, question_for(script, _ANSWER))
        script.enqueue(replace(_ANSWER, fault=hold))
        asked = len(script.requests)
        # On a busy machine the time may be up before the service was asked at all, which then has nothing to see.
        for seconds in (_LIMIT, 10 * _LIMIT):
            timeouts = Timeouts(**{"connect": 5, "acquire": 5, "first_event": 5, "idle": 5, "total": 5, limit: seconds})
            began = time.monotonic()
            heard = await listen(opened, question(script, timeouts=timeouts, streaming=streaming))
            took = time.monotonic() - began
            assert isinstance(heard.error, StreamTimeoutError)
            assert heard.error.timeout == limit
            assert seconds * 0.9 <= took < 4
            if await _was_asked(script, asked):
                break
        if "connections" not in script.lacks:
            with anyio.fail_after(PATIENCE):
                await script.until_left()
        _, message, _ = await answer_of(opened, question_for(script, _ANSWER))
        assert message == _ANSWER.message

    @pytest.mark.anyio
    async def test_the_rest_of_a_whole_answer(self, opened: Backend, script: ServiceScript) -> None:
        """`first_event` covers all of it; a backend that streams it all the same has `idle` behind the first event."""
        needs(script, "scripted-answers", "holds")
        script.enqueue(replace(_ANSWER, fault=Hold(after=1)))
        timeouts = Timeouts(connect=5, acquire=5, first_event=_LIMIT, idle=_LIMIT, total=5)
        heard = await listen(opened, question(script, timeouts=timeouts, streaming=False))
        assert isinstance(heard.error, StreamTimeoutError)
        assert heard.error.timeout in {"first_event", "idle"}

    @pytest.mark.anyio
    async def test_a_slow_reader_is_not_idle(self, opened: Backend, script: ServiceScript) -> None:
        """`idle` counts waiting for the service alone, not the time that the reader takes."""
        needs(script, "scripted-answers", "holds")
        request = question_for(script, _ANSWER, timeouts=Timeouts(first_event=PATIENCE, idle=_LIMIT))
        words: list[str] = []
        events = opened.stream(request)
        try:
            with anyio.fail_after(PATIENCE):
                async for event in events:
                    words.append(getattr(event, "text", ""))
                    if len(words) == 2:
                        await anyio.sleep(_LIMIT * 1.5)  # what is tested is a reader that takes its time
        finally:
            await events.aclose()
        assert "".join(words) == _ANSWER.message.text


async def _was_asked(script: ServiceScript, before: int) -> bool:
    """Whether more requests than before have reached the service, which may read them when their client has left."""
    with anyio.move_on_after(_LIMIT):
        while len(script.requests) <= before:  # noqa: ASYNC110 - a request that never comes sets no event
            await anyio.sleep(0.01)
    return len(script.requests) > before


class SecretTests(SuiteTests):
    """What the backend was given to prove who it is."""

    @pytest.mark.anyio
    async def test_secrets_are_not_shown(
        self, opened: Backend, script: ServiceScript, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Neither in a `repr`, nor in an event, an error or a log record, also where the service repeats them."""
        if not script.secrets:
            pytest.skip("the backend has no secrets")
        caplog.set_level(logging.DEBUG)
        shown = [repr(opened), str(opened)]
        if isinstance(opened, DescribesItself):
            shown.append(repr(await opened.describe()))
        if (preview := getattr(opened, "preview", None)) is not None:
            shown.append(repr(await preview(question(script))))
        heard = await listen(opened, question_for(script, _ANSWER))
        shown += [repr(heard), *_described(heard.error)]
        for kind in ("unauthorized", "forbidden", "invalid-request"):
            if kind in script.lacks:
                continue
            script.enqueue(ServiceRefusal(kind, f"Incorrect key provided: {script.secrets[0]}."))
            shown += _described((await listen(opened, question(script))).error)
        if not {"scripted-answers", "stream-failures", "server-error"} & script.lacks.keys():
            failure = StreamFailure(after=1, kind="server-error", message=f"Key {script.secrets[0]} is on fire.")
            shown += _described((await listen(opened, question_for(script, replace(_ANSWER, fault=failure)))).error)
        shown += [record.getMessage() for record in caplog.records]
        shown += [repr(record.args) for record in caplog.records]
        found = [text for text in shown for secret in script.secrets if secret in text]
        assert not found


def _described(error: BaseException | None) -> list[str]:
    """Everything that an error says, and those behind it."""
    found: list[str] = []
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        found += [repr(error), str(error), repr(error.args), repr(vars(error)), *getattr(error, "__notes__", ())]
        if isinstance(error, BackendError):
            found.append(error.message)
        error = error.__cause__ or error.__context__
    return found
