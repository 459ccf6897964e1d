"""A history as JSON text, and back: the stored form.

    {"schema": "chatport.messages", "version": 1, "messages": [{"role": "user", "parts": [{"type": "text", …}]}]}

A message, part or citation is an object with the fields of its class by their names; a part also says its `type`. A
field that has its default is left out. Bytes are standard base64. The text is pure ASCII, so no encoding on its way
into a file or a table can break it, and equal histories give equal texts.

Both directions follow the annotations of the dataclasses, so they cannot drift apart. What is loaded is not trusted:
pydantic checks all of it before a message is made. What a stored form of a released version meant, it means for ever:
a change that an older chatport cannot read is a new version.
"""

from __future__ import annotations

import binascii
import json
import threading
from dataclasses import MISSING, Field, fields
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Literal, cast, get_args, get_origin, get_type_hints

from chatport._json import check_json, member, parse_json
from chatport._media import Audio, Document, Image, Video
from chatport._messages import (
    CachePoint,
    Citation,
    Json,
    Message,
    Opaque,
    Part,
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pydantic import TypeAdapter, ValidationError
    from pydantic_core import CoreSchema, ErrorDetails

SCHEMA = "chatport.messages"
VERSION = 1

_KINDS: dict[str, type[Any]] = {
    "text": Text,
    "image": Image,
    "document": Document,
    "audio": Audio,
    "video": Video,
    "reasoning": Reasoning,
    "tool_call": ToolCall,
    "tool_result": ToolResult,
    "json": Json,
    "cache_point": CachePoint,
    "opaque": Opaque,
}
_NAMES = {kind: name for name, kind in _KINDS.items()}

# Of the whole text. It leaves a message room around values of `_json.MAX_DEPTH`, and keeps results within results
# below the depth at which pydantic takes them for a loop (99 on Windows; each costs two levels here).
_MAX_DEPTH = 128
_MAX_ERRORS = 3  # that one message names


def dump_messages(messages: Sequence[Message]) -> str:
    """Return messages as JSON text that `load_messages` reads, also in every later release.

    Args:
        messages: A history, such as `session.messages`.

    Raises:
        TypeError: A value is not of the type that its place asks for, such as bytes in `metadata`; the message says
            where, such as `messages[3].parts[0].metadata.echo`.
        ValueError: A value is one that JSON cannot say, such as NaN, or is nested too deeply.
    """
    try:
        stored = _encode(tuple(messages), tuple[Message, ...], "messages")
    except RecursionError:
        message = "messages: results within results are nested too deeply"
        raise ValueError(message) from None
    document = {"schema": SCHEMA, "version": VERSION, "messages": stored}
    check_json(document, max_depth=_MAX_DEPTH)
    return json.dumps(document, allow_nan=False, separators=(",", ":"))


def load_messages(text: str | bytes, *, allow_uris: bool = True) -> tuple[Message, ...]:
    """Return the messages that a text from `dump_messages` holds.

    The text need not be trusted: nothing but parts and messages is made from it, and nothing of it is run, opened or
    fetched. A history from elsewhere may still say what nobody said, and point to objects in a store (`uri`), which
    a service reads with your account's rights, or to the web (`url`), where a session reaches public hosts only.

    Args:
        text: The text; bytes are UTF-8.
        allow_uris: Whether media may point to objects in a store. Say False for a history that comes from a client:
            it is refused then if it has such a medium, or a part in a service's own words (`Opaque`), which may have
            one inside.

    Raises:
        ValueError: The text is no JSON, is none of ours, was written by a newer chatport, breaks the stored form
            somewhere, or holds what is not allowed; the message says where, such as `messages[3].parts[0].text`.
    """
    stored = _open_envelope(parse_json(_as_text(text), max_depth=_MAX_DEPTH))
    from pydantic import ValidationError  # noqa: PLC0415 - only who loads pays for it

    try:
        messages: list[Message] = _adapter().validate_python(stored, strict=True)
    except ValidationError as error:
        # Its own words quote the content, and a cause would carry them into the log.
        raise ValueError(_describe(error)) from None
    if not allow_uris:
        for index, message in enumerate(messages):
            _refuse_uris(message.parts, f"messages[{index}].parts")
    return tuple(messages)


def _refuse_uris(parts: Sequence[Part], path: str) -> None:
    for index, part in enumerate(parts):
        place = f"{path}[{index}]"
        match part:
            case Image(uri=str()) | Document(uri=str()) | Audio(uri=str()) | Video(uri=str()):
                message = f"{place}.uri: an address in an object store, which is not allowed here"
            case Opaque():
                message = f"{place}: a part in the words of {part.backend}, which is not allowed here"
            case ToolResult():
                _refuse_uris(part.content, f"{place}.content")
                continue
            case _:
                continue
        raise ValueError(message)


# --- out -------------------------------------------------------------------------------------------------------------


def _encode(value: Any, hint: Any, path: str) -> Any:
    """Return a field's value in its stored form; refuse one that its annotation does not allow."""
    if hint is Any:
        return value  # JSON as it is: `check_json` sees to that
    if not _fits(value, hint):
        found = f"{value!r:.40}" if get_origin(hint) is Literal else type(value).__name__
        message = f"{path}: must be {_wanted(hint)}, not {found}"
        raise TypeError(message)
    if get_origin(hint) is tuple:
        items = enumerate(cast("tuple[object, ...]", value))
        return [_encode(item, get_args(hint)[0], path + member(path, index)) for index, item in items]
    if isinstance(value, bytes):
        return binascii.b2a_base64(value, newline=False).decode("ascii")
    if type(value) in _NAMES:
        return {"type": _NAMES[type(value)], **_encode_fields(value, path)}
    return _encode_fields(value, path) if isinstance(value, (Citation, Message)) else value


def _fits(value: Any, hint: Any) -> bool:
    if hint == Part:
        return type(value) in _NAMES  # a class derived from a part would come back as that part
    origin = get_origin(hint)
    if origin is Literal:
        return value in get_args(hint)
    if origin is tuple:
        return type(value) is tuple
    return isinstance(value, dict if origin is dict else hint)


def _wanted(hint: Any) -> str:
    if hint == Part:
        return "one of chatport's parts"
    if get_origin(hint) is Literal:
        return " or ".join(repr(word) for word in get_args(hint))
    return getattr(hint, "__name__", None) or str(hint)


def _encode_fields(value: Any, path: str) -> dict[str, Any]:
    stored: dict[str, Any] = {}
    for item, hint in _stored_fields(value.__class__):
        place = path + member(path, item.name)
        encoded = _encode(getattr(value, item.name), hint, place)
        if _is_required(item) or getattr(value, item.name) != _default(item):
            stored[item.name] = encoded
    return stored


@cache
def _stored_fields(kind: Any) -> tuple[tuple[Field[Any], Any], ...]:
    hints = get_type_hints(kind)
    return tuple((item, hints[item.name]) for item in fields(kind))


def _is_required(item: Field[Any]) -> bool:
    return item.default is MISSING and item.default_factory is MISSING


def _default(item: Field[Any]) -> Any:
    return item.default if item.default_factory is MISSING else item.default_factory()


# --- in --------------------------------------------------------------------------------------------------------------


def _as_text(text: str | bytes) -> str:
    if isinstance(text, str):
        return text
    if not isinstance(text, (bytes, bytearray)):
        message = f"a stored history is str or bytes, not {type(text).__name__}"
        raise TypeError(message)
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        message = f"a stored history is UTF-8; byte {error.start} is not"
        raise ValueError(message) from None


def _open_envelope(document: Any) -> Any:
    """Return what is to be messages, once it is known who wrote it."""
    if not isinstance(document, dict) or (envelope := cast("dict[str, Any]", document)).get("schema") != SCHEMA:
        message = f'this is no history of chatport: it has to begin with {{"schema": "{SCHEMA}", …}}'
        raise ValueError(message)
    version = envelope.get("version")
    if type(version) is not int or version < 1:
        message = "version: must be a whole number from 1"
        raise ValueError(message)
    if version > VERSION:
        message = f"this history was written by a newer chatport: version {version}, and this one reads up to {VERSION}"
        raise ValueError(message)
    unknown = sorted(envelope.keys() - {"schema", "version", "messages"})
    if unknown:
        message = f"{member('', unknown[0])}: unknown field"
        raise ValueError(message)
    if "messages" not in envelope:
        message = "messages: missing"
        raise ValueError(message)
    return envelope["messages"]


_LOCK = threading.Lock()


def _adapter() -> TypeAdapter[list[Message]]:
    # `cache` alone would let two threads build it at once.
    with _LOCK:
        return _build_adapter()


@cache
def _build_adapter() -> TypeAdapter[list[Message]]:
    """Build what checks stored messages: one tagged union over the parts, at first use."""
    from pydantic import TypeAdapter  # noqa: PLC0415 - only who loads pays for it

    return TypeAdapter(_StoredMessages)


class _StoredMessages(list[Message]):
    """What pydantic is asked for: the stored form of a list of messages."""

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: object, handler: Callable[[Any], CoreSchema]) -> CoreSchema:
        from pydantic_core import core_schema  # noqa: PLC0415 - as above

        parts = {name: _object_schema(kind, handler, name) for name, kind in _KINDS.items()}
        return core_schema.definitions_schema(
            core_schema.list_schema(_object_schema(Message, handler)),
            [core_schema.tagged_union_schema(parts, "type", ref="chatport.Part")],
        )


