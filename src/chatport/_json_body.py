"""A request's body as JSON: as the bytes that are sent, and as plain JSON to look at.

Media stand in a body as leaves of their own, and become base64 text. Nothing in base64 needs escaping, so the text is
put into the finished JSON instead of going through the JSON encoder, which would look at every character of it.
"""

from __future__ import annotations

import json
from binascii import b2a_base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from math import isfinite
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from anyio import CapacityLimiter
from anyio.lowlevel import RunVar

from chatport._errors import UnsupportedError
from chatport._worker import run_in_worker

if TYPE_CHECKING:
    from typing_extensions import TypeIs

_NO_JSON: Final = "the request is no JSON, nothing was sent"
# Nothing that requests are made of, neither as a name nor as a value: where it is found once too often, the whole
# request is dumped again.
_MARKER: Final = "a medium, as base64"
# About half a millisecond of work; less is not worth a thread.
_LONG_MEDIA_BYTES: Final = 2**18
_THREADS: Final = 4
_limiter: Final[RunVar[CapacityLimiter]] = RunVar("chatport.json_body")

_LeafT = TypeVar("_LeafT")


@dataclass(frozen=True, slots=True)
class Base64:
    """A leaf of a body that is written as a base64 string.

    Attributes:
        data: The bytes.
    """

    data: bytes

    def __repr__(self) -> str:
        """Show how large it is, not what it is."""
        return f"<base64 of {len(self.data)} bytes>"


@dataclass(frozen=True, slots=True)
class DataUrl:
    """A leaf of a body that is written as a `data:` URL.

    Attributes:
        media_type: What the bytes are, such as `"image/png"`.
        data: The bytes.
    """

    media_type: str
    data: bytes

    def __repr__(self) -> str:
        """Show how large it is, not what it is."""
        return f"<data URL of {len(self.data)} bytes, {self.media_type}>"


@dataclass(frozen=True, slots=True)
class BodyLeaves(Generic[_LeafT]):
    """The values in a body that are no JSON yet, such as media.

    `Base64` and `DataUrl` are what most backends need; one that has others in its bodies says here what they are.

    Attributes:
        types: Their types, none of which JSON has.
        text_of: The text that one becomes.
        words_of: What of one is text already, and has to be such as UTF-8 can say; None where nothing is.
    """

    types: tuple[type[_LeafT], ...]
    text_of: Callable[[_LeafT], str]
    words_of: Callable[[_LeafT], str] | None = None

    def has(self, value: object) -> TypeIs[_LeafT]:
        """Whether a value is one of them."""
        return isinstance(value, self.types)


def cut_json(body: Mapping[str, Any], leaves: BodyLeaves[_LeafT]) -> tuple[tuple[bytes, ...], tuple[_LeafT, ...]]:
    """Return a body as JSON in UTF-8, cut at the places of its leaves, and the leaves in the same order.

    There is one text more than there are leaves; what a leaf becomes goes between them, with its quotes. For backends
    that send a body piece by piece: `encode_json` puts it together.

    Args:
        body: JSON values, and leaves. It is not changed.
        leaves: What they are.

    Raises:
        UnsupportedError: As `encode_json`.
    """
    try:
        texts, found = _cut(body, leaves)
        return tuple([text.encode() for text in texts]), tuple(found)
    except (TypeError, ValueError, RecursionError) as error:
        raise UnsupportedError(_complaint(body, leaves, error)) from error


async def encode_json(body: Mapping[str, Any]) -> bytes:
    """Return a body as JSON in UTF-8, without blanks, its keys in the order they have.

    Large media are encoded in a worker thread.

    Args:
        body: JSON values, and `Base64` and `DataUrl` as leaves. It is not changed.

    Raises:
        UnsupportedError: Something in it is no JSON: NaN or infinity, half of a surrogate pair, a value of another
            type, or nesting without end. The message says where; nothing was sent.
    """
    texts, media = cut_json(body, _MEDIA)
    if sum(len(medium.data) for medium in media) > _LONG_MEDIA_BYTES:
        # Threads of their own: those that anyio shares may be busy for minutes with whatever else a program does.
        return await run_in_worker(lambda: _joined(texts, media), _threads())
    return _joined(texts, media) if media else texts[0]


def plain_json(body: Mapping[str, Any], leaves: BodyLeaves[Any] | None = None) -> dict[str, Any]:
    """Return a deep copy of a body as plain JSON values, leaves as text: what goes over the wire, to look at.

    Args:
        body: JSON values, and leaves.
        leaves: What they are; None for `Base64` and `DataUrl`.

    Raises:
        UnsupportedError: As `encode_json`: what could not be sent cannot be shown either.
    """
    leaves = _MEDIA if leaves is None else leaves
    try:
        fault = _first_fault(body, "", leaves)
    except RecursionError as error:
        raise UnsupportedError(_complaint(body, leaves, error)) from error
    if fault is not None:
        raise UnsupportedError(f"{_NO_JSON}: {fault}")
    return {name: _plain(value, leaves) for name, value in body.items()}


