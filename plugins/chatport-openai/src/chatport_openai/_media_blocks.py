"""Images, documents, audio and video as content parts."""

from typing import Final

from chatport.backend import Audio, Document, Image, Media, UnsupportedError, Video
from chatport.backend.http import Base64, DataUrl
from chatport.backend.translation import PartPlace, own_metadata
from chatport_openai._scope import BACKEND, PLACES, Block, Scope

__all__ = ["is_text_like", "media_blocks"]

_PDF: Final = "application/pdf"
_TEXT_TYPES: Final = frozenset(
    {"application/json", "application/xml", "application/yaml", "application/x-yaml", "application/javascript"}
)
_AUDIO_FORMATS: Final = {"audio/mpeg": "mp3", "audio/mp3": "mp3", "audio/wav": "wav", "audio/x-wav": "wav"}


def is_text_like(media_type: str) -> bool:
    """Whether a document of this type is text that can be put into a message as it is."""
    return media_type.startswith("text/") or media_type in _TEXT_TYPES


def media_blocks(part: Image | Document | Audio | Video, place: PartPlace, path: str, scope: Scope) -> list[Block]:
    """Return a medium as content parts, or as none where it is at an address that the server cannot read.

    Raises:
        UnsupportedError: The place or the server takes no such medium, or there is nothing in it.
    """
    kind = type(part).__name__.lower()
    if place in {"system", "assistant"}:
        raise UnsupportedError(f"{path}: Chat Completions take no {kind} {PLACES[place]}")
    if part.uri is not None:
        scope.note("dropped", "foreign-uri", path, f"the {kind} is left out: the server cannot read {_scheme(part)}")
        return []
    if part.data is not None and not isinstance(part.data, bytes):
        raise UnsupportedError(f"{path}: the content is {type(part.data).__name__}, not bytes")
    if part.data is not None and not part.data:
        raise UnsupportedError(f"{path}: the {kind} is empty")
    match part:
        case Image():
            return [_image(part, path, scope)]
        case Document():
            return _document(part, path, scope)
        case Audio():
            return [_audio(part, path, scope)]
        case Video():
            return [_video(part, path, scope)]


def _image(part: Image, path: str, scope: Scope) -> Block:
    taken = scope.dialect.images
    if taken is not None and not taken:
        raise UnsupportedError(f"{path}: {scope.server} takes no images")
    if part.data is not None and taken is not None and part.media_type not in taken:
        known = ", ".join(sorted(taken))
        raise UnsupportedError(f"{path}: {scope.server} takes no image of type {part.media_type}; it takes {known}")
    detail = own_metadata(part.metadata, BACKEND).get("detail")
    more = {"detail": detail} if isinstance(detail, str) else {}
    return {"type": "image_url", "image_url": {"url": _url(part, path, taken=scope.dialect.image_urls), **more}}


def _video(part: Video, path: str, scope: Scope) -> Block:
    if not scope.dialect.video:
        raise UnsupportedError(f"{path}: {scope.server} takes no video")
    return {"type": "video_url", "video_url": {"url": _url(part, path, taken=True)}}


def _audio(part: Audio, path: str, scope: Scope) -> Block:
    if part.data is None:
        raise UnsupportedError(f"{path}: {scope.server} fetches no audio; a session does, or give it as bytes")
    found = _AUDIO_FORMATS.get(part.media_type)
    if found is None or found not in scope.dialect.audio:
        known = ", ".join(sorted(scope.dialect.audio)) or "no audio at all"
        raise UnsupportedError(f"{path}: {scope.server} takes no audio of type {part.media_type}; it takes {known}")
    return {"type": "input_audio", "input_audio": {"data": Base64(part.data), "format": found}}


def _document(part: Document, path: str, scope: Scope) -> list[Block]:
    before: list[Block] = []
    if part.context is not None:
        why = "what is said about a document goes as text before it"
        scope.note("lossless", "document-context-as-text", path, why)
        before.append({"type": "text", "text": part.context})
    if part.citations:
        why = "Chat Completions have no citations of documents"
        scope.note("dropped", "citations-dropped", f"{path}.citations", why)
    if part.data is not None and is_text_like(part.media_type):
        return [*before, _as_text(part, part.data, path, scope)]
    return [*before, _file(part, path, scope)]


def _as_text(part: Document, data: bytes, path: str, scope: Scope) -> Block:
    try:
        words = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UnsupportedError(f"{path}: {part.media_type} goes as text, and this is no UTF-8") from None
    name = part.name or "document"
    scope.note("lossless", "document-as-text", path, f"a document of type {part.media_type} goes as text")
    return {"type": "text", "text": f"[{name}]\n{words}"}


def _file(part: Document, path: str, scope: Scope) -> Block:
    form, is_known = scope.dialect.documents, part.data is None or part.media_type == _PDF
    if form is None or not is_known:
        what = "documents but text" if form is None else f"document of type {part.media_type}"
        raise UnsupportedError(
            f"{path}: {scope.server} takes no {what}; text and, where it reads them, PDF can be sent"
        )
    url = _url(part, path, taken=scope.dialect.document_urls)
    if form == "document_url":
        name = {} if part.name is None else {"document_name": part.name}
        return {"type": form, "document_url": url, **name}
    name = {"filename": part.name or "document.pdf"} if form == "file" else {}
    if form == "file_url":
        return {"type": form, "file_url": {"url": url}}
    return {"type": form, "file": {**name, "file_data": url}}


def _url(part: Media, path: str, *, taken: bool) -> DataUrl | str:
    if part.data is not None:
        return DataUrl(part.media_type, part.data)
    if part.url is None or not taken:
        kind = type(part).__name__.lower()
        raise UnsupportedError(f"{path}: the server fetches no {kind}; a session does, or give it as bytes")
    return part.url


def _scheme(part: Media) -> str:
    return f"{(part.uri or '').partition('://')[0]}:// addresses"
