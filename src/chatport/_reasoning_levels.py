"""How much a model is to reason: the neutral setting in the levels or the tokens that a model takes."""

from collections.abc import Mapping, Sequence
from typing import Final

from chatport._translation_scope import TranslationScope

LEVEL_BUDGETS: Final[Mapping[str, int]] = {
    "minimal": 1024,
    "low": 2048,
    "medium": 8192,
    "high": 16_384,
    "xhigh": 20_480,
    "max": 24_576,
}
"""The levels of `Settings.reasoning`, the lowest first, and the tokens that each stands for.

They count where a model takes nothing but a budget, and tell which level a budget comes to where it takes none. The
highest leaves room for an answer with every model that is known to take budgets: the smallest limit of them is 32,000
tokens.
"""

_PATH: Final = "settings.reasoning"
_LEVELS: Final = tuple(LEVEL_BUDGETS)


def reasoning_level(reasoning: str | int, levels: Sequence[str], scope: TranslationScope) -> str:
    """Return the level of a model that comes nearest to what is asked for, the lower one of two.

    What differs from what was asked for is noted.

    Args:
        reasoning: `Settings.reasoning`, neither None nor `"off"`.
        levels: The levels that the model takes, at least one; each a key of `LEVEL_BUDGETS`.
        scope: The request's scope.
    """
    wanted = reasoning if isinstance(reasoning, str) else _level_within(reasoning)
    level = min(levels, key=lambda each: (abs(_rank(each) - _rank(wanted)), _rank(each)))
    if isinstance(reasoning, int):
        why = f"this model is given a level instead of a budget: {level!r} comes nearest to {reasoning} tokens"
        scope.note("changed", "reasoning-budget-as-level", _PATH, why)
    elif level != reasoning:
        why = f"of the levels of this model ({', '.join(levels)}) {level!r} comes nearest to {reasoning!r}"
        scope.note("changed", "reasoning-level-changed", _PATH, why)
    return level


def reasoning_budget(reasoning: str | int, scope: TranslationScope) -> int:
    """Return the tokens that what is asked for stands for; where it is a level, that is noted.

    How few tokens a model takes is for the backend to say.

    Args:
        reasoning: `Settings.reasoning`, neither None nor `"off"`.
        scope: The request's scope.
    """
    if isinstance(reasoning, int):
        return reasoning
    budget = LEVEL_BUDGETS[reasoning]
    why = f"this model is given a budget instead of a level: {reasoning!r} stands for {budget} tokens"
    scope.note("lossless", "reasoning-level-as-budget", _PATH, why)
    return budget


def _level_within(budget: int) -> str:
    """The highest level that a budget reaches, or the lowest one."""
    return next((level for level in reversed(_LEVELS) if LEVEL_BUDGETS[level] <= budget), _LEVELS[0])


def _rank(level: str) -> int:
    return _LEVELS.index(level)