def _object_schema(kind: Any, handler: Any, name: str | None = None) -> CoreSchema:
    from pydantic_core import core_schema  # noqa: PLC0415 - as above

    members = {
        item.name: core_schema.typed_dict_field(_field_schema(hint, handler), required=_is_required(item))
        for item, hint in _stored_fields(kind)
    }
    if name is not None:
        members["type"] = core_schema.typed_dict_field(core_schema.literal_schema([name]))
    return core_schema.no_info_after_validator_function(
        partial(_revive, kind), core_schema.typed_dict_schema(members, extra_behavior="forbid")
    )


def _field_schema(hint: Any, handler: Any) -> CoreSchema:
    """Return what checks the stored form of a field: the other half of `_encode`."""
    from pydantic_core import core_schema  # noqa: PLC0415 - as above

    if hint == Part:
        return core_schema.definition_reference_schema("chatport.Part")
    if hint is Citation:
        return _object_schema(Citation, handler)
    if get_origin(hint) is tuple:
        items = core_schema.list_schema(_field_schema(get_args(hint)[0], handler))
        return core_schema.no_info_after_validator_function(tuple, items)
    if bytes in get_args(hint):
        text = core_schema.str_schema()
        return core_schema.nullable_schema(core_schema.no_info_after_validator_function(_bytes_of, text))
    schema: CoreSchema = handler.generate_schema(hint)
    return schema


