"""The running of tools: the calls of one step, together."""

from __future__ import annotations

import contextlib
import copy
import functools
import inspect
import logging
import math
import time
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import anyio.to_thread

from chatport._approval import Allow, Decision, Deny, Pause, checked_decision
from chatport._json import parse_json
from chatport._signatures import InvalidArgumentsError
from chatport._tool_context import context_for
from chatport._tool_errors import denied_result, edited_result, error_result
from chatport._tool_policy import DEFAULT_TOOL_POLICY, ToolPolicy
from chatport._tool_results import describe_exception, result_of
from chatport._tools import CheckedFunction

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, MutableMapping, MutableSet, Sequence

    from chatport._messages import ToolCall, ToolErrorKind, ToolResult
    from chatport._request import Tool  # noqa: TC004 - nobody evaluates the annotations of `_Runner`
    from chatport._turn_watch import TurnWatch  # noqa: TC004 - as above

_LOGGER = logging.getLogger("chatport")
_NO_DECISIONS: Mapping[int, Decision] = {}


class _UnknownToolError(InvalidArgumentsError):
    """A call is of no tool on offer."""


async def run_tools(
    tools: Mapping[str, Tool],
    calls: Sequence[ToolCall],
    *,
    finished: MutableMapping[int, ToolResult] | None = None,
    begun: MutableSet[int] | None = None,
    watch: TurnWatch | None = None,
    policy: ToolPolicy = DEFAULT_TOOL_POLICY,
    decisions: Mapping[int, Decision] = _NO_DECISIONS,
) -> tuple[ToolResult, ...]:
    """Run the calls of one step together and return their results in the order of the calls.

    Each call gets a result. Where a call cannot be run (no such tool, arguments that are no JSON object or do not
    fit, nobody allows it), where the tool raises or takes too long, and where it returns what no model can be given,
    that is a result with `is_error` which tells the model. What a tool raises, what is wrong with what it returns and
    that it took too long is logged at the level WARNING.

    Args:
        tools: The tools on offer, by name.
        calls: The calls.
        finished: Filled with each result as soon as there is one, by the call's position; what it holds stays true
            when the run is broken off. A call whose result it holds already is not run.
        begun: Filled with the position of each call when its tool is about to be called.
        watch: Told of each call's begin and end, in the task that runs it.
        policy: How long a call may take, how many run at once, and what their contexts hold.
        decisions: What was said of each call, by its position; one that nobody was asked about is run.

    Raises:
        ValueError: A call is for a tool without a function, or was run by the service: nothing has run.
        BaseException: What a tool raises beside `Exception` ends the run and the other tools, as does cancellation.
    """
    results: MutableMapping[int, ToolResult] = {} if finished is None else finished
    open_calls = [(position, call) for position, call in enumerate(calls) if position not in results]
    _check_ours(tools, open_calls)
    runner = _Runner(tools, policy, watch)
    places = None if policy.max_parallel is None else anyio.Semaphore(policy.max_parallel)
    ended: BaseException | None = None

    async def run(position: int, call: ToolCall) -> None:
        nonlocal ended
        try:
            async with places or contextlib.nullcontext():
                begin = _nothing if begun is None else functools.partial(begun.add, position)
                results[position] = await runner.result(call, decisions.get(position), begin)
        except (KeyboardInterrupt, SystemExit) as error:
            # asyncio stops its loop where a task raises one of these, and once more where the task that waits for it
            # does: that leaves worker threads behind. So it is carried over and raised once, where the turn is run.
            ended = ended or error
            group.cancel_scope.cancel()

    try:
        async with anyio.create_task_group() as group:
            for position, call in open_calls:
                group.start_soon(run, position, call, name=f"chatport tool {call.name}")
    except BaseExceptionGroup as several:
        if len(several.exceptions) > 1:
            raise
        ended = next(iter(several.exceptions))
    if ended is not None:
        raise ended  # as itself: the group is our doing, and nobody who waits for a KeyboardInterrupt looks into one
    return tuple(results[position] for position in range(len(calls)))


