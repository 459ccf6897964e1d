"""Observers cannot harm: one that raises is switched off, and what is none is not registered."""

import logging
import threading
import types
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import anyio
import pytest
from tests.conversations import session

from chatport._observers import Observers
from chatport._turn_watch import TurnWatch, watch_turn
from chatport.backend import ChatRequest
from chatport.backend import hookimpl as backend_hookimpl
from chatport.hooks import TurnInfo, hookimpl, observe


class Counter:
    """Counts turns, and raises where it is told to."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.count = 0
        self.error = error

    @hookimpl
    def chatport_turn_start(self) -> None:
        self.count += 1
        if self.error is not None:
            raise self.error


@pytest.fixture(autouse=True)
def observers(monkeypatch: pytest.MonkeyPatch) -> Observers:
    """A process without observers, and without installed ones that were loaded already."""
    fresh = Observers()
    monkeypatch.setattr("chatport._observers._observers", fresh)
    return fresh


# --- isolation --------------------------------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_an_observer_that_raises_is_logged_once_by_name_and_switched_off(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The turn goes on, the other observers see all of it, and the next turn is not disturbed at all."""
    before, bad, after = Counter(), Counter(LookupError("no such span")), Counter()
    chat, _ = session("one", "two")
    with observe(before), observe(bad, name="the bad one") as observation, observe(after):
        assert observation.is_on
        assert (await chat.ask("go")).text == "one"
        assert not observation.is_on
        assert (await chat.ask("go")).text == "two"
    assert (before.count, bad.count, after.count) == (2, 1, 2)
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("chatport", logging.ERROR)
    assert "the bad one" in record.getMessage()
    assert record.exc_info is not None
    assert record.exc_info[1] is bad.error


@pytest.mark.anyio
async def test_an_observer_that_was_switched_off_is_not_called_later_in_the_turn() -> None:
    """Off is off: also where another one of its hooks comes."""
    seen: list[str] = []

    class Twice:
        @hookimpl
        def chatport_turn_start(self) -> None:
            seen.append("start")
            message = "once is enough"
            raise ValueError(message)

        @hookimpl
        def chatport_turn_end(self) -> None:
            seen.append("end")

    chat, _ = session("ok")
    with observe(Twice()):
        await chat.ask("go")
    assert seen == ["start"]


class StoppedError(BaseException):
    """Stands for what nobody may catch, as KeyboardInterrupt; a test that raises that one would stop the tests."""


@pytest.mark.anyio
async def test_what_is_no_exception_passes() -> None:
    """A signal that arrives while a hook runs ends the turn and is no fault of the observer's; nothing was sent."""
    observer = Counter(StoppedError())
    chat, _ = session("ok")
    with observe(observer) as observation:
        with pytest.raises(StoppedError):
            await chat.ask("go")
        assert observation.is_on
        observer.error = None
        assert (await chat.ask("go")).text == "ok"
    assert len(chat.messages) == 2


@pytest.mark.anyio
async def test_a_hook_that_turns_out_to_be_async_is_switched_off(caplog: pytest.LogCaptureFixture) -> None:
    """Behind a plain function hides a coroutine: nobody awaits it, and nothing warns of it from another place."""

    async def later() -> None:
        pytest.fail("nobody awaits it")

    class Hidden:
        @hookimpl
        def chatport_turn_start(self) -> Any:
            return later()

    class Harmless:
        @hookimpl
        def chatport_turn_start(self) -> Any:
            return "what a hook returns is nobody's business"

    chat, _ = session("ok")
    with observe(Hidden()) as hidden, observe(Harmless()) as harmless:
        await chat.ask("go")
        assert (hidden.is_on, harmless.is_on) == (False, True)
    assert "plain functions" in str(caplog.records[0].exc_info)


# --- registration -----------------------------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_observers_are_called_in_the_order_in_which_they_came() -> None:
    """Wherever they came from, and until their block is left."""
    seen: list[str] = []

    def observer(name: str) -> object:
        def chatport_turn_start(turn: TurnInfo) -> None:
            seen.append(f"{name} {turn.model}")

        return types.SimpleNamespace(chatport_turn_start=hookimpl(chatport_turn_start))

    chat, _ = session("a", "b", "c")
    with ExitStack() as stack:
        for name in ("first", "second"):
            stack.enter_context(observe(observer(name)))
        await chat.ask("go")
    third = observe(observer("third"))
    await chat.ask("go")
    third.stop()
    third.stop()
    await chat.ask("go")
    assert seen == ["first model-1", "second model-1", "third model-1"]
    assert repr(third) == "<Observation of types.SimpleNamespace, off>"


@pytest.mark.anyio
async def test_an_observer_that_comes_in_the_middle_of_a_turn_sees_the_next_one() -> None:
    """So each end that it sees is of something whose start it has seen; one that goes sees no end."""
    seen: list[str] = []

    class Ends:
        @hookimpl
        def chatport_turn_end(self) -> None:
            seen.append("end")

    chat, _ = session("a", "b")
    ends = Ends()
    async with chat.stream("go") as stream:
        with observe(ends):
            await stream.finish()
    observation = observe(ends)
    async with chat.stream("go") as stream:
        observation.stop()
        await stream.finish()
    assert seen == []


def test_registering_twice_is_a_mistake() -> None:
    """The same object twice would see everything twice; after the first is stopped it may come again."""
    counter = Counter()
    with observe(counter), pytest.raises(ValueError, match="Counter is registered already"):
        observe(counter)
    with observe(counter, name="again") as observation:
        assert "again" in repr(observation)


def _hook(turn: TurnInfo) -> None: ...


def _unmarked(turn: TurnInfo) -> None: ...


def _colour_hook(turn: TurnInfo, colour: str) -> None: ...


