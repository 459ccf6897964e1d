import base64
import io
import zipfile
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chatport._media import Audio, Document, Image, Media, Video
from chatport._sniff import canonical_media_type, encoded_media_type, media_type_from_name, sniff_media_type

# --- tiny files ------------------------------------------------------------------------------------------------------


def _zipped(*names: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            archive.writestr(name, "<xml/>")
    return file.getvalue()


def _of_tomorrow(archive: bytes) -> bytes:
    # The version needed to read an entry stands six bytes behind the signature of its directory record.
    place = archive.index(b"PK\x01\x02") + 6
    return archive[:place] + b"\xff" + archive[place + 1 :]


def _ole(stream: str) -> bytes:
    # A compound file: the header fills a sector of 512 bytes; its directory names the streams in UTF-16.
    return b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".ljust(512, b"\x00") + stream.encode("utf-16-le") + bytes(64)


_WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
_SHEET = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_SLIDES = "application/vnd.openxmlformats-officedocument.presentationml.presentation"

_FILES: list[tuple[type[Media], bytes, str]] = [
    (Image, b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "image/png"),
    (Image, b"\xff\xd8\xff\xe0\x00\x10JFIF\x00", "image/jpeg"),
    (Image, b"\xff\xd8\xff\xe1\x00\x10Exif\x00", "image/jpeg"),
    (Image, b"GIF87a\x01\x00\x01\x00", "image/gif"),
    (Image, b"GIF89a\x01\x00\x01\x00", "image/gif"),
    (Image, b"RIFF\x24\x00\x00\x00WEBPVP8 ", "image/webp"),
    (Image, b"BM\x46\x00\x00\x00\x00\x00\x00\x00\x36\x00\x00\x00", "image/bmp"),
    (Image, b"II*\x00\x08\x00\x00\x00", "image/tiff"),
    (Image, b"MM\x00*\x00\x00\x00\x08", "image/tiff"),
    (Image, b"\x00\x00\x00\x1cftypavif\x00\x00\x00\x00", "image/avif"),
    (Image, b"\x00\x00\x00\x1cftypavis\x00\x00\x00\x00", "image/avif"),
    (Image, b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00", "image/heic"),
    (Image, b"\x00\x00\x00\x18ftypheix\x00\x00\x00\x00", "image/heic"),
    (Image, b"\x00\x00\x00\x18ftypmif1\x00\x00\x00\x00", "image/heif"),
    (Document, b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "application/pdf"),
    (Document, _zipped("[Content_Types].xml", "word/document.xml"), _WORD),
    (Document, _zipped("[Content_Types].xml", "xl/workbook.xml"), _SHEET),
    (Document, _zipped("[Content_Types].xml", "ppt/presentation.xml"), _SLIDES),
    (Document, _ole("WordDocument"), "application/msword"),
    (Document, _ole("Workbook"), "application/vnd.ms-excel"),
    (Document, b"just words", "text/plain"),
    (Document, "﻿höher".encode(), "text/plain"),
    (Document, b"  <!DOCTYPE html><title>x</title>", "text/html"),
    (Document, b"<HTML lang=en>", "text/html"),
    (Audio, b"ID3\x04\x00\x00\x00\x00\x00\x00", "audio/mpeg"),
    (Audio, b"ID3\x03\x00\x00\x00\x00\x00\x00", "audio/mpeg"),
    (Audio, b"\xff\xfb\x90\x64\x00", "audio/mpeg"),
    (Audio, b"\xff\xf3\x40\xc0\x00", "audio/mpeg"),
    (Audio, b"\xff\xf1\x50\x80\x00", "audio/aac"),
    (Audio, b"\xff\xf9\x50\x80\x00", "audio/aac"),
    (Audio, b"fLaC\x00\x00\x00\x22", "audio/flac"),
    (Audio, b"OggS\x00\x02\x00\x00", "audio/ogg"),
    (Audio, b"RIFF\x24\x00\x00\x00WAVEfmt ", "audio/wav"),
    (Audio, b"\x00\x00\x00\x20ftypM4A \x00\x00\x02\x00", "audio/mp4"),
    (Audio, b"\x00\x00\x00\x20ftypisom\x00\x00\x02\x00", "audio/mp4"),
    (Audio, b"\x1a\x45\xdf\xa3\x9f\x42\x82\x84webm", "audio/webm"),
    (Audio, b"\x1a\x45\xdf\xa3\x9f\x42\x82\x88matroska", "audio/x-matroska"),
    (Video, b"\x00\x00\x00\x20ftypisom\x00\x00\x02\x00", "video/mp4"),
    (Video, b"\x00\x00\x00\x20ftypmp42\x00\x00\x02\x00", "video/mp4"),
    (Video, b"\x00\x00\x00\x20ftypqt  \x00\x00\x02\x00", "video/quicktime"),
    (Video, b"\x00\x00\x00\x20ftyp3gp5\x00\x00\x02\x00", "video/3gpp"),
    (Video, b"\x00\x00\x00\x20ftyp3gp7\x00\x00\x02\x00", "video/3gpp"),
    (Video, b"\x1a\x45\xdf\xa3\x9f\x42\x82\x84webm", "video/webm"),
    (Video, b"\x1a\x45\xdf\xa3\x9f\x42\x82\x88matroska", "video/x-matroska"),
    (Video, b"FLV\x01\x05\x00\x00\x00\x09", "video/x-flv"),
    (Video, b"\x00\x00\x01\xba\x44\x00", "video/mpeg"),
    (Video, b"\x00\x00\x01\xb3\x14\x00", "video/mpeg"),
    (Video, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9", "video/x-ms-wmv"),
    (Video, b"OggS\x00\x02\x00\x00", "video/ogg"),
]
each_file = pytest.mark.parametrize(
    ("kind", "data", "media_type"), _FILES, ids=[f"{number}-{row[2]}" for number, row in enumerate(_FILES)]
)


# --- the type comes from the content ---------------------------------------------------------------------------------


@each_file
def test_the_type_is_read_from_the_content(kind: type[Media], data: bytes, media_type: str) -> None:
    """Every format is recognised from bytes alone."""
    medium = kind.from_bytes(data)
    assert (medium.media_type, medium.data, medium.uri) == (media_type, data, None)


@each_file
@pytest.mark.parametrize("name", ["file", "file.png", "file.mp3", "file.docx", "file.csv"])
def test_the_name_says_nothing_about_what_is_recognised(
    tmp_path: Path, kind: type[Media], data: bytes, media_type: str, name: str
) -> None:
    """A wrong ending is no lie that we repeat; only between texts does it decide."""
    path = tmp_path / name
    path.write_bytes(data)
    medium = kind.from_path(path)
    expected = "text/csv" if media_type.startswith("text/") and name == "file.csv" else media_type
    assert (medium.media_type, medium.data) == (expected, data)
    assert kind.from_path(str(path)) == medium


@each_file
def test_a_true_declaration_is_accepted(kind: type[Media], data: bytes, media_type: str) -> None:
    """Saying what the content shows changes nothing, in capitals or with parameters."""
    for declared in (media_type, media_type.upper(), f"{media_type}; x=1"):
        assert kind.from_bytes(data, media_type=declared) == kind.from_bytes(data)


@each_file
def test_a_wrong_declaration_is_refused(kind: type[Media], data: bytes, media_type: str) -> None:
    """Content that is recognised as something else is refused, whatever the caller says, and named."""
    declared = "image/png" if media_type != "image/png" else "image/gif"
    with pytest.raises(ValueError, match=f"the content is .*, not {declared}"):
        kind.from_bytes(data, media_type=declared)


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("a.csv", "text/csv"),
        ("a.CSV", "text/csv"),
        ("a.md", "text/markdown"),
        ("a.markdown", "text/markdown"),
        ("a.html", "text/html"),
        ("a.htm", "text/html"),
        ("a.txt", "text/plain"),
        ("a.json", "application/json"),
        ("a.xml", "application/xml"),
        ("a.py", "text/plain"),
        ("csv", "text/csv"),
        ("a", "text/plain"),
        ("a.pdf", "text/plain"),
        ("a.docx", "text/plain"),
        ("a.png", "text/plain"),
    ],
)
def test_names_tell_text_formats_apart(tmp_path: Path, name: str, media_type: str) -> None:
    """Texts look alike, so the ending decides among them; it cannot make a text something else."""
    path = tmp_path / name
    path.write_bytes(b"a,b\n1,2\n")
    assert Document.from_path(path).media_type == media_type
    assert Document.from_bytes(b"a,b\n1,2\n", name=name).media_type == media_type


@pytest.mark.parametrize(
    "media_type", ["text/csv", "text/x-python", "application/yaml", "application/ld+json", "image/svg+xml"]
)
def test_a_text_is_what_it_is_declared_as(media_type: str) -> None:
    """Any kind of text may be declared: there is nothing in the content that contradicts."""
    kind = Image if media_type.startswith("image/") else Document
    assert kind.from_bytes(b"words", media_type=media_type).media_type == media_type


@pytest.mark.parametrize(
    ("declared", "media_type"),
    [
        ("image/jpg", "image/jpeg"),
        ("IMAGE/PJPEG", "image/jpeg"),
        ("audio/mp3", "audio/mpeg"),
        ("audio/x-wav", "audio/wav"),
        ("text/xml; charset=utf-8", "application/xml"),
        ("application/octet-stream", "application/octet-stream"),
    ],
)
def test_common_misspellings_are_understood(declared: str, media_type: str) -> None:
    """Types with several names have one here."""
    assert canonical_media_type(declared) == media_type


def test_a_photo_may_be_declared_by_its_common_name() -> None:
    """`image/jpg` is wrong and everywhere."""
    assert Image.from_bytes(b"\xff\xd8\xff\xe0", media_type="image/jpg").media_type == "image/jpeg"


def test_sound_in_an_ogg_file_may_be_called_opus(tmp_path: Path) -> None:
    """Both names are in use for the same file; the caller's and the file's own word decide."""
    data = b"OggS\x00\x02\x00\x00"
    path = tmp_path / "voice.opus"
    path.write_bytes(data)
    assert Audio.from_bytes(data, media_type="audio/opus").media_type == "audio/opus"
    assert Audio.from_path(path).media_type == "audio/opus"


# --- what is not recognised ------------------------------------------------------------------------------------------


def test_raw_samples_need_a_declaration() -> None:
    """Where the content says nothing the caller's word is taken, with its parameters."""
    samples = bytes(range(200, 256))
    with pytest.raises(ValueError, match="no type that Audio knows; say it with media_type"):
        Audio.from_bytes(samples)
    assert Audio.from_bytes(samples, media_type="audio/L16; rate=16000").media_type == "audio/l16; rate=16000"


@pytest.mark.parametrize(
    "data",
    [
        _zipped("a.txt"),
        _zipped(),
        b"PK\x03\x04\x14\x00 broken",
        _ole("PowerPoint Document"),
        b"RIFF\x00\x00\x00\x00AVI ",
        "words".encode("utf-16"),
        b"caf\xe9",
        b"a\x00b",
        b"\xff",
        _of_tomorrow(_zipped("word/document.xml")),
        b"\xff\xfb\xf0",
        b"\xff\xfb\x9c",
        b"\xff\xe9\x50",
    ],
    ids=[
        *("zip", "empty zip", "broken zip", "slides", "avi", "utf-16", "latin-1", "nul", "one byte"),
        *("zip of a later version", "reserved bit rate", "reserved sample rate", "reserved version"),
    ],
)
def test_what_is_not_recognised_is_not_guessed(data: bytes) -> None:
    """No type is better than a wrong one: the caller is asked."""
    assert sniff_media_type(data) is None
    with pytest.raises(ValueError, match="no type that Document knows"):
        Document.from_bytes(data, name="a.txt")


@pytest.mark.parametrize(
    "words", ["ID3 is a tag", "BM is a pair of letters", "RIFF means", "OggS, fLaC", "fLaC!", "GIF"]
)
def test_a_text_that_begins_like_a_format_is_a_text(words: str) -> None:
    """Signatures of letters alone are not enough."""
    assert Document.from_bytes(words.encode()).media_type == "text/plain"


@given(st.binary(max_size=80), st.sampled_from(["", "image/", "audio/", "video/"]))
@example(b"PK\x03\x04" + bytes(26) + b"PK\x05\x06" + bytes(18), "")
@example(
    b"PK\x03\x04PK\x01\x02"
    + bytes(42)
    + b"PK\x05\x06"
    + bytes(4)
    + b"\x01\x00\x01\x00.\x00\x00\x00\x04\x00\x00\x00\x00\x00",
    "",
)
def test_no_content_breaks_the_reader(data: bytes, family: str) -> None:
    """Any bytes have a type or none; what stands in a file is never an error of ours."""
    found = sniff_media_type(data, family=family)
    assert found is None or "/" in found


@given(st.data())
def test_no_broken_archive_breaks_the_reader(data: st.DataObject) -> None:
    """The same for archives with any one byte changed, or cut anywhere."""
    archive = bytearray(_FILES[15][1])
    assert sniff_media_type(bytes(archive)) == _WORD
    archive[data.draw(st.integers(4, len(archive) - 1))] = data.draw(st.integers(0, 255))
    found = sniff_media_type(bytes(archive[: data.draw(st.integers(30, len(archive)))]))
    assert found in {_WORD, None}


@pytest.mark.parametrize(
    ("data", "media_type"),
    [
        (b"\x89PNG\r\n\x1a\n" + bytes(20), "image/png"),
        (b"\xff\xd8\xff\xe0" + bytes(20), "image/jpeg"),
        (b"GIF89a" + bytes(20), "image/gif"),
        (b"RIFF\x00\x00\x00\x00WEBP" + bytes(20), "image/webp"),
        (b"RIFF\x00\x00\x00\x00WAVE" + bytes(20), "audio/wav"),
        (b"%PDF-1.7" + bytes(20), "application/pdf"),
        (b"PK\x03\x04" + bytes(20), "application/zip"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(20), "application/x-ole-storage"),
        (b"\x00\x00\x00\x18ftypmp42" + bytes(20), "video/mp4"),
        (b"\x1a\x45\xdf\xa3" + bytes(20), "video/x-matroska"),
    ],
)
def test_base64_text_of_a_medium_is_told_from_content(data: bytes, media_type: str) -> None:
    """Bare, in lines, behind a blank or in a data URL; the medium itself and its hexadecimal digits are no base64."""
    text = base64.b64encode(data)
    assert encoded_media_type(text) == media_type
    assert encoded_media_type(base64.encodebytes(data * 4)) == media_type
    assert encoded_media_type(b"\n " + text) == media_type
    assert encoded_media_type(b"data:some/thing;base64," + text) == media_type
    assert encoded_media_type(data) is None
    assert encoded_media_type(data.hex().encode()) is None


@pytest.mark.parametrize("data", [b"", b"data:,iVBORw0KGgoAAAANSUhEUgAA", b"iVBOR", b"AAAA" * 20, b"words " * 20])
def test_other_text_is_no_base64_of_a_medium(data: bytes) -> None:
    """What is short, or says nothing that anybody knows."""
    assert encoded_media_type(data) is None


@pytest.mark.parametrize(
    ("name", "media_type"), [("a.JPEG", "image/jpeg"), ("a.tar.gz", None), ("", None), ("a.", None)]
)
def test_endings(name: str, media_type: str | None) -> None:
    """The last ending counts, in any case."""
    assert media_type_from_name(name) == media_type
