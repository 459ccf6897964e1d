"""Usage limits: looked at before each request, over a turn and over a session."""

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest
from tests.conversations import call, get_weather, session

from chatport import (
    ChatError,
    Cost,
    FallbackBackend,
    MessageEnd,
    OutputError,
    OutputRetryStart,
    Retry,
    RetryStart,
    ServiceError,
    Session,
    Usage,
    UsageLimitError,
    UsageLimits,
)
from chatport.hooks import UsageObserver, observe
from chatport.testing import Answer, MemoryStore, ScriptedBackend

pytestmark = pytest.mark.anyio

_TEN = Usage(8, 2, total_tokens=10)
_PER_TOKEN = Decimal("0.01")


@dataclass
class FlatPrices:
    """A cent for each token of the models that it knows."""

    known: tuple[str, ...] = ("model-1",)

    def cost(self, usage: Usage, *, backend: str, model: str) -> Cost:
        if model not in self.known or usage.known_tokens is None:
            return Cost.unknown(f"no price for {backend}:{model}")
        return Cost(_PER_TOKEN * usage.known_tokens, "EUR")


def calling(number: int = 1, usage: Usage = _TEN) -> Answer:
    """An answer that calls the weather tool."""
    return Answer([call(str(number))], usage=usage)


LIMITS = {
    "tokens": UsageLimits(tokens=30),
    "requests": UsageLimits(requests=3),
    "cost": UsageLimits(cost=0.3, prices=FlatPrices()),
}
each_limit = pytest.mark.parametrize("limit", LIMITS)
each_mode = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])


async def refused(chat: Any, *, streamed: bool = False, **options: Any) -> UsageLimitError:
    """The error of a turn that goes beyond a limit."""
    with pytest.raises(UsageLimitError) as caught:
        if streamed:
            async with chat.stream("go", **options) as stream:
                await stream.finish()
        else:
            await chat.ask("go", **options)
    return caught.value


@each_limit
@each_mode
@pytest.mark.parametrize("scope", ["session", "turn"])
async def test_a_loop_ends_before_the_request_that_would_go_beyond(limit: str, scope: str, *, streamed: bool) -> None:
    """Three answers of ten tokens are allowed: the fourth request is not sent, and the tool before it is not run."""
    ran: list[str] = []

    def record(location: str) -> str:
        """Record."""
        ran.append(location)
        return location

    of_session = {"usage_limits": LIMITS[limit]} if scope == "session" else {}
    of_turn = {"usage_limits": LIMITS[limit]} if scope == "turn" else {}
    answers = [Answer([call(str(number), "record")], usage=_TEN) for number in range(9)]
    chat, backend = session(*answers, tools=[record], **of_session)
    error = await refused(chat, streamed=streamed, **of_turn)
    assert isinstance(error, ChatError)
    assert (error.limit, error.scope) == (limit, scope)
    assert len(backend.requests) == 3
    assert len(ran) == 2
    assert not chat.messages
    assert chat.usage == Usage(24, 6, total_tokens=30)
    assert error.partial is not None
    roles = [message.role for message in error.partial.messages]
    assert roles == ["user", "assistant", "tool", "assistant", "tool", "assistant"]
    chat.keep(error.partial)
    assert chat.messages[-1].role == "tool"


@each_limit
async def test_a_session_counts_over_its_turns(limit: str) -> None:
    """The turn that reaches the limit lands; the one after it sends nothing."""
    chat, backend = session(*[Answer("Hi", usage=_TEN)] * 5, usage_limits=LIMITS[limit])
    for _ in range(3):
        await chat.ask("go")
    for _ in range(2):
        error = await refused(chat)
        assert (error.limit, error.scope) == (limit, "session")
    assert len(backend.requests) == 3
    assert len(chat.messages) == 6


@each_limit
async def test_a_turn_begins_anew(limit: str) -> None:
    """Limits of a turn know nothing of the turns before; both kinds hold together."""
    chat, backend = session(*[Answer("Hi", usage=_TEN)] * 9, usage_limits=UsageLimits(requests=5))
    for _ in range(5):
        await chat.ask("go", usage_limits=LIMITS[limit])
    assert (await refused(chat, usage_limits=LIMITS[limit])).scope == "session"
    assert len(backend.requests) == 5


