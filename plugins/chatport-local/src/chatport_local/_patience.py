"""How long a request waits: the limits of `Timeouts`, one after the other."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, TypeVar

import anyio

from chatport.backend import StreamTimeoutError
from chatport_local._models import BACKEND

if TYPE_CHECKING:
    from chatport.backend import Phase, TimeoutName, Timeouts

_T = TypeVar("_T")

_PHASES: Final[dict[TimeoutName, Phase]] = {"acquire": "connect", "first_event": "request", "idle": "stream"}
_WAITED_FOR: Final[dict[TimeoutName, str]] = {
    "acquire": "no slot of the engine was free",
    "first_event": "the model had not begun to answer",
    "idle": "the model wrote nothing more",
}


class Patience:
    """The clock of one request.

    Loading the model counts as `first_event`, then waiting for a slot as `acquire`, then reading the prompt as
    `first_event` again.
    """

    def __init__(self, timeouts: Timeouts, model: str) -> None:
        """Start the clock."""
        self._timeouts = timeouts
        self._model = model
        self._end = None if timeouts.total is None else anyio.current_time() + timeouts.total
        self._stage: TimeoutName = "first_event"
        self._stage_end: float | None = None
        self.enter("first_event")

    def enter(self, stage: TimeoutName) -> None:
        """Begin with a limit."""
        seconds: float | None = getattr(self._timeouts, stage)
        self._stage = stage
        self._stage_end = None if seconds is None else anyio.current_time() + seconds

    async def wait(self, function: Callable[[], Awaitable[_T]]) -> _T:
        """Wait for something, for as long as the limit that was entered allows, and that of the whole.

        Raises:
            StreamTimeoutError: It took longer.
        """
        ends = [end for end in (self._stage_end, self._end) if end is not None]
        with anyio.CancelScope(deadline=min(ends, default=math.inf)) as scope:
            return await function()
        raise self._expired(is_total=self._end is not None and scope.deadline == self._end)

    def _expired(self, *, is_total: bool) -> StreamTimeoutError:
        name: TimeoutName = "total" if is_total else self._stage
        seconds: float = getattr(self._timeouts, name)
        what = _WAITED_FOR[self._stage]
        message = f"{what} after {seconds:g} seconds (timeouts.{name})"
        return StreamTimeoutError(
            message,
            timeout=name,
            backend=BACKEND,
            model=self._model,
            phase=_PHASES[self._stage],
            retryable=name == "acquire",  # what was too slow once is no faster the next time
        )
