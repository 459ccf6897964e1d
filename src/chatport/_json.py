"""JSON as its standard has it: what Python's reader and writer let through beyond that is refused, never bent.

The rules are those of RFC 8259. Python's `json` also takes NaN and Infinity, turns 1e400 into Infinity, keeps the last
of two members with one name, writes a tuple as an array and a number as the name of a member, and gives up with
`RecursionError`, or with the interpreter's limit on digits, where a text goes on for too long.
"""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, Any, NoReturn, cast

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_DEPTH = 100
"""How deeply arrays and objects may stand in one another; far more than anybody means, far less than Python's stack."""

_MAX_INTEGER = 10**4300  # the interpreter's own limit for integers as text, unless somebody changed it
_SPLIT_CHARACTER = re.compile("[\ud800-\udbff][\udc00-\udfff]")
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_SHOWN = 40  # characters of a name in a message


def parse_json(text: str, *, max_depth: int = MAX_DEPTH) -> Any:
    """Return the value that a JSON text says.

    Args:
        text: The text.
        max_depth: How deeply arrays and objects may stand in one another.

    Raises:
        ValueError: The text is no JSON, names a member of an object twice, has a number that Python cannot hold, or
            is nested too deeply. The message quotes nothing of the text but names.
    """
    try:
        value = json.loads(
            text, parse_constant=_refuse_constant, parse_float=_finite_float, object_pairs_hook=_object_of_pairs
        )
    except json.JSONDecodeError as error:
        # The decoder's error carries the whole text along; its words do not.
        raise ValueError(str(error)) from None
    except RecursionError:
        raise ValueError(_too_deep(max_depth)) from None
    check_json(value, max_depth=max_depth)
    return value


def check_json(value: object, *, path: str = "", max_depth: int = MAX_DEPTH) -> None:
    """Refuse a value that JSON cannot say, or would not give back equal.

    Args:
        value: The value.
        path: Where it stands, for the error.
        max_depth: How deeply lists and dicts may stand in one another; one that holds itself is always too deep.

    Raises:
        TypeError: It is, or holds, something other than dict (with names of type str), list, str, int, float, bool
            and None.
        ValueError: It holds a number that is not finite or has too many digits, or is nested too deeply.
    """
    try:
        _check(value, max_depth)
    except _RefusedError as refused:
        place = _join(path, *reversed(refused.steps))
        message = f"{place}: {refused}" if place else str(refused)
        raise refused.kind(message) from None


class _RefusedError(Exception):
    """Carries a refusal up to the root, and the steps of the way, the last first."""

    def __init__(self, kind: type[Exception], reason: str) -> None:
        super().__init__(reason)
        self.kind = kind
        self.steps: list[str | int] = []


def _check(value: object, room: int) -> None:
    match value:
        case str():
            _check_text(value)
        case None | bool():
            pass
        case int():
            if abs(value) >= _MAX_INTEGER:
                raise _RefusedError(ValueError, "an integer of more than 4300 digits is too long for JSON readers")
        case float():
            if not math.isfinite(value):
                raise _RefusedError(ValueError, f"{value} is no JSON number")
        case dict():
            members = cast("dict[object, object]", value)
            _check_items(((_checked_name(name), item) for name, item in members.items()), room)
        case list():
            _check_items(enumerate(cast("list[object]", value)), room)
        case tuple():
            raise _RefusedError(TypeError, "a tuple is no JSON value and would come back as a list: use a list")
        case _:
            raise _RefusedError(TypeError, f"{type(value).__name__} is no JSON value")


def _check_items(items: Iterable[tuple[str | int, object]], room: int) -> None:
    if not room:
        raise _RefusedError(ValueError, "it is nested too deeply, or holds itself")
    for key, item in items:
        try:
            _check(item, room - 1)
        except _RefusedError as refused:
            refused.steps.append(key)
            raise


def _checked_name(name: object) -> str:
    if not isinstance(name, str):
        raise _RefusedError(TypeError, f"a JSON object has names of type str, not {type(name).__name__}")
    _check_text(name)
    return name


def _check_text(text: str) -> None:
    if not text.isascii() and _SPLIT_CHARACTER.search(text):
        reason = "it holds a character as two surrogates, which would come back as one character"
        raise _RefusedError(ValueError, reason)


def join_halves(text: str) -> str:
    """Return text in which a character that came as two surrogates, in two pieces perhaps, is one character again.

    JSON counts in UTF-16: a writer may cut a text, or escape it, in the middle of a character.
    """
    if text.isascii():
        return text
    return _SPLIT_CHARACTER.sub(lambda pair: pair[0].encode("utf-16", "surrogatepass").decode("utf-16"), text)


def _join(path: str, *steps: str | int) -> str:
    for step in steps:
        path += member(path, step)
    return path


def member(path: str, step: str | int) -> str:
    """Return what to append to a path for one step further: `.name`, `["a name"]` or `[3]`."""
    if isinstance(step, int):
        return f"[{step}]"
    if _PLAIN_NAME.fullmatch(step):
        return f".{step}" if path else step
    shown = step if len(step) <= _SHOWN else step[:_SHOWN] + "…"
    return f"[{json.dumps(shown)}]"


def _too_deep(max_depth: int) -> str:
    return f"it is nested more than {max_depth} levels deep"


def _refuse_constant(word: str) -> NoReturn:
    message = f"{word} is no JSON number"
    raise ValueError(message)


def _finite_float(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        message = "a number is too large for a float"
        raise ValueError(message)
    return number


def _object_of_pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        message = f"an object names {member('', twice)} twice"
        raise ValueError(message)
    return record
