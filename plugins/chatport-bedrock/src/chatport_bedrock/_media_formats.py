"""Media types and the service's names for them.

Source: the enums `ImageFormat`, `DocumentFormat`, `AudioFormat` and `VideoFormat` of the service model of Bedrock
Runtime. Where the service has several names for one media type, one of them is used; the others stay readable as what
they are, and are not translated.
"""

from typing import Final

from chatport.backend import Audio, Document, Image, Media, Video

__all__ = [
    "TEXT_FORMAT",
    "format_endings",
    "formats_of",
    "is_text_like",
    "media_type_of",
    "member_of",
    "wire_format_of",
]

TEXT_FORMAT: Final = "txt"
"""The document format that says nothing but: this is text."""

_MEMBERS: Final[dict[type[Media], str]] = {Image: "image", Document: "document", Audio: "audio", Video: "video"}

# Per kind: media type → format. Of several media types with one format the first is the one a decoded block gets.
_FORMATS: Final[dict[type[Media], dict[str, str]]] = {
    Image: {
        "image/png": "png",
        "image/jpeg": "jpeg",
        "image/jpg": "jpeg",
        "image/pjpeg": "jpeg",
        "image/gif": "gif",
        "image/webp": "webp",
    },
    Document: {
        "application/pdf": "pdf",
        "text/csv": "csv",
        "application/csv": "csv",
        "application/msword": "doc",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
        "application/vnd.ms-excel": "xls",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
        "text/html": "html",
        "application/xhtml+xml": "html",
        "text/plain": "txt",
        "text/markdown": "md",
        "text/x-markdown": "md",
    },
    Audio: {
        "audio/mpeg": "mp3",
        "audio/mp3": "mp3",
        "audio/opus": "opus",
        "audio/wav": "wav",
        "audio/x-wav": "wav",
        "audio/wave": "wav",
        "audio/vnd.wave": "wav",
        "audio/aac": "aac",
        "audio/aacp": "aac",
        "audio/x-aac": "x-aac",
        "audio/flac": "flac",
        "audio/x-flac": "flac",
        "audio/mp4": "mp4",
        "audio/x-m4a": "m4a",
        "audio/m4a": "m4a",
        "audio/ogg": "ogg",
        "audio/x-matroska": "mka",
        "audio/pcm": "pcm",
        "audio/l16": "pcm",
        "audio/webm": "webm",
    },
    Video: {
        "video/x-matroska": "mkv",
        "video/quicktime": "mov",
        "video/mp4": "mp4",
        "video/x-m4v": "mp4",
        "video/webm": "webm",
        "video/x-flv": "flv",
        "video/mpeg": "mpeg",
        "video/x-ms-wmv": "wmv",
        "video/wmv": "wmv",
        "video/3gpp": "three_gp",
    },
}
# Text formats that have no name of their own on the wire but are text all the same.
_TEXT_TYPES: Final = frozenset(
    {
        "application/javascript",
        "application/json",
        "application/toml",
        "application/x-ndjson",
        "application/x-yaml",
        "application/xml",
        "application/yaml",
    }
)
_TEXT_SUFFIXES: Final = ("+json", "+xml", "+yaml")
_MORE_ENDINGS: Final = {"html": ("html", "htm", "xhtml"), "md": ("md", "markdown"), "txt": ("txt", "text")}


def member_of(kind: type[Media]) -> str:
    """Return the name of the block that carries this kind of media: `"image"`, `"document"`, `"audio"`, `"video"`."""
    return _MEMBERS[kind]


def wire_format_of(kind: type[Media], media_type: str) -> str | None:
    """Return the service's name for a media type, or None where it has none."""
    return _FORMATS[kind].get(_bare(media_type))


def media_type_of(kind: type[Media], wire_format: str) -> str | None:
    """Return the media type for one of the service's formats, or None where it would not lead back to that format."""
    return next((media_type for media_type, found in _FORMATS[kind].items() if found == wire_format), None)


def formats_of(kind: type[Media]) -> tuple[str, ...]:
    """Return the formats of a kind that can be said, for messages to people."""
    return tuple(dict.fromkeys(_FORMATS[kind].values()))


def is_text_like(media_type: str) -> bool:
    """Whether a document of this type can be read as plain text, though the service has no name for the type."""
    bare = _bare(media_type)
    return bare.startswith("text/") or bare in _TEXT_TYPES or bare.endswith(_TEXT_SUFFIXES)


def format_endings(wire_format: str) -> tuple[str, ...]:
    """Return the endings of file names that say no more than the format does, without the dot."""
    return _MORE_ENDINGS.get(wire_format, (wire_format,))


def _bare(media_type: str) -> str:
    """The type without parameters such as `; charset=utf-8`."""
    return media_type.partition(";")[0].strip().lower()
