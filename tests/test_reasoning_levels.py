"""The neutral setting of reasoning as the levels or the tokens that a model takes, and what is said of it."""

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatport.backend import ReasoningLevel
from chatport.backend.translation import (
    LEVEL_BUDGETS,
    SentCallIds,
    ToolNames,
    TranslationScope,
    reasoning_budget,
    reasoning_level,
)

LEVELS = list(LEVEL_BUDGETS)
level_sets = st.lists(st.sampled_from(LEVELS), min_size=1, unique=True)


def new_scope() -> TranslationScope:
    """The scope of a request."""
    return TranslationScope(tools=ToolNames(), ids=SentCallIds(is_plain=bool))


def told(scope: TranslationScope) -> list[tuple[str, str, str]]:
    """What was noted, without the words."""
    return [(each.kind, each.code, each.path) for each in scope.adjustments]


def test_every_level_that_can_be_asked_for_has_a_budget() -> None:
    """The setting's own levels, in order, the higher the more; "off" is none."""
    assert ["off", *LEVELS] == list(get_args(ReasoningLevel))
    assert list(LEVEL_BUDGETS.values()) == sorted(set(LEVEL_BUDGETS.values()))


@given(st.sampled_from(LEVELS), level_sets)
def test_a_level_that_the_model_has_is_taken_in_silence(level: str, levels: list[str]) -> None:
    """What was asked for is given wherever it can be, and only then nothing is said."""
    scope = new_scope()
    found = reasoning_level(level, levels, scope)
    assert found in levels
    assert (found == level) == (level in levels)
    assert told(scope) == ([] if level in levels else [("changed", "reasoning-level-changed", "settings.reasoning")])


@pytest.mark.parametrize(
    ("asked", "levels", "found"),
    [
        ("medium", ["low", "high"], "low"),
        ("max", ["low", "high"], "high"),
        ("minimal", ["low", "high"], "low"),
        ("xhigh", ["medium", "max"], "max"),
        (1, ["minimal", "high"], "minimal"),
        (8192, ["low", "medium", "high"], "medium"),
        (8191, ["low", "medium", "high"], "low"),
        (1_000_000, ["low", "medium", "high"], "high"),
    ],
)
def test_the_nearest_level_is_taken(asked: str | int, levels: list[str], found: str) -> None:
    """Of two as near the lower one; a budget counts as the highest level that it reaches."""
    assert reasoning_level(asked, levels, new_scope()) == found


@given(st.integers(1, 100_000), level_sets)
def test_a_budget_as_a_level_is_told(budget: int, levels: list[str]) -> None:
    """It is another measure, so it is a change, whatever the level."""
    scope = new_scope()
    assert reasoning_level(budget, levels, scope) in levels
    assert told(scope) == [("changed", "reasoning-budget-as-level", "settings.reasoning")]


@given(st.integers(1, 100_000))
def test_a_budget_goes_as_it_is(budget: int) -> None:
    """Nothing is said of what was asked for in tokens."""
    scope = new_scope()
    assert reasoning_budget(budget, scope) == budget
    assert told(scope) == []


@pytest.mark.parametrize("level", LEVELS)
def test_a_level_as_a_budget_is_said_without_loss(level: str) -> None:
    """The level leads to its tokens and back again."""
    scope = new_scope()
    budget = reasoning_budget(level, scope)
    assert budget == LEVEL_BUDGETS[level]
    assert told(scope) == [("lossless", "reasoning-level-as-budget", "settings.reasoning")]
    assert reasoning_level(budget, LEVELS, new_scope()) == level
