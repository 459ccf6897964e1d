"""Refusals, and answers that break off: an error of the documented class, with its facts, and what came before it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, get_args

import pytest

from chatport._errors import (
    BackendError,
    ProtocolError,
    RateLimitError,
    ServiceError,
    StreamInterruptedError,
    TransportError,
)
from chatport._events import MessageEnd, TextDelta
from chatport.testing._service import (
    REFUSALS,
    Cut,
    Damage,
    Feature,
    RefusalKind,
    ServiceAnswer,
    ServiceFault,
    ServiceRefusal,
    ServiceScript,
    StreamFailure,
)
from chatport.testing._suite._asking import Heard, SuiteTests, listen, needs, question

if TYPE_CHECKING:
    from chatport.backend import Backend

_HOW: dict[str, Feature] = {"end": "cuts", "inside-frame": "cuts-inside-frames", "reset": "resets"}
_FIRST_OF_ERRORS: Final = 400
_WORDS = ("One, ", "two, ", "three.")

_streamed_and_whole = pytest.mark.parametrize("streaming", [True, False], ids=["streamed", "whole"])


class RefusalTests(SuiteTests):
    """A service that does not answer."""

    @pytest.mark.anyio
    @_streamed_and_whole
    @pytest.mark.parametrize("kind", get_args(RefusalKind))
    async def test_refusals(
        self, opened: Backend, script: ServiceScript, kind: RefusalKind, *, streaming: bool
    ) -> None:
        """The documented class, before any event, with the facts that its readers ask for; and asked once."""
        needs(script, kind)
        script.enqueue(ServiceRefusal(kind, "The service says this and that", "request-4711"))
        heard = await listen(opened, question(script, streaming=streaming))
        assert heard.events == []
        error = heard.error
        assert isinstance(error, BackendError)
        assert type(error) is REFUSALS[kind]
        assert error.retryable == (kind in {"throttled", "server-error", "overloaded"})
        assert (error.backend, error.model, error.phase) == (opened.name, script.model, "request")
        assert kind == "context-window" or "The service says this and that" in str(error)
        assert error.status is None or error.status >= _FIRST_OF_ERRORS
        _assert_told_by_service(error, script)
        _assert_asked_once(script)

    @pytest.mark.anyio
    @_streamed_and_whole
    async def test_throttling_says_how_long_to_wait(
        self, opened: Backend, script: ServiceScript, *, streaming: bool
    ) -> None:
        """`retry_after` is what the service asks for, in seconds, and None where it says nothing."""
        needs(script, "throttled", "retry-after")
        for seconds in (7.0, None):
            script.enqueue(ServiceRefusal("throttled", retry_after=seconds))
            error = (await listen(opened, question(script, streaming=streaming))).error
            assert isinstance(error, RateLimitError)
            assert error.retry_after == seconds


class FaultTests(SuiteTests):
    """Answers that break off."""

    @pytest.mark.anyio
    @pytest.mark.parametrize("after", [1, 2, 3])
    @pytest.mark.parametrize("how", ["end", "inside-frame", "reset"])
    async def test_a_cut_stream(
        self, opened: Backend, script: ServiceScript, how: Literal["end", "inside-frame", "reset"], after: int
    ) -> None:
        """It is no short answer, also where all words have come: an error, behind everything good that came before."""
        needs(script, "scripted-answers", _HOW[how])
        heard = await _listen(opened, script, Cut(after=after, how=how))
        # A torn connection takes along what the kernel has not handed over yet.
        _assert_good_before(heard, after, at_least=0 if how == "reset" else after)
        assert isinstance(heard.error, (StreamInterruptedError, ProtocolError, TransportError))
        _assert_facts(heard.error, opened, script)

    @pytest.mark.anyio
    @pytest.mark.parametrize("how", ["end", "inside-frame", "reset"])
    async def test_a_cut_answer(
        self, opened: Backend, script: ServiceScript, how: Literal["end", "inside-frame", "reset"]
    ) -> None:
        """The same of an answer that comes whole: there is nothing to be had of it."""
        needs(script, "scripted-answers", _HOW[how])
        heard = await _listen(opened, script, Cut(after=1, how=how), streaming=False)
        assert MessageEnd not in map(type, heard.events), "an answer that was cut passes for a whole one"
        assert isinstance(heard.error, (ProtocolError, TransportError))

    @pytest.mark.anyio
    @_streamed_and_whole
    async def test_a_cut_before_the_head(self, opened: Backend, script: ServiceScript, *, streaming: bool) -> None:
        """A connection that goes before anything of the answer has come."""
        needs(script, "scripted-answers", "resets")
        heard = await _listen(opened, script, Cut(after=None, how="reset"), streaming=streaming)
        assert heard.events == []
        assert isinstance(heard.error, TransportError)
        assert heard.error.retryable
        _assert_asked_once(script)

    @pytest.mark.anyio
    @pytest.mark.parametrize("after", [1, 2])
    async def test_a_damaged_stream(self, opened: Backend, script: ServiceScript, after: int) -> None:
        """What cannot be read is not passed over: an error, behind everything good that came before."""
        needs(script, "scripted-answers", "damage")
        heard = await _listen(opened, script, Damage(after=after))
        _assert_good_before(heard, after, at_least=after)
        assert isinstance(heard.error, ProtocolError)
        _assert_facts(heard.error, opened, script)

    @pytest.mark.anyio
    async def test_a_damaged_answer(self, opened: Backend, script: ServiceScript) -> None:
        """The same of an answer that comes whole."""
        needs(script, "scripted-answers", "damage")
        heard = await _listen(opened, script, Damage(after=1), streaming=False)
        assert MessageEnd not in map(type, heard.events), "an answer that cannot be read passes for a whole one"
        assert isinstance(heard.error, ProtocolError)

    @pytest.mark.anyio
    async def test_an_error_in_place_of_the_first_word(self, opened: Backend, script: ServiceScript) -> None:
        """The answer has begun, and nothing of it has come: the error is found all the same."""
        needs(script, "scripted-answers", "stream-failures", "overloaded")
        heard = await _listen(opened, script, StreamFailure(after=0, message="It has lost its thread"))
        _assert_good_before(heard, 0, at_least=0)
        assert type(heard.error) is ServiceError
        assert heard.error.retryable
        assert "It has lost its thread" in str(heard.error)
        _assert_told_by_service(heard.error, script)

    @pytest.mark.anyio
    @pytest.mark.parametrize("kind", ["throttled", "server-error", "overloaded"])
    async def test_an_error_in_the_stream(
        self, opened: Backend, script: ServiceScript, kind: Literal["throttled", "server-error", "overloaded"]
    ) -> None:
        """It is an error of the same class as before the stream, behind what came before."""
        needs(script, "scripted-answers", "stream-failures", kind)
        heard = await _listen(opened, script, StreamFailure(after=2, kind=kind, message="It has lost its thread"))
        _assert_good_before(heard, 2, at_least=2)
        assert type(heard.error) is (RateLimitError if kind == "throttled" else ServiceError)
        assert heard.error.retryable
        assert "It has lost its thread" in str(heard.error)
        _assert_facts(heard.error, opened, script)
        _assert_told_by_service(heard.error, script)


async def _listen(backend: Backend, script: ServiceScript, fault: ServiceFault, *, streaming: bool = True) -> Heard:
    events = tuple(TextDelta(0, word) for word in _WORDS)
    script.enqueue(ServiceAnswer(events, request_id="request-4711", fault=fault))
    return await listen(backend, question(script, streaming=streaming))


def _assert_good_before(heard: Heard, after: int, *, at_least: int) -> None:
    words = [event.text for event in heard.events if isinstance(event, TextDelta) and event.text]
    assert words == list(_WORDS[: len(words)])
    assert at_least <= len(words) <= after
    assert MessageEnd not in map(type, heard.events), "an answer that broke off passes for a whole one"


def _assert_facts(error: BackendError, backend: Backend, script: ServiceScript) -> None:
    assert (error.backend, error.model, error.phase) == (backend.name, script.model, "stream")
    if "request-ids" not in script.lacks:
        assert error.request_id == "request-4711"
    _assert_asked_once(script)


def _assert_told_by_service(error: BackendError, script: ServiceScript) -> None:
    """What people ask for first who are to find out why: nothing of it is lost where the service says it."""
    if "request-ids" not in script.lacks:
        assert error.request_id == "request-4711"
    if "status-codes" not in script.lacks:
        assert error.status is not None, "the status that the service has answered with is lost"
    if "error-codes" not in script.lacks:
        assert error.code, "the service's own word for the error is lost"


def _assert_asked_once(script: ServiceScript) -> None:
    if "requests" not in script.lacks:
        assert len(script.requests) == 1, "a backend never sends a request twice"
