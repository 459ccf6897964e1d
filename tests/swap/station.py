"""A station: a backend, a model, and the service behind it, scripted and on loopback. What all stations have."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, ClassVar

from tests.swap.speech import Answer, Body, Call, Said

from chatport.backend import Adjustment, Backend, BackendError, ChatRequest


@dataclass(frozen=True)
class WireCall:
    """A call of a tool as it was sent.

    Attributes:
        id: Its id.
        name: The tool.
        turn: The number of the turn it stands in.
    """

    id: str
    name: str
    turn: int


@dataclass(frozen=True)
class WireResult:
    """A result of a tool as it was sent.

    Attributes:
        id: The call that it answers.
        failed: Whether it is said that the tool failed.
        turn: The number of the turn it stands in.
        content: What is in it.
    """

    id: str
    failed: bool
    turn: int
    content: Any


class Visit(ABC):
    """A backend that is open, and its service.

    Attributes:
        backend: The backend.
    """

    backend: Backend

    @abstractmethod
    def enqueue(self, answer: Answer) -> None:
        """Have the service give this answer to the next request that it does not refuse."""

    @property
    @abstractmethod
    def bodies(self) -> Sequence[Body]:
        """The bodies that the service was sent, in their order, refused ones too."""


@dataclass(frozen=True)
class Station(ABC):
    """Where a conversation can be had.

    Attributes:
        name: What people call it.
        model: The model's id.
        signer: Who signs the reasoning here. Stations of one signer take each other's.
        ids: Ids of calls as its service was recorded to issue them, at least `NEEDED_IDS`.
    """

    name: str
    model: str
    signer: str
    ids: tuple[str, ...]

    backend_name: ClassVar[str]
    """The backend, as `open_session` calls it."""

    in_words: ClassVar[bool] = False
    """Whether its model is told of calls and results in words, so that they have no ids, and names stand in text."""
    reads_all: ClassVar[bool] = True
    """Whether it is sent the whole conversation; else the newest message only."""

    def __str__(self) -> str:
        """The name, for ids of tests."""
        return self.name

    @abstractmethod
    def can_say(self, said: Said) -> bool:
        """Whether a model here can say such a thing."""

    def answer(self, answer: Answer) -> Answer:
        """Return an answer without what a model here cannot say."""
        said = tuple(item for item in answer.said if self.can_say(item))
        stop = answer.stop if any(isinstance(item, Call) for item in said) else "stop"
        return Answer(said, stop, answer.streaming)

    def options(self, answer: Answer) -> dict[str, Any]:
        """With what options of a turn such an answer has to be asked for."""
        del answer
        return {}

    @abstractmethod
    def open(self) -> AbstractAsyncContextManager[Visit]:
        """Open the backend and start its service."""

    @abstractmethod
    def plan(self, request: ChatRequest) -> tuple[Body, Sequence[Adjustment]]:
        """Return what would be sent for a request, and all that was adjusted, without asking anybody.

        Raises:
            UnsupportedError: It cannot be said.
        """

    @abstractmethod
    def violations(self, body: Body) -> Iterator[str]:
        """What is wrong with a body by the service's schema and its rules."""

    def turns(self, body: Body) -> list[Any]:
        """The turns of a body, without what stands before the conversation."""
        found = body["messages"]
        assert isinstance(found, list)
        return found

    @abstractmethod
    def calls(self, body: Body) -> Iterator[WireCall]:
        """The calls in a body that the caller is to run, in their order."""

    @abstractmethod
    def results(self, body: Body) -> Iterator[WireResult]:
        """What the caller gave back, in its order."""

    def tool_name(self, name: str) -> str:
        """What a tool is called in conversations that begin here."""
        return name

    def refused_medium(self, error: BackendError) -> str | None:
        """The kind of media that the service itself says its model does not take; None where it says something else."""
        del error
        return None
