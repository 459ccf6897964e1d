"""What answers cost in money: known, unknown with a reason, and never a wrong 0."""

import subprocess
import sys
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatport import ConfigurationError, Cost, LibraryPrices, Prices, Usage

CLAUDE = "anthropic.claude-sonnet-4-5-20250929-v1:0"


@pytest.fixture(scope="module", name="prices")
def loaded_prices() -> LibraryPrices:
    """The table, loaded once."""
    return LibraryPrices()


def test_cached_tokens_are_part_of_the_input_and_have_their_own_price(prices: LibraryPrices) -> None:
    """The same input costs less where much of it came from a cache, and a little more where it went into one."""
    plain, read, written = (
        prices.cost(Usage(10_000, 100, *cached), backend="bedrock", model=f"global.{CLAUDE}").amount
        for cached in ((0, 0), (9_000, 0), (0, 9_000))
    )
    assert plain is not None
    assert read is not None
    assert written is not None
    assert 0 < read < plain < written < 2 * plain


def test_whose_region_it_is_has_a_price(prices: LibraryPrices) -> None:
    """A profile of one part of the world costs more than that of all of it."""
    usage = Usage(1_000_000, 0)
    regional = prices.cost(usage, backend="bedrock", model=f"us.{CLAUDE}").amount
    everywhere = prices.cost(usage, backend="bedrock", model=f"global.{CLAUDE}").amount
    assert regional is not None
    assert everywhere is not None
    assert regional > everywhere


@pytest.mark.parametrize(
    ("usage", "backend", "model", "reason"),
    [
        (Usage(1, 1), "bedrock", "made-up", "no price is known for bedrock:made-up"),
        (Usage(1, 1), "made-up", CLAUDE, "no price is known for made-up:"),
        (Usage(), "bedrock", CLAUDE, "has not reported how many tokens"),
        (Usage(output_tokens=3), "bedrock", CLAUDE, "has not reported how many tokens"),
        (Usage(total_tokens=3), "bedrock", CLAUDE, "has not reported how many tokens"),
        (Usage(5, 1, 9), "bedrock", CLAUDE, "do not add up"),
    ],
)
def test_what_is_not_known_has_a_reason(
    prices: LibraryPrices, usage: Usage, backend: str, model: str, reason: str
) -> None:
    """None and why, in place of a 0."""
    cost = prices.cost(usage, backend=backend, model=model)
    assert (cost.amount, cost.complete) == (None, False)
    assert reason in cost.reasons[0]


def test_a_model_without_a_price_for_each_token_is_not_free(
    prices: LibraryPrices, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library leaves out what has no price, and its sum would be 0."""
    from genai_prices import types

    monkeypatch.setattr(types.ModelInfo, "get_prices", lambda *_, **__: types.ModelPrice(requests_kcount=Decimal(1)))
    cost = prices.cost(Usage(1000, 1000), backend="bedrock", model=CLAUDE)
    assert cost.amount is None
    assert "no price for each token" in cost.reasons[0]


def test_incomplete_usage_has_a_cost_at_the_least(prices: LibraryPrices) -> None:
    """What was reported is priced, and that something is missing is said."""
    cost = prices.cost(Usage(1000, 10, complete=False), backend="bedrock", model=CLAUDE)
    assert cost.amount
    assert not cost.complete
    assert "has not reported all" in cost.reasons[0]


def test_a_cache_for_an_hour_has_its_own_price(prices: LibraryPrices) -> None:
    """Where the service has one; elsewhere it costs what a cache costs."""
    hour = LibraryPrices(cached_for="1h")
    for model, is_dearer in ((CLAUDE, True), ("amazon.nova-lite-v1:0", False)):
        for written in (9_000, None):
            usage = Usage(10_000, 10, cache_write_tokens=written)
            one, other = (each.cost(usage, backend="bedrock", model=model).amount for each in (hour, prices))
            assert one is not None
            assert other is not None
            assert (one > other) is (is_dearer and written is not None)
            assert one >= other


def test_names_can_be_mapped(prices: LibraryPrices) -> None:
    """A wrapper has a name of its own, which the library cannot know."""
    mapped = LibraryPrices({"fallback": "bedrock"})
    usage = Usage(1000, 10)
    assert mapped.cost(usage, backend="fallback", model=CLAUDE) == prices.cost(usage, backend="bedrock", model=CLAUDE)


def test_it_is_what_a_price_list_looks_like(prices: LibraryPrices) -> None:
    """The protocol holds for it, and not for anything."""
    assert isinstance(prices, Prices)
    assert not isinstance({}, Prices)


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """When it is made, not in the middle of a turn."""
    monkeypatch.setitem(sys.modules, "genai_prices", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'chatport\[cost\]'"):
        LibraryPrices()


def test_nothing_is_asked_of_the_network() -> None:
    """With every socket refused, in a fresh interpreter, there is a price."""
    program = (
        "import socket, sys\n"
        "def refuse(*_): raise AssertionError('a socket')\n"
        "socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = refuse\n"
        "import chatport\n"
        "assert 'genai_prices' not in sys.modules\n"
        "usage = chatport.Usage(1000, 10)\n"
        f"print(chatport.LibraryPrices().cost(usage, backend='bedrock', model={CLAUDE!r}).amount)\n"
    )
    result = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert Decimal(result.stdout) > 0


# --- sums ------------------------------------------------------------------------------------------------------------


def _costs() -> st.SearchStrategy[Cost]:
    known = st.builds(Cost, st.decimals(0, 1000, places=4))
    return known | st.sampled_from(["a", "b"]).map(Cost.unknown)


@given(st.lists(_costs(), max_size=5))
def test_sums_never_turn_unknown_into_zero(costs: list[Cost]) -> None:
    """The known ones are added, none known is None, and a part that is not known is told with its reason."""
    total = Cost.sum(costs)
    known = [cost.amount for cost in costs if cost.amount is not None]
    assert total.amount == (sum(known) if known else None)
    assert total.complete is all(cost.complete for cost in costs)
    assert set(total.reasons) == {reason for cost in costs for reason in cost.reasons}
    assert len(set(total.reasons)) == len(total.reasons)


@given(_costs(), _costs(), _costs())
def test_sums_of_sums_are_sums(first: Cost, second: Cost, third: Cost) -> None:
    """In any grouping."""
    assert (first + second) + third == first + (second + third)
    assert Cost() + first == first + Cost() == first


def test_two_currencies_have_no_sum() -> None:
    """Nobody knows the rate; a cost that is not known has no currency to speak of."""
    euros: Any = Cost(Decimal(1), "EUR")
    with pytest.raises(ValueError, match="EUR and one in USD"):
        assert euros + Cost(Decimal(1))
    assert (Cost() + euros).currency == (euros + Cost()).currency == "EUR"
