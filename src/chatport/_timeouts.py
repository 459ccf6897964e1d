"""How long to wait for a service: the limits as a value."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, TypedDict, get_args

if TYPE_CHECKING:
    from typing_extensions import Unpack

TimeoutName: TypeAlias = Literal["connect", "acquire", "first_event", "idle", "total"]
"""Which of the limits it was."""

_DEFAULTS: Final[dict[str, float | None]] = {
    "connect": 10.0,
    "acquire": 60.0,
    # Models that reason may say nothing for minutes, before their first word and between two.
    "first_event": 600.0,
    "idle": 600.0,
    "total": None,
}


class TimeoutOptions(TypedDict, total=False):
    """What `Timeouts` takes, in seconds; None is no limit."""

    connect: float | None
    acquire: float | None
    first_event: float | None
    idle: float | None
    total: float | None


@dataclass(frozen=True, slots=True, init=False)
class Timeouts:
    """How long to wait for a service, in seconds; None is no limit.

    Each limit holds for one request: a turn that repeats a request, or sends another after its tools have run, begins
    anew. Limits can be given to a backend, to a session and to a turn. Each is laid over the one before, field by
    field: only what was given counts, so `Timeouts(idle=30)` leaves the others as they are. Two are equal where their
    limits are, whether these were given or not.

    Attributes:
        connect: For a new connection: name look-up, TCP and TLS. 10 unless given.
        acquire: For a place among the connections of the backend, when all are in use. 60 unless given.
        first_event: From there to the first event of the answer, sending included; for an answer that comes as a whole,
            to its end. 600 unless given, since models think for minutes.
        idle: Between two pieces of a stream. Only waiting for the service counts, not the time that a reader takes. 600
            unless given.
        total: For the whole request, from before `acquire` to the end of the answer, a reader's own time included. No
            limit unless given.
        given: The names of those that were given.
    """

    connect: float | None
    acquire: float | None
    first_event: float | None
    idle: float | None
    total: float | None
    given: frozenset[str] = field(repr=False, compare=False)

    def __init__(self, **seconds: Unpack[TimeoutOptions]) -> None:
        """Keep what is given, by name, and the defaults for the rest.

        Raises:
            TypeError: There is no such limit, or it is no number.
            ValueError: A limit is not above 0.
        """
        for name, value in seconds.items():
            if name not in _DEFAULTS:
                message = f"there is no timeout {name!r}; there are {', '.join(get_args(TimeoutName))}"
                raise TypeError(message)
            _check_seconds(name, value)
        for name, default in _DEFAULTS.items():
            object.__setattr__(self, name, seconds.get(name, default))
        object.__setattr__(self, "given", frozenset(seconds))

    def merged(self, over: Timeouts | None) -> Timeouts:
        """Return these limits with those that another was given laid over them; None is laid over nothing."""
        if over is None or not over.given:
            return self
        if not self.given:
            return over
        values: TimeoutOptions = {}
        for source in (self, over):
            for name in source.given:
                values[name] = getattr(source, name)  # type: ignore[literal-required]  # `given` holds names of ours
        return Timeouts(**values)


def checked_timeouts(timeouts: Timeouts | None) -> Timeouts | None:
    """Return limits that are some.

    Raises:
        TypeError: They are something else, such as a number.
    """
    if timeouts is not None and not isinstance(timeouts, Timeouts):
        message = f"timeouts must be a Timeouts or None, not a {type(timeouts).__name__}"
        raise TypeError(message)
    return timeouts


def _check_seconds(name: str, value: object) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        message = f"{name} is in seconds, or None for no limit, not {value!r}"
        raise TypeError(message)
    if not 0 < value < float("inf"):  # not a number is not above 0 either
        message = f"{name} is in seconds, above 0, or None for no limit, not {value}"
        raise ValueError(message)


def checked_tool_timeout(timeout: object) -> float:
    """Return a time limit that makes sense, in seconds.

    Raises:
        TypeError: It is no number.
        ValueError: It is not above 0.
    """
    if isinstance(timeout, bool) or not isinstance(timeout, (int, float)):
        message = f"the timeout of a tool is a number of seconds, not {timeout!r}"
        raise TypeError(message)
    if not timeout > 0:
        message = f"the timeout of a tool must be above 0 seconds, not {timeout}"
        raise ValueError(message)
    return float(timeout)
