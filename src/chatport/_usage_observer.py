"""An observer that adds up what turns take: by backend and model, in tokens and in money."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from chatport._cost import Cost, Prices
from chatport._events import MessageStart, Usage
from chatport._hook_specs import FailReason, TurnInfo, hookimpl

if TYPE_CHECKING:
    from chatport._reply import Step


@dataclass(frozen=True, slots=True)
class UsageRow:
    """What was taken, of one model or of all.

    Attributes:
        answers: How many answers came to their end.
        usage: The tokens.
        cost: The money; unknown where nobody was asked for prices.
    """

    answers: int = 0
    usage: Usage = field(default_factory=Usage)
    cost: Cost = field(default_factory=Cost)

    def __add__(self, other: UsageRow) -> UsageRow:
        """Add two rows up."""
        return UsageRow(self.answers + other.answers, self.usage + other.usage, self.cost + other.cost)


class UsageObserver:
    """Adds up what all sessions of the process take while it observes them, over all backends and models.

        usage = UsageObserver(LibraryPrices())
        with observe(usage):
            ...
        print(usage.total.cost.amount)

    An answer that began and did not come to its end has taken what nobody reports: it makes its row incomplete.
    """

    def __init__(self, prices: Prices | None = None) -> None:
        """Begin with nothing.

        Args:
            prices: Who says what answers cost, such as `LibraryPrices()`; None for tokens alone.
        """
        self._prices = prices
        self._rows: dict[tuple[str, str], UsageRow] = {}
        self._begun: dict[str, tuple[str, str]] = {}  # who has begun to answer, backend and model, by the turn's id
        self._lock = threading.Lock()  # sessions may run in several threads

    @property
    def rows(self) -> dict[tuple[str, str], UsageRow]:
        """What each model took: a copy, by the names of backend and model."""
        with self._lock:
            return dict(self._rows)

    @property
    def total(self) -> UsageRow:
        """What all of them took.

        Raises:
            ValueError: The prices are in several currencies, which have no sum.
        """
        total = UsageRow()
        for row in self.rows.values():
            total += row
        return total

    @hookimpl
    def chatport_message_start(self, turn: TurnInfo, start: MessageStart) -> None:
        """Note that an answer has begun."""
        with self._lock:
            self._begun[turn.id] = (start.backend or turn.backend, start.model or turn.model)

    @hookimpl
    def chatport_step_end(self, turn: TurnInfo, step: Step) -> None:
        """Add an answer."""
        # What an attempt took that broke off was added when it did.
        answerer = (step.backend or turn.backend, step.model or turn.model)
        self._add(turn, answerer, step.usage, answers=1)

    @hookimpl
    def chatport_request_fail(self, turn: TurnInfo, reason: FailReason) -> None:
        """Note what was taken and is not reported."""
        with self._lock:
            answerer = self._begun.get(turn.id)
        if answerer is not None or reason != "error":
            self._add(turn, answerer or (turn.backend, turn.model), Usage(complete=False), answers=0)

    def _add(self, turn: TurnInfo, answerer: tuple[str, str], usage: Usage, *, answers: int) -> None:
        cost = Cost()
        if self._prices is not None:
            cost = self._prices.cost(usage, backend=answerer[0], model=answerer[1])
        with self._lock:
            self._begun.pop(turn.id, None)
            self._rows[answerer] = self._rows.get(answerer, UsageRow()) + UsageRow(answers, usage, cost)
