"""How long one request still waits, and what is raised when that is over."""

from __future__ import annotations

from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Final

from chatport._errors import StreamTimeoutError

if TYPE_CHECKING:
    from chatport._errors import Phase
    from chatport._http_failures import Exchange
    from chatport._timeouts import TimeoutName, Timeouts


class Patience:
    """The limits of one request as it goes on; it begins when this is made.

    Nothing here waits: whoever does asks for how long, and afterwards for the error. In the order of a request:
    `seconds_for_place` for a place among the connections, `start_waiting_for_answer` when it goes out, and `seconds`
    for each read, with `has_begun` set once an event has come. All times are in seconds.

    Attributes:
        timeouts: The limits.
        has_begun: Whether an event of the answer has been read, so that from now on each silence counts for itself.
    """

    __slots__ = ("_first_event_end", "_idle", "_total_end", "has_begun", "timeouts")

    def __init__(self, timeouts: Timeouts) -> None:
        """Begin.

        Args:
            timeouts: The limits; None in one of them is no limit.
        """
        self.timeouts = timeouts
        self.has_begun = False
        self._idle = _limit(timeouts.idle)
        self._total_end = monotonic() + _limit(timeouts.total)
        self._first_event_end = inf

    def seconds_in_total(self) -> float:
        """How long the request may still take, whatever it waits for."""
        return self._total_end - monotonic()

    def seconds_for_place(self) -> float:
        """How long to wait for a place among the connections."""
        return min(_limit(self.timeouts.acquire), self.seconds_in_total())

    def start_waiting_for_answer(self) -> None:
        """Note that the request goes out now."""
        self._first_event_end = monotonic() + _limit(self.timeouts.first_event)

    def seconds(self) -> float:
        """How long to wait for what comes next; infinite for ever, 0 or less for not at all."""
        if not self.has_begun:
            return min(self._first_event_end, self._total_end) - monotonic()
        if self._total_end == inf:
            return self._idle
        return min(self._idle, self._total_end - monotonic())

    def place_error(self, exchange: Exchange, *, places: int) -> StreamTimeoutError:
        """Return the error for a request that got no place.

        Args:
            exchange: What is known of it.
            places: How many there are.
        """
        if self._is_over():
            return self.total_error(exchange)
        message = (
            f"pool of {places} exhausted: all connections were in use for {self.timeouts.acquire:g} seconds; raise the "
            f"backend's option max_connections, send fewer requests at once, or wait longer with Timeouts(acquire=…)"
        )
        return StreamTimeoutError(message, timeout="acquire", **exchange.facts("connect", retryable=True))

    def total_error(self, exchange: Exchange) -> StreamTimeoutError:
        """Return the error for a request that was not sent before its time was over."""
        return self._error("total", exchange, "connect")

    def connect_error(self, exchange: Exchange) -> StreamTimeoutError:
        """Return the error for a connection that did not come about."""
        return self._error("connect", exchange, "connect")

    def error(self, exchange: Exchange, phase: Phase) -> StreamTimeoutError:
        """Return the error for an answer that did not come, or not in time."""
        if self._is_over():
            return self._error("total", exchange, phase)
        return self._error("idle" if self.has_begun else "first_event", exchange, phase)

    def _is_over(self) -> bool:
        # Timers may be early, by as much as their clock is coarse.
        return self._total_end - monotonic() <= _CLOCK_SECONDS

    def _error(self, timeout: TimeoutName, exchange: Exchange, phase: Phase) -> StreamTimeoutError:
        seconds = getattr(self.timeouts, timeout)
        message = f"{_REASONS[timeout]} within {seconds:g} seconds (Timeouts.{timeout})"
        # Where the answer had begun, asking again would say it twice; what is over is over.
        is_retryable = timeout in {"connect", "acquire", "first_event"}
        return StreamTimeoutError(message, timeout=timeout, **exchange.facts(phase, retryable=is_retryable))


_CLOCK_SECONDS: Final = 0.02
_REASONS: Final[dict[TimeoutName, str]] = {
    "connect": "no connection came about",
    "first_event": "no answer came in time: not its first event, or not all of it where it comes whole,",
    "idle": "the service fell silent in the middle of its answer: nothing came",
    "total": "the request did not end",
}


def _limit(seconds: float | None) -> float:
    return inf if seconds is None else seconds