def _check_ours(tools: Mapping[str, Tool], open_calls: Iterable[tuple[int, ToolCall]]) -> None:
    for _, call in open_calls:
        known = tools.get(call.name)
        if call.executed_by == "server" or (known is not None and known.function is None):
            raise ValueError(f"the call of {call.name!r} (id {call.id!r}) is not ours to run")


def _nothing() -> None:
    """Nobody wants to know."""


async def decide(
    tools: Mapping[str, Tool], calls: Sequence[ToolCall], policy: ToolPolicy, *, answered: Container[int] = ()
) -> Mapping[int, Decision] | None:
    """Ask about calls that could run, one after the other, before any of them does.

    Nobody is asked about a call that cannot run, such as one whose arguments do not fit: it gets its result anyway.

    Args:
        tools: The tools on offer, by name.
        calls: The calls of one step.
        policy: Who is asked.
        answered: Positions of calls that have a result already.

    Returns:
        What was said, by the call's position; None where the calls have to wait. The first `Pause` ends the asking.

    Raises:
        TypeError: What was said is no decision, or is said by a function that is not async.
        BaseException: What the one who is asked raises.
    """
    decisions: dict[int, Decision] = {}
    if policy.approve is None:
        return decisions
    for position, call in enumerate(calls):
        if position in answered or not _can_run(tools, call, policy):
            continue
        # A copy: what is done to its arguments must not change the history.
        asked = replace(call, arguments=copy.deepcopy(call.arguments))
        answer: object = policy.approve(asked)
        if not inspect.isawaitable(answer):
            message = f"approve= has to be an async function; asked about {call.name!r}, it returned {answer!r}"
            raise TypeError(message)
        decision = checked_decision(await answer, call)
        if isinstance(decision, Pause):
            return None
        decisions[position] = decision
    return decisions


def _can_run(tools: Mapping[str, Tool], call: ToolCall, policy: ToolPolicy) -> bool:
    try:
        _prepared(tools, call, policy)
    except InvalidArgumentsError:
        return False
    except Exception:  # noqa: BLE001 - a validator of the user's may raise anything; the run says so, and logs it
        return False
    return True


@dataclass(frozen=True, slots=True)
class _Runner:
    """Makes one call of a turn into its result."""

    tools: Mapping[str, Tool]
    policy: ToolPolicy
    watch: TurnWatch | None

    async def result(self, call: ToolCall, decision: Decision | None, begin: Callable[[], None]) -> ToolResult:
        match decision:
            case Deny(reason=reason):
                return denied_result(call, reason)
            case Allow(arguments=dict() as arguments):
                return await self._watched(replace(call, arguments=arguments), call, begin)
            case _:
                return await self._watched(call, call, begin)

    async def _watched(self, call: ToolCall, asked: ToolCall, begin: Callable[[], None]) -> ToolResult:
        """Run a call as it is to be run, and tell who watches of it, and of the result that the history gets."""
        started = time.perf_counter()
        result: ToolResult | None = None
        try:
            if self.watch is not None:
                self.watch.tool_run_start(call, asked)
            result = await self._in_time(call, begin)
            if call is not asked:
                result = edited_result(result, call.arguments)
            return result
        finally:
            if self.watch is not None:
                self.watch.tool_run_end(call, asked, result, started)

    async def _in_time(self, call: ToolCall, begin: Callable[[], None]) -> ToolResult:
        try:
            run = _prepared(self.tools, call, self.policy)
        except InvalidArgumentsError as error:
            kind: ToolErrorKind = "unknown-tool" if isinstance(error, _UnknownToolError) else "invalid-arguments"
            return error_result(call, str(error), kind)
        except Exception as error:  # noqa: BLE001 - a validator of the user's may raise anything
            return _failed(call, error)
        begin()
        limit = self.tools[call.name].timeout or self.policy.timeout
        if limit is None or limit == math.inf:
            return await _run_tool(run, call)
        with anyio.move_on_after(limit) as scope:
            result = await _run_tool(run, call)
            if scope.cancel_called:
                _LOGGER.warning("the tool %r ended after its %g seconds; nothing could stop it", call.name, limit)
            return result
        _LOGGER.warning("the tool %r took longer than its %g seconds, and was stopped", call.name, limit)
        return error_result(call, f"{call.name} took longer than {limit:g} seconds, and was stopped.", "timeout")


