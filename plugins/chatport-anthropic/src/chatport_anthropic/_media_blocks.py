"""Images and documents as the service's blocks."""

from typing import Any, Final

from chatport.backend import Audio, Document, Image, Media, UnsupportedError, Video
from chatport.backend.http import Base64
from chatport.backend.translation import PART_PLACES, PartPlace
from chatport_anthropic._json_values import check_text
from chatport_anthropic._scope import FILES_BETA, Block, Scope

__all__ = ["FILE_SCHEME", "IMAGE_TYPES", "PDF", "is_native_url", "media_blocks"]

IMAGE_TYPES: Final = frozenset({"image/gif", "image/jpeg", "image/png", "image/webp"})
"""The types of images that the service reads. Documented."""
PDF: Final = "application/pdf"
FILE_SCHEME: Final = "anthropic://"
"""The scheme of addresses of files in the Files API: `anthropic://file_…`."""

_PLAIN_TEXT: Final = "text/plain"
_SECURE: Final = "https://"
_UNSEEN: Final = frozenset({"*/*", PDF})
# Types outside `text/` whose content is text nevertheless.
_TEXT_LIKE: Final = frozenset(
    {
        *{"application/ecmascript", "application/javascript", "application/json", "application/sql"},
        *{"application/toml", "application/x-sh", "application/xml", "application/yaml"},
    }
)


def is_native_url(medium: Media) -> bool:
    """Whether the service fetches a medium by its URL itself: images, and documents that are PDF, over TLS.

    Of a document whose type nobody has said the name has to say it.
    """
    url = medium.url or ""
    if not url.startswith(_SECURE):
        return False
    if isinstance(medium, Image):
        return medium.media_type in {*IMAGE_TYPES, "image/*"}
    path = url.partition("?")[0].partition("#")[0]
    is_pdf = medium.media_type == PDF or (medium.media_type == "*/*" and path.lower().endswith(".pdf"))
    return isinstance(medium, Document) and is_pdf


def media_blocks(part: Image | Document | Audio | Video, place: PartPlace, path: str, scope: Scope) -> list[Block]:
    """Return a medium as a block, or as none where its address is nothing that the service can read.

    Raises:
        UnsupportedError: The place cannot hold it, the service does not read its type, or there is nothing in it.
    """
    kind = type(part).__name__.lower()
    if place == "system" or isinstance(part, Audio | Video):
        raise UnsupportedError(f"{path}: the Messages API takes no {kind} {PART_PLACES[place]}")
    if part.uri is not None and not part.uri.startswith(FILE_SCHEME):
        why = f"the {kind} is left out: the service reads {FILE_SCHEME}… addresses only, which name uploaded files"
        scope.note("dropped", "foreign-uri", path, why)
        return []
    if place == "assistant":
        why = f"the {kind} is left out: the service takes none in a message of the model; show it in one of the user"
        scope.note("dropped", "assistant-media", path, why)
        return []
    if isinstance(part, Image):
        return [{"type": "image", "source": _image_source(part, path, scope)}]
    return [_document_block(part, path, scope)]


def _image_source(part: Image, path: str, scope: Scope) -> dict[str, Any]:
    source = _address(part, path, scope)
    if source is not None:
        return source
    if part.media_type not in IMAGE_TYPES:
        known = ", ".join(sorted(IMAGE_TYPES))
        raise UnsupportedError(f"{path}: the service reads no image of type {part.media_type}; it reads {known}")
    return {"type": "base64", "media_type": part.media_type, "data": Base64(_content(part, path))}


def _document_block(part: Document, path: str, scope: Scope) -> Block:
    source = _address(part, path, scope)
    if source is None:
        source = _document_source(part, path, scope)
    block: Block = {"type": "document", "source": source}
    for name, words in (("title", part.name), ("context", part.context)):
        if words:
            check_text(words, f"{path}.{'name' if name == 'title' else name}")
            block[name] = words
    if part.citations:
        block["citations"] = {"enabled": True}
    return block


def _document_source(part: Document, path: str, scope: Scope) -> dict[str, Any]:
    data = _content(part, path)
    if part.media_type == PDF:
        return {"type": "base64", "media_type": PDF, "data": Base64(data)}
    kind = part.media_type.partition(";")[0]
    if not (kind.startswith("text/") or kind in _TEXT_LIKE or kind.endswith(("+json", "+xml"))):
        raise UnsupportedError(f"{path}: the service reads PDF documents and text, and none of type {part.media_type}")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UnsupportedError(f"{path}: the document is no text in UTF-8") from None
    if kind != _PLAIN_TEXT:
        scope.note("lossless", "document-as-text", path, f"every word of the {part.media_type} goes, as plain text")
    return {"type": "text", "media_type": _PLAIN_TEXT, "data": text}


def _address(part: Image | Document, path: str, scope: Scope) -> dict[str, Any] | None:
    """The source of a medium that is named by where it is."""
    if part.uri is not None:
        scope.betas[FILES_BETA] = None
        return {"type": "file", "file_id": part.uri.removeprefix(FILE_SCHEME)}
    if part.url is None:
        return None
    if not (part.url.startswith(_SECURE) and (isinstance(part, Image) or part.media_type in _UNSEEN)):
        kind = type(part).__name__.lower()
        raise UnsupportedError(f"{path}: the service does not fetch this {kind}; a session does, or give its bytes")
    return {"type": "url", "url": part.url}


def _content(part: Image | Document, path: str) -> bytes:
    if not isinstance(part.data, bytes):
        raise UnsupportedError(f"{path}: the content is {type(part.data).__name__}, not bytes")
    if not part.data:
        raise UnsupportedError(f"{path}: the {type(part).__name__.lower()} is empty")
    return part.data
