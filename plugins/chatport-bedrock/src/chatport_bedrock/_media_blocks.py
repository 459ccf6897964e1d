"""Images, documents, audio and video as the service's blocks."""

from chatport.backend import Audio, Document, Image, Media, UnsupportedError, Video
from chatport.backend.translation import PART_PLACES, PartPlace, own_metadata
from chatport_bedrock._json_limits import check_text
from chatport_bedrock._media_formats import TEXT_FORMAT, formats_of, is_text_like, member_of, wire_format_of
from chatport_bedrock._media_limits import check_bytes, check_uri
from chatport_bedrock._scope import BACKEND, Block, Scope

__all__ = ["media_blocks"]


def media_blocks(part: Image | Document | Audio | Video, place: PartPlace, path: str, scope: Scope) -> list[Block]:
    """Return a medium as a block, or as none where its address is nothing that the service can read.

    Raises:
        UnsupportedError: The place cannot hold it, the service has no name for its type, or there is nothing in it.
    """
    kind = type(part)
    member = member_of(kind)
    if place == "system" or (place == "tool_result" and kind is Audio):
        raise UnsupportedError(f"{path}: Bedrock takes no {member} {PART_PLACES[place]}")
    if part.url is not None:
        raise UnsupportedError(f"{path}: Bedrock fetches no URL; a session does, or give the {member} as bytes")
    if part.uri is not None and not part.uri.startswith("s3://"):
        scope.note("dropped", "foreign-uri", path, f"the {member} is left out: Bedrock reads s3:// addresses only")
        return []
    if place == "assistant" and member not in scope.capabilities.assistant_media:
        why = f"the {member} is left out: this model takes none in a message of its own; show it in one of the user"
        scope.note("dropped", "assistant-media", path, why)
        return []
    wire_format = _format(part, path, scope)
    block: Block = {"format": wire_format}
    if isinstance(part, Document):
        block["name"] = _name(part, wire_format, path, scope)
        if part.context is not None:
            check_text(part.context, f"{path}.context")
            block["context"] = part.context
        if part.citations:
            block["citations"] = {"enabled": True}
    return [{member: {**block, "source": _source(part, wire_format, path, scope)}}]


def _format(part: Media, path: str, scope: Scope) -> str:
    kind = type(part)
    found = wire_format_of(kind, part.media_type)
    if found is not None:
        return found
    if kind is Document and is_text_like(part.media_type):
        scope.note("changed", "document-as-text", path, f"{part.media_type} goes as plain text")
        return TEXT_FORMAT
    known = ", ".join(formats_of(kind))
    raise UnsupportedError(f"{path}: Bedrock takes no {member_of(kind)} of type {part.media_type}; it takes {known}")


def _name(part: Document, wire_format: str, path: str, scope: Scope) -> str:
    name = scope.names.claim(part.name, wire_format)
    if part.name is None:
        scope.note("lossless", "document-named", path, f"a document needs a name; this one goes as {name!r}")
    elif name != part.name:
        why = "Bedrock restricts the characters of names, and takes each name once"
        scope.note("renamed", "document-renamed", path, f"the document {part.name!r} goes as {name!r}: {why}")
    return name


def _source(part: Media, wire_format: str, path: str, scope: Scope) -> Block:
    if part.uri is not None:
        owner = own_metadata(part.metadata, BACKEND).get("bucketOwner")
        check_uri(part.uri, owner, path)
        return {"s3Location": {"uri": part.uri} if owner is None else {"uri": part.uri, "bucketOwner": owner}}
    if not isinstance(part.data, bytes):
        raise UnsupportedError(f"{path}: the content is {type(part.data).__name__}, not bytes")
    if not part.data:
        raise UnsupportedError(f"{path}: the {member_of(type(part))} is empty")
    check_bytes(part, wire_format, path, scope)
    return {"bytes": part.data}