async def _run_tool(run: functools.partial[Any], call: ToolCall) -> ToolResult:
    try:
        return await _started(run, call)
    except Exception as error:  # noqa: BLE001 - whatever a tool raises goes to the model, and to the log
        return _failed(call, error)
    except anyio.get_cancelled_exc_class() as error:
        if anyio.current_effective_deadline() == -math.inf:
            raise
        # Nobody cancelled the run: the tool waited for a task of its own that was cancelled. On asyncio such an
        # exception would end the whole step without a word.
        return _failed(call, error)
    except BaseExceptionGroup as group:
        failures, passing = group.split(Exception)
        if failures is None or passing is None:
            raise
        # Together they would come out of the caller's cancel scope as an error of the turn.
        _failed(call, failures)
        raise passing from None


@dataclass(frozen=True, slots=True)
class _Later:
    """What a function that is not async left to be awaited; trio takes no bare coroutine out of a thread."""

    value: Awaitable[object]


async def _started(run: functools.partial[Any], call: ToolCall) -> ToolResult:
    if _is_async(run.func):
        return result_of(call, await run())
    try:
        outcome = await anyio.to_thread.run_sync(_run_in_thread, run, call)
    except anyio.get_cancelled_exc_class():
        # A thread that waits for the loop is told of a cancellation by a scope of anyio's. With anyio 4.11 no scope
        # around this task takes that for its own, and the step would end without a word: raise what theirs is.
        await anyio.lowlevel.checkpoint_if_cancelled()
        raise
    return result_of(call, await outcome.value) if isinstance(outcome, _Later) else outcome


def _run_in_thread(run: functools.partial[Any], call: ToolCall) -> ToolResult | _Later:
    """Run a function and make its result here, off the loop: it may be large, or a generator's."""
    try:
        value = run()
        return _Later(value) if inspect.isawaitable(value) else result_of(call, value)
    except Exception as error:  # noqa: BLE001 - as in _run_tool; a StopIteration would not leave the thread as itself
        return _failed(call, error)


def _prepared(tools: Mapping[str, Tool], call: ToolCall, policy: ToolPolicy) -> functools.partial[Any]:
    """Return the function with its arguments, and its context where it takes one.

    Raises:
        InvalidArgumentsError: There is no such tool, or the arguments do not fit.
    """
    known = tools.get(call.name)
    if known is None or known.function is None:
        names = ", ".join(tools) or "none"
        raise _UnknownToolError(f"There is no tool {call.name!r}. The tools are: {names}")
    if call.invalid_json is not None:
        raise InvalidArgumentsError(f"The arguments of {call.name} are no JSON object: {_flaw(call.invalid_json)}")
    try:
        if isinstance(known.function, CheckedFunction):
            parameters = known.function.parameters
            positional, keywords = parameters.bind(call.arguments)
            keywords.update(dict.fromkeys(parameters.contexts, context_for(policy.state, call)))
            return functools.partial(known.function.__wrapped__, *positional, **keywords)
        return _unchecked(known.function, call.arguments)
    except InvalidArgumentsError as error:
        raise InvalidArgumentsError(f"Invalid arguments for {call.name}:\n{error}") from error


def _unchecked(function: Callable[..., Any], arguments: Mapping[str, Any]) -> functools.partial[Any]:
    # A copy: what a tool does to its arguments must not change the history.
    run = functools.partial(function, **copy.deepcopy(dict(arguments)))
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return run  # written in C without a signature: it judges its arguments itself
    try:
        signature.bind(**arguments)
    except TypeError as error:
        raise InvalidArgumentsError(f"- {error}") from error
    return run


def _flaw(text: str) -> str:
    try:
        value = parse_json(text)
    except ValueError as error:
        return str(error)
    return f"it is a JSON {'array' if isinstance(value, list) else 'value'}"


def _failed(call: ToolCall, error: BaseException) -> ToolResult:
    _LOGGER.warning("the tool %r failed", call.name, exc_info=error)
    return error_result(call, describe_exception(error), "exception")


def _is_async(function: Callable[..., Any]) -> bool:
    while isinstance(function, functools.partial):
        function = function.func
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)
