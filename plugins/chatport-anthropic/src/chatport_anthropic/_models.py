"""What is known about models: patterns of ids, and how these models differ from the neutral defaults.

A model gets every row whose pattern matches the beginning of its id, the later ones over the earlier ones. A number in
a pattern never ends inside a longer one: `claude-opus-4-1` does not match `claude-opus-4-10`. Generations newer than
the table are taken to be like the newest in it, because restrictions stayed once they came.

Where a row comes from: "recorded" is real traffic, "documented" the maker's pages on each model, "reported" a failure
that users or other clients describe.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final

from chatport_anthropic._capabilities import Capabilities, Sampling, ThinkingSupport

__all__ = ["MAKER", "capabilities", "model_family"]

MAKER: Final = "anthropic"
"""The family of Claude: what one of its models has signed, another one takes back."""

_ALL_SAMPLING: Final[frozenset[Sampling]] = frozenset({"temperature", "top_k", "top_p"})
_EXCLUSIVE: Final[frozenset[Sampling]] = frozenset({"temperature", "top_p"})

_NAME: Final = r"claude-[a-z]+-"
# A date (`claude-opus-4-20250514`) is no generation, hence two digits at most; `_Row.matches` sees to it.
_SINCE_4_5: Final = _NAME + r"(?:4-(?:[5-9]|[1-9]\d)|[5-9]|[1-9]\d)"
_SINCE_4_6: Final = _NAME + r"(?:4-(?:[6-9]|[1-9]\d)|[5-9]|[1-9]\d)"
_SINCE_4_7: Final = _NAME + r"(?:4-(?:[7-9]|[1-9]\d)|[5-9]|[1-9]\d)"
_SINCE_4_8: Final = _NAME + r"(?:4-(?:[89]|[1-9]\d)|[5-9]|[1-9]\d)"
_SINCE_5: Final = _NAME + r"(?:[5-9]|[1-9]\d)"

_BUDGET: Final = ThinkingSupport(kinds=("budget",))  # recorded
_ADAPTIVE: Final = ThinkingSupport(kinds=("adaptive", "budget"), levels=("low", "medium", "high", "max"))  # recorded
_ADAPTIVE_ONLY: Final = ThinkingSupport(kinds=("adaptive",), levels=("low", "medium", "high", "xhigh", "max"))
_BY_DEFAULT: Final = replace(_ADAPTIVE_ONLY, on_by_default=True, off="disabled")


@dataclass(frozen=True, slots=True)
class _Row:
    beginning: str
    differences: Mapping[str, Any]

    def matches(self, model: str) -> bool:
        return re.match(rf"(?:{self.beginning})(?!(?<=\d)\d)", model) is not None


def _row(beginning: str, **differences: Any) -> _Row:
    return _Row(beginning, differences)


_ROWS: Final = (
    _row(
        r"claude",
        max_tokens=64_000,  # documented for 4.5; no newer one writes less
        signs_thinking=True,  # recorded
        forced_while_budget=False,  # documented
        media_urls=True,  # recorded
    ),
    _row(
        r"claude-(?:v\d|instant|\d)",
        max_tokens=4096,  # documented
        thinking=ThinkingSupport(kinds=("none",)),
        structured=False,  # documented
    ),
    _row(r"claude-(?:v\d|instant|2)", caches=False),  # documented
    _row(r"claude-3-5", max_tokens=8192),  # documented
    _row(r"claude-3-7", max_tokens=64_000, thinking=_BUDGET),  # documented; recorded
    _row(_NAME + "4", thinking=_BUDGET, structured=False),  # recorded; documented
    _row(r"claude-opus-4", max_tokens=32_000),  # documented
    _row(r"claude-opus-4-1", exclusive_settings=_EXCLUSIVE),  # reported
    _row(_SINCE_4_5, max_tokens=64_000, exclusive_settings=_EXCLUSIVE, structured=True),  # documented; recorded
    _row(_SINCE_4_6, max_tokens=128_000, prefill=False, thinking=_ADAPTIVE),  # documented; recorded
    _row(_SINCE_4_7, refused_settings=_ALL_SAMPLING, thinking=_ADAPTIVE_ONLY),  # documented
    _row(_SINCE_4_8, system_messages=True),  # recorded for Opus 4.8 and Fable 5; documented
    _row(_SINCE_5, thinking=_BY_DEFAULT),  # documented
    _row(
        r"claude-(?:fable-5|mythos|opus-5-5)",
        thinking=replace(_BY_DEFAULT, off="impossible"),  # documented
    ),
    _row(
        r"claude-mythos-preview",
        max_tokens=128_000,
        prefill=False,
        refused_settings=_ALL_SAMPLING,  # documented
    ),
    _row(r"claude-sonnet-5-5", thinking=replace(_BY_DEFAULT, off="between-tools")),  # reported
    _row(r"claude-(?:(?:fable|mythos)-5-[12]|(?:opus|sonnet)-5-5)", forced_choice=False),  # documented
)


@lru_cache(maxsize=256)
def capabilities(model: str) -> Capabilities:
    """Return what a model can be asked, by its id."""
    name = _bare_name(model)
    found = [row.differences for row in _ROWS if row.matches(name)]
    merged: dict[str, Any] = {}
    for differences in found:
        merged |= differences
    return Capabilities(known=bool(found), **merged)


@lru_cache(maxsize=256)
def model_family(model: str) -> str:
    """Return whose model it is: thinking goes back only to the family that wrote it.

    Ids that begin with `claude` are Anthropic's, behind a gateway's prefix too. Of any other id nothing is known but
    the id, such as of a deployment that was named by its owner: it is a family of its own.
    """
    return MAKER if _bare_name(model).startswith("claude") else model


def _bare_name(model: str) -> str:
    """The maker's name of a model: gateways put a prefix before it, and some write `4.5` for `4-5`."""
    return model.rpartition("/")[2].lower().replace(".", "-")
