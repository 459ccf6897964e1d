"""Observers that are installed: loaded once, with the first turn; a broken one costs a warning."""

import json
import subprocess
import sys
import textwrap
import threading
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest
from tests.conversations import session

from chatport._observers import Observers, loaded_observers
from chatport.hooks import ObserverWarning, observe


@pytest.fixture(autouse=True)
def observers(monkeypatch: pytest.MonkeyPatch) -> Observers:
    """A process without observers, and without installed ones that were loaded already."""
    fresh = Observers()
    monkeypatch.setattr("chatport._observers._observers", fresh)
    return fresh


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
