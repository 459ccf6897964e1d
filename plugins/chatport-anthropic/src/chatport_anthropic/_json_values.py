"""What is no JSON value is refused, with the place where the caller has it."""

import json
from math import isfinite

from chatport.backend import UnsupportedError

__all__ = ["check_json", "check_text", "json_text"]


def check_text(text: object, path: str) -> None:
    """Refuse what is no text in UTF-8.

    Raises:
        UnsupportedError: It is no str, or holds half of a surrogate pair.
    """
    if not isinstance(text, str):
        raise UnsupportedError(f"{path}: it is a {type(text).__name__}, not a str")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise UnsupportedError(f"{path}: it holds half of a surrogate pair, which UTF-8 cannot say") from None


def check_json(value: object, path: str) -> None:
    """Refuse a value that is no JSON.

    Raises:
        UnsupportedError: It is, or holds, something that JSON in UTF-8 cannot say; the message says where.
    """
    try:
        _walk(value, path)
    except RecursionError:
        raise UnsupportedError(f"{path}: it is nested too deeply, or holds itself") from None


def json_text(value: object, path: str) -> str:
    """Return a JSON value as text, for a place that takes words only.

    Raises:
        UnsupportedError: It is no JSON value.
    """
    check_json(value, path)
    return json.dumps(value, ensure_ascii=False)


def _walk(value: object, path: str) -> None:
    match value:
        case None | bool() | int():
            return
        case str():
            check_text(value, path)
        case float():
            if not isfinite(value):
                raise UnsupportedError(f"{path}: JSON has no {value}")
        case dict():
            for name, item in value.items():
                check_text(name, f"a name of a member at {path}")
                _walk(item, f"{path}.{name}")
        case list() | tuple():
            for index, item in enumerate(value):
                _walk(item, f"{path}[{index}]")
        case _:
            raise UnsupportedError(f"{path}: JSON has no {type(value).__name__}")