async def test_below_a_limit_nothing_happens() -> None:
    """A turn within its limits is an ordinary turn."""
    limits = UsageLimits(tokens=21, requests=3, cost=Decimal("0.21"), prices=FlatPrices())
    chat, _ = session(calling(), Answer("sunny", usage=_TEN), tools=[get_weather], usage_limits=limits)
    assert (await chat.ask("go", usage_limits=limits)).text == "sunny"


async def test_what_a_stream_that_was_left_has_taken_counts() -> None:
    """Also where it was left at its last event but one, which has the figures."""
    chat, _ = session(*[Answer("Hi you", usage=_TEN)] * 3, usage_limits=UsageLimits(tokens=20))
    for _ in range(2):
        async with chat.stream("go") as stream:
            async for event in stream:
                if isinstance(event, MessageEnd):
                    break
    assert chat.messages == ()
    assert (await refused(chat)).limit == "tokens"


async def test_what_was_cut_off_counts_as_far_as_known() -> None:
    """A stream that was left reports nothing: a session that could never ask again would be no help."""
    limits = UsageLimits(tokens=5, cost=1, prices=FlatPrices())
    chat, _ = session("Hi you", Answer("Hi", usage=_TEN), usage_limits=limits)
    async with chat.stream("go") as stream:
        await anext(stream)
    assert not chat.usage.complete
    assert (await chat.ask("go")).text == "Hi"


async def test_requests_that_failed_count_as_requests() -> None:
    """A retry is a request: it is not sent where none is left."""
    errors = [ServiceError("down") for _ in range(5)]
    chat, backend = session(*errors, retry=Retry(max_attempts=5, base_delay=0), usage_limits=UsageLimits(requests=2))
    kinds: list[type] = []
    with pytest.raises(UsageLimitError, match="2 of 2 requests are sent"):
        async with chat.stream("go") as stream:
            kinds.extend([type(event) async for event in stream])
    assert RetryStart not in kinds
    assert len(backend.requests) == 2
    await refused(chat)
    assert len(backend.requests) == 2


async def test_asking_again_for_a_type_is_bounded_too() -> None:
    """The second answer is not asked for; the first is in the partial."""
    chat, backend = session(*[Answer("no", usage=_TEN)] * 3, usage_limits=UsageLimits(tokens=10))
    last: object = None
    async with chat.stream("go", output=int, output_retries=1) as stream:
        with pytest.raises(UsageLimitError) as caught:
            async for event in stream:
                last = event
    assert isinstance(last, OutputRetryStart)
    assert len(backend.requests) == 1
    assert caught.value.partial is not None
    assert caught.value.partial.text == "no"


@pytest.mark.parametrize("turns", [1, 2])
async def test_tokens_that_nobody_reports_are_not_zero(turns: int) -> None:
    """A limit that cannot be kept stops the loop, and says why: within a turn and over turns."""
    chat, backend = session(calling(usage=Usage()), "Hi", tools=[get_weather], usage_limits=UsageLimits(tokens=99))
    if turns == 2:
        await chat.ask("go", run_tools=False)
        chat.rewind()
    error = await refused(chat)
    assert "scripted:model-1 has not reported how many tokens it took" in str(error)
    assert len(backend.requests) == 1


async def test_a_cost_that_nobody_knows_is_not_zero() -> None:
    """Nothing is sent to a model without a price."""
    limits = UsageLimits(cost=1, prices=FlatPrices(known=("another",)))
    chat, backend = session("Hi", usage_limits=limits)
    error = await refused(chat)
    assert str(error) == "usage limit of the session: a limit of 1 cannot be kept: no price for scripted:model-1"
    assert error.limit == "cost"
    assert backend.requests == []


