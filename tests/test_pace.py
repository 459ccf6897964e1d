"""Throttling that the sessions of a backend share: what is learned, who waits how long, and that nobody else does."""

import gc
import logging
import threading
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.conversations import session

import chatport
from chatport import BackendError, InvalidRequestError, RateLimitError, Retry, ServiceError, Session, TransportError
from chatport._pace import (
    FIRST_SPACING,
    LONGEST_SPACING,
    MEMORY,
    MOST_PACES,
    MOST_SLOTS,
    Pace,
    Paces,
)
from chatport._retry import RetryBudget
from chatport._url_media import UrlMedia
from chatport.backend import BackendEvent, ChatRequest
from chatport.testing import ScriptedBackend

SESSIONS = 100


@dataclass
class Clock:
    """A clock that stands until it is moved, and a sleep that ends when it has been moved far enough."""

    now: float = 1000.0
    sleepers: list[tuple[float, anyio.Event]] = field(default_factory=list)

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        woken = anyio.Event()
        self.sleepers.append((self.now + seconds, woken))
        await woken.wait()

    async def run(self, tasks: int, done: list[Any]) -> None:
        """Move on from one sleeper to the next, whenever all tasks that are not done sleep."""
        with anyio.fail_after(20):
            while len(done) < tasks:
                if len(self.sleepers) + len(done) == tasks:
                    self.now = max(self.now, min(moment for moment, _ in self.sleepers))
                    for due, woken in self.sleepers:
                        if due <= self.now:
                            woken.set()
                    self.sleepers = [(due, woken) for due, woken in self.sleepers if due > self.now]
                await anyio.lowlevel.checkpoint()


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


# --- sessions --------------------------------------------------------------------------------------------------------


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


# --- a pace ----------------------------------------------------------------------------------------------------------

_waits = st.lists(st.tuples(st.floats(0, 2), st.floats(0, 3)), max_size=60)


@given(asked=st.floats(0, 3), waits=_waits, steps=st.lists(st.floats(0, 0.3), min_size=60, max_size=60))
def test_everybody_gets_a_moment_of_their_own(
    asked: float, waits: list[tuple[float, float]], steps: list[float]
) -> None:
    """Never less than the least, never before the service lets them, apart from all others, or else in time."""
    clock = Clock()
    drawn: list[float] = []

    def draw() -> float:
        drawn.append(0.5)
        return 0.5

    pace = Pace(clock, draw=draw)
    pace.slow_down(asked, seconds=0)
    moments: list[float] = []
    for (least, more), step in zip(waits, steps, strict=False):
        within = least + more
        drawn.clear()
        delay = pace.delay(least, within=within)
        if delay is None:
            assert 1000 + asked - clock.now > within
        else:
            assert least - 1e-9 <= delay <= within + 1e-9
            moment = clock.now + delay
            assert moment >= 1000 + asked - 1e-9
            if not drawn:
                assert all(abs(moment - other) >= FIRST_SPACING - 1e-9 for other in moments)
                moments.append(moment)
        clock.now += step


def test_one_alone_waits_exactly_as_long_as_it_would() -> None:
    """Sharing costs nothing where nobody shares."""
    pace = Pace(Clock(0.1))
    pace.slow_down(None, seconds=0)
    assert pace.delay(0.7, within=10) == 0.7


def test_who_finds_no_moment_in_time_waits_for_a_random_one() -> None:
    """Of what is left: spread, and not refused because others are many."""
    pace = Pace(Clock(), draw=lambda: 0.5)
    pace.slow_down(None, seconds=0)
    delays = [pace.delay(0, within=2 * FIRST_SPACING) for _ in range(4)]
    assert delays == pytest.approx([0, FIRST_SPACING, 2 * FIRST_SPACING, FIRST_SPACING])


def test_a_wave_counts_once_and_the_next_refusal_doubles() -> None:
    """What was sent before the pace was set says nothing about the pace; answers make it faster again."""
    clock = Clock()
    pace = Pace(clock)

    def spacing() -> float:
        clock.now += 1000
        first, second = pace.delay(0, within=60), pace.delay(0, within=60)
        assert (first, second) != (None, None)
        return (second or 0) - (first or 0)

    for _ in range(SESSIONS):
        pace.slow_down(None, seconds=0.1)
        clock.now += 0.0005
    assert spacing() == pytest.approx(FIRST_SPACING)
    pace.slow_down(None, seconds=0.1)
    assert spacing() == pytest.approx(2 * FIRST_SPACING)
    for _ in range(20):
        pace.slow_down(None, seconds=0.1)
        clock.now += 1
    assert spacing() == pytest.approx(LONGEST_SPACING)
    pace.speed_up()
    assert spacing() == pytest.approx(0.9 * LONGEST_SPACING)
    for _ in range(100):
        pace.speed_up()
    assert spacing() == pytest.approx(FIRST_SPACING)


