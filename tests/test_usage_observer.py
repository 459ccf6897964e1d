"""The observer that adds up what turns take: by model, in tokens and money, and what nobody reports."""

from collections.abc import AsyncGenerator
from decimal import Decimal
from typing import Any

import anyio
import pytest
from tests.conversations import call, get_weather, session

import chatport
from chatport import Cost, Retry, ServiceError, Session, Usage
from chatport.backend import BackendEvent, ChatRequest, MessageStart, TextDelta
from chatport.hooks import UsageObserver, UsageRow, observe
from chatport.testing import Answer, ScriptedBackend

pytestmark = pytest.mark.anyio


class FlatPrices:
    """A cent for each token, of models that it knows."""

    def cost(self, usage: Usage, *, backend: str, model: str) -> Cost:
        if model == "unknown" or usage.known_tokens is None:
            return Cost.unknown(f"no price for {backend}:{model}")
        return Cost(Decimal("0.01") * usage.known_tokens)


async def test_it_adds_up_over_sessions_and_vendors() -> None:
    """Three answers of two backends: a row for each model, and their sum, also where only one reports totals."""
    observer = UsageObserver(FlatPrices())
    first = ScriptedBackend(Answer([call()], usage=Usage(8, 2, 5, total_tokens=10)), Answer("Hi", usage=Usage(9, 1)))
    second = ScriptedBackend(Answer("Hi", usage=Usage(4, 1)), name="other")
    with observe(observer):
        await Session(first, "one", tools=[get_weather]).ask("go")
        await Session(second, "two").ask("go")
    assert observer.rows == {
        ("scripted", "one"): UsageRow(2, Usage(17, 3, 5, total_tokens=20), Cost(Decimal("0.20"))),
        ("other", "two"): UsageRow(1, Usage(4, 1), Cost(Decimal("0.05"))),
    }
    assert observer.total == UsageRow(3, Usage(21, 4, 5, total_tokens=25), Cost(Decimal("0.25")))


async def test_without_prices_the_cost_is_unknown_and_not_zero() -> None:
    """Nobody was asked."""
    observer = UsageObserver()
    assert observer.total == UsageRow()
    with observe(observer):
        await session(Answer("Hi", usage=Usage(4, 1)))[0].ask("go")
    assert observer.total.cost.amount is None
    assert observer.total.usage == Usage(4, 1)


async def test_a_model_without_a_price_makes_the_sum_incomplete() -> None:
    """The sum is what is known, and the reason says of whom it is not."""
    observer = UsageObserver(FlatPrices())
    backend = ScriptedBackend(*[Answer("Hi", usage=Usage(4, 1))] * 2)
    with observe(observer):
        await Session(backend, "known").ask("go")
        await Session(backend, "unknown").ask("go")
    cost = observer.total.cost
    assert (cost.amount, cost.complete) == (Decimal("0.05"), False)
    assert cost.reasons == ("no price for scripted:unknown",)
    assert observer.rows["scripted", "unknown"].cost.amount is None


@pytest.mark.parametrize("way", ["left", "cancelled"])
async def test_what_was_cut_off_makes_its_row_incomplete(way: str) -> None:
    """Something was taken that nobody reports; what else was taken is there."""
    observer = UsageObserver(FlatPrices())
    chat, _ = session("Hi you", Answer("Hi", usage=Usage(4, 1)))
    with observe(observer):
        async with chat.stream("go") as stream:
            with anyio.CancelScope() as scope:
                await anext(stream)
                if way == "cancelled":
                    scope.cancel()
                    await stream.finish()
        await chat.ask("go")
    (row,) = observer.rows.values()
    assert (row.answers, row.usage) == (1, Usage(4, 1, complete=False))
    assert not row.cost.complete
    assert observer.total.usage.complete is chat.usage.complete is False


async def test_a_request_that_was_refused_took_nothing() -> None:
    """An error before the answer began leaves no row; one after it does."""

    class Broken:
        name = "broken"

        async def stream(self, request: ChatRequest) -> AsyncGenerator[BackendEvent, None]:
            await anyio.lowlevel.checkpoint()
            yield MessageStart("model-1")
            yield TextDelta(0, "Hi")
            raise ServiceError("down")

        async def aclose(self) -> None:
            return None

    observer = UsageObserver()
    refused: Any = session(ServiceError("down"), Answer("Hi", usage=Usage(4, 1)), retry=Retry(base_delay=0))[0]
    with observe(observer):
        await refused.ask("go")
        assert observer.total == UsageRow(1, Usage(4, 1))
        with pytest.raises(ServiceError):
            await chatport.Session(Broken(), "model-1").ask("go")
    assert observer.rows["broken", "model-1"] == UsageRow(0, Usage(complete=False))
