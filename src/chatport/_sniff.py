"""Media types from content: the first bytes of a file say what it is, its name only hints.

Signatures are those of the formats' own specifications (PNG, JFIF, GIF, RIFF, ISO base media, EBML, OLE, ZIP, PDF …).
"""

from __future__ import annotations

import re
from binascii import a2b_base64
from io import BytesIO
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_SIGNATURES: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"GIF87a", "image/gif"),
    (0, b"GIF89a", "image/gif"),
    (0, b"II*\x00", "image/tiff"),
    (0, b"MM\x00*", "image/tiff"),
    (0, b"%PDF-", "application/pdf"),
    # Letters alone also begin many a text: the byte after them is the format's version or first block.
    (0, b"ID3\x02", "audio/mpeg"),
    (0, b"ID3\x03", "audio/mpeg"),
    (0, b"ID3\x04", "audio/mpeg"),
    (0, b"fLaC\x00", "audio/flac"),
    (0, b"fLaC\x80", "audio/flac"),
    (0, b"OggS\x00", "audio/ogg"),
    (0, b"FLV\x01", "video/x-flv"),
    (0, b"\x00\x00\x01\xba", "video/mpeg"),
    (0, b"\x00\x00\x01\xb3", "video/mpeg"),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "video/x-ms-wmv"),
)
_RIFF = {b"WEBP": "image/webp", b"WAVE": "audio/wav"}
_ISO_BRANDS = {
    b"avif": "image/avif",
    b"avis": "image/avif",
    b"heic": "image/heic",
    b"heix": "image/heic",
    b"mif1": "image/heif",
    b"M4A ": "audio/mp4",
    b"M4B ": "audio/mp4",
    b"qt  ": "video/quicktime",
}
_OFFICE_PARTS = (
    ("word/", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    ("xl/", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    ("ppt/", "application/vnd.openxmlformats-officedocument.presentationml.presentation"),
)
_OLE_STREAMS = (
    ("WordDocument".encode("utf-16-le"), "application/msword"),
    ("Workbook".encode("utf-16-le"), "application/vnd.ms-excel"),
)
_ENDINGS = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "gif": "image/gif",
    "webp": "image/webp",
    "bmp": "image/bmp",
    "tif": "image/tiff",
    "tiff": "image/tiff",
    "avif": "image/avif",
    "heic": "image/heic",
    "pdf": "application/pdf",
    "doc": "application/msword",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xls": "application/vnd.ms-excel",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "csv": "text/csv",
    "htm": "text/html",
    "html": "text/html",
    "md": "text/markdown",
    "markdown": "text/markdown",
    "txt": "text/plain",
    "json": "application/json",
    "xml": "application/xml",
    "mp3": "audio/mpeg",
    "wav": "audio/wav",
    "flac": "audio/flac",
    "ogg": "audio/ogg",
    "opus": "audio/opus",
    "aac": "audio/aac",
    "m4a": "audio/mp4",
    "mp4": "video/mp4",
    "m4v": "video/mp4",
    "mov": "video/quicktime",
    "mkv": "video/x-matroska",
    "webm": "video/webm",
    "flv": "video/x-flv",
    "mpg": "video/mpeg",
    "mpeg": "video/mpeg",
    "wmv": "video/x-ms-wmv",
    "3gp": "video/3gpp",
}
# Types of text whose names do not say so.
_TEXT_TYPES = frozenset(
    {
        *{"application/ecmascript", "application/javascript", "application/json", "application/rtf"},
        *{"application/sql", "application/toml", "application/x-ndjson", "application/x-sh", "application/x-yaml"},
        *{"application/xml", "application/yaml"},
    }
)
_ALIASES = {
    "application/x-pdf": "application/pdf",
    "audio/m4a": "audio/mp4",
    "audio/mp3": "audio/mpeg",
    "audio/vnd.wave": "audio/wav",
    "audio/wave": "audio/wav",
    "audio/x-aac": "audio/aac",
    "audio/x-flac": "audio/flac",
    "audio/x-m4a": "audio/mp4",
    "audio/x-wav": "audio/wav",
    "image/jpg": "image/jpeg",
    "image/pjpeg": "image/jpeg",
    "image/x-ms-bmp": "image/bmp",
    "image/x-png": "image/png",
    "text/json": "application/json",
    "text/x-markdown": "text/markdown",
    "text/xml": "application/xml",
    "video/x-m4v": "video/mp4",
}
# Containers hold sound or pictures alike: the kind that is asked for decides which of the two names is meant.
_CONTAINER_TWINS = {
    "video/mp4": "audio/mp4",
    "video/webm": "audio/webm",
    "video/x-matroska": "audio/x-matroska",
    "audio/ogg": "video/ogg",
    "audio/mp4": "video/mp4",
}


def media_type_from_name(name: str) -> str | None:
    """Return the type that a file name's ending suggests, or None."""
    return _ENDINGS.get(name.rpartition(".")[2].lower())


def canonical_media_type(media_type: str) -> str:
    """Return a media type in the one spelling used here: lower case, no parameters, the registered name."""
    bare = media_type.partition(";")[0].strip().lower()
    return _ALIASES.get(bare, bare)


def sniff_media_type(data: bytes, *, hint: str | None = None, family: str = "") -> str | None:
    """Return the type that the content shows, or None.

    Args:
        data: The whole content.
        hint: A type suggested from outside, in its canonical spelling; it only tells text formats apart, which look
            alike.
        family: The start of the types wanted, such as `"audio/"`; it decides what a container is called.
    """
    found = _from_signature(data)
    if found is None:
        return _from_text(data, hint)
    if family and not found.startswith(family):
        twin = _CONTAINER_TWINS.get(found, "")
        return twin if twin.startswith(family) else found
    # An Ogg file with Opus inside may be named either way.
    return "audio/opus" if found == "audio/ogg" and hint == "audio/opus" else found


def encoded_media_type(data: bytes) -> str | None:
    """Return the type of a medium whose base64 text, or whose `data:` URL, was given in place of its content, or None.

    Only the first bytes are looked at. Nothing that is a medium itself begins like that; a text file may.
    """
    head = data[:_LOOKED_AT].lstrip()
    if head.startswith(b"data:"):
        _, mark, head = head.partition(b";base64,")
        if not mark:
            return None
    found = _BASE64.match(head)
    if found is None:
        return None
    content = a2b_base64(found[0])
    for offset, signature, media_type in (*_SIGNATURES, *_CONTAINERS):
        if content.startswith(signature, offset):
            return media_type
    return _from_riff(content) if content.startswith(b"RIFF") else None


_LOOKED_AT = 160  # room for what a `data:` URL says first
_BASE64 = re.compile(rb"(?:[A-Za-z0-9+/]{4}){5}")  # 15 bytes: every signature ends before
# Of these the beginning does not say which of their kinds it is; that it is no text is enough here.
_CONTAINERS = (
    (4, b"ftyp", "video/mp4"),
    (0, b"\x1a\x45\xdf\xa3", "video/x-matroska"),
    (0, b"PK\x03\x04", "application/zip"),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/x-ole-storage"),
)


def _from_signature(data: bytes) -> str | None:
    for offset, signature, media_type in _SIGNATURES:
        if data.startswith(signature, offset):
            return media_type
    for offset, signature, reader in _READERS:
        if data.startswith(signature, offset):
            return reader(data)
    return None


def _from_bitmap(data: bytes) -> str | None:
    return "image/bmp" if data[6:10] == bytes(4) else None  # two letters alone also begin many a text


def _from_riff(data: bytes) -> str | None:
    return _RIFF.get(data[8:12])


def _from_iso_media(data: bytes) -> str | None:
    brand = data[8:12]
    return "video/3gpp" if brand.startswith(b"3gp") else _ISO_BRANDS.get(brand, "video/mp4")


def _from_ebml(data: bytes) -> str | None:
    return "video/webm" if b"webm" in data[:64] else "video/x-matroska"


def _from_ole(data: bytes) -> str | None:
    return next((media_type for stream, media_type in _OLE_STREAMS if stream in data), None)


def _from_audio_sync(data: bytes) -> str | None:
    """Tell MPEG audio without a tag from ADTS AAC: both begin with sync bits, the layer bits differ.

    Layer I is not taken for audio: nobody has such files, and its bits are those of a UTF-16 byte order mark.
    """
    if len(data) < 3 or data[1] & 0xE0 != 0xE0:  # noqa: PLR2004 - bit patterns of the formats
        return None
    version, layer = data[1] >> 3 & 0b11, data[1] >> 1 & 0b11
    if layer == 0:
        return "audio/aac" if version & 0b10 else None
    bitrate, sample_rate = data[2] >> 4, data[2] >> 2 & 0b11
    reserved = version == 0b01 or layer == 0b11 or bitrate == 0b1111 or sample_rate == 0b11  # noqa: PLR2004 - as above
    return None if reserved else "audio/mpeg"


def _from_zip(data: bytes) -> str | None:
    import zipfile  # noqa: PLC0415 - with all that packs and copies files; few media are archives

    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError):
        # Not an office file: the caller sees an unrecognised type, which is what a broken archive is.
        return None
    for prefix, media_type in _OFFICE_PARTS:
        if any(name.startswith(prefix) for name in names):
            return media_type
    return None


_READERS: tuple[tuple[int, bytes, Callable[[bytes], str | None]], ...] = (
    (0, b"BM", _from_bitmap),
    (0, b"RIFF", _from_riff),
    (4, b"ftyp", _from_iso_media),
    (0, b"\x1a\x45\xdf\xa3", _from_ebml),
    (0, b"PK\x03\x04", _from_zip),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", _from_ole),
    (0, b"\xff", _from_audio_sync),
)


def _from_text(data: bytes, hint: str | None) -> str | None:
    if b"\x00" in data:
        return None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
    if hint is not None and _is_text_type(hint):
        return hint
    start = text[:256].lstrip().lower()
    if start.startswith(("<!doctype html", "<html")):
        return "text/html"
    return "text/plain"


def _is_text_type(media_type: str) -> bool:
    return media_type.startswith("text/") or media_type.endswith(("+json", "+xml")) or media_type in _TEXT_TYPES
