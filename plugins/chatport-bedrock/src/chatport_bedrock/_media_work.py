"""Threads for media: to encode and to hash megabytes would hold up the event loop."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final, TypeVar

from anyio import CapacityLimiter
from anyio.lowlevel import RunVar
from anyio.to_thread import run_sync

if TYPE_CHECKING:
    from collections.abc import Callable

_T = TypeVar("_T")

# More at once would only take turns.
_MOST_THREADS: Final = min(8, max(2, os.cpu_count() or 1))
_limiter: Final[RunVar[CapacityLimiter]] = RunVar("chatport_bedrock.media_work")


async def run_media_work(work: Callable[[], _T]) -> _T:
    """Return what the function gives, which runs in a thread.

    The threads of each event loop are counted apart from anyio's own: those are as many as there are, and whatever
    else a program does in them, perhaps for minutes, would hold up requests.
    """
    try:
        limiter = _limiter.get()
    except LookupError:
        limiter = CapacityLimiter(_MOST_THREADS)
        _limiter.set(limiter)
    return await run_sync(work, limiter=limiter)
