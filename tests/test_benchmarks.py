"""The benchmarks run, and the page about them says what the kept results say."""

import importlib.util
import sys
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parents[1]

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("aiobotocore") is None, reason="the benchmarks are against aiobotocore"
)


@pytest.fixture(autouse=True)
def benchmarks_can_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    """The benchmarks are run from the root of the repository."""
    monkeypatch.syspath_prepend(str(_ROOT))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)


@pytest.mark.slow
def test_a_burst_is_measured() -> None:
    """Server and clients run in processes of their own, and each client reads every event."""
    from benchmarks.runner import run_scenario
    from benchmarks.scenarios import Scenario
    from benchmarks.server import running_server

    said: list[str] = []
    scenario = Scenario("a small burst", "burst", {"count": 40}, {}, ("aiobotocore", "floor", "events", "text", "trio"))
    with running_server() as url:
        figures = run_scenario(scenario, url, rounds=1, say=said.append)
    assert list(figures) == list(scenario.clients)
    assert all(value > 0 for values in figures.values() for value in values.values())
    assert said == ["  round 1 of 1"]


@pytest.mark.slow
def test_paced_streams_and_whole_answers_are_measured() -> None:
    """All streams end, and lags are taken from the clock that the server wrote."""
    from benchmarks.runner import Worker
    from benchmarks.server import running_server

    with running_server() as url, Worker("events", url) as worker:
        paced = worker.measure("paced", {"streams": 4, "rate": 50, "seconds": 0.2})
        unary = worker.measure("unary", {"calls": 4, "together": 2})
    assert paced["streams done, of all"] == 1
    assert 0 < paced["lag p50, ms"] <= paced["lag p99, ms"]
    assert unary["CPU per call, µs"] > 0


@pytest.mark.slow
@pytest.mark.parametrize("vendor", ["openai", "anthropic"])
def test_vendors_and_their_backends_are_measured(vendor: str) -> None:
    """All read every event of the vendor's wire, in bursts and paced; a lag is from the clock in the text."""
    from benchmarks.runner import Worker
    from benchmarks.scenarios import VENDOR_SCENARIOS
    from benchmarks.server import running_server
    from benchmarks.vendors import measure

    pytest.importorskip(vendor)
    scenario, *_, live = (each for each in VENDOR_SCENARIOS if each.name.startswith(vendor))
    assert live.clients == ("SDK", "floor", "events", "text", "trio")
    with running_server() as url:
        figures = measure(scenario, url, rounds=1, quick=True)
        for client in (f"{vendor} SDK", f"{vendor} floor", f"{vendor} events"):
            with Worker(client, url) as worker:
                paced = worker.measure("paced", {"streams": 3, "rate": 50, "seconds": 0.2})
            assert paced["streams done, of all"] == 1
    assert list(figures) == ["SDK", "events", "text", "trio"]
    assert all(value > 0 for values in figures.values() for value in values.values())


@pytest.mark.slow
def test_a_client_that_fails_is_said_with_its_reason(tmp_path: Path) -> None:
    """A worker that cannot start raises, with the last line of what its process said."""
    from benchmarks.runner import Worker, WorkerError

    with (
        pytest.raises(WorkerError, match=r"events: .*(refused|connect)"),
        Worker("events", "http://127.0.0.1:1") as worker,
    ):
        worker.measure("burst", {"count": 1})


def test_the_page_says_what_the_results_say() -> None:
    """`python -m benchmarks.page` would change nothing, and only whole runs on a named number of rounds are kept."""
    from benchmarks.page import PAGE, PEERS_FILE, RUN_FILE, VENDORS_FILE, page_with_results
    from benchmarks.results import read_results

    text = PAGE.read_text(encoding="utf-8")
    assert page_with_results(text) == text
    for path in (RUN_FILE, VENDORS_FILE, PEERS_FILE):
        if path.is_file():
            results = read_results(path)
            assert results.rounds >= 5
            assert not results.quick


def test_a_run_survives_its_file_and_names_what_it_missed(tmp_path: Path) -> None:
    """Results are read as they were written; ratios, aims and what misses them stand in the table."""
    from benchmarks.results import Results, missed_aims, read_results, table, write_results

    cpu = "CPU per event, µs"
    name = "burst, 16 frames a chunk"
    figures = {"aiobotocore": {cpu: 20.0}, "events": {cpu: 5.0}, "text": {cpu: 2.0}}
    results = Results({"cores": "2"}, {"aiobotocore": "3"}, 5, False, 0.1, {name: figures}, {})
    write_results(results, tmp_path / "run.json")
    assert read_results(tmp_path / "run.json") == results
    assert table(results).splitlines()[-1] == (
        f"| {name} | {cpu} | 20.0 | 0.25 x (5.00) | 0.10 x (2.00) | events ≤ 0.2 x, text ≤ 0.2 x |"
    )
    assert missed_aims(results) == [f"{name}, events, {cpu}: 0.25, aim ≤ 0.2 x"]


def test_orders_are_found_in_large_bodies() -> None:
    """The last order counts, whatever comes between: an image before it or after it."""
    from benchmarks.answers import Order, read_order

    order = Order("tool", 7, 16, 20)
    prompt = order.prompt.encode()
    assert read_order(Order().prompt.encode() + prompt) == order
    assert read_order(prompt + b"A" * (1 << 21)) == order
    assert read_order(b"A" * (1 << 21) + prompt) == order
    with pytest.raises(ValueError, match="no order"):
        read_order(b"{}")
