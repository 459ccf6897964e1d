"""What something cost in money, as far as known, and who can say it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Iterable
    from decimal import Decimal  # noqa: TC004 - nobody evaluates the annotation of `Cost`

    from chatport._events import Usage


@dataclass(frozen=True, slots=True)
class Cost:
    """What something cost in money. It is an estimate: prices change, and contracts differ.

    Attributes:
        amount: What is known of it; None where nothing is known, which is not 0.
        currency: The currency's code, of ISO 4217.
        complete: False where a part is not known, so that `amount` is the least that it can be.
        reasons: Why it is not complete, each reason once.
    """

    amount: Decimal | None = None
    currency: str = "USD"
    complete: bool = True
    reasons: tuple[str, ...] = ()

    def __add__(self, other: Cost) -> Cost:
        """Add two costs up; what is known of neither stays unknown.

        Raises:
            ValueError: They are in two currencies.
        """
        if self.currency != other.currency and None not in {self.amount, other.amount}:
            message = f"a cost in {self.currency} and one in {other.currency} have no sum: nobody knows the rate"
            raise ValueError(message)
        amount, currency = self.amount, self.currency
        if amount is None:
            amount, currency = other.amount, other.currency if other.amount is not None else self.currency
        elif other.amount is not None:
            amount += other.amount
        reasons = tuple(dict.fromkeys((*self.reasons, *other.reasons)))
        return Cost(amount, currency, self.complete and other.complete, reasons)

    @classmethod
    def sum(cls, costs: Iterable[Cost]) -> Cost:
        """Add costs up; the sum of none is unknown.

        Raises:
            ValueError: They are in several currencies.
        """
        rows = tuple(costs)
        total = rows[0] if rows else cls()
        for cost in rows[1:]:
            total += cost
        return total

    @classmethod
    def unknown(cls, reason: str, *, currency: str = "USD") -> Cost:
        """Return a cost of which nothing is known, for a reason."""
        return cls(None, currency, complete=False, reasons=(reason,))


@runtime_checkable
class Prices(Protocol):
    """Who can say what an answer cost: `LibraryPrices`, or any object of yours with this method."""

    def cost(self, usage: Usage, *, backend: str, model: str) -> Cost:
        """Return what an answer cost, without any I/O.

        Args:
            usage: What it cost in tokens. Without a token spent it asks whether the price is known at all.
            backend: The name of the backend that gave it.
            model: The model that gave it, as far as known; else the one that was asked.
        """
        ...
