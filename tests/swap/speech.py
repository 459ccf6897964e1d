"""What a model is made to say, in no service's words: each station says it in its own, as far as its service can."""

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias


@dataclass(frozen=True)
class Words:
    """Text."""

    text: str


@dataclass(frozen=True)
class Thought:
    """Reasoning that can be read; signed where the service signs."""

    text: str


@dataclass(frozen=True)
class Sealed:
    """Reasoning that only the service can read."""

    data: bytes


@dataclass(frozen=True)
class Call:
    """A call of a tool.

    Attributes:
        id: Its id, as the station's service issues them.
        name: The tool.
        arguments: The JSON text of its arguments, perhaps cut.
    """

    id: str
    name: str
    arguments: str


@dataclass(frozen=True)
class Cited:
    """Text that rests on something."""

    text: str
    title: str
    quote: str


@dataclass(frozen=True)
class ServerRun:
    """A tool that the service ran itself, and what came of it."""

    id: str
    query: str
    found: str


@dataclass(frozen=True)
class Unknown:
    """Something that chatport has no part for."""

    text: str


Said: TypeAlias = Words | Thought | Sealed | Call | Cited | ServerRun | Unknown
"""One thing that a model says."""

Stop: TypeAlias = Literal["stop", "tool_calls", "length"]
"""Why it stops."""


@dataclass(frozen=True)
class Answer:
    """One answer of a model.

    Attributes:
        said: What it says.
        stop: Why it stops.
        streaming: Whether it is asked to say it piece by piece.
    """

    said: tuple[Said, ...]
    stop: Stop = "stop"
    streaming: bool = False


Body: TypeAlias = dict[str, Any]
"""The JSON that a service was sent."""
