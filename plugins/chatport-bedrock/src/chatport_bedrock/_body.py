"""A request as the bytes of its body, and as plain JSON to look at.

Media stand in a request as `bytes`; on the wire they are base64 text. Nothing in base64 needs escaping, so the text is
put into the finished JSON instead of going through the JSON encoder, which would look at every character of it.
"""

import json
from binascii import b2a_base64
from collections.abc import Mapping
from hashlib import sha256
from math import isfinite
from typing import Any, Final

from chatport.backend import UnsupportedError
from chatport.backend.translation import is_array, is_object
from chatport_bedrock._cut_body import CutBody

__all__ = ["cut_body", "encode_body", "plain_body"]

_NO_JSON: Final = "the request is no JSON, nothing was sent"
# Nothing that requests are made of, neither as a name nor as a value: where it is found once too often, the whole
# request is dumped again.
_MARKER: Final = "a medium, as base64"


def encode_body(body: Mapping[str, Any]) -> bytes:
    """Return a request's body as JSON in UTF-8, bytes in it as base64.

    Args:
        body: As for `cut_body`.

    Raises:
        UnsupportedError: As `cut_body`.
    """
    return b"".join(cut_body(body).pieces())


def cut_body(body: Mapping[str, Any]) -> CutBody:
    """Return a request's body as JSON, its media apart.

    Args:
        body: JSON values, and `bytes` where the wire has base64. It is not changed.

    Raises:
        UnsupportedError: Something in it is no JSON: NaN or infinity, half of a surrogate pair, a value of another
            type, or nesting without end. The message says where; nothing was sent.
    """
    try:
        pieces, media = _cut(body)
        return CutBody(tuple([piece.encode() for piece in pieces]), tuple(media))
    except (TypeError, ValueError, RecursionError) as error:
        raise UnsupportedError(_complaint(body, error)) from error


def _cut(body: Mapping[str, Any]) -> tuple[list[str], list[bytes]]:
    """Return the JSON text cut at the places of the media, and the media in the same order."""
    marker = _MARKER
    while True:
        text, media = _dump(body, marker)
        # Every mark is found, as none can overlap another. One more means that the conversation has the marker itself
        # in it. Nobody can write a text that contains the hash of that text, so the second attempt is the last.
        pieces = text.split(f'"{marker}"')
        if len(pieces) == len(media) + 1:
            return pieces, media
        marker = sha256(text.encode()).hexdigest()


def _dump(body: Mapping[str, Any], marker: str) -> tuple[str, list[bytes]]:
    """Return the JSON text with the marker in the place of bytes, and the bytes in the order of their marks."""
    media: list[bytes] = []

    def mark(value: object) -> str:
        if not isinstance(value, bytes):
            raise TypeError(f"a {type(value).__name__} is no JSON value")
        media.append(value)
        return marker

    return json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=mark), media


def plain_body(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return a deep copy of a request's body with bytes as base64 text: what goes over the wire, to look at.

    Raises:
        UnsupportedError: As `encode_body`: what could not be sent cannot be shown either.
    """
    try:
        fault = _first_fault(body, "")
    except RecursionError as error:
        raise UnsupportedError(_complaint(body, error)) from error
    if fault is not None:
        raise UnsupportedError(f"{_NO_JSON}: {fault}")
    return {name: _plain(value) for name, value in body.items()}


def _plain(value: object) -> Any:
    if is_object(value):
        return {name: _plain(item) for name, item in value.items()}
    if is_array(value):
        return [_plain(item) for item in value]
    return b2a_base64(value, newline=False).decode("ascii") if isinstance(value, bytes) else value


# --- what is wrong, and where: only looked for once something is -----------------------------------------------------


def _complaint(body: Mapping[str, Any], error: Exception) -> str:
    try:
        found = _first_fault(body, "")
    except RecursionError:  # too deep to walk, or a loop: there is no single place to name
        found = None
    return f"{_NO_JSON}: {found or error}"


def _first_fault(value: object, path: str) -> str | None:
    if is_object(value):
        faults = (_fault_of_member(name, item, path) for name, item in value.items())
        return next((fault for fault in faults if fault), None)
    if is_array(value):
        faults = (_first_fault(item, f"{path}[{index}]") for index, item in enumerate(value))
        return next((fault for fault in faults if fault), None)
    if isinstance(value, str):
        return _fault_of_text(value, path)
    if isinstance(value, float):
        return None if isfinite(value) else f"{path} is {value!r}, which JSON cannot say"
    if value is None or isinstance(value, (int, bytes)):
        return None
    return f"{path} is a {type(value).__name__}, which is no JSON value"


def _fault_of_member(name: object, value: object, path: str) -> str | None:
    if not isinstance(name, (str, int, float, type(None))):
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
