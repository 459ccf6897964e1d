"""A backend that says what a test tells it to, and remembers what it was asked."""

from __future__ import annotations

import itertools
import re
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias, get_args

import anyio.lowlevel

from chatport._events import BackendEvent, MessageEnd, StopReason, TextDelta, Usage
from chatport._messages import Content, Message, as_parts
from chatport._request import ChatRequest, Preview
from chatport._unfold import events_from

if TYPE_CHECKING:
    from typing_extensions import TypeIs

_EVENT_TYPES: tuple[type, ...] = get_args(BackendEvent)


@dataclass(frozen=True, slots=True)
class Answer:
    """One scripted answer with its particulars; a plain str or parts will do where they do not matter.

    Attributes:
        content: What the model says; a `ToolCall` among the parts makes it call a tool.
        stop_reason: By default `"tool_calls"` where there are calls, else `"stop"`.
        usage: What it costs, in tokens.
        error: Raised in place of the end, after the content.
    """

    content: Content | Message
    stop_reason: StopReason | None = None
    usage: Usage = field(default_factory=Usage)
    error: BaseException | None = None


Script: TypeAlias = (
    "Content | Message | Answer | Sequence[BackendEvent] | BaseException | Callable[[ChatRequest], Script]"
)
"""One answer of a `ScriptedBackend`: content, a message, an `Answer`, the very events, an exception to raise, or a
function of the request that returns one of these."""


class ScriptedBackend:
    """Answers from a script, one entry per request, and keeps the requests.

    Register it to have it found by name:

        backend = ScriptedBackend("Hello!", [ToolCall("1", "get_weather", {"location": "Paris"})], "Sunny.")
        with chatport.register_backend("scripted", lambda: backend):
            ...

    Attributes:
        name: The backend's name.
        requests: Every request so far, in order.
        closed: Whether it has been closed.
    """

    def __init__(self, *script: Script, name: str = "scripted") -> None:
        """Write the script.

        Args:
            *script: One entry per request; see `Script`. Text comes in several deltas, word by word.
            name: The backend's name, the key of its metadata.
        """
        self.name = name
        self.requests: list[ChatRequest] = []
        self.closed = False
        self._script = list(script)
        self._next = itertools.count()  # threads that ask at once get an answer each

    async def stream(self, request: ChatRequest) -> AsyncGenerator[BackendEvent, None]:
        """Yield the next answer's events.

        Raises:
            AssertionError: The script has no more answers.
        """
        self.requests.append(request)
        position = next(self._next)
        if position >= len(self._script):
            message = f"the script has {len(self._script)} answers, and this is request {position + 1}"
            raise AssertionError(message)
        for event in _events(self._script[position], request):
            # Every event is a place where a real backend would wait, and so a place to be cancelled at.
            await anyio.lowlevel.checkpoint()
            yield event

    async def preview(self, request: ChatRequest) -> Preview:
        """Return the conversation as text, which is all that this backend would send."""
        spoken = [{"role": message.role, "text": message.text} for message in request.messages]
        return Preview({"model": request.model, "messages": spoken})

    async def aclose(self) -> None:
        """Note that it was closed."""
        self.closed = True


def _events(entry: Script, request: ChatRequest) -> Iterator[BackendEvent]:
    if isinstance(entry, BaseException):
        raise entry
    if callable(entry):
        yield from _events(entry(request), request)
        return
    if _are_events(entry):
        yield from entry
        return
    answer = entry if isinstance(entry, Answer) else Answer(entry)
    message = answer.content if isinstance(answer.content, Message) else Message("assistant", as_parts(answer.content))
    events = events_from(message, model=request.model, stop_reason=answer.stop_reason, usage=answer.usage)
    for event in _in_words(events):
        if answer.error is not None and isinstance(event, MessageEnd):
            raise answer.error
        yield event


def _are_events(entry: Content | Message | Answer | Sequence[BackendEvent]) -> TypeIs[Sequence[BackendEvent]]:
    # A sequence of parts is content; an empty one is content too, that of a message without parts.
    return isinstance(entry, Sequence) and len(entry) > 0 and isinstance(entry[0], _EVENT_TYPES)


def _in_words(events: Iterable[BackendEvent]) -> Iterator[BackendEvent]:
    for event in events:
        if isinstance(event, TextDelta):
            yield from (TextDelta(event.index, word) for word in re.findall(r"\s*\S+|\s+$", event.text) or [event.text])
        else:
            yield event
