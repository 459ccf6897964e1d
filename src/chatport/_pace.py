"""What the sessions of one backend know together of its being throttled, so that they do not come back in step.

Each session by itself can only draw its wait at random: a hundred that were turned away together come back together,
within the same half second. What one of them is told is kept here for all, by backend and model.
"""

from __future__ import annotations

import random
import threading
import time
import weakref
from bisect import bisect_left, insort
from itertools import islice
from typing import TYPE_CHECKING, Final

from chatport._errors import RateLimitError

if TYPE_CHECKING:
    from collections.abc import Callable

    from chatport._errors import BackendError

# Seconds between two requests: after the first refusal, and at most. A refusal of what kept to them doubles them, an
# answer takes a tenth off.
FIRST_SPACING: Final = 0.05
LONGEST_SPACING: Final = 1.0
_RELIEF: Final = 0.9
# How long after the last refusal it is forgotten, in seconds.
MEMORY: Final = 10.0
# Whoever comes when so many wait already waits for a random moment instead of one of its own.
MOST_SLOTS: Final = 1024
MOST_PACES: Final = 256


class Pace:
    """When one throttled model of one backend may be asked again; may be used from several threads."""

    def __init__(self, clock: Callable[[], float], draw: Callable[[], float] = random.random) -> None:
        """Begin without knowing anything.

        Args:
            clock: Gives the time in seconds.
            draw: Gives a number from 0 to 1.
        """
        self._clock = clock
        self._draw = draw
        self._lock = threading.Lock()
        self._slots: list[float] = []  # moments that somebody waits for, in order
        self._spacing = FIRST_SPACING
        self._changed: float | None = None  # when the spacing was last set because of a refusal
        self._heard = 0.0
        self._not_before = 0.0

    def is_over(self) -> bool:
        """Whether it can be forgotten."""
        now = self._clock()
        with self._lock:
            last = self._slots[-1] if self._slots else now
            return now > max(self._heard, self._not_before) + MEMORY and last <= now

    def slow_down(self, retry_after: float | None, *, seconds: float) -> None:
        """Take note of a refusal.

        Args:
            retry_after: How long the service asks to wait, in seconds.
            seconds: How long ago the request was sent. Those sent together are refused together: they say once, not a
                hundred times, that it was too fast.
        """
        with self._lock:
            now = self._heard = self._clock()
            if self._changed is None:
                self._changed = now
            elif now - seconds >= self._changed:
                self._spacing = min(LONGEST_SPACING, self._spacing * 2)
                self._changed = now
            self._not_before = max(self._not_before, now + (retry_after or 0.0))

    def speed_up(self) -> None:
        """Take note of an answer."""
        with self._lock:
            self._spacing = max(FIRST_SPACING, self._spacing * _RELIEF)

    def first_delay(self, within: float) -> float:
        """Return how long a request waits that nobody has refused yet, in seconds.

        Only while the service has asked to wait, and only if that ends in time: who cannot wait asks, and is answered.

        Args:
            within: The longest it can wait, in seconds.
        """
        if self._not_before <= self._clock():
            return 0.0
        return self.delay(0.0, within=within) or 0.0

    def delay(self, least: float, *, within: float) -> float | None:
        """Return how long a request waits to be sent at a moment of its own, in seconds; None where that is too long.

        Args:
            least: The shortest wait, in seconds, at most `within`.
            within: The longest, in seconds. A service that has asked for longer is not waited for. Where only the
                others take so long, it waits for a random moment of what is left.
        """
        with self._lock:
            now = self._clock()
            if self._not_before - now > within:
                return None
            earliest = max(now + least, self._not_before)
            slot = self._free_slot(now, earliest)
            if slot is None or slot - now > within:
                latest = min(now + within, earliest + MOST_SLOTS * self._spacing)  # `within` may be infinite
                return earliest - now + self._draw() * (latest - earliest)
            insort(self._slots, slot)
            return least if slot == now + least else slot - now

    def _free_slot(self, now: float, earliest: float) -> float | None:
        del self._slots[: bisect_left(self._slots, now - self._spacing)]
        if len(self._slots) >= MOST_SLOTS:
            return None
        slot = earliest
        for taken in islice(self._slots, bisect_left(self._slots, earliest - self._spacing), None):
            if taken >= slot + self._spacing:
                break
            slot = max(slot, taken + self._spacing)
        return slot


class Paces:
    """The paces of all backends that have throttled somebody lately.

    Backends are held weakly; one that cannot be is not remembered.

    Attributes:
        is_active: Whether there may be any; as long as nothing is throttled, this is all that anybody looks at.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin without any.

        Args:
            clock: Gives the time in seconds.
        """
        self.is_active = False
        self._clock = clock
        self._lock = threading.Lock()
        # By identity: two backends that are equal may still be two accounts.
        self._known: dict[tuple[int, str], tuple[weakref.ref[object], Pace]] = {}
        self._swept = clock()

    def find(self, backend: object, model: str) -> Pace | None:
        """Return the pace of a backend's model; None where nothing is known of it."""
        with self._lock:
            if self._clock() > self._swept + MEMORY:
                self._sweep()
            found = self._known.get((id(backend), model))
            return None if found is None or found[0]() is not backend or found[1].is_over() else found[1]

    def note(self, backend: object, model: str, error: BackendError, *, seconds: float) -> None:
        """Take note of a failure where it says that others should wait too.

        Args:
            backend: Who was asked.
            model: For which model.
            error: Why it failed.
            seconds: How long ago the request was sent.
        """
        asked = error.retry_after
        if not error.retryable or (asked is None and not isinstance(error, RateLimitError)):
            return
        if asked is not None and not asked > 0:
            return  # at once: something was learned
        pace = self.find(backend, model) or self._begin(backend, model)
        if pace is not None:
            pace.slow_down(asked, seconds=seconds)

    def answered(self, backend: object, model: str) -> None:
        """Take note of an answer that has begun."""
        if (pace := self.find(backend, model)) is not None:
            pace.speed_up()

    def _begin(self, backend: object, model: str) -> Pace | None:
        try:
            reference = weakref.ref(backend)
        except TypeError:
            return None
        with self._lock:
            self._sweep()
            while len(self._known) >= MOST_PACES:
                del self._known[next(iter(self._known))]
            # Another thread may have begun it in the meantime.
            _, pace = self._known.setdefault((id(backend), model), (reference, Pace(self._clock)))
            self.is_active = True
            return pace

    def _sweep(self) -> None:
        """Forget what is over, so that nobody looks for it any more."""
        known = {key: kept for key, kept in self._known.items() if kept[0]() is not None and not kept[1].is_over()}
        self._known, self._swept, self.is_active = known, self._clock(), bool(known)


PACES: Final = Paces()
