"""A pace by itself, and all of them: who gets which moment, how fast goes on, and when it is forgotten."""

import gc
import threading
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.clocks import SESSIONS, Clock

from chatport import RateLimitError
from chatport._pace import FIRST_SPACING, LONGEST_SPACING, MEMORY, MOST_PACES, MOST_SLOTS, Pace, Paces
from chatport.testing import ScriptedBackend

# --- a pace -----------------------------------------------------------------------------------------------------------


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


# --- all paces --------------------------------------------------------------------------------------------------------


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
