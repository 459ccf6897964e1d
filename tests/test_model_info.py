"""A model of a catalog as a value, and what the filters mean."""

import pytest

import chatport
from chatport import ModelInfo
from chatport.backend import CountsTokens, DescribesItself, ListsModels, ReportsLoad
from chatport.testing import ScriptedBackend

LITE = ModelInfo(
    id="lite:1",
    name="Lite",
    provider="Maker",
    input=("text", "image"),
    output=("text",),
    streaming=True,
    status="active",
    metadata={"mine": {"more": 1}},
)
UNKNOWN = ModelInfo(id="x", name="x")


@pytest.mark.parametrize(
    "filters",
    [
        {},
        {"output": "text"},
        {"output": "TEXT", "input": "Image", "status": "Active", "provider": "maker"},
        {"output": None, "input": None, "status": None, "provider": None},
    ],
)
def test_what_matches(filters: dict[str, str | None]) -> None:
    """All filters have to fit; None is none; case does not count."""
    assert LITE.matches(**filters)


@pytest.mark.parametrize(
    "filters", [{"output": "image"}, {"input": "audio"}, {"status": "legacy"}, {"provider": "Mak"}, {"output": ""}]
)
def test_what_does_not_match(filters: dict[str, str]) -> None:
    """One filter that does not fit is enough, whatever else does."""
    assert not LITE.matches(**filters)
    assert not LITE.matches(**{"output": "text", "input": "text", **filters})


@pytest.mark.parametrize(
    "filters", [{"output": "text"}, {"input": "text"}, {"status": "active"}, {"provider": "Maker"}]
)
def test_what_nobody_says_matches_no_filter(filters: dict[str, str]) -> None:
    """A model about which nothing is known is found without a filter only."""
    assert UNKNOWN.matches()
    assert not UNKNOWN.matches(**filters)


def test_models_are_values() -> None:
    """They are compared and hashed, and their representation leaves the service's own facts out."""
    assert len({LITE, LITE, UNKNOWN}) == 2
    assert "more" not in repr(LITE)


@pytest.mark.anyio
async def test_offers_of_the_bedrock_backend_can_be_told() -> None:
    """`isinstance` says what a backend has beside `stream`, for a backend that has it and for one that has not."""
    for kind in (ListsModels, CountsTokens, DescribesItself, ReportsLoad):
        assert not isinstance(ScriptedBackend(), kind)
    async with chatport.open_backend("bedrock") as backend:
        for kind in (ListsModels, CountsTokens, DescribesItself, ReportsLoad):
            assert isinstance(backend, kind)
