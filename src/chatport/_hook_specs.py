"""What observers are told: the hooks, with their values.

Every start has one end: a turn ends or fails, a request ends as a step or fails, a tool run ends. No hook runs for each
delta.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import pluggy

if TYPE_CHECKING:
    from chatport._events import MessageStart
    from chatport._messages import ToolCall, ToolResult
    from chatport._reply import Partial, Reply, Step
    from chatport._request import ChatRequest

PROJECT = "chatport"

hookimpl = pluggy.HookimplMarker(PROJECT)
"""Marks a hook: a backend's `chatport_backend(name, options) -> Backend | None`, or any hook of an observer."""

_hookspec = pluggy.HookspecMarker(PROJECT)

FailReason: TypeAlias = Literal["error", "cancelled", "left"]
"""Why something did not reach its end: an exception, a cancellation of its task, or a caller who left the stream."""


@dataclass(frozen=True, slots=True)
class TurnInfo:
    """A turn, as all hooks of the turn name it: a key to keep what belongs together, and its fixed facts.

    Attributes:
        id: Different for every turn, in other processes too: 32 hexadecimal digits.
        backend: The backend's name.
        model: The model's id, as the caller gave it.
        streaming: Whether the caller reads the answer as it comes.
        message_count: How many messages the first request has, the new ones included.
    """

    id: str
    backend: str
    model: str
    streaming: bool
    message_count: int


class ObserverSpecs:
    """The hooks. An observer implements those it wants, under these names, and takes those arguments that it wants.

    Mark each with `chatport.hooks.hookimpl`. They are plain functions, called between two awaits of the turn: what
    blocks in one holds up the event loop. Sessions may run in several threads, and so may hooks. The values are the
    session's own and mostly frozen; what is a dict in them (arguments, schemas, metadata, `extra`) must not be changed:
    it is the caller's history.

    New hooks, and new arguments of these, are not a breaking change.
    """

    @_hookspec
    def chatport_turn_start(self, turn: TurnInfo, request: ChatRequest) -> None:
        """Begin to observe a turn; nothing has been sent.

        Args:
            turn: The turn.
            request: What the session asks first; URLs in it have not been fetched.
        """

    @_hookspec
    def chatport_request_start(self, turn: TurnInfo, request: ChatRequest, step: int, attempt: int) -> None:
        """See a request go to the backend, in full.

        Args:
            turn: The turn.
            request: What the backend is asked.
            step: The number of the step in the turn, from 1.
            attempt: How often the step has been sent with this one, from 1.
        """

    @_hookspec
    def chatport_message_start(self, turn: TurnInfo, start: MessageStart, seconds: float) -> None:
        """See the service begin to answer: the first event of a request.

        Args:
            turn: The turn.
            start: The event: the model that answers, the request id, and the adjustments.
            seconds: The time since the request went to the backend.
        """

    @_hookspec
    def chatport_step_end(self, turn: TurnInfo, request: ChatRequest, step: Step) -> None:
        """See a request answered in full.

        Args:
            turn: The turn.
            request: What the backend was asked.
            step: The answer: message, stop reason, usage, request id, adjustments, attempts and timing. Results of
                tools are not in it yet.
        """

    @_hookspec
    def chatport_request_fail(  # noqa: PLR0917 - hooks are given their arguments by name
        self, turn: TurnInfo, request: ChatRequest, reason: FailReason, error: BaseException | None, seconds: float
    ) -> None:
        """See a request that got no whole answer. It may be sent again.

        Args:
            turn: The turn.
            request: What the backend was asked.
            reason: Why.
            error: The exception; None where the caller left the stream.
            seconds: The time since the request went to the backend.
        """

    @_hookspec
    def chatport_retry_start(self, turn: TurnInfo, attempt: int, delay: float, error: BaseException) -> None:
        """See a failed request about to be sent again.

        Args:
            turn: The turn.
            attempt: The number of the attempt that comes, from 2.
            delay: The time to wait first, in seconds.
            error: Why the one before failed.
        """

    @_hookspec
    def chatport_tool_run_start(self, turn: TurnInfo, call: ToolCall, asked: ToolCall) -> None:
        """See a call that is to be run; its arguments may yet turn out to be wrong.

        It is called in the task that runs the tool, as its end is: context variables that are set here are seen by the
        tool. The tools of one step run together. Calls that were cut short are not run.

        Args:
            turn: The turn.
            call: The call, with the arguments that it is run with.
            asked: The call as the model made it: `call` itself, unless whoever was asked about it has changed its
                arguments.
        """

    @_hookspec
    def chatport_tool_run_end(  # noqa: PLR0917 - hooks are called by name
        self, turn: TurnInfo, call: ToolCall, asked: ToolCall, result: ToolResult | None, seconds: float
    ) -> None:
        """See what a call came to.

        Args:
            turn: The turn.
            call: As for `chatport_tool_run_start`.
            asked: The same.
            result: What goes back to the model; None where the run was broken off.
            seconds: How long it took.
        """

    @_hookspec
    def chatport_turn_end(self, turn: TurnInfo, reply: Reply[Any]) -> None:
        """See a turn that is complete.

        Args:
            turn: The turn.
            reply: The reply, about to be handed to the caller.
        """

    @_hookspec
    def chatport_turn_fail(
        self, turn: TurnInfo, reason: FailReason, error: BaseException | None, partial: Partial
    ) -> None:
        """See a turn that did not reach its end.

        Args:
            turn: The turn.
            reason: Why.
            error: The exception; None where the caller left the stream.
            partial: What had happened.
        """
