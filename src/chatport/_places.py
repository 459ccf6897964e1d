"""Where messages that are sent stand in the history, for whoever reads what was said of them."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import groupby
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from chatport._adjustments import Adjustment
    from chatport._errors import UnsupportedError
    from chatport._messages import Message

_NUMBERED: Final = re.compile(r"(?<![\w.])messages\[(\d+)(?::(\d+))?\]")


class Places:
    """Where messages of a request stand in a history.

    Backends, and windows, count the messages that they are given; who reads what they say of them looks into the
    history. A message that is in both is the same object, and has a number. One that a window has made stands for what
    is between its neighbours: `messages[1:5]`, or `messages[5:5]` where it stands for nothing, just before
    `messages[5]`. Where it has made as many as there were, each stands for one.
    """

    def __init__(self, history: Sequence[Message], sent: Sequence[Message]) -> None:
        """Keep both; nothing is looked for before it is asked for.

        Args:
            history: The messages as a reader counts them.
            sent: The messages as they are counted in what is to be renumbered.
        """
        self._history = history
        self._sent = sent

    def text(self, text: str) -> str:
        """Return text, such as a path, with the numbers of the history."""
        return _NUMBERED.sub(self._renumbered, text)

    def adjustments(self, adjustments: Iterable[Adjustment]) -> tuple[Adjustment, ...]:
        """Return adjustments with the numbers of the history."""
        return tuple(
            replace(adjustment, path=self.text(adjustment.path), message=self.text(adjustment.message))
            for adjustment in adjustments
        )

    def refusal(self, error: UnsupportedError) -> UnsupportedError:
        """Return an error with the numbers of the history.

        It is another one of the same kind: a backend may raise one and the same error again.
        """
        kind = type(error)
        told = kind.__new__(kind, *(self.text(said) if isinstance(said, str) else said for said in error.args))
        told.__dict__.update(error.__dict__)
        told.adjustments = self.adjustments(error.adjustments)
        return told.with_traceback(error.__traceback__)

    def _renumbered(self, found: re.Match[str]) -> str:
        first = int(found[1])
        end = first + 1 if found[2] is None else int(found[2])
        if not first < end <= len(self._slices):
            return found[0]  # it counts something else
        start, stop = self._slices[first].start, self._slices[end - 1].stop
        return f"messages[{start}]" if stop - start == 1 else f"messages[{start}:{stop}]"

    @cached_property
    def _slices(self) -> list[range]:
        """What of the history each message stands for."""
        slices: list[range] = []
        found = list(zip(_numbers(self._history, self._sent), self._sent, strict=True))
        for is_known, row in groupby(found, key=lambda entry: entry[0] is not None):
            numbers = [number for number, _ in row]
            if is_known:
                slices += [range(number, number + 1) for number in numbers if number is not None]
                continue
            start = slices[-1].stop if slices else 0
            following = len(slices) + len(numbers)
            after = found[following][0] if following < len(found) else len(self._history)
            stop = start if after is None else max(start, after)
            slices += _shared(range(start, stop), len(numbers))
        return slices


def _shared(between: range, count: int) -> Iterator[range]:
    """Yield what each of so many messages stands for, that stand in the place of those between two others."""
    if len(between) == count:
        yield from (range(number, number + 1) for number in between)
    else:
        yield from (between for _ in range(count))


def _numbers(history: Sequence[Message], sent: Sequence[Message]) -> list[int | None]:
    """Return the number of each message in the history; None for one that is not there.

    One object may be in a history several times. Windows leave out what is old: it is the latest that still fits.
    """
    known: dict[int, list[int]] = {}
    for number, message in enumerate(history):
        known.setdefault(id(message), []).append(number)
    numbers: list[int | None] = []
    following = len(history)
    for message in reversed(sent):
        numbered = known.get(id(message))
        if numbered is None:
            numbers.append(None)
            continue
        following = numbered[bisect_left(numbered, following) - 1]  # the last one where none is before
        numbers.append(following)
    return numbers[::-1]
