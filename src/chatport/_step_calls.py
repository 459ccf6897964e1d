"""The calls of one step on their way to results: asked about, begun, run; at any time each has a result to show."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

from chatport._approval import Allow, Decision, Deny
from chatport._events import StopReason, ToolRunStart
from chatport._messages import NEUTRAL, Message, ToolCall, ToolResult, neutral_metadata
from chatport._output_reader import is_cut
from chatport._reply import Step
from chatport._tool_errors import error_result, interrupted_result, unbegun_result

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from chatport._request import Tool
    from chatport._tool_policy import ToolPolicy
    from chatport._turn_watch import TurnWatch


class StepCalls:
    """The calls of one step that the turn answers.

    Attributes:
        calls: The calls, in the model's order.
    """

    def __init__(
        self,
        tools: Mapping[str, Tool],
        calls: tuple[ToolCall, ...],
        stop_reason: StopReason,
        given: Mapping[str, ToolResult],
    ) -> None:
        """Take the calls.

        Args:
            tools: The tools on offer, by name.
            calls: The calls.
            stop_reason: Why their message ended: those of one that was cut are not run.
            given: Results that the caller has for some of them, by the call's id.
        """
        self.calls = calls
        self._tools = tools
        self._stop_reason = stop_reason
        self._is_cut = is_cut(stop_reason)
        self._results = {position: given[call.id] for position, call in enumerate(calls) if call.id in given}
        self._decisions: Mapping[int, Decision] = {}
        self._begun: set[int] = set()

    @property
    def has_begun(self) -> bool:
        """Whether the running of any call has begun."""
        return bool(self._begun)

    def results_so_far(self) -> tuple[ToolResult, ...]:
        """Return a result of each call: the one there is, or that it was interrupted, before it was begun or after."""
        return tuple(
            self._results.get(position)
            or (interrupted_result(call) if position in self._begun else unbegun_result(call))
            for position, call in enumerate(self.calls)
        )

    async def decide(self, policy: ToolPolicy) -> bool:
        """Ask who is to be asked before anything runs; return whether the calls may go on, or have to wait."""
        if policy.approve is None or self._is_cut:
            return True
        from chatport._tool_runs import decide  # noqa: PLC0415 - loads pydantic, for who has tools

        decisions = await decide(self._tools, self.calls, policy, answered=self._results)
        self._decisions = decisions or {}
        return decisions is not None

    def run_starts(self) -> Iterator[ToolRunStart]:
        """Yield the starts of the calls that are about to run."""
        for position, call in enumerate(self.calls):
            decision = self._decisions.get(position)
            refused = type(decision) is Deny or call.name not in self._tools or call.invalid_json is not None
            if not (refused or self._is_cut or position in self._results):
                yield ToolRunStart(call, decision.arguments if type(decision) is Allow else None)

    def to_run(self) -> tuple[ToolCall, ...]:
        """Return the calls that are about to run."""
        return tuple(start.call for start in self.run_starts())

    async def run(self, policy: ToolPolicy, watch: TurnWatch) -> tuple[ToolResult, ...]:
        """Run what may run, and return the results in the order of the calls."""
        if self._is_cut:
            # Arguments that were cut may still be valid JSON: such a call looks whole and means something else.
            text = f"Not run: the message that asks for it was cut short ({self._stop_reason})."
            for position, call in enumerate(self.calls):
                self._results.setdefault(position, error_result(call, text, "cut"))
            return self.results_so_far()
        from chatport._tool_runs import run_tools  # noqa: PLC0415 - as above

        # What has run is told also when the run is broken off: a tool's effects do not go away with the turn.
        return await run_tools(
            self._tools,
            self.calls,
            finished=self._results,
            begun=self._begun,
            watch=watch,
            policy=policy,
            decisions=self._decisions,
        )


def cut_noted(message: Message, stop_reason: StopReason) -> Message:
    """Return a message that says that it was cut, for whoever answers its calls later: they are not to be run."""
    noted = {**neutral_metadata(message.metadata), "stop_reason": stop_reason}
    return Message(message.role, message.parts, {**message.metadata, NEUTRAL: noted})


def waiting_step(message: Message) -> Step:
    """Return the step that a turn was paused at, as far as the history knows it."""
    noted: Any = neutral_metadata(message.metadata).get("stop_reason")
    reason: StopReason = noted if noted in get_args(StopReason) else "tool_calls"
    return Step(message, reason, attempts=0)
