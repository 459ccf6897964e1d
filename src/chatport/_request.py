"""One request as a value: what a backend is asked, and what it would send."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, TypeAlias, get_args

from chatport._adjustments import Adjustment
from chatport._messages import Message, Part
from chatport._timeouts import Timeouts, checked_tool_timeout

ToolChoice: TypeAlias = str
"""`"auto"`, `"any"`, `"none"`, or the name of the one tool that must be called."""

ReasoningLevel: TypeAlias = Literal["off", "minimal", "low", "medium", "high", "xhigh", "max"]
"""How much to think before answering, from not at all upwards."""

CacheChoice: TypeAlias = Literal["auto", "5m", "1h"]
"""Whether what a request begins with is kept for the next one: where that pays, or for how long."""


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool as the model sees it, and the function behind it.

    Attributes:
        name: What the model calls it.
        description: What it does and when to use it.
        schema: A JSON schema of its arguments, an object.
        function: What runs; None leaves the call to the caller.
        strict: Whether the model's arguments have to fit the schema by force, where the service can do that. Schemas
            are then limited; what the limits do not allow is said in descriptions instead, and reported.
        timeout: How long a call may take, in seconds, whatever session and turn say; None leaves it to them, and
            `math.inf` sets no limit.
    """

    name: str
    description: str = ""
    schema: dict[str, Any] = field(default_factory=lambda: {"type": "object", "properties": {}}, hash=False)
    function: Callable[..., Any] | None = field(default=None, repr=False)
    strict: bool = False
    timeout: float | None = None

    def __post_init__(self) -> None:
        """Refuse a tool without a name, a schema that is no object and a limit of no time."""
        if not self.name:
            message = "a tool needs a name"
            raise ValueError(message)
        if not isinstance(self.schema, dict):
            message = f"the schema of the tool {self.name!r} must be a dict, not {type(self.schema).__name__}"
            raise TypeError(message)
        if self.timeout is not None:
            object.__setattr__(self, "timeout", checked_tool_timeout(self.timeout))


@dataclass(frozen=True, slots=True)
class Settings:
    """How a model should answer. What is None is not sent; 0 is a value.

    Attributes:
        max_tokens: The most tokens to write.
        temperature: How freely to choose, from 0.
        top_p: The share of probability to choose from, 0 to 1.
        top_k: How many candidates to choose from.
        stop_sequences: Texts that end the answer.
        reasoning: How much to think before answering: a level, or a budget in tokens, at least 1. A backend says it in
            its model's words and reports where the model has no such level. `"off"` is said where a model would think
            unasked.
        cache: Let the service keep what the request begins with, so that the next one costs less. `"auto"` is a wish:
            it is done where the model is known to cache. `"5m"` and `"1h"` ask for it for that long, and are reported
            where that cannot be had.
        extra: Wire members by backend name, deep-merged into the request last and with their case kept; for what
            has no neutral name. A backend may have a typed form of its own, which is a mapping too.
    """

    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop_sequences: Sequence[str] | None = None
    reasoning: ReasoningLevel | int | None = None
    cache: CacheChoice | None = None
    extra: Mapping[str, Mapping[str, Any]] = field(default_factory=dict[str, dict[str, Any]], hash=False)

    def __post_init__(self) -> None:
        """Take a list of stop sequences for a tuple; refuse a single str, and words that nobody knows."""
        if isinstance(self.stop_sequences, str):
            message = "stop_sequences is a sequence of str, not one str"
            raise TypeError(message)
        if self.stop_sequences is not None:
            object.__setattr__(self, "stop_sequences", tuple(self.stop_sequences))
        if self.reasoning is not None:
            _check_reasoning(self.reasoning)
        if self.cache is not None and self.cache not in get_args(CacheChoice):
            message = f"cache is one of {', '.join(get_args(CacheChoice))}, not {self.cache!r}"
            raise ValueError(message)
        object.__setattr__(self, "extra", {name: _plain(members) for name, members in self.extra.items()})

    def merged(self, over: Settings | None) -> Settings:
        """Return these settings with another's laid over them, field by field; `extra` is merged deeply."""
        if over is None:
            return self
        changes: dict[str, Any] = {
            item.name: value
            for item in fields(over)
            if item.name != "extra" and (value := getattr(over, item.name)) is not None
        }
        return replace(self, extra=deep_merge(self.extra, over.extra), **changes)


def _check_reasoning(reasoning: object) -> None:
    levels = get_args(ReasoningLevel)
    what = f"reasoning is one of {', '.join(levels)} or a number of tokens"
    if isinstance(reasoning, bool) or not isinstance(reasoning, (str, int)):
        message = f"{what}, not {reasoning!r}"
        raise TypeError(message)
    if isinstance(reasoning, str) and reasoning not in levels:
        message = f"{what}, not {reasoning!r}"
        raise ValueError(message)
    if isinstance(reasoning, int) and reasoning < 1:
        message = f"a budget for reasoning is at least 1 token, not {reasoning}; to ask for none say 'off'"
        raise ValueError(message)


def _plain(members: object) -> Any:
    """Return wire members as a dict, so that they merge; what is no mapping is for its backend to refuse."""
    found: Any = members
    return dict(found) if isinstance(members, Mapping) and not isinstance(members, dict) else found


def deep_merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return `base` with `over` laid over it: objects are merged member by member, anything else is replaced."""
    merged = dict(base)
    for key, value in over.items():
        present = merged.get(key)
        both = isinstance(present, dict) and isinstance(value, dict)
        merged[key] = deep_merge(present, value) if both else value  # type: ignore[arg-type]  # `both` says dict
    return merged


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """Everything a backend needs to know for one step.

    Attributes:
        model: The model id, as the caller gave it.
        messages: The conversation, the newest message last.
        system: The system prompt.
        tools: The tools on offer.
        tool_choice: Whether and which tool to call; None leaves it to the service.
        settings: How to answer.
        streaming: Whether the caller reads the answer as it comes; the backend picks the operation.
        strict: Whether a loss must be refused instead of reported.
        output_schema: A JSON schema, an object, that the answer has to fit; None for an answer in words. The text of
            the message that ends the turn has to be the JSON then, however the backend gets the model to write it.
        output_name: A name for that schema: letters, digits, "_" and "-", at most 64 of them.
        timeouts: How long to wait; a backend lays them over its own, `own.merged(request.timeouts)`.
    """

    model: str
    messages: tuple[Message, ...]
    system: tuple[Part, ...] = ()
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice | None = None
    settings: Settings = field(default_factory=Settings)
    streaming: bool = False
    strict: bool = False
    output_schema: dict[str, Any] | None = field(default=None, hash=False)
    output_name: str = "output"
    timeouts: Timeouts = field(default_factory=Timeouts)


@dataclass(frozen=True, slots=True)
class Preview:
    """What would be sent, and what could not be said as asked.

    Attributes:
        request: The body as it would go over the wire, JSON.
        adjustments: What a backend had to change.
    """

    request: dict[str, Any] = field(hash=False)
    adjustments: tuple[Adjustment, ...] = ()
