"""What the tests of the suite share: requests, and readers that note what comes and how it ends."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Final

import anyio
import pytest

from chatport._errors import BackendError
from chatport._events import BackendEvent, MessageEnd, MessageStart, Usage
from chatport._fold import Fold
from chatport._messages import Message
from chatport._request import ChatRequest
from chatport._timeouts import Timeouts

if TYPE_CHECKING:
    from chatport.backend import Backend
    from chatport.testing._service import Feature, ServiceAnswer, ServiceScript

PATIENCE: Final = 10.0
"""After how many seconds something that has to happen is taken for something that never will."""


def needs(script: ServiceScript, *features: Feature) -> None:
    """Skip the test where the service lacks a feature, with the reason that its author gives."""
    for feature in features:
        reason = script.lacks.get(feature)
        if reason is not None:
            pytest.skip(f"without {feature}: {reason}")


def question(script: ServiceScript, words: str = "Is anybody there?", **members: Any) -> ChatRequest:
    """Return a request of a few words."""
    limits = Timeouts(connect=PATIENCE, acquire=PATIENCE, first_event=PATIENCE, idle=PATIENCE)
    given: dict[str, Any] = {"streaming": True, "timeouts": limits, **members}
    return ChatRequest(script.model, (Message.user(words),), **given)


def question_for(script: ServiceScript, answer: ServiceAnswer, **members: Any) -> ChatRequest:
    """Enqueue an answer and return a request for it.

    It asks with the very words of the answer, so that a service that can only repeat what it hears takes part too.
    """
    script.enqueue(answer)
    return question(script, answer.message.text or "Is anybody there?", **members)


@dataclass
class Heard:
    """What has come of an answer.

    Attributes:
        events: The events, in order.
        error: What the stream ended with in place of its end, if it did.
    """

    events: list[BackendEvent] = field(default_factory=list[BackendEvent])
    error: BackendError | None = None

    def folded(self) -> tuple[MessageStart, Message, MessageEnd]:
        """Return start, message and end of a whole answer; fails where the events are in no order."""
        assert self.error is None, f"the answer ended with {self.error!r}"
        fold = Fold()
        for event in self.events:
            fold.feed(event)
        return fold.complete()

    def message_so_far(self) -> Message:
        """Return what has come, of an answer that broke off as well."""
        fold = Fold()
        for event in self.events:
            fold.feed(event)
        return fold.snapshot()


async def listen(backend: Backend, request: ChatRequest) -> Heard:
    """Read an answer to its end, or to the error that it ends with.

    What escapes is no `BackendError` where one was due, or a stream that never ends.
    """
    heard = Heard()
    with anyio.fail_after(PATIENCE):
        try:
            async with aclosing(backend.stream(request)) as events:
                async for event in events:
                    heard.events.append(event)
        except BackendError as error:
            heard.error = error
    return heard


async def answer_of(backend: Backend, request: ChatRequest) -> tuple[MessageStart, Message, MessageEnd]:
    """Read an answer that has to be whole."""
    return (await listen(backend, request)).folded()


def neutral(message: Message) -> Message:
    """Return a message without what only its backend understands."""
    return Message(message.role, tuple(replace(part, metadata={}) for part in message.parts))


def counted(usage: Usage) -> Usage:
    """Return usage without the service's own figures."""
    return replace(usage, raw={})


class SuiteTests:
    """What every group of the suite's tests has."""

    pytestmark: ClassVar = [
        pytest.mark.filterwarnings("error::ResourceWarning"),
        pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning"),
        pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning"),
    ]

    @pytest.fixture
    async def opened(self, backend: Backend) -> AsyncIterator[Backend]:
        """The author's backend, closed behind the test, in the loop of the test."""
        yield backend
        with anyio.fail_after(PATIENCE):
            await backend.aclose()