def test_only_so_many_moments_are_kept() -> None:
    """Whoever comes later waits for a random moment; moments that have passed make room."""
    clock = Clock()
    pace = Pace(clock, draw=lambda: 0.25)
    pace.slow_down(None, seconds=0)
    for _ in range(MOST_SLOTS):
        pace.delay(0, within=1e6)
    span = MOST_SLOTS * FIRST_SPACING
    assert pace.delay(0, within=float("inf")) == pytest.approx(
        0.25 * span
    )  # a budget without end is no wait without end
    assert pace.delay(0, within=span / 2) == pytest.approx(0.25 * span / 2)
    clock.now += FIRST_SPACING * MOST_SLOTS
    assert pace.delay(0, within=1e6) == 0


# --- all paces -------------------------------------------------------------------------------------------------------


def _note(paces: Paces, backend: object, model: str = "m", **values: Any) -> None:
    paces.note(backend, model, RateLimitError("slow down", **values), seconds=0)


def test_a_pace_is_forgotten_some_seconds_after_the_last_refusal() -> None:
    """And not while the service has asked to wait, or somebody still waits for a moment."""
    clock, backend = Clock(), ScriptedBackend()
    paces = Paces(clock)
    _note(paces, backend)
    assert paces.find(backend, "m") is not None
    clock.now += MEMORY + 0.1
    assert paces.find(backend, "m") is None
    _note(paces, backend, retry_after=30)
    clock.now += 30 + MEMORY
    pace = paces.find(backend, "m")
    assert pace is not None
    pace.delay(5, within=9)
    clock.now += 4
    assert paces.find(backend, "m") is pace
    clock.now += 1.1
    assert paces.find(backend, "m") is None
    paces.answered(backend, "m")  # nothing left to hear it


def test_when_all_is_over_nobody_looks_any_more() -> None:
    """One question some time later is enough, whatever it is about."""
    clock, backend = Clock(), ScriptedBackend()
    paces = Paces(clock)
    _note(paces, backend)
    assert paces.is_active
    clock.now += MEMORY / 2
    paces.find(ScriptedBackend(), "m")
    assert paces.is_active
    clock.now += MEMORY
    paces.find(ScriptedBackend(), "m")
    assert not paces.is_active


def test_a_pace_belongs_to_one_backend_and_model() -> None:
    """Backends are told apart by identity, also when they are equal."""

    @dataclass
    class Equal:
        name: str = "equal"

    paces = Paces(Clock())
    first, second = Equal(), Equal()
    _note(paces, first)
    assert first == second
    assert paces.find(first, "m") is not None
    assert (paces.find(second, "m"), paces.find(first, "n")) == (None, None)


def test_a_pace_does_not_keep_its_backend() -> None:
    """And goes with it, as soon as another one is made; what cannot be held weakly has none."""
    paces = Paces(Clock())
    backend: ScriptedBackend | None = ScriptedBackend()
    _note(paces, backend)
    del backend
    gc.collect()
    kept = ScriptedBackend()
    _note(paces, kept)
    assert len(paces._known) == 1

    class Slotted:
        __slots__ = ()

    slotted = Slotted()
    _note(paces, slotted)
    assert paces.find(slotted, "m") is None


def test_a_pace_is_not_taken_for_that_of_a_backend_that_is_gone() -> None:
    """What comes later may stand in the same place in memory."""
    paces = Paces(Clock())
    gone, other = ScriptedBackend(), ScriptedBackend()
    _note(paces, gone)
    paces._known[(id(other), "m")] = paces._known.pop((id(gone), "m"))
    assert paces.find(other, "m") is None


def test_only_so_many_paces_are_kept() -> None:
    """The oldest goes first."""
    paces, backend = Paces(Clock()), ScriptedBackend()
    for number in range(MOST_PACES + 1):
        _note(paces, backend, f"m{number}")
    assert paces.find(backend, "m0") is None
    assert paces.find(backend, "m1") is not None
    assert len(paces._known) == MOST_PACES


def test_threads_that_throttle_at_once_share_one_pace() -> None:
    """Nobody is left with a pace that the others do not see."""
    paces, backend = Paces(Clock()), ScriptedBackend()
    together = threading.Barrier(8)

    def note() -> None:
        together.wait()
        _note(paces, backend)

    threads = [threading.Thread(target=note) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(paces._known) == 1