def _threads() -> CapacityLimiter:
    try:
        return _limiter.get()
    except LookupError:
        limiter = CapacityLimiter(_THREADS)
        _limiter.set(limiter)
        return limiter


def _cut(body: Mapping[str, Any], leaves: BodyLeaves[_LeafT]) -> tuple[list[str], list[_LeafT]]:
    """Return the JSON text cut at the places of the leaves, and the leaves in the same order."""
    marker = _MARKER
    while True:
        text, found = _dump(body, marker, leaves)
        # Every mark is found, as none can overlap another. One more means that the conversation has the marker itself
        # in it. Nobody can write a text that contains the hash of that text, so the second attempt is the last.
        texts = text.split(f'"{marker}"')
        if len(texts) == len(found) + 1:
            return texts, found
        marker = sha256(text.encode()).hexdigest()


def _dump(body: Mapping[str, Any], marker: str, leaves: BodyLeaves[_LeafT]) -> tuple[str, list[_LeafT]]:
    """Return the JSON text with the marker in the place of leaves, and the leaves in the order of their marks."""
    found: list[_LeafT] = []

    def mark(value: object) -> Any:
        if leaves.has(value):
            if leaves.words_of is not None:
                leaves.words_of(value).encode()  # raises here, where the place is looked for
            found.append(value)
            return marker
        if _is_object(value):
            return dict(value)
        raise TypeError(f"a {type(value).__name__} is no JSON value")

    return json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=mark), found


def _joined(texts: Sequence[bytes], media: Sequence[Base64 | DataUrl]) -> bytes:
    pieces = [texts[0]]
    for medium, text in zip(media, texts[1:], strict=True):
        pieces += (b'"', _prefix(medium), b2a_base64(medium.data, newline=False), b'"', text)
    return b"".join(pieces)


def _prefix(medium: Base64 | DataUrl) -> bytes:
    if isinstance(medium, Base64):
        return b""
    return json.dumps(f"data:{medium.media_type};base64,", ensure_ascii=False)[1:-1].encode()


def _base64_text(medium: Base64 | DataUrl) -> str:
    prefix = "" if isinstance(medium, Base64) else f"data:{medium.media_type};base64,"
    return prefix + b2a_base64(medium.data, newline=False).decode("ascii")


def _media_type(medium: Base64 | DataUrl) -> str:
    return medium.media_type if isinstance(medium, DataUrl) else ""


_MEDIA: Final[BodyLeaves[Base64 | DataUrl]] = BodyLeaves((Base64, DataUrl), _base64_text, _media_type)


def _plain(value: object, leaves: BodyLeaves[Any]) -> Any:
    if _is_object(value):
        return {name: _plain(item, leaves) for name, item in value.items()}
    if _is_array(value):
        return [_plain(item, leaves) for item in value]
    return leaves.text_of(value) if leaves.has(value) else value


def _is_object(value: object) -> TypeIs[Mapping[Any, Any]]:
    return isinstance(value, Mapping)


def _is_array(value: object) -> TypeIs[list[Any] | tuple[Any, ...]]:
    return isinstance(value, list | tuple)


# --- what is wrong, and where: only looked for once something is -----------------------------------------------------


def _complaint(body: Mapping[str, Any], leaves: BodyLeaves[Any], error: Exception) -> str:
    try:
        found = _first_fault(body, "", leaves)
    except RecursionError:  # too deep to walk, or a loop: there is no single place to name
        found = None
    return f"{_NO_JSON}: {found or error}"


def _first_fault(value: object, path: str, leaves: BodyLeaves[Any]) -> str | None:  # noqa: PLR0911 - one for each kind
    if _is_object(value):
        faults = (_fault_of_member(name, item, path, leaves) for name, item in value.items())
        return next((fault for fault in faults if fault), None)
    if _is_array(value):
        faults = (_first_fault(item, f"{path}[{index}]", leaves) for index, item in enumerate(value))
        return next((fault for fault in faults if fault), None)
    if isinstance(value, str):
        return _fault_of_text(value, path)
    if isinstance(value, float):
        return None if isfinite(value) else f"{path} is {value!r}, which JSON cannot say"
    if leaves.has(value):
        return None if leaves.words_of is None else _fault_of_text(leaves.words_of(value), path)
    if value is None or isinstance(value, int):
        return None
    return f"{path} is a {type(value).__name__}, which is no JSON value"


def _fault_of_member(name: object, value: object, path: str, leaves: BodyLeaves[Any]) -> str | None:
    if not isinstance(name, str | int | float | None):
        return f"{path or 'the body'} has a {type(name).__name__} for a name"
    where = f"{path}.{name}" if path else str(name)
    if isinstance(name, str) and _fault_of_text(name, where):
        return _fault_of_text(name, f"a name in {path or 'the body'}")
    return _first_fault(value, where, leaves)


def _fault_of_text(text: str, path: str) -> str | None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        character = f"U+{ord(text[error.start]):04X}"
        return f"{path} has half of a surrogate pair ({character}) at character {error.start}, which UTF-8 cannot say"
    return None