async def test_a_cost_that_turns_out_unknown_ends_the_session() -> None:
    """The model has a price, its answer has no figures: over turns too."""
    chat, backend = session("Hi", "Hi", usage_limits=UsageLimits(cost=1, prices=FlatPrices()))
    await chat.ask("go")
    assert "no price for" in str(await refused(chat))
    assert len(backend.requests) == 1


async def test_prices_without_a_reason() -> None:
    """Whoever writes prices may be brief."""

    class Brief:
        def cost(self, usage: Usage, *, backend: str, model: str) -> Cost:
            return Cost()

    chat, _ = session("Hi", usage_limits=UsageLimits(cost=1, prices=Brief()))
    assert "the cost of scripted:model-1 is not known" in str(await refused(chat))


async def test_a_fork_begins_with_nothing_spent() -> None:
    """It has the limits, as it has the other options."""
    chat, _ = session(*[Answer("Hi", usage=_TEN)] * 5, usage_limits=UsageLimits(requests=1))
    await chat.ask("go")
    fork = chat.fork()
    await fork.ask("go")
    assert (await refused(fork)).scope == "session"
    assert (await chat.fork(usage_limits=None).ask("go")).text == "Hi"


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        ({"tokens": 0}, "tokens must be more than 0"),
        ({"requests": -1}, "requests must be more than 0"),
        ({"cost": 0.0, "prices": FlatPrices()}, "cost must be more than 0"),
        ({"cost": float("nan"), "prices": FlatPrices()}, "cost must be more than 0"),
        ({"cost": Decimal("nan"), "prices": FlatPrices()}, "cost must be more than 0"),
        ({"cost": 1}, "needs prices="),
    ],
)
async def test_limits_that_make_no_sense(limits: dict[str, Any], reason: str) -> None:
    """Refused where they are made."""
    with pytest.raises(ValueError, match=re.escape(reason)):
        UsageLimits(**limits)


async def test_what_are_no_limits() -> None:
    """A number, prices that have none, and limits that are no numbers."""
    wrongs: list[dict[str, Any]] = [{"tokens": True}, {"tokens": 1.5}, {"tokens": "5"}, {"requests": 2.0}]
    for wrong in wrongs:
        (name,) = wrong
        with pytest.raises(TypeError, match=re.escape(f"{name} of UsageLimits must be a whole number, or None for")):
            UsageLimits(**wrong)
    for cost in (True, "5"):
        with pytest.raises(TypeError, match="cost of UsageLimits must be a number"):
            UsageLimits(cost=cost, prices=FlatPrices())  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="method cost"):
        UsageLimits(cost=1, prices={})  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="usage_limits must be a UsageLimits or None, not a int"):
        session(usage_limits=3)
    chat, backend = session("Hi", "Hi")
    with pytest.raises(TypeError, match="usage_limits"):
        await chat.ask("go", usage_limits=3)  # type: ignore[call-overload]
    assert (await chat.ask("go")).text == "Hi"
    assert len(backend.requests) == 1


# --- who is priced where a backend asks others -----------------------------------------------------------------------


class PricesByBackend:
    """Another price for each backend, and a note of whose price was asked for."""

    def __init__(self, **prices: float) -> None:
        self.asked: set[tuple[str, str]] = set()
        self._prices = prices

    def cost(self, usage: Usage, *, backend: str, model: str) -> Cost:
        self.asked.add((backend, model))
        if backend not in self._prices:
            return Cost.unknown(f"no price for {backend}:{model}")
        return Cost(Decimal(str(self._prices[backend])) * (usage.known_tokens or 0))


BUSY = ServiceError("busy", status=503)


def falling_back(*far: Any, near: Any = BUSY, limits: UsageLimits) -> Session:
    """A session on one that fails and another one that answers, whose model has another name."""
    first, second = ScriptedBackend(*[near] * 9, name="near"), ScriptedBackend(*far, name="far")
    inner = FallbackBackend([(second, "model-2")], name="inner")
    return Session(
        FallbackBackend([(first, None), (inner, None)]), "model-1", usage_limits=limits, tools=[get_weather], retry=None
    )


