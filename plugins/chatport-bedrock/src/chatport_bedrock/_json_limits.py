"""JSON values and words as the wire can carry them: what it cannot say is refused where the caller has it.

Python's encoder writes NaN, takes the names of members for text, and says of anything else only its type; and bytes
among the arguments of a call would go as base64, like a medium. A walk over the values costs what encoding them costs;
media are never looked into.
"""

import json
import re
from math import isfinite
from typing import Any, Final, cast

from chatport.backend import UnsupportedError

__all__ = ["check_json", "check_text", "json_text"]

_PLAIN_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_QUICK_STEPS: Final = 1_000_000
_SHOWN: Final = 40  # characters of a name in a message
_MAX_BITS: Final = 14_284  # of 4300 digits: Python writes no longer integers


class _Fault(Exception):  # noqa: N818 - it never leaves this file: it carries a reason up, and the way there
    """What is wrong, and the steps that lead to it, the last first."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.steps: list[str | int] = []


def check_json(value: object, path: str, *, tuples: bool = False, blobs: bool = False) -> None:
    """Refuse a value that is no JSON.

    Args:
        value: The value.
        path: Where the caller has it.
        tuples: Whether a tuple may stand for an array. In a history it may not: it would come back as a list.
        blobs: Whether bytes may stand for their base64, as they do in the service's own words.

    Raises:
        UnsupportedError: It is, or holds, something that JSON in UTF-8 cannot say; the message says where.
    """
    if _is_plain(value):
        return
    try:
        _walk(value, (list, tuple) if tuples else (list,), blobs=blobs)
    except _Fault as fault:
        where = path + "".join(map(_step, reversed(fault.steps)))
        raise UnsupportedError(f"{where}: {fault}") from None
    except RecursionError:
        raise UnsupportedError(f"{path}: it is nested too deeply, or holds itself") from None


def json_text(value: object, path: str) -> str:
    """Return a JSON value as text, for a place that takes words only.

    Raises:
        UnsupportedError: It is nested deeper than can be written.
    """
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    except RecursionError:
        raise UnsupportedError(f"{path}: it is nested too deeply, or holds itself") from None


def check_text(text: object, path: str) -> None:
    """Refuse what is no text in UTF-8.

    Raises:
        UnsupportedError: It is no str, or holds half of a surrogate pair.
    """
    if not isinstance(text, str):
        raise UnsupportedError(f"{path}: it is a {type(text).__name__}, not a str")
    try:
        _check_encoding(text)
    except _Fault as fault:
        raise UnsupportedError(f"{path}: {fault}") from None


def _is_plain(value: object) -> bool:
    """Whether a value is JSON beyond doubt: the quick answer, and mostly the true one. What it doubts is walked."""
    waiting: list[Any] = [value]
    # The bounds are for values that hold themselves, perhaps many times over.
    for _ in range(_QUICK_STEPS):
        if not waiting:
            return True
        if len(waiting) > _QUICK_STEPS:
            return False
        item = waiting.pop()
        kind = type(item)
        if kind is dict:
            if not _has_plain_names(item):
                return False
            waiting += item.values()
        elif kind is list:
            waiting += item
        elif not (
            (kind is str and item.isascii())
            or item is None
            or kind is bool
            or (kind is float and isfinite(item))
            or (kind is int and item.bit_length() <= _MAX_BITS)
        ):
            return False
    return False


def _has_plain_names(members: dict[Any, Any]) -> bool:
    try:
        return "".join(members).isascii()
    except TypeError:  # one of them is no text
        return False


def _walk(value: object, arrays: tuple[type, ...], *, blobs: bool) -> None:
    if isinstance(value, str):
        _check_encoding(value)
    elif isinstance(value, dict):
        _walk_object(cast("dict[object, object]", value), arrays, blobs=blobs)
    elif isinstance(value, arrays):
        _walk_array(cast("list[object]", value), arrays, blobs=blobs)
    elif isinstance(value, float):
        if not isfinite(value):
            raise _Fault(f"{value!r} is no JSON number")
    elif isinstance(value, int):
        if value.bit_length() > _MAX_BITS:
            raise _Fault("an integer of more than 4300 digits is too long for readers of JSON")
    elif value is not None and not (blobs and isinstance(value, bytes)):
        hint = ": use a list" if isinstance(value, tuple) else ""
        raise _Fault(f"a {type(value).__name__} is no JSON value{hint}")


def _walk_object(members: dict[object, object], arrays: tuple[type, ...], *, blobs: bool) -> None:
    name: object = None
    try:
        for name, item in members.items():
            _check_name(name)
            _walk(item, arrays, blobs=blobs)
    except _Fault as fault:
        fault.steps.append(name if isinstance(name, str) else repr(name))
        raise


def _walk_array(items: list[object], arrays: tuple[type, ...], *, blobs: bool) -> None:
    index = 0
    try:
        for index, item in enumerate(items):  # noqa: B007 - the place of what fails
            _walk(item, arrays, blobs=blobs)
    except _Fault as fault:
        fault.steps.append(index)
        raise


def _check_name(name: object) -> None:
    if not isinstance(name, str):
        raise _Fault(f"a JSON object has names of type str, not {type(name).__name__}")
    _check_encoding(name)


def _check_encoding(text: str) -> None:
    if text.isascii():
        return
    try:
        text.encode()
    except UnicodeEncodeError as error:
        character = f"U+{ord(text[error.start]):04X}"
        reason = f"character {error.start} is half of a surrogate pair ({character}), which UTF-8 cannot say"
        raise _Fault(reason) from None


def _step(step: str | int) -> str:
    if isinstance(step, int):
        return f"[{step}]"
    if len(step) <= _SHOWN and _PLAIN_NAME.fullmatch(step):
        return f".{step}"
    return f"[{json.dumps(step if len(step) <= _SHOWN else step[:_SHOWN] + '...')}]"
