"""A turn as its observers are told of it: a typed method for each hook, and an end for each start."""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING, Any

import anyio

from chatport._hook_specs import FailReason, TurnInfo
from chatport._observers import Observers, loaded_observers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from chatport._events import MessageStart
    from chatport._messages import ToolCall, ToolResult
    from chatport._observers import Hook
    from chatport._reply import Partial, Reply, Step
    from chatport._request import ChatRequest


_NOBODY = Observers()


class TurnWatch:
    """The observers of one turn: a typed method for each hook. Without observers a call is one look-up.

    It sees to it that each request that was told to start is told to end: what ends the turn ends its open request too,
    and so does a retry.
    """

    __slots__ = ("_observers", "_request", "_sent", "_table", "_turn")

    def __init__(self, turn: TurnInfo | None = None, observers: Observers = _NOBODY) -> None:
        """Watch a turn; `watch_turn` makes these. Without anything, nobody watches."""
        self._turn = turn
        self._observers = observers
        self._table = observers.table  # replaced, never changed: who comes later sees the next turn
        self._request: ChatRequest | None = None  # the one that is under way
        self._sent = 0.0

    def _tell(self, hooks: Sequence[Hook], **values: object) -> None:
        self._observers.tell(hooks, {"turn": self._turn, **values})

    def turn_start(self, request: ChatRequest) -> None:
        """Tell of the turn's begin."""
        if hooks := self._table.get("chatport_turn_start"):
            self._tell(hooks, request=request)

    def request_start(self, request: ChatRequest, *, step: int, attempt: int) -> None:
        """Tell of a request that goes out now."""
        if self._table:
            self._request, self._sent = request, time.perf_counter()
        if hooks := self._table.get("chatport_request_start"):
            self._tell(hooks, request=request, step=step, attempt=attempt)

    def message_start(self, start: MessageStart) -> None:
        """Tell of the begin of an answer."""
        if hooks := self._table.get("chatport_message_start"):
            self._tell(hooks, start=start, seconds=time.perf_counter() - self._sent)

    def step_end(self, step: Step) -> None:
        """Tell of a whole answer to the request under way."""
        request, self._request = self._request, None
        if hooks := self._table.get("chatport_step_end"):
            self._tell(hooks, request=request, step=step)

    def retry_start(self, *, attempt: int, delay: float, error: BaseException) -> None:
        """Tell that the request under way failed and is to be sent again."""
        self._request_fail(error)
        if hooks := self._table.get("chatport_retry_start"):
            self._tell(hooks, attempt=attempt, delay=delay, error=error)

    def tool_run_start(self, call: ToolCall, asked: ToolCall) -> None:
        """Tell of a call that is about to be run, as it is to be run."""
        if hooks := self._table.get("chatport_tool_run_start"):
            self._tell(hooks, call=call, asked=asked)

    def tool_run_end(self, call: ToolCall, asked: ToolCall, result: ToolResult | None, started: float) -> None:
        """Tell what a call came to; `started` is a reading of `time.perf_counter`."""
        if hooks := self._table.get("chatport_tool_run_end"):
            seconds = time.perf_counter() - started
            self._tell(hooks, call=call, asked=asked, result=result, seconds=seconds)

    def turn_end(self, reply: Reply[Any]) -> None:
        """Tell of a complete turn."""
        if hooks := self._table.get("chatport_turn_end"):
            self._tell(hooks, reply=reply)

    def turn_fail(self, error: BaseException, partial: Callable[[], Partial]) -> None:
        """Tell of a turn that broke off; `error` is what came out of it, `partial` says what had happened."""
        self._request_fail(error)
        if hooks := self._table.get("chatport_turn_fail"):
            self._tell(hooks, partial=partial(), **_failure(error))

    def _request_fail(self, error: BaseException) -> None:
        request, self._request = self._request, None
        if request is not None and (hooks := self._table.get("chatport_request_fail")):
            seconds = time.perf_counter() - self._sent
            self._tell(hooks, request=request, seconds=seconds, **_failure(error))


def _failure(error: BaseException) -> dict[str, Any]:
    """Say why something was not finished, from the exception that ended the generator."""
    if isinstance(error, GeneratorExit):
        return {"reason": "left", "error": None}
    cancelled = not isinstance(error, Exception) and isinstance(error, anyio.get_cancelled_exc_class())
    reason: FailReason = "cancelled" if cancelled else "error"
    return {"reason": reason, "error": error}


async def watch_turn(backend: str, request: ChatRequest) -> TurnWatch:
    """Return what tells the observers of a turn; the first turn of the process loads those that are installed."""
    observers = await loaded_observers()
    if not observers.table:
        return TurnWatch()
    turn = TurnInfo(uuid.uuid4().hex, backend, request.model, request.streaming, len(request.messages))
    return TurnWatch(turn, observers)
