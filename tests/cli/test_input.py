"""What is asked: words, what is piped in, and files by their content."""

import io
import struct
import sys
import zipfile
import zlib
from pathlib import Path

import pytest
from tests.cli.support import Command, Scripted

from chatport import Audio, Document, Image, Text, Video
from chatport.cli import main
from chatport.cli._errors import CommandError
from chatport.cli._input import read_attachment
from chatport.cli._picture import HEIGHT, WIDTH, draw_picture
from chatport.testing import ScriptedBackend

WAVE = b"RIFF\x24\x00\x00\x00WAVEfmt " + bytes(24)
OFFICE = "application/vnd.openxmlformats-officedocument"
MP4 = b"\x00\x00\x00\x18ftypisom" + bytes(16)


@pytest.fixture
def backend(scripted: Scripted) -> ScriptedBackend:
    """A backend that can be asked once, as `scripted:m`."""
    return scripted("ok")


def asked(backend: ScriptedBackend) -> list[object]:
    """The parts of the question."""
    return list(backend.requests[0].messages[-1].parts)


def test_piped_text_is_the_prompt(chat: Command, backend: ScriptedBackend) -> None:
    """Without words on the line, what is piped in is the question; the last line end is no part of it."""
    assert chat("-m", "scripted:m", piped="Schöne Grüße\r\n".encode()).code == 0
    assert asked(backend) == [Text("Schöne Grüße")]


def test_piped_text_stands_before_the_prompt(chat: Command, backend: ScriptedBackend) -> None:
    """`git diff | chatport "Explain."`: the diff, an empty line, the question."""
    chat("-m", "scripted:m", "Explain.", piped=b"  diff\n\nlines\n")
    assert asked(backend) == [Text("  diff\n\nlines\n\nExplain.")]


@pytest.mark.parametrize("piped", [b"", b"\n", b" \n\t\n"])
def test_piped_nothing_is_nothing(chat: Command, backend: ScriptedBackend, piped: bytes) -> None:
    """An empty standard input, such as /dev/null, changes nothing."""
    chat("-m", "scripted:m", "Hi", piped=piped)
    assert asked(backend) == [Text("Hi")]


def test_a_terminal_is_not_read(chat: Command, backend: ScriptedBackend) -> None:
    """Where a person sits at standard input, the words of the line are all."""
    chat("-m", "scripted:m", "Hi", piped=b"typed later", at_terminal=True)
    assert asked(backend) == [Text("Hi")]


def test_a_closed_standard_input_is_none(monkeypatch: pytest.MonkeyPatch, backend: ScriptedBackend) -> None:
    """A service manager may start the command without a standard input."""
    monkeypatch.setattr(sys, "stdin", None)
    assert main(["-m", "scripted:m", "Hi"]) == 0
    assert asked(backend) == [Text("Hi")]
    with pytest.raises(CommandError, match="standard input is closed"):
        read_attachment("-")


def test_nothing_to_ask_is_a_usage_error(chat: Command, backend: ScriptedBackend) -> None:
    """No words, no pipe, no attachment: nothing is sent."""
    result = chat("-m", "scripted:m", at_terminal=True)
    assert result.code == 2
    assert result.lines == ['chatport: error: there is nothing to ask; hint: write `chatport "your question"`']
    assert chat().code == 2
    assert backend.requests == []


def test_without_arguments_a_person_gets_help(chat: Command) -> None:
    """`chatport` alone on a terminal explains itself."""
    result = chat(at_terminal=True)
    assert result.code == 0
    assert result.output.startswith("usage: chatport")


def test_bytes_that_are_no_text_are_refused_as_a_prompt(chat: Command, backend: ScriptedBackend) -> None:
    """An image that is piped in without `-a -` is no prompt, and the hint says how to attach it."""
    result = chat("-m", "scripted:m", "What is this?", piped=draw_picture())
    assert result.code == 1
    assert result.lines == [
        "chatport: error: what is piped in is no text in UTF-8 (byte 0 is not); hint: attach it instead: -a -"
    ]
    assert backend.requests == []


def test_attachments_come_after_the_text_in_their_order(
    chat: Command, backend: ScriptedBackend, tmp_path: Path
) -> None:
    """Several files, one of them piped in, each as the kind that its content shows."""
    (tmp_path / "notes.md").write_text("# Notes")
    picture = draw_picture()
    chat("-m", "scripted:m", "-a", str(tmp_path / "notes.md"), "-a", "-", "Compare.", piped=picture)
    assert asked(backend) == [
        Text("Compare."),
        Document("text/markdown", b"# Notes", name="notes.md"),
        Image("image/png", picture),
    ]


def test_an_attachment_alone_can_be_asked(chat: Command, backend: ScriptedBackend) -> None:
    """A picture needs no words."""
    assert chat("-m", "scripted:m", "-a", "-", piped=draw_picture()).code == 0
    assert asked(backend) == [Image("image/png", draw_picture())]