async def test_an_answer_has_the_price_of_the_backend_that_gave_it() -> None:
    """Of none but those that may answer anybody asks the price, and what is spent is priced as the answer's."""
    prices = PricesByBackend(near=100, far=0.01)
    chat = falling_back(calling(), calling(), "done", limits=UsageLimits(cost=0.15, prices=prices))
    error = await refused(chat)
    assert str(error) == "usage limit of the session: 0.20 of 0.15 USD are spent"
    assert prices.asked == {("near", "model-1"), ("far", "model-2")}
    assert error.partial is not None
    assert error.partial.usage.total_tokens == 20


async def test_where_one_that_may_answer_has_no_price_nothing_is_sent() -> None:
    """The limit could not be kept once it has answered: no other vendor's price is taken for it."""
    chat = falling_back("done", limits=UsageLimits(cost=1, prices=PricesByBackend(near=0.01)))
    error = await refused(chat)
    assert "no price for far:model-2" in str(error)
    assert chat.usage == Usage()


async def test_what_broke_off_elsewhere_is_priced_as_its_own() -> None:
    """An answer that began and did not end counts for what is known, under the name of the one that gave it."""
    prices = PricesByBackend(near=100, far=0.01)
    chat = falling_back(Answer("a b", error=BUSY), limits=UsageLimits(cost=1, prices=prices))
    with pytest.raises(ServiceError):
        await chat.ask("go")
    assert prices.asked == {("near", "model-1"), ("far", "model-2")}


async def test_replies_and_sums_name_the_backend_that_answered() -> None:
    """The step does, and an observer counts it there; without others nobody is named."""
    prices = PricesByBackend(near=100, far=0.01)
    chat = falling_back(Answer("done", usage=_TEN), limits=UsageLimits(cost=1, prices=prices))
    observer = UsageObserver(prices)
    with observe(observer):
        reply = await chat.ask("go")
    assert [(step.backend, step.model) for step in reply.steps] == [("far", "model-2")]
    assert {key: row.cost.amount for key, row in observer.rows.items()} == {("far", "model-2"): Decimal("0.10")}
    plain, _ = session("Hi")
    assert [step.backend for step in (await plain.ask("go")).steps] == [None]


async def test_what_a_stored_session_has_spent_counts() -> None:
    """Tokens, by whichever worker, failed turns included; requests are not stored, and count from the opening on."""
    store = MemoryStore()
    cost = Usage(6, 4, total_tokens=10)
    limits = UsageLimits(tokens=25, requests=2)

    def opened(*script: Any) -> Session:
        return Session(ScriptedBackend(*script), "m", store=store, id="a", usage_limits=limits)

    async with opened(Answer("1", usage=cost), Answer("no number", usage=cost)) as chat:
        await chat.ask("a")
        with pytest.raises(OutputError):
            await chat.ask("b", output=int)
    async with opened(Answer("2", usage=cost), Answer("3", usage=cost)) as chat, opened() as other:
        await chat.ask("c")
        with pytest.raises(UsageLimitError, match="usage limit of the session: 30 of 25 tokens are spent"):
            await chat.ask("d")
        await other.reload()
        with pytest.raises(UsageLimitError, match="30 of 25 tokens"):
            await other.ask("d")
        await chat.reload()  # counts nothing twice
        assert chat.usage == cost + cost + cost
        assert (await chat.fork(usage_limits=None).ask("d")).text == "3"


async def test_a_stored_answer_that_reports_nothing_makes_a_limit_that_cannot_be_kept() -> None:
    """Unknown is not 0; where tokens are not limited, nothing is to be known."""
    store = MemoryStore()
    async with Session(ScriptedBackend("1"), "m", store=store, id="a") as chat:
        await chat.ask("a")
    async with Session(ScriptedBackend(), "m", store=store, id="a", usage_limits=UsageLimits(tokens=9)) as chat:
        with pytest.raises(UsageLimitError, match="cannot be kept: a turn of scripted:m is stored"):
            await chat.ask("b")
    async with Session(ScriptedBackend("2"), "m", store=store, id="a", usage_limits=UsageLimits(requests=1)) as chat:
        await chat.ask("b")
