from typing import get_args

import pytest

from chatport._adjustments import Adjustment, AdjustmentKind, refuse_losses
from chatport._errors import UnsupportedError


def _adjustment(kind: AdjustmentKind) -> Adjustment:
    return Adjustment(kind, f"code-{kind}", f"messages[0].{kind}", f"it was {kind}")


def test_what_costs_no_meaning_passes() -> None:
    """It raises for neither reordering nor renaming, which lose nothing: a strict request may have them."""
    refuse_losses([])
    refuse_losses([_adjustment("lossless"), _adjustment("renamed")])


def test_every_loss_is_refused_and_named() -> None:
    """The error has all losses and only those, and says of each where and what."""
    adjustments = [_adjustment(kind) for kind in get_args(AdjustmentKind)]
    with pytest.raises(UnsupportedError, match="strict=True") as caught:
        refuse_losses(iter(adjustments))
    assert caught.value.adjustments == (_adjustment("changed"), _adjustment("dropped"))
    assert "messages[0].changed: it was changed; messages[0].dropped: it was dropped" in str(caught.value)
