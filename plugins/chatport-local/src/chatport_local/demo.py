"""The demo of this plugin, for the entry-point group `chatport.demos`: a real model, where its weights are there.

Nothing has to be started for it: the model runs in the process that asks.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from chatport_local._models import SMOLLM2, missing

__all__ = ["PRIORITY", "Demo", "demo", "missing"]

PRIORITY: Final = 10
"""Before demos that only play a model."""


@dataclass(frozen=True, slots=True)
class Demo:
    """How to reach the demo.

    Attributes:
        model: The model string for `open_session`, backend and model id.
        backend_options: The options that go with it.
        description: One line for people: what answers, and where.
    """

    model: str
    backend_options: Mapping[str, Any] = field(repr=False)
    description: str


@asynccontextmanager
async def demo() -> AsyncGenerator[Demo]:
    """Give the model; it is loaded when it is asked first."""
    yield Demo(
        f"local:{SMOLLM2}",
        {},
        "SmolLM2-135M-Instruct in this process: a real model, small and often wrong, which sees no images",
    )