def test_standard_input_can_be_attached_once(chat: Command, backend: ScriptedBackend) -> None:
    """It can be read once, so twice is a mistake."""
    assert chat("-m", "scripted:m", "-a", "-", "-a", "-", "Hi", piped=b"x").code == 2
    assert backend.requests == []


def _office_file(folder: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(f"{folder}/document.xml", "<x/>")
    return file.getvalue()


@pytest.mark.parametrize(
    ("name", "data", "kind", "media_type"),
    [
        ("cat.png", draw_picture(), Image, "image/png"),
        ("cat.txt", draw_picture(), Image, "image/png"),
        ("cat", b"\xff\xd8\xff\xe0" + bytes(16), Image, "image/jpeg"),
        ("report.pdf", b"%PDF-1.7 and so on", Document, "application/pdf"),
        ("report.docx", _office_file("word"), Document, f"{OFFICE}.wordprocessingml.document"),
        ("table.csv", b"a,b\n1,2\n", Document, "text/csv"),
        ("main.py", b"print()\n", Document, "text/plain"),
        ("song.wav", WAVE, Audio, "audio/wav"),
        ("film.mp4", MP4, Video, "video/mp4"),
        ("film", MP4, Video, "video/mp4"),
        ("song.m4a", MP4, Audio, "audio/mp4"),
    ],
)  # fmt: skip
def test_the_content_decides_the_kind(tmp_path: Path, name: str, data: bytes, kind: type, media_type: str) -> None:
    """The name helps only where the content may be either: text formats, and containers of sound or film."""
    path = tmp_path / name
    path.write_bytes(data)
    attachment = read_attachment(str(path))
    assert type(attachment) is kind
    assert (attachment.media_type, attachment.data) == (media_type, data)
    if isinstance(attachment, Document):
        assert attachment.name == name


def test_an_address_in_an_object_store_is_passed_on() -> None:
    """What the service can read itself is not read here; its name says what it is."""
    assert read_attachment("s3://bucket/film.mp4") == Video("video/mp4", uri="s3://bucket/film.mp4")
    document = read_attachment("s3://bucket/a/report.pdf")
    assert document == Document("application/pdf", uri="s3://bucket/a/report.pdf", name="report.pdf")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("no-such-file.png", "cannot read 'no-such-file.png': No such file or directory"),
        (".", "cannot read '.': Is a directory"),
        ("https://example.com/cat.png", "'https://example.com/cat.png' is not downloaded"),
        ("s3://bucket/what", "cannot attach 's3://bucket/what'"),
    ],
)
def test_what_cannot_be_attached_is_explained(chat: Command, backend: ScriptedBackend, name: str, words: str) -> None:
    """One line with the name, exit code 1, and nothing is sent."""
    result = chat("-m", "scripted:m", "-a", name, "Hi")
    assert result.code == 1
    (line,) = result.lines
    assert line.startswith(f"chatport: error: {words}")
    assert backend.requests == []


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty"),
        (b"\x00\x01\x02\x03" * 9, "is neither an image nor a document, sound or film"),
        (b"\x89PNG\r\n\x1a\n" + bytes(26 * 1024 * 1024), "the limit is 26214400"),
    ],
    ids=["empty", "unknown", "large"],
)
def test_content_that_cannot_be_attached_is_explained(tmp_path: Path, data: bytes, words: str) -> None:
    """Empty, unknown and too large files are refused with their name."""
    path = tmp_path / "thing"
    path.write_bytes(data)
    with pytest.raises(CommandError, match=words) as caught:
        read_attachment(str(path))
    assert str(path) in str(caught.value)


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="there is no device without end")
def test_a_device_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading stops behind the largest size that could be attached."""
    monkeypatch.setattr("chatport.cli._input._MAX_BYTES", 1000)
    with pytest.raises(CommandError, match="has more than 1000 bytes"):
        read_attachment("/dev/zero")


def test_the_picture_of_the_demo_is_what_it_says() -> None:
    """A valid PNG of the size that is named: every checksum right, every row there, yellow inside blue."""
    data = draw_picture()
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    chunks: dict[bytes, bytes] = {}
    position = 8
    while position < len(data):
        (length,) = struct.unpack_from(">I", data, position)
        kind, content = data[position + 4 : position + 8], data[position + 8 : position + 8 + length]
        assert struct.unpack_from(">I", data, position + 8 + length) == (zlib.crc32(kind + content),)
        chunks[kind] = content
        position += length + 12
    assert list(chunks) == [b"IHDR", b"IDAT", b"IEND"]
    assert struct.unpack(">IIBBBBB", chunks[b"IHDR"]) == (WIDTH, HEIGHT, 8, 2, 0, 0, 0)
    rows = zlib.decompress(chunks[b"IDAT"])
    assert len(rows) == HEIGHT * (1 + 3 * WIDTH)
    middle = (HEIGHT // 2) * (1 + 3 * WIDTH) + 1 + 3 * (WIDTH // 2)
    assert rows[middle : middle + 3] == bytes((255, 208, 32))
    assert rows[1:4] == bytes((32, 96, 208))
