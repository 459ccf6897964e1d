"""What a tool gave back, or raised, as the result that goes to the model."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import pydantic_core

from chatport._messages import Json, Part, Text, ToolResult, is_part, tool_content

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from chatport._messages import ToolCall

_BYTES_TYPES = (bytes, bytearray, memoryview)


def result_of(call: ToolCall, value: object) -> ToolResult:
    """Return a tool's value as the result of a call.

    A `ToolResult` keeps its content, its metadata and whether it is an error, and gets the call's id. A str becomes
    a `Text`, a part or a sequence with parts stays what it is. Everything else goes through pydantic to JSON (models,
    dataclasses, enums, dates, decimals, sets …); what is a str then becomes a `Text`, the rest a `Json`.

    Raises:
        TypeError: There are bytes in it, which are no JSON, or parts inside something that is no sequence of them.
        ValueError: JSON or UTF-8 cannot say it.
    """
    if isinstance(value, ToolResult):
        parts = tuple(_checked_part(part) for part in value.content)
        return ToolResult(call.id, parts, value.is_error, metadata=value.metadata)
    return ToolResult(call.id, _content(value))


def describe_exception(error: BaseException) -> str:
    """Return an exception's type and message, of a group also those of its members; never a traceback."""
    name = type(error).__name__
    try:
        message = str(error)
    except Exception as broken:  # noqa: BLE001 - a tool's exception may come with a broken __str__
        message = f"(its message cannot be shown: {type(broken).__name__})"
    if isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        message = f"{group.message}: {'; '.join(describe_exception(member) for member in group.exceptions)}"
    return f"{name}: {message}" if message else name


def _content(value: object) -> tuple[Part, ...]:
    if type(value) is str:
        return (Text(_checked_text(value)),)
    if is_part(value):
        return (_checked_part(cast("Part", value)),)
    if issubclass(type(value), (list, tuple)) and any(is_part(item) for item in _members(value)):
        return tuple(_checked_part(part) for part in tool_content(cast("Sequence[Any]", value)))
    return _json_content(value)


def _json_content(value: object) -> tuple[Part, ...]:
    if issubclass(type(value), _BYTES_TYPES):
        raise TypeError(
            f"a tool returned {type(value).__name__}: return an Image or a Document made with from_bytes(...), or text"
        )
    _refuse_inside(value)
    jsonable = pydantic_core.to_jsonable_python(value)
    if isinstance(jsonable, str):
        return (Text(_checked_text(jsonable)),)
    return (Json(_plain(jsonable)),)


def _plain(jsonable: object) -> Any:
    """Return a value as it is after a trip through JSON: no NaN, no half characters, no classes of somebody's own."""
    text = json.dumps(jsonable, allow_nan=False, ensure_ascii=False)
    return json.loads(_checked_text(text))


def _checked_text(text: str) -> str:
    """Refuse half of a surrogate pair here: on the wire it would end the whole turn."""
    text.encode("utf-8")
    return text


def _checked_part(part: Part) -> Part:
    match part:
        case Text():
            _checked_text(part.text)
        case Json():
            return replace(part, value=_plain(pydantic_core.to_jsonable_python(part.value)))
        case _:
            pass
    return part


def _refuse_inside(value: object) -> None:
    """Refuse parts and bytes within JSON: pydantic would spell an image out, and take bytes for text."""
    where = type(value).__name__
    pending = [value]
    seen: set[int] = set()
    while pending:
        for item in _members(pending.pop()):
            if is_part(item):
                raise TypeError(
                    f"a tool returned a {type(item).__name__} inside a {where}: return the part itself, "
                    "or a list of parts and texts"
                )
            if issubclass(type(item), _BYTES_TYPES):
                raise TypeError(f"a tool returned {type(item).__name__} inside a {where}: JSON has no bytes")
            if id(item) not in seen:  # a value that holds itself is for the JSON writer to refuse
                seen.add(id(item))
                pending.append(item)


def _members(value: object) -> Iterable[object]:
    if isinstance(value, Mapping):
        return cast("Mapping[object, object]", value).values()
    if isinstance(value, (list, tuple, set, frozenset)):
        return cast("Iterable[object]", value)
    return ()
