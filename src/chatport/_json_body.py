"""A request's body as JSON: as the bytes that are sent, and as plain JSON to look at.

Media stand in a body as leaves of their own, and become base64 text. Nothing in base64 needs escaping, so the text is
put into the finished JSON instead of going through the JSON encoder, which would look at every character of it.
"""

from __future__ import annotations

import json
from binascii import b2a_base64
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from math import isfinite
from typing import TYPE_CHECKING, Any, Final

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


async def encode_json(body: Mapping[str, Any]) -> bytes:
    """Return a body as JSON in UTF-8, without blanks, its keys in the order they have.

    Large media are encoded in a worker thread.

    Args:
        body: JSON values, and `Base64` and `DataUrl` as leaves. It is not changed.

    Raises:
        UnsupportedError: Something in it is no JSON: NaN or infinity, half of a surrogate pair, a value of another
            type, or nesting without end. The message says where; nothing was sent.
    """
    try:
        texts, media = _cut(body)
        pieces = [text.encode() for text in texts]
    except (TypeError, ValueError, RecursionError) as error:
        raise UnsupportedError(_complaint(body, error)) from error
    if sum(len(medium.data) for medium in media) > _LONG_MEDIA_BYTES:
        # Threads of their own: those that anyio shares may be busy for minutes with whatever else a program does.
        return await run_in_worker(lambda: _joined(pieces, media), _threads())
    return _joined(pieces, media) if media else pieces[0]


def plain_json(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return a deep copy of a body as plain JSON values, media as text: what goes over the wire, to look at.

    Raises:
        UnsupportedError: As `encode_json`: what could not be sent cannot be shown either.
    """
    try:
        fault = _first_fault(body, "")
    except RecursionError as error:
        raise UnsupportedError(_complaint(body, error)) from error
    if fault is not None:
        raise UnsupportedError(f"{_NO_JSON}: {fault}")
    return {name: _plain(value) for name, value in body.items()}


def _threads() -> CapacityLimiter:
    try:
        return _limiter.get()
    except LookupError:
        limiter = CapacityLimiter(_THREADS)
        _limiter.set(limiter)
        return limiter


def _cut(body: Mapping[str, Any]) -> tuple[list[str], list[Base64 | DataUrl]]:
    """Return the JSON text cut at the places of the media, and the media in the same order."""
    marker = _MARKER
    while True:
        text, media = _dump(body, marker)
        # Every mark is found, as none can overlap another. One more means that the conversation has the marker itself
        # in it. Nobody can write a text that contains the hash of that text, so the second attempt is the last.
        texts = text.split(f'"{marker}"')
        if len(texts) == len(media) + 1:
            return texts, media
        marker = sha256(text.encode()).hexdigest()


def _dump(body: Mapping[str, Any], marker: str) -> tuple[str, list[Base64 | DataUrl]]:
    media: list[Base64 | DataUrl] = []

    def mark(value: object) -> Any:
        if isinstance(value, Base64 | DataUrl):
            if isinstance(value, DataUrl):
                value.media_type.encode()  # raises here, where the place is looked for
            media.append(value)
            return marker
        if _is_object(value):
            return dict(value)
        raise TypeError(f"a {type(value).__name__} is no JSON value")

    return json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=mark), media


def _joined(texts: list[bytes], media: list[Base64 | DataUrl]) -> bytes:
    pieces = [texts[0]]
    for medium, text in zip(media, texts[1:], strict=True):
        pieces += (b'"', _prefix(medium), b2a_base64(medium.data, newline=False), b'"', text)
    return b"".join(pieces)


def _prefix(medium: Base64 | DataUrl) -> bytes:
    if isinstance(medium, Base64):
        return b""
    return json.dumps(f"data:{medium.media_type};base64,", ensure_ascii=False)[1:-1].encode()


def _plain(value: object) -> Any:
    if _is_object(value):
        return {name: _plain(item) for name, item in value.items()}
    if _is_array(value):
        return [_plain(item) for item in value]
    if isinstance(value, Base64 | DataUrl):
        prefix = "" if isinstance(value, Base64) else f"data:{value.media_type};base64,"
        return prefix + b2a_base64(value.data, newline=False).decode("ascii")
    return value


def _is_object(value: object) -> TypeIs[Mapping[Any, Any]]:
    return isinstance(value, Mapping)


def _is_array(value: object) -> TypeIs[list[Any] | tuple[Any, ...]]:
    return isinstance(value, list | tuple)


# --- what is wrong, and where: only looked for once something is -----------------------------------------------------


def _complaint(body: Mapping[str, Any], error: Exception) -> str:
    try:
        found = _first_fault(body, "")
    except RecursionError:  # too deep to walk, or a loop: there is no single place to name
        found = None
    return f"{_NO_JSON}: {found or error}"


def _first_fault(value: object, path: str) -> str | None:
    if _is_object(value):
        faults = (_fault_of_member(name, item, path) for name, item in value.items())
        return next((fault for fault in faults if fault), None)
    if _is_array(value):
        faults = (_first_fault(item, f"{path}[{index}]") for index, item in enumerate(value))
        return next((fault for fault in faults if fault), None)
    if isinstance(value, str | DataUrl):
        return _fault_of_text(value.media_type if isinstance(value, DataUrl) else value, path)
    if isinstance(value, float):
        return None if isfinite(value) else f"{path} is {value!r}, which JSON cannot say"
    if value is None or isinstance(value, int | Base64):
        return None
    return f"{path} is a {type(value).__name__}, which is no JSON value"


def _fault_of_member(name: object, value: object, path: str) -> str | None:
    if not isinstance(name, str | int | float | None):
        return f"{path or 'the body'} has a {type(name).__name__} for a name"
    where = f"{path}.{name}" if path else str(name)
    if isinstance(name, str) and _fault_of_text(name, where):
        return _fault_of_text(name, f"a name in {path or 'the body'}")
    return _first_fault(value, where)


def _fault_of_text(text: str, path: str) -> str | None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        character = f"U+{ord(text[error.start]):04X}"
        return f"{path} has half of a surrogate pair ({character}) at character {error.start}, which UTF-8 cannot say"
    return None
