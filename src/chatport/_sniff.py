"""Media types from content: the first bytes of a file say what it is, its name only hints.

Signatures are those of the formats' own specifications (PNG, JFIF, GIF, RIFF, ISO base media, EBML, OLE, ZIP, PDF …).
"""

from __future__ import annotations

import zipfile
from io import BytesIO

_SIGNATURES: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"GIF87a", "image/gif"),
    (0, b"GIF89a", "image/gif"),
    (0, b"II*\x00", "image/tiff"),
    (0, b"MM\x00*", "image/tiff"),
    (0, b"%PDF-", "application/pdf"),
    (0, b"ID3", "audio/mpeg"),
    (0, b"fLaC", "audio/flac"),
    (0, b"OggS", "audio/ogg"),
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
    b"3gp4": "video/3gpp",
    b"3gp5": "video/3gpp",
    b"3gp6": "video/3gpp",
}
_OFFICE_PARTS = (
    ("word/", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    ("xl/", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    ("ppt/", "application/vnd.openxmlformats-officedocument.presentationml.presentation"),
)
_OLE_SIGNATURE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
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
_TEXT_TYPES = frozenset({"text/csv", "text/html", "text/markdown", "text/plain", "application/json", "application/xml"})
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


def sniff_media_type(data: bytes, *, hint: str | None = None, family: str = "") -> str | None:
    """Return the type that the content shows, or None.

    Args:
        data: The whole content.
        hint: A type suggested from outside; it only tells text formats apart, which look alike.
        family: The start of the types wanted, such as `"audio/"`; it decides what a container is called.
    """
    found = _from_signature(data)
    if found is None:
        return _from_text(data, hint.lower() if hint else None)
    if family and not found.startswith(family):
        twin = _CONTAINER_TWINS.get(found, "")
        return twin if twin.startswith(family) else found
    # An Ogg file with Opus inside may be named either way.
    return "audio/opus" if found == "audio/ogg" and hint == "audio/opus" else found


def _from_signature(data: bytes) -> str | None:
    for offset, signature, media_type in _SIGNATURES:
        if data.startswith(signature, offset):
            return media_type
    if data.startswith(b"BM") and data[6:10] == bytes(4):  # two letters alone also begin many a text
        return "image/bmp"
    if data.startswith(b"RIFF"):
        return _RIFF.get(data[8:12])
    if data[4:8] == b"ftyp":
        return _ISO_BRANDS.get(data[8:12], "video/mp4")
    if data.startswith(b"\x1a\x45\xdf\xa3"):
        return "video/webm" if b"webm" in data[:64] else "video/x-matroska"
    if data.startswith(b"PK\x03\x04"):
        return _from_zip(data)
    if data.startswith(_OLE_SIGNATURE):
        return next((media_type for stream, media_type in _OLE_STREAMS if stream in data), None)
    return _from_audio_sync(data)


def _from_audio_sync(data: bytes) -> str | None:
    """Tell MPEG audio without a tag from ADTS AAC: both begin with sync bits, the layer bits differ."""
    if len(data) < 2 or data[0] != 0xFF or data[1] & 0xE0 != 0xE0:  # noqa: PLR2004 - bit patterns of the formats
        return None
    if data[1] & 0xF6 == 0xF0:  # noqa: PLR2004 - as above
        return "audio/aac"
    return "audio/mpeg" if data[1] & 0x06 else None


def _from_zip(data: bytes) -> str | None:
    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, ValueError, OSError):
        # Not an office file: the caller sees an unrecognised type, which is what a broken archive is.
        return None
    for prefix, media_type in _OFFICE_PARTS:
        if any(name.startswith(prefix) for name in names):
            return media_type
    return None


def _from_text(data: bytes, hint: str | None) -> str | None:
    if b"\x00" in data:
        return None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
    if hint in _TEXT_TYPES:
        return hint
    start = text[:256].lstrip().lower()
    if start.startswith(("<!doctype html", "<html")):
        return "text/html"
    return "text/plain"
