"""The running of tools: the calls of one step, together."""

from __future__ import annotations

import copy
import functools
import inspect
import logging
import math
import time
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread

from chatport._json import parse_json
from chatport._signatures import InvalidArgumentsError
from chatport._tool_results import describe_exception, error_result, result_of
from chatport._tools import CheckedFunction

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, MutableMapping, Sequence

    from chatport._messages import ToolCall, ToolResult
    from chatport._request import Tool
    from chatport._turn_watch import TurnWatch

_LOGGER = logging.getLogger("chatport")


async def run_tools(
    tools: Mapping[str, Tool],
    calls: Sequence[ToolCall],
    *,
    finished: MutableMapping[int, ToolResult] | None = None,
    watch: TurnWatch | None = None,
) -> tuple[ToolResult, ...]:
    """Run the calls of one step together and return their results in the order of the calls.

    Each call gets a result. Where a call cannot be run (no such tool, arguments that are no JSON object or do not
    fit), where the tool raises, and where it returns what no model can be given, that is a result with `is_error`
    which tells the model. What a tool raises, and what is wrong with what it returns, is logged at the level WARNING.

    Args:
        tools: The tools on offer, by name.
        calls: The calls.
        finished: Filled with each result as soon as there is one, by the call's position; what it holds stays true
            when the run is broken off.
        watch: Told of each call's begin and end, in the task that runs it.

    Raises:
        ValueError: A call is for a tool without a function, or was run by the service: nothing has run.
        BaseException: What a tool raises beside `Exception` ends the run and the other tools, as does cancellation.
    """
    for call in calls:
        known = tools.get(call.name)
        if call.executed_by == "server" or (known is not None and known.function is None):
            raise ValueError(f"the call of {call.name!r} (id {call.id!r}) is not ours to run")
    results: MutableMapping[int, ToolResult] = {} if finished is None else finished
    ended: BaseException | None = None

    async def run(position: int, call: ToolCall) -> None:
        nonlocal ended
        try:
            results[position] = await (_watched(watch, tools, call) if watch else _run_tool(tools, call))
        except (KeyboardInterrupt, SystemExit) as error:
            # asyncio stops its loop where a task raises one of these, and once more where the task that waits for it
            # does: that leaves worker threads behind. So it is carried over and raised once, where the turn is run.
            ended = ended or error
            group.cancel_scope.cancel()

    try:
        async with anyio.create_task_group() as group:
            for position, call in enumerate(calls):
                group.start_soon(run, position, call, name=f"chatport tool {call.name}")
    except BaseExceptionGroup as several:
        if len(several.exceptions) > 1:
            raise
        ended = next(iter(several.exceptions))
    if ended is not None:
        raise ended  # as itself: the group is our doing, and nobody who waits for a KeyboardInterrupt looks into one
    return tuple(results[position] for position in range(len(calls)))


async def _watched(watch: TurnWatch, tools: Mapping[str, Tool], call: ToolCall) -> ToolResult:
    started = time.perf_counter()
    result: ToolResult | None = None
    try:
        watch.tool_run_start(call)
        result = await _run_tool(tools, call)
        return result
    finally:
        watch.tool_run_end(call, result, started)


async def _run_tool(tools: Mapping[str, Tool], call: ToolCall) -> ToolResult:
    try:
        return await _started(_prepared(tools, call), call)
    except InvalidArgumentsError as error:
        return error_result(call, str(error))
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
    outcome = await anyio.to_thread.run_sync(_run_in_thread, run, call)
    return result_of(call, await outcome.value) if isinstance(outcome, _Later) else outcome


def _run_in_thread(run: functools.partial[Any], call: ToolCall) -> ToolResult | _Later:
    """Run a function and make its result here, off the loop: it may be large, or a generator's."""
    try:
        value = run()
        return _Later(value) if inspect.isawaitable(value) else result_of(call, value)
    except Exception as error:  # noqa: BLE001 - as in _run_tool; a StopIteration would not leave the thread as itself
        return _failed(call, error)


def _prepared(tools: Mapping[str, Tool], call: ToolCall) -> functools.partial[Any]:
    """Return the function with its arguments.

    Raises:
        InvalidArgumentsError: There is no such tool, or the arguments do not fit.
    """
    known = tools.get(call.name)
    if known is None or known.function is None:
        names = ", ".join(tools) or "none"
        raise InvalidArgumentsError(f"There is no tool {call.name!r}. The tools are: {names}")
    if call.invalid_json is not None:
        raise InvalidArgumentsError(f"The arguments of {call.name} are no JSON object: {_flaw(call.invalid_json)}")
    try:
        if isinstance(known.function, CheckedFunction):
            positional, keywords = known.function.parameters.bind(call.arguments)
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
    return error_result(call, describe_exception(error))


def _is_async(function: Callable[..., Any]) -> bool:
    while isinstance(function, functools.partial):
        function = function.func
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)
