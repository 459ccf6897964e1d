"""Sessions of one backend that is throttled: who waits how long, and that nobody else does."""

import logging
import threading
from collections.abc import AsyncGenerator, Callable
from itertools import pairwise
from typing import Any

import anyio
import pytest
from tests.clocks import SESSIONS, Clock
from tests.conversations import session

import chatport
from chatport import BackendError, InvalidRequestError, RateLimitError, Retry, ServiceError, Session, TransportError
from chatport._pace import FIRST_SPACING, Pace, Paces
from chatport._retry import RetryBudget
from chatport._url_media import UrlMedia
from chatport.backend import BackendEvent, ChatRequest
from chatport.testing import ScriptedBackend


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock by which turns wait and paces count."""
    clock = Clock()
    monkeypatch.setattr("chatport._turn.sleep", clock.sleep)
    monkeypatch.setattr("chatport._attempts.sleep", clock.sleep)
    monkeypatch.setattr("chatport._attempts.PACES", Paces(clock=clock))
    return clock


class Throttling:
    """A backend that answers nobody until a moment, and notes when it is asked."""

    name = "throttling"

    def __init__(self, clock: Clock, until: float, error: Callable[[], BackendError]) -> None:
        self.moments: list[float] = []
        self._clock = clock
        self._until = until
        self._error = error

    async def stream(self, request: ChatRequest) -> AsyncGenerator[BackendEvent, None]:
        self.moments.append(self._clock.now)
        await anyio.lowlevel.checkpoint()
        if self._clock.now <= self._until:
            raise self._error()
        yield chatport.MessageStart(request.model)
        yield chatport.TextDelta(0, "Hello.")
        yield chatport.MessageEnd("stop")

    async def aclose(self) -> None:
        pass


async def _ask_all(backend: Throttling, clock: Clock, *, retry: Retry, sessions: int = SESSIONS) -> list[Any]:
    """Ask in as many sessions at once; return the replies and the errors."""
    outcomes: list[Any] = []

    async def ask() -> None:
        try:
            outcomes.append(await Session(backend, "m", retry=retry).ask("Hi"))
        except BackendError as error:
            outcomes.append(error)

    async with anyio.create_task_group() as tasks:
        for _ in range(sessions):
            tasks.start_soon(ask)
        await clock.run(sessions, outcomes)
    return outcomes


@pytest.mark.anyio
@pytest.mark.parametrize("retry_after", [None, 2.0], ids=["no word", "two seconds"])
async def test_a_hundred_sessions_do_not_come_back_in_step(clock: Clock, retry_after: float | None) -> None:
    """All of the first wave are refused; each comes back at a moment of its own, and not before it may."""
    backend = Throttling(clock, clock.now, lambda: RateLimitError("slow down", retry_after=retry_after))
    start = clock.now
    outcomes = await _ask_all(backend, clock, retry=Retry())
    assert [reply.attempts for reply in outcomes] == [2] * SESSIONS
    first, again = backend.moments[:SESSIONS], sorted(backend.moments[SESSIONS:])
    assert set(first) == {start}
    assert len(again) == SESSIONS
    assert again[0] >= start + (retry_after or 0)
    assert min(late - early for early, late in pairwise(again)) >= FIRST_SPACING - 1e-6
    assert again[-1] - again[0] < SESSIONS * FIRST_SPACING + 0.5


@pytest.mark.anyio
async def test_who_is_refused_at_that_pace_goes_slower(clock: Clock) -> None:
    """As long as the service refuses, the requests come at longer and longer intervals."""
    backend = Throttling(clock, clock.now + 5, lambda: RateLimitError("slow down"))
    outcomes = await _ask_all(backend, clock, retry=Retry(max_attempts=20, max_elapsed=600), sessions=20)
    assert all(isinstance(outcome, chatport.Reply) for outcome in outcomes)
    again = sorted(backend.moments[20:])
    # Without it each of them would ask about five times in these seconds.
    assert len([moment for moment in again if moment <= 1005]) < 60
    gaps = [late - early for early, late in pairwise(again)]
    assert max(gaps) > 4 * FIRST_SPACING


@pytest.mark.anyio
async def test_first_attempts_wait_while_the_service_asks_to(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    """Those who were not refused yet too: what one was told holds for all, and is counted as lost time."""
    refused = RateLimitError("slow down", retry_after=3)
    first, backend = session(refused, *["Hello."] * 6)
    caplog.set_level(logging.INFO, "chatport")
    with pytest.raises(RateLimitError):
        await first.ask("Hi", retry=None)
    moments: list[float] = []

    async def ask() -> None:
        await Session(backend, "model-1").ask("Hi")
        moments.append(clock.now)

    async with anyio.create_task_group() as tasks:
        for _ in range(4):
            tasks.start_soon(ask)
        await clock.run(4, moments)
    assert moments == pytest.approx([1003 + number * FIRST_SPACING for number in range(4)])
    assert caplog.messages[0] == (
        "waiting for 3.000 seconds before the first attempt: the service has asked another session to "
        "(backend=scripted, model=model-1)"
    )
    clock.now = 1002.0
    await Session(backend, "model-2").ask("Hi")  # another model
    await Session(ScriptedBackend("Hello."), "model-1").ask("Hi")  # another backend
    assert clock.now == 1002.0


@pytest.mark.anyio
@pytest.mark.parametrize("retry", [None, Retry(max_elapsed=2)], ids=["no retry", "no time"])
async def test_who_cannot_wait_asks(clock: Clock, retry: Retry | None) -> None:
    """No error is made up for it: the service answers for itself."""
    chat, backend = session(RateLimitError("slow down", retry_after=3), "Hello.")
    with pytest.raises(RateLimitError):
        await chat.ask("Hi", retry=None)
    assert (await Session(backend, "model-1", retry=retry).ask("Hi")).text == "Hello."
    assert clock.now == 1000


@pytest.mark.anyio
async def test_waiting_for_others_counts_as_lost(clock: Clock) -> None:
    """What is left of `max_elapsed` afterwards does not suffice for another such wait."""
    chat, backend = session(RateLimitError("slow down", retry_after=3), ServiceError("busy", retry_after=3))
    with pytest.raises(RateLimitError):
        await chat.ask("Hi", retry=None)
    errors: list[BackendError] = []

    async def ask() -> None:
        with pytest.raises(ServiceError) as caught:
            await Session(backend, "model-1", retry=Retry(max_elapsed=5)).ask("Hi")
        errors.append(caught.value)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask)
        await clock.run(1, errors)
    assert (clock.now, len(backend.requests)) == (1003, 2)


@pytest.mark.anyio
async def test_what_one_session_is_told_keeps_another_from_asking_again_too_early(clock: Clock) -> None:
    """Also one whose own refusal said nothing of waiting; one that cannot wait so long ends with its own error."""
    told, silent = RateLimitError("slow down", retry_after=30), RateLimitError("slow down")
    chat, backend = session(told, silent, "Hello.")
    with pytest.raises(RateLimitError):
        await chat.ask("Hi", retry=None)
    with pytest.raises(RateLimitError) as caught:
        await Session(backend, "model-1", retry=Retry(max_elapsed=20)).ask("Hi")
    assert caught.value is silent
    assert (clock.now, len(backend.requests)) == (1000, 2)


@pytest.mark.anyio
@pytest.mark.parametrize(
    "error",
    [
        ServiceError("busy"),
        RateLimitError("come back tomorrow", retryable=False, retry_after=9),
        InvalidRequestError("learned", retryable=True, retry_after=0),
        RateLimitError("looked up", retry_after=0),
    ],
    ids=repr,
)
async def test_what_says_nothing_about_others_holds_nobody_up(clock: Clock, error: BackendError) -> None:
    """A failure of one request, a quota that waiting does not mend, and what is to be sent again at once."""
    chat, backend = session(error, error, "Hello.")
    for _ in range(2):
        with pytest.raises(BackendError):
            await chat.ask("Hi", retry=None)
    assert (await Session(backend, "model-1").ask("Hi")).text == "Hello."
    assert clock.now == 1000


@pytest.mark.anyio
async def test_a_repetition_keeps_its_moment(clock: Clock) -> None:
    """Also if another session is told to wait in the meantime: nobody is put off twice."""
    backend = ScriptedBackend(RateLimitError("slow down"), RateLimitError("slow down", retry_after=30), "Hello.")
    done: list[Any] = []

    async def ask() -> None:
        done.append(await Session(backend, "m", retry=Retry(base_delay=4, jitter=0)).ask("Hi"))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask)
        await anyio.wait_all_tasks_blocked()
        with pytest.raises(RateLimitError):
            await Session(backend, "m", retry=None).ask("Hi")
        await clock.run(1, done)
    assert (clock.now, done[0].attempts) == (1004, 2)


def test_what_is_to_be_sent_again_at_once_needs_no_moment() -> None:
    """Something was learned: the service waits for it."""
    pace = Pace(Clock())
    pace.slow_down(9, seconds=0)
    budget = RetryBudget(Retry())
    assert (
        budget.next_delay(InvalidRequestError("no", retryable=True, retry_after=0), failed=1, seconds=0, pace=pace) == 0
    )
    assert budget.next_delay(ServiceError("busy"), failed=1, seconds=0, pace=pace) == 9


@pytest.mark.anyio
async def test_a_download_that_is_refused_says_nothing_of_the_backend(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another host has asked to wait, and the backend was not even asked."""

    async def refuse(*_: object) -> ChatRequest:
        raise TransportError("too many downloads", code="fetch", retry_after=9)

    chat, backend = session("Hello.")
    with monkeypatch.context() as patch:
        patch.setattr(UrlMedia, "filled", refuse)
        with pytest.raises(TransportError):
            await chat.ask("Hi", retry=None)
    assert (await Session(backend, "model-1").ask("Hi")).text == "Hello."
    assert clock.now == 1000


