"""What a backend could not say as it was asked to, as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from chatport._errors import UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Iterable

AdjustmentKind = Literal["lossless", "renamed", "changed", "dropped"]
"""How much an adjustment costs: nothing, a name, some meaning, or all of it."""


@dataclass(frozen=True, slots=True)
class Adjustment:
    """Something a backend could not say as it was asked to.

    Attributes:
        kind: `"lossless"` is not reported; `"renamed"`, `"changed"` and `"dropped"` are; the last two are refused
            under `strict=True`.
        code: A short stable word for programs, such as `"setting-dropped"`.
        path: Where, in the caller's own terms, such as `"messages[2].parts[0]"`; in what a session returns, messages
            count as in its history.
        message: What and why, for people.
    """

    kind: AdjustmentKind
    code: str
    path: str
    message: str


def reported(adjustments: Iterable[Adjustment]) -> tuple[Adjustment, ...]:
    """Return the adjustments that a caller is told of: all but the lossless ones."""
    return tuple(adjustment for adjustment in adjustments if adjustment.kind != "lossless")


def refuse_losses(adjustments: Iterable[Adjustment]) -> None:
    """Refuse what changes or drops something the caller asked for; a backend calls it when the request is strict.

    Raises:
        UnsupportedError: At least one adjustment is a loss; its `adjustments` are those.
    """
    losses = tuple(adjustment for adjustment in adjustments if adjustment.kind in {"changed", "dropped"})
    if losses:
        places = "; ".join(f"{loss.path}: {loss.message}" for loss in losses)
        message = f"strict=True, and the request cannot be said without loss: {places}"
        raise UnsupportedError(message, adjustments=losses)
