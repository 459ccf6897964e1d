"""What a caller says in a turn becomes messages that fit the history; what was left of a turn becomes valid history."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chatport._messages import Content, Message, Part, Reasoning, Text, ToolCall, ToolResult, parts_of
from chatport._tool_errors import interrupted_result, unbegun_result

if TYPE_CHECKING:
    from chatport._reply import Partial
    from chatport._request import Tool


def pending_calls(messages: Sequence[Message]) -> tuple[ToolCall, ...]:
    """Return the calls at the end of a history that no result answers yet."""
    answered: set[str] = set()
    for message in reversed(messages):
        if message.role == "assistant":
            return tuple(call for call in message.tool_calls if call.id not in answered)
        answered.update(part.id for part in message.parts if isinstance(part, ToolResult))
    return ()


def turn_messages(history: Sequence[Message], contents: Sequence[Content]) -> tuple[Message, ...]:
    """Return a turn's content as messages: results in one `tool` message, the rest in a `user` message after it.

    Args:
        history: The conversation so far.
        contents: What the caller gave.

    Raises:
        TypeError: Something is neither a str nor a part.
        ValueError: A call of the model is left without a result, a result answers no call, or there is nothing to
            say and nothing in the history to answer.
    """
    parts = parts_of(contents)
    results = [part for part in parts if isinstance(part, ToolResult)]
    rest = tuple(part for part in parts if not isinstance(part, ToolResult))
    pending = pending_calls(history)
    ordered = _match_results(pending, results) if pending or results else ()
    messages: list[Message] = []
    if ordered:
        messages.append(Message("tool", ordered))
    if rest:
        messages.append(Message("user", rest))
    if not messages and (not history or history[-1].role == "assistant"):
        message = "there is nothing to ask: give some content"
        raise ValueError(message)
    return tuple(messages)


def _match_results(pending: Sequence[ToolCall], results: Sequence[ToolResult]) -> tuple[ToolResult, ...]:
    """Return the results in the order of the calls they answer."""
    by_id = results_by_id(pending, results)
    missing = [call for call in pending if call.id not in by_id]
    if missing:
        raise _unanswered(missing)
    return tuple(by_id[call.id] for call in pending)


def _unanswered(missing: Sequence[ToolCall]) -> ValueError:
    names = ", ".join(f"{call.name!r} (id {call.id!r})" for call in missing)
    return ValueError(f"the model waits for the result of {names}: give a ToolResult for each call")


def results_by_id(pending: Sequence[ToolCall], results: Sequence[ToolResult]) -> dict[str, ToolResult]:
    """Return results by the call they answer.

    Raises:
        ValueError: Two answer the same call, one answers none, or one could answer two.
    """
    by_id = {result.id: result for result in results}
    if len(by_id) != len(results):
        ids = [result.id for result in results]
        twice = ", ".join(sorted(repr(id_) for id_ in by_id if ids.count(id_) > 1))
        message = f"two results carry the same id: {twice}"
        raise ValueError(message)
    unknown = by_id.keys() - {call.id for call in pending}
    if unknown:
        message = f"no call waits for the result {', '.join(repr(id_) for id_ in sorted(unknown))}"
        raise ValueError(message)
    waiting = Counter(call.id for call in pending)
    if shared := [id_ for id_ in by_id if waiting[id_] > 1]:
        message = (
            f"two calls wait under the id {shared[0]!r}, so nobody knows which of them the result answers: "
            "`repair_messages(messages, allow_pending=True)` gives one of them another id"
        )
        raise ValueError(message)
    return by_id


@dataclass(frozen=True, slots=True)
class OpenCalls:
    """Calls at the end of a history that a turn is to answer before it asks the model again.

    Attributes:
        message: The model's message with the calls.
        given: Results that the caller has for some of them, by the call's id.
    """

    message: Message
    given: Mapping[str, ToolResult]


def open_calls(history: Sequence[Message], results: Sequence[ToolResult], tools: Sequence[Tool]) -> OpenCalls:
    """Return the calls at the end of a history, for a turn that goes on there.

    Raises:
        TypeError: Something is no result.
        ValueError: There are none, a result answers none of them, or one is left that no tool on offer can answer.
    """
    for result in results:
        if not isinstance(result, ToolResult):
            message = f"a turn that goes on at its calls takes results of tools, not a {type(result).__name__}"
            raise TypeError(message)
    if not history or history[-1].role != "assistant" or not (calls := history[-1].tool_calls):
        message = "no call waits at the end of this history, so there is nothing to resume"
        raise ValueError(message)
    given = results_by_id(calls, results)
    manual = {tool.name for tool in tools if tool.function is None}
    left = [call for call in calls if call.id not in given and (not tools or call.name in manual)]
    if left:
        raise _unanswered(left)
    return OpenCalls(history[-1], given)


def kept_messages(history: Sequence[Message], partial: Partial, *, allow_pending: bool = False) -> tuple[Message, ...]:
    """Return what is left of a turn as valid history, to stand behind the history that is there.

    Of an unfinished message, empty text is left out, and what would be refused when it is sent again: reasoning that
    nobody signed, whose signature may be cut, or that nothing follows; a call that the service was still running. Calls
    without a result get one that says they were interrupted.

    Args:
        history: What it is to stand behind.
        partial: The turn.
        allow_pending: Whether calls stay open instead where the message is whole and none of them was begun.

    Raises:
        ValueError: The turn stands in the history already, or does not fit behind it.
    """
    messages = list(partial.messages)
    if not messages:
        return ()
    _check_fit(history, messages[0])
    if partial.unfinished and messages[-1].role == "assistant":
        parts = _kept_parts(messages.pop().parts)
        if parts:
            messages.append(Message("assistant", parts))
    may_wait = allow_pending and not partial.unfinished and messages[-1].role == "assistant"
    if pending_calls(messages) and not may_wait:
        given = messages.pop().parts if messages[-1].role == "tool" else ()
        messages.append(Message("tool", _closed(messages[-1].tool_calls, given)))
    return tuple(messages)


def _check_fit(history: Sequence[Message], first: Message) -> None:
    """Refuse a turn by its first message: is it there, and does it answer the calls that wait for results?"""
    if any(message is first for message in history):
        message = "this turn stands in the history already"
        raise ValueError(message)
    waiting = {call.id for call in pending_calls(history)}
    given = first.parts if first.role == "tool" else ()
    answered = {part.id for part in given if isinstance(part, ToolResult)}
    if waiting != answered:
        message = "this turn belongs behind another history: it does not answer the calls that wait for results here"
        raise ValueError(message)


def _closed(calls: Sequence[ToolCall], given: Sequence[Part]) -> tuple[ToolResult, ...]:
    """Return a result for each call, in the order of the calls: the one that is given, or that it was interrupted.

    A turn that has begun to answer calls has a result for each: where there is none at all, nothing was begun.
    """
    results = {part.id: part for part in given if isinstance(part, ToolResult)}
    closed = interrupted_result if results else unbegun_result
    return tuple(results.get(call.id) or closed(call) for call in calls)


def _kept_parts(parts: Sequence[Part]) -> tuple[Part, ...]:
    served = {part.id for part in parts if isinstance(part, ToolResult)}
    kept: list[Part] = []
    for part in reversed(parts):
        match part:
            case Text(text="") if not part.citations:
                continue
            case Reasoning():
                proven = part.signature is not None or part.redacted is not None
                if proven and kept:
                    kept.append(part)
            case ToolCall(executed_by="server") if part.id not in served:
                continue
            case _:
                kept.append(part)
    return tuple(reversed(kept))
