"""Media that services take for what they are, each with bytes that nothing else has."""

import struct
from zlib import compress, crc32

from chatport import Audio, Document, Image, Video


def png(shade: int) -> Image:
    """A grey picture, whole."""
    rows = (b"\x00" + bytes([shade]) * 3) * 2

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc32(kind + data))

    header = struct.pack(">IIBBBBB", 3, 2, 8, 0, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", compress(rows)) + chunk(b"IEND", b"")
    return Image.from_bytes(data)


def jpeg(mark: bytes) -> Image:
    """The headers of a picture."""
    said = b"\xff\xfe" + struct.pack(">H", len(mark) + 2) + mark
    frame = b"\xff\xc0" + struct.pack(">HBHHB", 17, 8, 48, 64, 3) + bytes(9)
    return Image.from_bytes(
        b"\xff\xd8\xff\xe0" + struct.pack(">H", 16) + b"JFIF\x00" + bytes(9) + said + frame + b"\xff\xd9"
    )


def pdf(mark: str, name: str, **more: object) -> Document:
    """A document that begins and ends as one."""
    data = f"%PDF-1.7\n% {mark}\ntrailer\n%%EOF\n".encode()
    return Document("application/pdf", data, name=name, **more)  # type: ignore[arg-type]  # the fields of a document


def wav(mark: bytes) -> Audio:
    """A sound recording: the header, and a few samples."""
    header = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, 8000, 8000, 1, 8)
    body = b"WAVE" + header + struct.pack("<4sI", b"data", len(mark)) + mark
    return Audio.from_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)


def mp4(mark: bytes) -> Video:
    """The head of a film."""
    kind = b"ftypisom" + struct.pack(">I", 512) + b"isomiso2"
    return Video.from_bytes(struct.pack(">I", len(kind) + 4) + kind + struct.pack(">I", len(mark) + 8) + b"free" + mark)
