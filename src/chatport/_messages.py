"""Messages and their parts: plain values that every backend understands or says that it does not."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, TypeGuard, cast, get_args

from chatport._json import parse_json
from chatport._media import Audio, Document, Image, Media, Video

Role = Literal["system", "user", "assistant", "tool"]
"""Who speaks. Results of tools stand in messages of the role `tool`."""


@dataclass(frozen=True, slots=True)
class Citation:
    """Where a piece of an answer comes from.

    Attributes:
        title: The title of the source.
        source: What the source is called or where it lives, such as a URL.
        quotes: The passages that are cited, word for word.
        metadata: JSON values keyed by backend name, such as the exact location as the service gave it.
    """

    title: str | None = None
    source: str | None = None
    quotes: tuple[str, ...] = ()
    metadata: dict[str, Any] = field(default_factory=dict[str, Any], hash=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Text:
    """Words.

    Attributes:
        text: The words.
        citations: What they rest on, where the service says so.
        metadata: JSON values keyed by backend name.
    """

    text: str
    citations: tuple[Citation, ...] = ()
    metadata: dict[str, Any] = field(default_factory=dict[str, Any], hash=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Reasoning:
    """What a model thought before it answered.

    A signature proves to the service that signed it that the words are its own; both go back to it unchanged.

    Attributes:
        text: The thoughts, which may be empty.
        signature: The service's signature, or None.
        redacted: Thoughts that only the service can read, in bytes, or None.
        metadata: JSON values keyed by backend name; the backend that produced the reasoning leaves its mark here.
    """

    text: str = ""
    signature: str | None = None
    redacted: bytes | None = None
    metadata: dict[str, Any] = field(default_factory=dict[str, Any], hash=False, kw_only=True)

    def __repr__(self) -> str:
        """Show the thoughts; of signature and redacted bytes only that they are there."""
        signed = ", signed" if self.signature is not None else ""
        redacted = f", {len(self.redacted)} redacted bytes" if self.redacted is not None else ""
        return f"Reasoning({self.text!r}{signed}{redacted})"


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A model's wish to have a tool run.

    Attributes:
        id: The id that the result must carry.
        name: The tool's name.
        arguments: The arguments, a JSON object.
        invalid_json: What the model wrote, where that is no JSON object; then `arguments` is empty and the call is
            never run.
        executed_by: `"client"`: the caller runs it. `"server"`: the service has run it itself.
        metadata: JSON values keyed by backend name.
    """

    id: str
    name: str
    arguments: dict[str, Any] = field(default_factory=dict[str, Any], hash=False)
    invalid_json: str | None = None
    executed_by: Literal["client", "server"] = "client"
    metadata: dict[str, Any] = field(default_factory=dict[str, Any], hash=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Json:
    """A JSON value as a part, mostly in the content of a tool's result.

    Attributes:
        value: Anything that JSON can say.
        metadata: JSON values keyed by backend name.
    """

    value: Any = field(hash=False)
    metadata: dict[str, Any] = field(default_factory=dict[str, Any], hash=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class CachePoint:
    """A mark: what stands before it is worth caching.

    Attributes:
        ttl: How long, in the service's words, such as `"5m"` or `"1h"`; None leaves it to the service.
        metadata: JSON values keyed by backend name.
    """

    ttl: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict[str, Any], hash=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Opaque:
    """Something that chatport has no part for, kept word for word so that it can go back unchanged.

    Attributes:
        backend: The name of the backend that understands it; others leave it out and say so.
        data: The value as it stood on the wire, JSON.
        metadata: JSON values keyed by backend name.
    """

    backend: str
    data: Any = field(hash=False)
    metadata: dict[str, Any] = field(default_factory=dict[str, Any], hash=False, kw_only=True)


ToolErrorKind: TypeAlias = Literal[
    "cut", "denied", "exception", "interrupted", "invalid-arguments", "timeout", "unknown-tool"
]
"""Why a call has no other result, in words for programs: its message was cut, nobody allowed it, it raised …"""

NEUTRAL = "chatport"
"""The key in `metadata` of what is of no backend."""


def neutral_metadata(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of some metadata is of no backend; nothing where somebody put something else there."""
    own = metadata.get(NEUTRAL)
    return cast("dict[str, Any]", own) if isinstance(own, dict) else {}


@dataclass(frozen=True, slots=True, init=False)
class ToolResult:
    """What a tool gave back, addressed to the call it answers.

    Attributes:
        id: The id of the call.
        content: The parts of the result.
        is_error: Whether the tool failed; the model is told.
        metadata: JSON values keyed by backend name.
    """

    id: str
    content: tuple[Part, ...] = ()
    is_error: bool = False
    metadata: dict[str, Any] = field(default_factory=dict[str, Any], hash=False, kw_only=True)

    def __init__(
        self,
        id: str,  # noqa: A002 - the field's standard name, here and on the wire
        content: ToolContent = (),
        is_error: bool = False,  # noqa: FBT001, FBT002 - the second field of a value, mostly given by name
        *,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        """Make a result.

        Args:
            id: The id of the call that is answered.
            content: A str becomes a `Text`, a part or a sequence of parts stays what it is, any other JSON value
                becomes a `Json`. In a sequence that holds a part, each str becomes a `Text`.
            is_error: Whether the tool failed.
            metadata: JSON values keyed by backend name.

        Raises:
            TypeError: The content is neither parts nor JSON.
        """
        object.__setattr__(self, "id", id)
        object.__setattr__(self, "content", tool_content(content))
        object.__setattr__(self, "is_error", is_error)
        object.__setattr__(self, "metadata", {} if metadata is None else metadata)

    @property
    def text(self) -> str:
        """The text parts, joined."""
        return "".join(part.text for part in self.content if isinstance(part, Text))

    @property
    def error_kind(self) -> ToolErrorKind | None:
        """Why there is no other result; None where the tool itself gave this one, or a caller did."""
        kind = neutral_metadata(self.metadata).get("error")
        return kind if kind in _ERROR_KINDS else None


Part: TypeAlias = (
    Text | Image | Document | Audio | Video | Reasoning | ToolCall | ToolResult | Json | CachePoint | Opaque
)
"""Anything that may stand in a message. New parts are not a breaking change: end a `match` with `case _`."""

Content: TypeAlias = str | Part | Sequence[str | Part]
"""What a turn, a system prompt or a message is made from."""

ToolContent: TypeAlias = str | Part | Sequence[Any] | Mapping[str, Any] | float | bool | None
"""What a tool's result is made from: text, parts or any JSON value."""

PART_TYPES: tuple[type, ...] = get_args(Part)
_EXACT_TYPES = frozenset(PART_TYPES)
_ROLES: tuple[str, ...] = get_args(Role)
_ERROR_KINDS: tuple[Any, ...] = get_args(ToolErrorKind)
_BYTES_TYPES = (bytes, bytearray, memoryview)  # sequences of integers, which nobody means by them


def is_part(value: object) -> bool:
    """Whether the value is one of our parts."""
    return isinstance(value, PART_TYPES)


def _is_row(content: object) -> TypeGuard[tuple[Part, ...]]:
    """Whether it is a tuple of our own parts, which most content is by the time it comes here."""
    return type(content) is tuple and _EXACT_TYPES.issuperset(map(type, cast("tuple[object, ...]", content)))


def as_parts(content: Content) -> tuple[Part, ...]:
    """Return content as parts: a str becomes a `Text`.

    Raises:
        TypeError: Something in it is neither a str nor a part.
    """
    if isinstance(content, str):
        return (Text(content),)
    if _is_row(content):
        return content
    if isinstance(content, PART_TYPES):
        return (content,)  # type: ignore[return-value]  # isinstance over a tuple of types does not narrow a union
    if not isinstance(content, Sequence) or isinstance(content, _BYTES_TYPES):
        message = f"content must be a str, a part or a sequence of them, not {type(content).__name__}"
        raise TypeError(message)
    return tuple(_as_part(item) for item in content)


def _as_part(item: object) -> Part:
    if isinstance(item, str):
        return Text(item)
    if not isinstance(item, PART_TYPES):
        message = f"content must be a str, a part or a sequence of them; it holds a {type(item).__name__}"
        raise TypeError(message)
    return item  # type: ignore[return-value]  # as above


def tool_content(content: ToolContent) -> tuple[Part, ...]:
    """Return what a tool gave back as parts; anything that is no text and no part becomes a `Json`.

    Raises:
        TypeError: It is neither parts nor a JSON value.
    """
    if isinstance(content, str):
        return (Text(content),)
    if isinstance(content, PART_TYPES):
        return (content,)  # type: ignore[return-value]  # as above
    if isinstance(content, tuple) and not content:
        return ()
    if isinstance(content, Sequence) and not isinstance(content, _BYTES_TYPES) and any(map(is_part, content)):
        return tuple(_as_part(item) for item in content)
    return (Json(_json_value(content)),)


def _json_value(value: object) -> Any:
    """Return a plain copy of a JSON value, so that what the caller changes later does not change the history."""
    try:
        return parse_json(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        message = f"a tool's result must be text, parts or a JSON value: {error}"
        raise TypeError(message) from error


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Message:
    """One message of a conversation.

    Attributes:
        role: Who speaks.
        parts: What is said.
        metadata: JSON values keyed by backend name.
    """

    role: Role
    parts: tuple[Part, ...]
    metadata: dict[str, Any] = field(default_factory=dict[str, Any], hash=False)

    def __post_init__(self) -> None:
        """Refuse an unknown role; take a list of parts for a tuple."""
        if self.role not in _ROLES:
            message = f"role must be one of {', '.join(_ROLES)}, not {self.role!r}"
            raise ValueError(message)
        object.__setattr__(self, "parts", as_parts(self.parts))

    @classmethod
    def user(cls, *content: Content) -> Message:
        """Make a user's message from strings and parts."""
        return cls("user", parts_of(content))

    @classmethod
    def assistant(cls, *content: Content) -> Message:
        """Make a model's message from strings and parts."""
        return cls("assistant", parts_of(content))

    @classmethod
    def system(cls, *content: Content) -> Message:
        """Make a system message that stays at its place in a history."""
        return cls("system", parts_of(content))

    @property
    def text(self) -> str:
        """The text parts, joined."""
        return "".join(part.text for part in self.parts if isinstance(part, Text))

    @property
    def reasoning(self) -> str:
        """The readable reasoning, joined."""
        return "".join(part.text for part in self.parts if isinstance(part, Reasoning))

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """The calls that the caller has to run; those that the service ran itself are among the parts only."""
        return tuple(part for part in self.parts if isinstance(part, ToolCall) and part.executed_by == "client")


def parts_of(contents: Sequence[Content]) -> tuple[Part, ...]:
    """Return several contents as one row of parts."""
    return tuple(part for content in contents for part in as_parts(content))


__all__ = [
    "PART_TYPES",
    "Audio",
    "CachePoint",
    "Citation",
    "Content",
    "Document",
    "Image",
    "Json",
    "Media",
    "Message",
    "Opaque",
    "Part",
    "Reasoning",
    "Role",
    "Text",
    "ToolCall",
    "ToolContent",
    "ToolErrorKind",
    "ToolResult",
    "Video",
    "as_parts",
    "is_part",
    "parts_of",
    "tool_content",
]