def _keyword_hook(turn: TurnInfo, *, request: ChatRequest) -> None: ...


def _backend_hook(name: str, options: dict[str, Any]) -> None: ...


def _with(function: Callable[..., Any], name: str = "chatport_turn_start", **options: Any) -> object:
    return types.SimpleNamespace(**{name: hookimpl(**options)(function) if options else hookimpl(function)})


async def _async_hook(turn: TurnInfo) -> None: ...


async def _async_generator(turn: TurnInfo) -> Any:
    yield turn


def _generator(turn: TurnInfo) -> Any:
    yield turn


NO_OBSERVERS: dict[str, tuple[object, str]] = {
    "None": (None, "not None"),
    "a class": (Counter, "of a class, give an instance"),
    "no hooks": (object(), "no hook marked with chatport.hooks.hookimpl"),
    "unmarked": (types.SimpleNamespace(chatport_turn_start=_unmarked), "no hook marked"),
    "a backend": (_with(_backend_hook, "chatport_backend"), "no hook marked"),
    "misspelt": (_with(_hook, "chatport_turn_strat"), r"no hook chatport_turn_strat.*chatport_turn_start"),
    "an unknown argument": (_with(_colour_hook), "colour"),
    "an argument by keyword only": (_with(_keyword_hook), "cannot be called"),
    "async": (_with(_async_hook), "is async, a generator or a wrapper"),
    "an async generator": (_with(_async_generator), "is async, a generator or a wrapper"),
    "a generator": (_with(_generator), "is async, a generator or a wrapper"),
    "a wrapper": (_with(_generator, wrapper=True), "is async, a generator or a wrapper"),
    "an old wrapper": (_with(_generator, hookwrapper=True), "is async, a generator or a wrapper"),
}


@pytest.mark.parametrize(("observer", "reason"), NO_OBSERVERS.values(), ids=NO_OBSERVERS.keys())
def test_what_is_no_observer_is_refused(observer: object, reason: str, observers: Observers) -> None:
    """At once and with the reason: a hook that is never called, a coroutine that nobody awaits, is found too late."""
    with pytest.raises(TypeError, match=reason):
        observe(observer)
    assert observers.table == {}


def test_a_hook_for_another_version_may_be_optional(observers: Observers) -> None:
    """An observer may be newer than we are, and say so."""
    newer = types.SimpleNamespace(
        chatport_turn_start=hookimpl(_hook),
        chatport_step_dream=hookimpl(optionalhook=True)(_colour_hook),
    )
    with observe(newer):
        assert set(observers.table) == {"chatport_turn_start"}


def test_there_is_one_marker() -> None:
    """So nobody can take the wrong one, and one module can be both a backend and an observer."""
    assert hookimpl is backend_hookimpl
    both = types.SimpleNamespace(chatport_turn_start=hookimpl(_hook), chatport_backend=hookimpl(_backend_hook))
    with observe(both) as observation:
        assert observation.is_on


def test_registration_is_atomic_across_threads(observers: Observers) -> None:
    """Many threads come and go: in the end nobody is left, and nobody was lost."""
    meeting = threading.Barrier(8)

    def come_and_go(_number: int) -> int:
        meeting.wait()
        seen = 0
        for _ in range(50):
            counter = Counter()
            with observe(counter):
                mine = [hook for hook in observers.table["chatport_turn_start"] if hook.observer.plugin is counter]
                seen += len(mine)
        return seen

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(come_and_go, range(8))) == [50] * 8
    assert observers.table == {}


def test_two_threads_that_meet_a_failure_log_it_once(caplog: pytest.LogCaptureFixture) -> None:
    """Several loops may call one hook at once."""
    meeting = threading.Barrier(4)

    class Bad:
        @hookimpl
        def chatport_turn_start(self) -> None:
            meeting.wait()
            message = "in all threads at once"
            raise ValueError(message)

    def run(_number: int) -> str:
        chat, _ = session("ok")

        async def ask() -> str:
            return (await chat.ask("go")).text

        return anyio.run(ask)

    with observe(Bad()), ThreadPoolExecutor(4) as pool:
        assert list(pool.map(run, range(4))) == ["ok"] * 4
    assert len(caplog.records) == 1


@pytest.mark.anyio
async def test_without_observers_a_turn_is_not_described() -> None:
    """No id is made and no value is put together: what nobody looks at costs one look-up."""
    watch = await watch_turn("scripted", ChatRequest("m", ()))
    assert watch._turn is None
    assert watch._table == {}
    watch.request_start(ChatRequest("m", ()), step=1, attempt=1)
    watch.turn_fail(ValueError("x"), lambda: pytest.fail("nobody asks for it"))
    assert TurnWatch()._request is None


@pytest.mark.anyio
async def test_a_retry_ends_the_request_before_it() -> None:
    """The attempt that failed has an end, so that a tracer can close its span, and the next one a start."""
    seen: list[str] = []
    request = ChatRequest("m", ())

    class Tracer:
        @hookimpl
        def chatport_request_start(self, attempt: int) -> None:
            seen.append(f"start {attempt}")

        @hookimpl
        def chatport_request_fail(self, reason: str, error: BaseException) -> None:
            seen.append(f"{reason} {error}")

        @hookimpl
        def chatport_retry_start(self, attempt: int, delay: float, error: BaseException) -> None:
            seen.append(f"retry {attempt} in {delay} after {error}")

    with observe(Tracer()):
        watch = await watch_turn("scripted", request)
        watch.request_start(request, step=1, attempt=1)
        watch.retry_start(attempt=2, delay=0.5, error=ValueError("busy"))
        watch.request_start(request, step=1, attempt=2)
    assert seen == ["start 1", "error busy", "retry 2 in 0.5 after busy", "start 2"]
