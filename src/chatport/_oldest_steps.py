"""Which messages go first when there are too many, and what is left without them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Final, Literal, NamedTuple, TypeAlias

from chatport._adjustments import Adjustment
from chatport._estimate import estimate_tokens
from chatport._message_facts import MessageFacts
from chatport._messages import Message, ToolCall, ToolResult
from chatport._revision import Revision, is_question

Pinned: TypeAlias = Callable[[Message], bool]
"""Says of a message whether it has to stay."""

CountMessages: TypeAlias = Callable[[Sequence[Message]], int]
"""Says how many tokens messages have; of several it has to be the sum."""

_Turn: TypeAlias = tuple[list[int], list[list[int]]]


class _Outline(NamedTuple):
    """What decides what a message goes together with.

    Attributes:
        is_question: Whether the user asks something in it.
        called: Ids of calls that the service runs itself.
        answered: Ids of such calls that stand in messages before it, and whose results are here.
    """

    is_question: bool
    called: tuple[str, ...]
    answered: tuple[str, ...]


def drop_oldest_steps(
    messages: Sequence[Message],
    *,
    max_tokens: int,
    count: CountMessages = estimate_tokens,
    pinned: Pinned | None = None,
    batch_tokens: int = 1,
) -> Revision:
    """Return messages without the oldest steps, so that the rest has at most so many tokens.

    A step is an answer of the model with the results of the tools that it called, also where the service has run them
    and answers in another message: they go together or not at all. The oldest step of the oldest turn goes first; what
    the user said goes with the last step of its turn. What always stays is the system's, what the user said last, the
    step that is the last of all, and what is pinned, with the whole step and with what the user said before it. All
    that may be too long still: then nothing more is left out.

    A history that validates does so afterwards.

    Args:
        messages: A history, or the messages of a request.
        max_tokens: How many tokens the messages may have. A system prompt and tools are not among them.
        count: Who counts.
        pinned: Says of a message whether it has to stay; None pins none.
        batch_tokens: How many tokens to leave out at a time, at least. In a long conversation the beginning of what is
            sent then changes once in so many tokens, and not in every turn; in between, what a service has cached of
            it stays good.

    Raises:
        ValueError: A number makes no sense.
    """
    if max_tokens < 1 or batch_tokens < 1:
        message = f"max_tokens and batch_tokens must be at least 1, not {max_tokens} and {batch_tokens}"
        raise ValueError(message)
    given = tuple(messages)
    excess = total(given, count) - max_tokens
    dropped = places_to_drop(given, -(-excess // batch_tokens) * batch_tokens, count=count, pinned=pinned)
    what = f"the oldest messages are left out, for the rest to have at most {max_tokens} tokens"
    return Revision(without(given, dropped), notes_of(dropped, "dropped", "oldest-steps-dropped", what))


def places_to_drop(
    messages: Sequence[Message], excess: int, *, count: CountMessages, pinned: Pinned | None
) -> tuple[int, ...]:
    """Return the places of the oldest steps that have so many tokens together, or of all that may go."""
    dropped: list[int] = []
    if excess <= 0:
        return ()
    for step in oldest_steps(messages, pinned):
        excess -= total([messages[place] for place in step], count)
        dropped += step
        if excess <= 0:
            break
    return tuple(sorted(dropped))


def total(messages: Iterable[Message], count: CountMessages) -> int:
    """Return how many tokens messages have, each counted by itself."""
    if count is estimate_tokens:
        return estimate_tokens(messages)
    return sum(count((message,)) for message in messages)


def oldest_steps(messages: Sequence[Message], pinned: Pinned | None) -> Iterator[list[int]]:
    """Yield what may go, as places of messages that go together, those to go first at the beginning."""
    outlines = [_outline(message) for message in messages]
    served = _served(outlines)
    # A service may answer a call of its own in a later message, even a later turn: without the call that is no answer.
    held = {
        call
        for place, calls in served.items()
        for call in calls
        if any(each.is_question for each in outlines[call + 1 : place])
    }

    def may_go(places: Iterable[int]) -> bool:
        return not (held and held.intersection(places)) and (
            pinned is None or not any(pinned(messages[place]) for place in places)
        )

    turn: _Turn | None = None
    for following in _turns(messages, outlines, served):
        if turn is not None:
            yield from _steps_of(turn, may_go)
        turn = following
    if turn is not None:
        # Of the newest turn the question stays, and the last step.
        yield from filter(may_go, turn[1][:-1])


def _steps_of(turn: _Turn, may_go: Callable[[Iterable[int]], bool]) -> list[list[int]]:
    head, steps = turn
    free = [step for step in steps if may_go(step)]
    if len(free) < len(steps) or not may_go(head):
        return free
    return [*free[:-1], [*head, *(free[-1] if free else [])]]


def _turns(
    messages: Sequence[Message], outlines: Sequence[_Outline], served: Mapping[int, set[int]]
) -> Iterator[_Turn]:
    """Yield the places of each turn's messages: what the user said, and each step with the results behind it."""
    head: list[int] = []
    steps: list[list[int]] = []
    for place, message in enumerate(messages):
        if message.role == "system":
            continue
        if outlines[place].is_question:
            if head or steps:
                yield head, steps
            head, steps = [place], []
        # What stands before the first words of a user stays together: its first message may be why the rest is valid.
        elif not steps or (head and message.role == "assistant"):
            steps.append([place])
            if place in served:
                _join(steps, served[place])
        else:
            steps[-1].append(place)
    if head or steps:
        yield head, steps


def _join(steps: list[list[int]], calls: set[int]) -> None:
    """Make one step of those of a turn from the first with one of these messages; they may be of an older turn."""
    first = next((number for number, step in enumerate(steps) if calls.intersection(step)), len(steps) - 1)
    steps[first:] = [[each for step in steps[first:] for each in step]]


def _outline_of(message: Message) -> _Outline:
    called: list[str] = []
    answered: list[str] = []
    if message.role == "assistant":
        for part in message.parts:
            if isinstance(part, ToolCall) and part.executed_by == "server":
                called.append(part.id)
            elif isinstance(part, ToolResult) and part.id not in called:
                answered.append(part.id)
    return _Outline(is_question(message), tuple(called), tuple(answered))


_outline: Final = MessageFacts(_outline_of)


def _served(outlines: Sequence[_Outline]) -> dict[int, set[int]]:
    """Return, for each message that answers a service's calls of older messages, the places of those messages."""
    called: dict[str, int] = {}
    served: dict[int, set[int]] = {}
    for place, outline in enumerate(outlines):
        if outline.answered and (calls := {called[id_] for id_ in outline.answered if id_ in called}):
            served[place] = calls
        for id_ in outline.called:
            called[id_] = place
    return served


def without(messages: Sequence[Message], dropped: Iterable[int]) -> tuple[Message, ...]:
    """Return messages without those at some places."""
    gone = set(dropped)
    return tuple(message for place, message in enumerate(messages) if place not in gone)


def notes_of(
    dropped: Sequence[int], kind: Literal["changed", "dropped"], code: str, what: str
) -> tuple[Adjustment, ...]:
    """Return a note for each row of places."""
    notes: list[Adjustment] = []
    for _, row in groupby(enumerate(dropped), key=lambda entry: entry[1] - entry[0]):
        places = [place for _, place in row]
        path = f"messages[{places[0]}]" if len(places) == 1 else f"messages[{places[0]}:{places[-1] + 1}]"
        notes.append(Adjustment(kind, code, path, what))
    return tuple(notes)
