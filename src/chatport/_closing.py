"""Closing what is open: never cut short from outside, never without end, and never a veil over an error."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

CLOSE_SECONDS = 5.0

_LOGGER = logging.getLogger("chatport")


async def close_in_time(close: Callable[[], Awaitable[object]], what: str, error: BaseException | None) -> None:
    """Close something even if the task is cancelled, and stop waiting after `CLOSE_SECONDS`, which is logged.

    Args:
        close: What closes it.
        what: What it is, for the log, such as `"the backend 'echo'"`.
        error: What is being raised already, or None. It goes on: an exception of the closing is then logged only, for
            in its place it would hide what went wrong first, or turn a cancellation into a failure.

    Raises:
        Exception: What `close` raises, where there is no error yet.
    """
    try:
        with anyio.move_on_after(CLOSE_SECONDS, shield=True) as scope:
            await close()
    except Exception as failure:
        if error is None:
            raise
        _LOGGER.warning("%s could not be closed", what, exc_info=failure)
    else:
        if scope.cancelled_caught:
            _LOGGER.warning("%s did not close within %s seconds", what, CLOSE_SECONDS)
