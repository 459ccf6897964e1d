"""What a session or a turn may spend, and the look at what is spent before each request."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Protocol

from chatport._cost import Cost, Prices
from chatport._errors import UsageLimitError
from chatport._events import Usage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from chatport._errors import LimitName, LimitScope

_NOTHING = Usage(0, 0, total_tokens=0)


class _Named(Protocol):
    @property
    def name(self) -> str: ...


@dataclass(frozen=True, slots=True)
class UsageLimits:
    """What a session or a turn may spend; each limit that is not None holds.

    Before each request, and before tools run whose results the next request would take, what has been spent is looked
    at; where a limit is reached, `UsageLimitError` is raised and nothing more is sent. How much an answer will take is
    not known before it is there: the last one may pass a limit, by as much as `Settings.max_tokens` and the length of
    its input allow.

    Of a session that is stored, the tokens that it has spent before count too, by the sum that the store has. Requests
    and money are not stored: those limits are on what is spent from the opening of the session on.

    Attributes:
        tokens: How many tokens, of input and output together, a whole number.
        requests: How many requests, repeated ones included.
        cost: How much money, in the currency of `prices`.
        prices: Who says what answers cost, such as `LibraryPrices()`. Asked about is the backend that answers, also
            where another one has passed the request on; before a request, all that may answer it.
    """

    tokens: int | None = None
    requests: int | None = None
    cost: Decimal | float | None = None
    prices: Prices | None = None

    def __post_init__(self) -> None:
        """Check the limits.

        Raises:
            ValueError: A limit allows nothing at all, or one on the cost comes without prices.
            TypeError: A limit is no number, or no whole one where things are counted; `prices` cannot say a cost.
        """
        _check_limit("tokens", self.tokens, (int,), "a whole number")
        _check_limit("requests", self.requests, (int,), "a whole number")
        _check_limit("cost", self.cost, (int, float, Decimal), "a number")
        if self.cost is not None and self.prices is None:
            message = "a limit on the cost needs prices=, such as LibraryPrices()"
            raise ValueError(message)
        if self.prices is not None and not isinstance(self.prices, Prices):
            message = f"prices must have the method cost, which a {type(self.prices).__name__} has not"
            raise TypeError(message)


@dataclass(frozen=True, slots=True)
class AnswerUsage:
    """What one answer took.

    Attributes:
        backend: Who gave it, or was about to.
        model: The same for the model.
        usage: The tokens.
        finished: Whether it came to its end; what was cut off reports less than it took, or nothing.
    """

    backend: str
    model: str
    usage: Usage
    finished: bool = True


@dataclass(frozen=True, slots=True)
class Spending:
    """What was spent.

    Attributes:
        requests: How many requests were sent.
        answers: What the answers took.
    """

    requests: int = 0
    answers: tuple[AnswerUsage, ...] = ()


class Allowance:
    """Limits, and what was spent under them before the turn that is under way.

    Attributes:
        limits: The limits.
    """

    def __init__(self, limits: UsageLimits, scope: LimitScope) -> None:
        """Begin with nothing spent."""
        self.limits = limits
        self._scope: LimitScope = scope
        self._requests = 0
        self._tokens = 0
        self._cost = Cost()
        self._silent: str | None = None  # why nobody can say how many tokens were spent
        self._unpriced: str | None = None  # why nobody can say how much money was spent

    def settle(self, spending: Spending) -> None:
        """Add a turn that has ended. What was cut off in it counts for as much as is known of it."""
        self._requests += spending.requests
        self._tokens += _tokens(spending)
        self._silent = self._silent or _silence(spending)
        costs = self._costs(spending)
        self._cost = Cost.sum((self._cost, *costs))
        self._unpriced = self._unpriced or _gap(spending, costs)

    def begin_with(self, usage: Usage, silence: str | None) -> None:
        """Take what a store says was spent of tokens, which includes all that was settled here before.

        Args:
            usage: The sum of the session.
            silence: Why nobody can say how many tokens these are; None where somebody can.
        """
        self._tokens = usage.known_tokens or 0
        self._silent = self._silent or silence

    def check(self, spending: Spending, answerers: Iterable[tuple[str, str]]) -> None:
        """Look whether another request may be sent.

        Args:
            spending: What the turn under way has spent.
            answerers: Who may answer it: names of backends and models.

        Raises:
            UsageLimitError: A limit is reached, or nobody can say whether it is.
        """
        limits = self.limits
        requests = self._requests + spending.requests
        if limits.requests is not None and requests >= limits.requests:
            raise self._reached("requests", f"{requests} of {limits.requests} requests are sent")
        if limits.tokens is not None:
            if (reason := self._silent or _silence(spending)) is not None:
                raise self._reached("tokens", f"a limit of {limits.tokens} tokens cannot be kept: {reason}")
            if (tokens := self._tokens + _tokens(spending)) >= limits.tokens:
                raise self._reached("tokens", f"{tokens} of {limits.tokens} tokens are spent")
        if limits.cost is not None:
            following = tuple(AnswerUsage(backend, model, _NOTHING) for backend, model in answerers)
            self._check_cost(limits.cost, spending, following)

    def _check_cost(self, limit: Decimal | float, spending: Spending, following: tuple[AnswerUsage, ...]) -> None:
        spending = Spending(spending.requests, (*spending.answers, *following))
        costs = self._costs(spending)
        if (reason := self._unpriced or _gap(spending, costs)) is not None:
            raise self._reached("cost", f"a limit of {limit} cannot be kept: {reason}")
        total = Cost.sum((self._cost, *costs))
        if total.amount is not None and total.amount >= limit:
            raise self._reached("cost", f"{total.amount} of {limit} {total.currency} are spent")

    def _costs(self, spending: Spending) -> tuple[Cost, ...]:
        prices = self.limits.prices
        if prices is None or self.limits.cost is None:
            return ()
        return tuple(prices.cost(row.usage, backend=row.backend, model=row.model) for row in spending.answers)

    def _reached(self, limit: LimitName, what: str) -> UsageLimitError:
        return UsageLimitError(f"usage limit of the {self._scope}: {what}", limit=limit, scope=self._scope)


def possible_answers(backend: _Named, model: str) -> tuple[tuple[str, str], ...]:
    """Return who may answer when a backend is asked: names of backends and models.

    Prices are those of who answers. Before that is known, all who may have to have one: a limit could not be kept else.
    """
    named: Callable[[str], Iterable[tuple[str, str]]] | None = getattr(backend, "possible_answers", None)
    return ((backend.name, model),) if named is None else tuple(named(model))


def session_allowance(limits: UsageLimits | None) -> Allowance | None:
    """Return what a session may spend; None where it has no limits."""
    return None if limits is None else Allowance(limits, "session")


def turn_allowances(session: Allowance | None, limits: UsageLimits | None) -> tuple[Allowance, ...]:
    """Return what a turn may spend, by its session's limits and by its own.

    Raises:
        TypeError: The limits are something else.
    """
    limits = checked_limits(limits)
    own = None if limits is None else Allowance(limits, "turn")
    return tuple(allowance for allowance in (session, own) if allowance is not None)


def _check_limit(name: str, limit: object, kinds: tuple[type, ...], what: str) -> None:
    if limit is None:
        return
    if isinstance(limit, bool) or not isinstance(limit, kinds):
        message = f"{name} of UsageLimits must be {what}, or None for no limit, not {limit!r}"
        raise TypeError(message)
    if math.isnan(limit) or limit <= 0:  # type: ignore[arg-type,operator]  # it is one of the kinds
        message = f"{name} must be more than 0, or None for no limit, not {limit}"
        raise ValueError(message)


def checked_limits(limits: UsageLimits | None) -> UsageLimits | None:
    """Return limits that are some.

    Raises:
        TypeError: They are something else.
    """
    if limits is not None and not isinstance(limits, UsageLimits):
        message = f"usage_limits must be a UsageLimits or None, not a {type(limits).__name__}"
        raise TypeError(message)
    return limits


def _tokens(spending: Spending) -> int:
    return sum(row.usage.known_tokens or 0 for row in spending.answers)


def _silence(spending: Spending) -> str | None:
    """Why the tokens of an answer that came to its end are not known."""
    for row in spending.answers:
        if row.finished and row.usage.known_tokens is None:
            return f"{row.backend}:{row.model} has not reported how many tokens it took"
    return None


def _gap(spending: Spending, costs: tuple[Cost, ...]) -> str | None:
    """Why the cost of an answer that came to its end is not known."""
    for row, cost in zip(spending.answers, costs, strict=False):  # without a limit on the cost there are none
        if row.finished and cost.amount is None:
            return "; ".join(cost.reasons) or f"the cost of {row.backend}:{row.model} is not known"
    return None
