"""Events of an answer, and what they fold to."""

from chatport._events import BackendEvent, MessageEnd, MessageStart, Usage
from chatport._fold import Fold
from chatport._messages import Image, Message

START = MessageStart("parrot-1", "r-1")
END = MessageEnd("stop", "end_turn", Usage(1, 2))
IMAGE = Image("image/png", b"x")


def folded(*events: BackendEvent) -> Fold:
    """Fold these events."""
    fold = Fold(backend="echo")
    for event in events:
        fold.feed(event)
    return fold


def message_of(*events: BackendEvent) -> Message:
    """The message that these events of its parts come to."""
    return folded(START, *events, END).message()
