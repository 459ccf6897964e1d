"""What the first bytes of an image say: its format, and its size in pixels. Nothing is decoded, nothing copied.

Layouts: PNG (W3C, third edition, 11.2.2 IHDR), GIF89a (section 18), JPEG (ITU-T T.81, B.2.2 frame header), WebP
(RFC 9649).
"""

from dataclasses import dataclass
from struct import error as StructError  # noqa: N812 - a class, so it is written like one
from struct import unpack_from
from typing import Final, Literal

__all__ = ["ImageFormat", "ImageInfo", "read_image"]

ImageFormat = Literal["png", "jpeg", "gif", "webp"]

# Start-of-frame markers carry the size; of their range, these three are tables.
_FRAME_MARKERS: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
# Markers without a length behind them: TEM, RST0 to RST7, SOI.
_BARE_MARKERS: Final = frozenset({0x01, *range(0xD0, 0xD9)})
_END_OF_IMAGE: Final = 0xD9


@dataclass(frozen=True, slots=True)
class ImageInfo:
    """What the header of an image says.

    Attributes:
        format: As the service calls it.
        width: In pixels; None where the header is cut short or says nothing.
        height: As `width`.
    """

    format: ImageFormat
    width: int | None = None
    height: int | None = None


def read_image(data: bytes) -> ImageInfo | None:
    """Read format and size; None if the bytes are none of the four formats that the service takes."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return _sized("png", data, ">II", 16)
    if data.startswith((b"GIF87a", b"GIF89a")):
        return _sized("gif", data, "<HH", 6)
    if data.startswith(b"\xff\xd8\xff"):
        return _read_jpeg(data)
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return _read_webp(data)
    return None


def _sized(name: ImageFormat, data: bytes, layout: str, offset: int) -> ImageInfo:
    try:
        width, height = unpack_from(layout, data, offset)
    except StructError:
        return ImageInfo(name)
    return ImageInfo(name, width, height)


def _read_jpeg(data: bytes) -> ImageInfo:
    """Walk the segments to the first frame header."""
    position = 2
    while position + 1 < len(data) and data[position] == 0xFF:  # noqa: PLR2004 - what every marker begins with
        marker = data[position + 1]
        if marker == 0xFF:  # noqa: PLR2004 - a fill byte
            position += 1
        elif marker in _BARE_MARKERS:
            position += 2
        elif marker in _FRAME_MARKERS:
            found = _sized("jpeg", data, ">HH", position + 5)
            return ImageInfo("jpeg", found.height, found.width)  # the header has the height first
        elif marker == _END_OF_IMAGE or position + 4 > len(data):
            break
        else:
            position += 2 + int.from_bytes(data[position + 2 : position + 4], "big")
    return ImageInfo("jpeg")


def _read_webp(data: bytes) -> ImageInfo:
    """Read the size from whichever of the three kinds of first chunk there is."""
    chunk = data[12:16]
    if chunk == b"VP8X" and len(data) >= 30:  # noqa: PLR2004 - where the two sizes of 24 bits end
        return ImageInfo("webp", 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little"))
    if chunk == b"VP8L" and len(data) >= 25:  # noqa: PLR2004 - where the two sizes of 14 bits end
        bits = int.from_bytes(data[21:25], "little")
        return ImageInfo("webp", 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF))
    if chunk == b"VP8 ":
        found = _sized("webp", data, "<HH", 26)
        if found.width is not None and found.height is not None:
            return ImageInfo("webp", found.width & 0x3FFF, found.height & 0x3FFF)  # the upper bits are a scale
    return ImageInfo("webp")