@pytest.mark.anyio
async def test_nothing_is_kept_of_a_backend_that_never_throttles(monkeypatch: pytest.MonkeyPatch) -> None:
    """All that a turn looks at is one attribute."""
    paces = Paces()
    for name in ("find", "note", "answered"):
        monkeypatch.setattr(paces, name, lambda *_: pytest.fail("a turn that nobody throttles asked for the pace"))
    monkeypatch.setattr("chatport._attempts.PACES", paces)
    chat, _ = session("Hello.")
    assert (await chat.ask("Hi")).text == "Hello."
    assert not paces.is_active


@pytest.mark.anyio
async def test_whoever_is_cancelled_while_it_waits_for_others_leaves_at_once(clock: Clock) -> None:
    """Nothing lands, and the session is free."""
    chat, backend = session(RateLimitError("slow down", retry_after=3), "Hello.")
    with pytest.raises(RateLimitError):
        await chat.ask("Hi", retry=None)
    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(chat.ask, "Hi")
            await anyio.wait_all_tasks_blocked()
            assert len(clock.sleepers) == 1
            tasks.cancel_scope.cancel()
    assert (chat.messages, len(backend.requests)) == ((), 1)
    assert (await chat.ask("Hi", retry=None)).text == "Hello."


def test_threads_share_a_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sessions of one backend in several threads, each with a loop of its own, get moments apart."""
    monkeypatch.setattr("chatport._attempts.PACES", Paces(clock=lambda: 0.0))
    threads = 8
    together = threading.Barrier(threads)
    delays: list[float] = []

    def refuse(_: ChatRequest) -> BackendError:
        together.wait(20)  # all are refused before one of them asks again
        return RateLimitError("slow down")

    backend = ScriptedBackend(*[refuse] * threads, *["Hello."] * threads)

    async def ask() -> None:
        async with Session(backend, "m", retry=Retry(base_delay=0)).stream("Hi") as stream:
            delays.extend([event.delay async for event in stream if isinstance(event, chatport.RetryStart)])

    running = [
        threading.Thread(target=anyio.run, args=(ask,), kwargs={"backend": ("asyncio", "trio")[number % 2]})
        for number in range(threads)
    ]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join(30)
    assert sorted(delays) == pytest.approx([number * FIRST_SPACING for number in range(threads)])
