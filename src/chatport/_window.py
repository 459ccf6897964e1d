"""What a session sends of its history: all of it, or what a function of the caller's leaves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

from chatport._messages import Message
from chatport._revision import Revision

if TYPE_CHECKING:
    from chatport._adjustments import Adjustment
    from chatport._request import ChatRequest

Window: TypeAlias = Callable[[tuple[Message, ...]], Revision]
"""Messages in, those to send out. It is called for each request, with the history and what the turn has added so far;
the history itself keeps them all. The newest message has to stay."""


def windowed(window: Window | None, request: ChatRequest) -> tuple[ChatRequest, tuple[Adjustment, ...]]:
    """Return a request with what a window leaves of its messages, and what the window says of that.

    Raises:
        TypeError: The window gives no `Revision`.
        ValueError: The newest message is not the last one any more: another question would be answered.
    """
    if window is None or not request.messages:
        return request, ()
    revision: object = window(request.messages)
    if not isinstance(revision, Revision):
        message = f"a window gives a Revision, not a {type(revision).__name__}"
        raise TypeError(message)
    if not revision.messages or revision.messages[-1] != request.messages[-1]:
        message = "the window has left out the newest message, or changed it: nothing was sent"
        raise ValueError(message)
    return replace(request, messages=tuple(revision.messages)), revision.adjustments


def checked_window(window: Window | None) -> Window | None:
    """Return a window that can be called.

    Raises:
        TypeError: It cannot.
    """
    given: object = window
    if given is not None and not callable(given):
        message = f"window must be a function from messages to a Revision, not a {type(given).__name__}"
        raise TypeError(message)
    return window
