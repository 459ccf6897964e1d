"""A request as the bytes of its body, and as plain JSON to look at. Media stand in a request as `bytes`."""

from binascii import b2a_base64
from collections.abc import Mapping
from typing import Any, Final

from chatport.backend.http import BodyLeaves, cut_json, plain_json
from chatport_bedrock._cut_body import CutBody

__all__ = ["cut_body", "encode_body", "plain_body"]


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
    return CutBody(*cut_json(body, _BLOBS))


def plain_body(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return a deep copy of a request's body with bytes as base64 text: what goes over the wire, to look at.

    Raises:
        UnsupportedError: As `encode_body`: what could not be sent cannot be shown either.
    """
    return plain_json(body, _BLOBS)


def _base64(data: bytes) -> str:
    return b2a_base64(data, newline=False).decode("ascii")


_BLOBS: Final = BodyLeaves((bytes,), _base64)