def _bytes_of(text: str) -> bytes:
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except ValueError:
        message = "must be standard base64"
        raise ValueError(message) from None


def _revive(kind: Any, stored: dict[str, Any]) -> Any:
    stored.pop("type", None)
    return kind(**stored)


_REASONS = {
    "bool_type": "must be true or false",
    "dict_type": "must be an object",
    "extra_forbidden": "unknown field",
    "list_type": "must be an array",
    "missing": "missing",
    "model_attributes_type": "must be an object",
    "string_type": "must be a string",
    "union_tag_invalid": "a type of part that this chatport does not know",
    "union_tag_not_found": "its type is missing",
}


def _describe(error: ValidationError) -> str:
    """Return the first few places and reasons, without the content."""
    details = error.errors(include_url=False, include_input=False)
    reasons = [f"{_place(detail)}: {_reason(detail)}" for detail in details[:_MAX_ERRORS]]
    if len(details) > _MAX_ERRORS:
        reasons.append(f"and {len(details) - _MAX_ERRORS} more")
    return "; ".join(reasons)


def _reason(detail: ErrorDetails) -> str:
    if detail["type"] == "value_error":
        return str(detail.get("ctx", {}).get("error"))
    return _REASONS.get(detail["type"], detail["msg"])


def _place(detail: ErrorDetails) -> str:
    """Return the path as the caller knows it: pydantic's also says the type of each part it goes through."""
    path, row, in_row = "messages", "", False
    for step in detail["loc"]:
        if in_row and row in {"parts", "content"} and isinstance(step, str):
            in_row = False
            continue
        in_row = isinstance(step, int)
        row = row if isinstance(step, int) else step
        path += member(path, step)
    return path
