"""What the tests with the real model share: they are skipped where it is not there, and CI has it."""

from __future__ import annotations

import pytest

from chatport_local.demo import missing

_MISSING = missing()
needs_model = pytest.mark.skipif(_MISSING is not None, reason=f"no real model: {_MISSING}")
"""Marks what needs the engine and the weights."""
