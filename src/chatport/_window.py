"""What a session sends of its history: all of it, or what a function of the caller's leaves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

from chatport._adjustments import Adjustment
from chatport._messages import Message
from chatport._places import Places
from chatport._request import ChatRequest
from chatport._revision import Revision

if TYPE_CHECKING:
    from collections.abc import Sequence

Window: TypeAlias = Callable[[tuple[Message, ...]], Revision]
"""Messages in, those to send out. It is called for each request, with the history and what the turn has added so far;
the history itself keeps them all. The newest message has to stay."""


@dataclass(frozen=True, slots=True)
class Windowed:
    """A request as it is sent.

    Attributes:
        request: With what a window leaves of its messages.
        left_out: What the window says of that, by the numbers of the history.
        places: Where the messages that are sent stand in the history; None where they are the history.
    """

    request: ChatRequest
    left_out: tuple[Adjustment, ...] = ()
    places: Places | None = None


def windowed(window: Window | None, request: ChatRequest, history: Sequence[Message] | None = None) -> Windowed:
    """Return a request with what a window leaves of its messages.

    Args:
        window: A function of the caller's; None leaves all.
        request: A request with all messages.
        history: What the history will be, where that is not the messages of the request.

    Raises:
        TypeError: The window gives no `Revision`.
        ValueError: The newest message is not the last one any more: another question would be answered.
    """
    given = request.messages
    places = None if history is None else Places(history, given)
    if window is None or not given:
        return Windowed(request, places=places)
    revision: object = window(given)
    if not isinstance(revision, Revision):
        message = f"a window gives a Revision, not a {type(revision).__name__}"
        raise TypeError(message)
    if not revision.messages or revision.messages[-1] != given[-1]:
        message = "the window has left out the newest message, or changed it: nothing was sent"
        raise ValueError(message)
    left_out = revision.adjustments if places is None else places.adjustments(revision.adjustments)
    sent = tuple(revision.messages)
    return Windowed(replace(request, messages=sent), left_out, Places(given if history is None else history, sent))


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
