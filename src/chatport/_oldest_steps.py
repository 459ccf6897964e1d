"""Which messages go first when there are too many, and what is left without them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from typing import Literal, TypeAlias

from chatport._adjustments import Adjustment
from chatport._estimate import estimate_tokens
from chatport._messages import Message
from chatport._revision import Revision, begins_turn

Pinned: TypeAlias = Callable[[Message], bool]
"""Says of a message whether it has to stay."""

CountMessages: TypeAlias = Callable[[Sequence[Message]], int]
"""Says how many tokens messages have; of several it has to be the sum."""

_Turn: TypeAlias = tuple[list[int], list[list[int]]]


def drop_oldest_steps(
    messages: Sequence[Message],
    *,
    max_tokens: int,
    count: CountMessages = estimate_tokens,
    pinned: Pinned | None = None,
    batch_tokens: int = 1,
) -> Revision:
    """Return messages without the oldest steps, so that the rest has at most so many tokens.

    A step is an answer of the model with the results of the tools that it called: they go together or not at all. The
    oldest step of the oldest turn goes first; what the user said goes with the last step of its turn. What always stays
    is the system's, what the user said last, the step that is the last of all, and what is pinned, with the whole step
    and with what the user said before it. All that may be too long still: then nothing more is left out.

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
    excess = sum(count((message,)) for message in given) - max_tokens
    dropped = places_to_drop(given, -(-excess // batch_tokens) * batch_tokens, count=count, pinned=pinned)
    what = f"the oldest messages are left out, for the rest to have at most {max_tokens} tokens"
    return Revision(without(given, dropped), notes_of(dropped, "dropped", "oldest-steps-dropped", what))


def places_to_drop(
    messages: Sequence[Message], excess: int, *, count: CountMessages, pinned: Pinned | None
) -> tuple[int, ...]:
    """Return the places of the oldest steps that have so many tokens together, or of all that may go."""
    dropped: list[int] = []
    for step in oldest_steps(messages, pinned):
        if excess <= 0:
            break
        excess -= sum(count((messages[place],)) for place in step)
        dropped += step
    return tuple(sorted(dropped))


def oldest_steps(messages: Sequence[Message], pinned: Pinned | None) -> list[list[int]]:
    """Return what may go, as places of messages that go together, those to go first at the beginning."""

    def may_go(places: Iterable[int]) -> bool:
        return pinned is None or not any(pinned(messages[place]) for place in places)

    turns = _turns(messages)
    found: list[list[int]] = []
    for head, steps in turns[:-1]:
        free = [step for step in steps if may_go(step)]
        if len(free) == len(steps) and may_go(head):
            found += [*free[:-1], [*head, *(free[-1] if free else [])]]
        else:
            found += free
    if turns:
        found += [step for step in turns[-1][1][:-1] if may_go(step)]
    return found


def _turns(messages: Sequence[Message]) -> list[_Turn]:
    """Return the places of each turn's messages: what the user said, and each step with the results behind it."""
    turns: list[_Turn] = []
    for place, message in enumerate(messages):
        if message.role == "system":
            continue
        if begins_turn(message):
            turns.append(([place], []))
            continue
        if not turns:
            turns.append(([], []))
        head, steps = turns[-1]
        # What stands before the first words of a user stays together: its first message may be why the rest is valid.
        if not steps or (head and message.role == "assistant"):
            steps.append([place])
        else:
            steps[-1].append(place)
    return turns


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
