"""Observers cannot harm: one that raises is switched off, one that is broken is left out, and nobody loads them."""

import json
import logging
import subprocess
import sys
import textwrap
import threading
import types
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest
from tests.conversations import session

from chatport._observers import Observers, loaded_observers
from chatport._turn_watch import TurnWatch, watch_turn
from chatport.backend import ChatRequest
from chatport.backend import hookimpl as backend_hookimpl
from chatport.hooks import ObserverWarning, TurnInfo, hookimpl, observe


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


# --- isolation -------------------------------------------------------------------------------------------------------


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


# --- registration ----------------------------------------------------------------------------------------------------


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


# --- entry points ----------------------------------------------------------------------------------------------------


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Install distributions as pip leaves them behind: a module and its metadata."""

    def install(name: str, source: str, *, attribute: str = "") -> None:
        module = f"observing_{name}"
        (tmp_path / f"{module}.py").write_text(textwrap.dedent(source), encoding="utf-8")
        metadata = tmp_path / f"{module}-1.5.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.5\n", encoding="utf-8")
        entry = f"{module}:{attribute}" if attribute else module
        (metadata / "entry_points.txt").write_text(f"[chatport.observers]\n{name} = {entry}\n", encoding="utf-8")

    monkeypatch.syspath_prepend(str(tmp_path))
    yield install
    for name in [name for name in sys.modules if name.startswith("observing_")]:
        del sys.modules[name]


GOOD = """
    from chatport.hooks import hookimpl
    seen = []

    @hookimpl
    def chatport_turn_end(turn, reply):
        seen.append(reply.text)
"""


@pytest.mark.anyio
async def test_installed_observers_are_loaded_with_the_first_turn(install: Callable[..., None]) -> None:
    """A module and an object will do. A session alone loads nothing, and later turns load nothing again."""
    install("module", GOOD)
    install("object", GOOD + "\n    import sys\n    observer = sys.modules[__name__]\n", attribute="observer")
    chat, _ = session("one", "two")
    assert "observing_module" not in sys.modules
    await chat.ask("go")
    seen = sys.modules["observing_module"].seen
    assert seen == ["one"]
    install("too_late", "raise RuntimeError('nobody asks again')")
    await chat.ask("go")
    assert seen == ["one", "two"] == sys.modules["observing_object"].seen


BROKEN = {
    "import": ("raise RuntimeError('bad day')", "RuntimeError: bad day"),
    "ends the process": ("raise SystemExit('gone')", "SystemExit: gone"),
    "no hook": ("x = 1", "no hook marked"),
    "misspelt": (
        "from chatport.hooks import hookimpl\n@hookimpl\ndef chatport_turn_strat(turn): ...",
        "there is no hook chatport_turn_strat",
    ),
    "half valid": (
        GOOD + "\n    @hookimpl\n    def chatport_turn_start(colour): ...",
        "colour",
    ),
}


@pytest.mark.anyio
@pytest.mark.parametrize(("source", "reason"), BROKEN.values(), ids=BROKEN.keys())
async def test_a_broken_observer_costs_one_warning(
    source: str, reason: str, install: Callable[..., None], observers: Observers
) -> None:
    """It names the observer and where it is from; its neighbour works, and the turn does."""
    install("broken", source)
    install("good", GOOD)
    chat, _ = session("one", "two")
    with pytest.warns(ObserverWarning, match=rf"(?s)'broken' from observing_broken .*{reason}") as caught:
        assert (await chat.ask("go")).text == "one"
    assert len(caught) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert (await chat.ask("go")).text == "two"
    assert sys.modules["observing_good"].seen == ["one", "two"]
    assert [hook.observer.name for hook in observers.table["chatport_turn_end"]] == [
        "'good' from observing_good (observing_good)"
    ]
    assert set(observers.table) == {"chatport_turn_end"}


@pytest.mark.anyio
async def test_an_installed_observer_that_is_registered_already_is_not_called_twice(
    install: Callable[..., None],
) -> None:
    """The program that took it into its own hands keeps it there."""
    install("good", GOOD)
    import importlib

    module = importlib.import_module("observing_good")
    chat, _ = session("one")
    with observe(module) as observation:
        assert repr(observation) == "<Observation of observing_good, on>"
        await chat.ask("go")
    assert module.seen == ["one"]


def test_threads_that_load_at_once_register_once(install: Callable[..., None], observers: Observers) -> None:
    """Each thread has its loop and its first turn; Python imports once, and the first to be done registers."""
    install("good", GOOD)
    install("broken", "x = 1")
    meeting = threading.Barrier(4)

    def load(_number: int) -> list[str]:
        meeting.wait()
        return observers.load()

    with ThreadPoolExecutor(4) as pool:
        failures = [failure for found in pool.map(load, range(4)) for failure in found]
    assert len(failures) == 1
    assert len(observers.table["chatport_turn_end"]) == 1


@pytest.mark.anyio
async def test_first_turns_that_begin_together_load_once(
    install: Callable[..., None], observers: Observers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two hundred keep one thread busy, not all there are."""
    install("good", GOOD)
    run_sync = anyio.to_thread.run_sync
    hops = 0

    async def counted(*arguments: Any, **options: Any) -> Any:
        nonlocal hops
        hops += 1
        return await run_sync(*arguments, **options)

    monkeypatch.setattr(anyio.to_thread, "run_sync", counted)
    async with anyio.create_task_group() as tasks:
        for _ in range(200):
            tasks.start_soon(loaded_observers)
    assert (hops, len(observers.table["chatport_turn_end"])) == (1, 1)


def test_importing_loads_no_observer(install: Callable[..., None], tmp_path: Path) -> None:
    """Neither the doors nor a session that has not sent: seen in a fresh interpreter, the first turn loads."""
    install("good", GOOD)
    program = f"""
        import json, sys
        sys.path.insert(0, {str(tmp_path)!r})
        import anyio, chatport, chatport.hooks
        from chatport.testing import ScriptedBackend
        chat = chatport.Session(ScriptedBackend("hi"), "m")
        before = "observing_good" in sys.modules
        anyio.run(chat.ask, "hi")
        print(json.dumps([before, sys.modules["observing_good"].seen]))
    """
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(program)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout) == [False, ["hi"]]
