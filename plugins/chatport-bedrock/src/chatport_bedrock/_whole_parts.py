"""Content blocks that come whole as parts: results of the service's own tools, media, marks.

What no part can say all of is an `Opaque` with the block word for word, so that it can go back.
"""

from base64 import b64decode, b64encode
from typing import Any, Final, TypeAlias

from chatport.backend import Audio, CachePoint, Document, Image, Json, Opaque, Part, Text, ToolResult, Video
from chatport.backend.translation import is_array, is_object
from chatport_bedrock._media_formats import media_type_of, member_of

__all__ = ["whole_part"]

_BACKEND: Final = "bedrock"
_Medium: TypeAlias = Image | Document | Audio | Video
_MEDIA: Final[dict[str, type[_Medium]]] = {member_of(kind): kind for kind in (Image, Document, Audio, Video)}
_STORE: Final = "s3://"
_STATUSES: Final = frozenset({None, "success", "error"})
# Of these kinds of block a tool's result may hold the same as a message.
_MEDIA_IN_RESULTS: Final = frozenset({"image", "document", "video"})


def whole_part(block: dict[str, Any]) -> Part:
    """Return a block that has no deltas as a part: an `Opaque` unless another part says all of it."""
    part: Part | None = None
    if len(block) == 1:
        ((kind, value),) = block.items()
        if is_object(value):
            part = _known_part(kind, value)
    return Opaque(_BACKEND, block) if part is None else part


def _known_part(kind: str, value: dict[str, Any]) -> Part | None:
    if kind == "toolResult":
        return _tool_result(value)
    if kind == "cachePoint":
        return _cache_point(value)
    return _medium(_MEDIA[kind], value) if kind in _MEDIA else None


def _cache_point(value: dict[str, Any]) -> CachePoint | None:
    ttl = value.get("ttl")
    said = value.get("type") == "default" and value.keys() <= {"type", "ttl"} and (ttl is None or isinstance(ttl, str))
    return CachePoint(ttl) if said else None


# --- results of tools ------------------------------------------------------------------------------------------------


def _tool_result(value: dict[str, Any]) -> ToolResult | None:
    call_id, content, status = value.get("toolUseId"), value.get("content", []), value.get("status")
    marks = {name: value[name] for name in ("status", "type") if name in value}
    said = value.keys() <= {"toolUseId", "content", "status", "type"} and all(
        isinstance(m, str) for m in marks.values()
    )
    if not said or not isinstance(call_id, str) or not is_array(content) or status not in _STATUSES:
        return None
    parts = tuple(_result_entry(entry) for entry in content)
    return ToolResult(call_id, parts, status == "error", metadata={_BACKEND: marks} if marks else {})


def _result_entry(entry: Any) -> Part:
    if not is_object(entry) or len(entry) != 1:
        return Opaque(_BACKEND, entry)
    ((kind, value),) = entry.items()
    if kind == "json":
        return Json(value)
    if kind == "text" and isinstance(value, str):
        return Text(value)
    return whole_part(entry) if kind in _MEDIA_IN_RESULTS else Opaque(_BACKEND, entry)


# --- media -----------------------------------------------------------------------------------------------------------


def _medium(kind: type[_Medium], value: dict[str, Any]) -> _Medium | None:
    media_type = media_type_of(kind, value["format"]) if isinstance(value.get("format"), str) else None
    data, uri, owner = _source(value.get("source"))
    if media_type is None or (data is None and uri is None):
        return None
    marks = {} if owner is None else {_BACKEND: {"bucketOwner": owner}}
    if kind is not Document:
        return kind(media_type, data, uri, metadata=marks) if value.keys() == {"format", "source"} else None
    name, context = value.get("name"), value.get("context")
    said = {"format", "source", "name"} <= value.keys() <= {"format", "source", "name", "context", "citations"}
    # Citations that are switched off are the same as none, but would not go back as they came.
    cited = "citations" in value
    if not said or not isinstance(name, str) or (cited and not _is_switched_on(value["citations"])):
        return None
    if "context" in value and not isinstance(context, str):
        return None
    return Document(media_type, data, uri, name=name, context=context, citations=cited, metadata=marks)


def _is_switched_on(citations: object) -> bool:
    return is_object(citations) and citations.keys() == {"enabled"} and citations["enabled"] is True


def _source(source: object) -> tuple[bytes | None, str | None, str | None]:
    """The bytes or the address of a medium, and whose bucket that is; nothing where these do not say all of it."""
    if not is_object(source) or len(source) != 1:
        return None, None, None
    encoded, place = source.get("bytes"), source.get("s3Location")
    if isinstance(encoded, str):
        return _exact_bytes(encoded), None, None
    if not is_object(place) or not place.keys() <= {"uri", "bucketOwner"}:
        return None, None, None
    uri, owner = place.get("uri"), place.get("bucketOwner")
    if not isinstance(uri, str) or not uri.startswith(_STORE) or uri == _STORE:
        return None, None, None
    if "bucketOwner" in place and not isinstance(owner, str):
        return None, None, None
    return None, uri, owner


def _exact_bytes(encoded: str) -> bytes | None:
    """The bytes, if there are any and they lead back to the very same text."""
    try:
        data = b64decode(encoded, validate=True)
    except ValueError:  # binascii.Error is one, and so is what a character outside ASCII raises
        return None
    return data if data and b64encode(data).decode("ascii") == encoded else None
