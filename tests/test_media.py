import base64
import copy
import os
import pickle
from collections.abc import Callable
from dataclasses import FrozenInstanceError, replace
from pathlib import Path
from typing import Any

import pytest

from chatport._media import Audio, Document, Image, Media, Video, with_content

_PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"

# --- kinds, sizes ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "data", "message"),
    [
        (Image, b"%PDF-1.7", "application/pdf is no image"),
        (Image, b"words", "text/plain is no image"),
        (Audio, _PNG, "image/png is no audio"),
        (Video, b"fLaC\x00", "audio/flac is no video"),
        (Document, _PNG, "image/png is no document"),
        (Document, b"fLaC\x00", "audio/flac is no document"),
        (Document, b"FLV\x01", "video/x-flv is no document"),
    ],
)
def test_each_kind_takes_its_own(kind: type[Media], data: bytes, message: str) -> None:
    """A PDF is no image, and a picture is no document: the right class is a word away."""
    with pytest.raises(ValueError, match=f"^{message}$"):
        kind.from_bytes(data)


def test_a_declaration_of_another_kind_is_refused() -> None:
    """The caller's word does not make samples a picture either."""
    with pytest.raises(ValueError, match="audio/pcm is no image"):
        Image.from_bytes(b"\x80\x81", media_type="audio/pcm")


@pytest.mark.parametrize("kind", [Image, Audio, Video, Document])
def test_nothing_is_no_content(tmp_path: Path, kind: type[Media]) -> None:
    """An empty upload is noticed here, not by the service."""
    with pytest.raises(ValueError, match=f"{kind.__name__} is empty"):
        kind.from_bytes(b"")
    (tmp_path / "empty.bin").touch()
    with pytest.raises(ValueError, match=r"'empty.bin' is empty"):
        kind.from_path(tmp_path / "empty.bin")


@pytest.mark.parametrize("data", ["iVBORw0KGgo=", None, [1, 2], 7], ids=["str", "None", "list", "int"])
def test_only_bytes_are_bytes(data: Any) -> None:
    """Base64 text is the mistake that everybody makes once; it is not sent as a picture."""
    with pytest.raises(TypeError, match="Image needs bytes, not"):
        Image.from_bytes(data)


def test_base64_text_is_no_content(tmp_path: Path) -> None:
    """It would be encoded once more when it is sent; a text that says of itself that it is one may hold it."""
    text = base64.b64encode(_PNG * 2)
    paper = base64.b64encode(b"%PDF-1.7 and more")
    for make in (
        lambda: Image.from_bytes(text),
        lambda: Image.from_bytes(text, media_type="image/png"),
        lambda: Document.from_bytes(text),
        lambda: with_content(Image.from_url("https://example.com/a"), text),
    ):
        with pytest.raises(ValueError, match=r"^the content is base64 text of image/png: decode it first"):
            make()
    (tmp_path / "report.pdf").write_bytes(paper)
    with pytest.raises(ValueError, match=r"^the content is base64 text of application/pdf"):
        Document.from_path(tmp_path / "report.pdf")
    (tmp_path / "report.txt").write_bytes(paper)
    assert Document.from_path(tmp_path / "report.txt").data == paper
    assert Document.from_bytes(text, media_type="text/plain").data == text
    assert Document.from_bytes(text, name="a.csv").media_type == "text/csv"


@pytest.mark.parametrize("wrap", [bytearray, memoryview])
def test_bytes_of_any_type_become_bytes(wrap: Callable[[bytearray], Any]) -> None:
    """What the caller may still change is copied."""
    data = wrap(bytearray(_PNG))
    medium = Image.from_bytes(data)
    assert type(medium.data) is bytes
    data[0] = 0
    assert medium.data == _PNG


def test_the_limit_is_the_largest_size_allowed(tmp_path: Path) -> None:
    """Exactly `max_bytes` are fine, one more is not; the error names both figures."""
    path = tmp_path / "cat.png"
    path.write_bytes(_PNG)
    size = len(_PNG)
    assert Image.from_bytes(_PNG, max_bytes=size) == Image.from_path(path, max_bytes=size)
    with pytest.raises(ValueError, match=rf"Image has {size} bytes; the limit is {size - 1} \(max_bytes\)"):
        Image.from_bytes(_PNG, max_bytes=size - 1)
    with pytest.raises(ValueError, match=rf"'cat.png' has {size} bytes or more; the limit is {size - 1}"):
        Image.from_path(path, max_bytes=size - 1)


def test_a_huge_file_is_refused_unread(tmp_path: Path) -> None:
    """A file of a terabyte costs no memory and no time: its size is asked for, its content is not."""
    path = tmp_path / "huge.png"
    with path.open("wb") as file:
        file.write(_PNG)
        try:
            file.truncate(1 << 40)  # sparse: it takes no room
        except OSError:
            pytest.skip("this file system has no sparse files of a terabyte")
    with pytest.raises(ValueError, match=r"'huge.png' has 1099511627776 bytes or more; the limit is 26214400"):
        Image.from_path(path)
    # Read up to this limit it would not fit into any memory.
    with pytest.raises(ValueError, match=r"'huge.png' has 1099511627776 bytes or more; the limit is 1099511627775"):
        Image.from_path(path, max_bytes=(1 << 40) - 1)


@pytest.mark.skipif(not os.path.exists("/dev/zero"), reason="needs a device without end")  # noqa: PTH110 - no Path at import
def test_a_device_without_end_is_refused() -> None:
    """What does not say its size is read up to the limit, and no further."""
    with pytest.raises(ValueError, match="'zero' has 1001 bytes or more; the limit is 1000"):
        Image.from_path("/dev/zero", max_bytes=1000)


@pytest.mark.parametrize("missing", ["nothing.png", "."])
def test_a_file_that_cannot_be_read_is_an_os_error(tmp_path: Path, missing: str) -> None:
    """The system's own error says what is wrong with a path."""
    with pytest.raises(OSError, match=r"."):
        Image.from_path(tmp_path / missing)


# --- addresses -------------------------------------------------------------------------------------------------------


def test_an_address_is_kept_unread() -> None:
    """The service reads it; the type is taken from the ending, or from the caller."""
    assert Image.from_uri("s3://bucket/a/cat.PNG") == Image("image/png", None, "s3://bucket/a/cat.PNG")
    assert Video.from_uri("gs://bucket/film", media_type="video/MP4") == Video("video/mp4", None, "gs://bucket/film")
    assert Audio.from_uri("s3://bucket/a.mp3?versionId=1").media_type == "audio/mpeg"


def test_a_document_is_named_after_its_address() -> None:
    """The last step of the address, or what the caller says; an address that ends in a slash names nothing."""
    assert Document.from_uri("s3://bucket/a/report.pdf?versionId=1").name == "report.pdf"
    assert Document.from_uri("s3://bucket/report.pdf", name="Report").name == "Report"
    assert Document.from_uri("s3://bucket/a/", media_type="application/pdf").name is None


_NO_STORES = [
    "https://example.com/cat.png",
    "HTTP://example.com/cat.png",
    "data:image/png;base64,AAAA",
    "data://x/cat.png",
    "file:///etc/cat.png",
    "/tmp/cat.png",  # noqa: S108 - not opened
    "cat.png",
    "://cat.png",
    "s3://",
    "",
]


@pytest.mark.parametrize("uri", _NO_STORES)
def test_only_object_stores_have_addresses(uri: str) -> None:
    """Web pages, local files and inline data are something else; neither a factory nor a constructor takes them."""
    with pytest.raises(ValueError, match="no object-store address such as s3://bucket/key"):
        Image.from_uri(uri, media_type="image/png")
    with pytest.raises(ValueError, match="no object-store address such as s3://bucket/key"):
        Image("image/png", None, uri)


@pytest.mark.parametrize("uri", ["s3://bucket/cat", "s3://bucket/cat.xyz", "s3://bucket/", "s3://bucket.png/cat"])
def test_an_address_without_a_known_ending_needs_a_type(uri: str) -> None:
    """The content cannot be seen, so somebody has to say."""
    with pytest.raises(ValueError, match="tells no media type; say it with media_type"):
        Image.from_uri(uri)


def test_an_address_of_another_kind_is_refused() -> None:
    """The same rule as for content."""
    with pytest.raises(ValueError, match="application/pdf is no image"):
        Image.from_uri("s3://bucket/report.pdf")
    with pytest.raises(ValueError, match="image/png is no document"):
        Document.from_uri("s3://bucket/cat.png")


# --- values ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [Image, Audio, Video, Document])
def test_content_and_address_exclude_each_other(kind: type[Media]) -> None:
    """A medium without content is nothing, one with two is a riddle."""
    with pytest.raises(ValueError, match=f"{kind.__name__} needs either data or uri"):
        kind("x/y")
    with pytest.raises(ValueError, match=f"{kind.__name__} needs either data or uri"):
        kind("x/y", b"x", "s3://bucket/key")


@pytest.mark.parametrize("kind", [Image, Audio, Video, Document])
def test_a_repr_shows_no_content(kind: type[Media]) -> None:
    """Logs show type and size; neither bytes nor addresses, names or metadata."""
    secret = {"echo": {"x": "confidential"}}
    assert repr(kind("x/y", b"confidential", metadata=secret)) == f"<{kind.__name__} x/y, 12 bytes>"
    assert (
        repr(kind("x/y", None, "s3://confidential/key", metadata=secret))
        == f"<{kind.__name__} x/y, in an object store>"
    )
    assert str(Document("x/y", b"1", name="confidential.pdf")) == "<Document x/y, 1 bytes>"


def test_media_are_values() -> None:
    """They compare by content and kind, can be a key, copied and pickled, and cannot be changed."""
    one, two = Image("image/png", b"x", metadata={"echo": 1}), Image("image/png", b"x", metadata={"echo": 1})
    assert one == two
    assert hash(one) == hash(two)
    assert one != Image("image/png", b"y")
    assert len({Image("a/b", b"x"), Audio("a/b", b"x"), Image("a/b", b"x")}) == 2
    document = Document("text/plain", b"x", name="n")
    assert copy.deepcopy(document) == document
    assert pickle.loads(pickle.dumps(document)) == document  # noqa: S301 - it was pickled here
    with pytest.raises(FrozenInstanceError):
        one.data = b"y"  # type: ignore[misc]
    assert not hasattr(one, "__dict__")


def test_a_document_has_the_name_of_its_file(tmp_path: Path) -> None:
    """A model that is shown a name can speak of the document by it."""
    path = tmp_path / "Report 2024.pdf"
    path.write_bytes(b"%PDF-1.7")
    assert Document.from_path(path).name == "Report 2024.pdf"
    assert Document.from_path(path, name="Report").name == "Report"
    assert Document.from_path(path, name="").name == ""
    assert Document.from_bytes(b"%PDF-1.7").name is None


# --- addresses on the web --------------------------------------------------------------------------------------------


def test_a_url_is_kept_as_it_is_given() -> None:
    """Nothing is fetched or guessed: the type of what nobody has looked at is a range, unless it is declared."""
    url = "https://example.com/cat.png?size=1"
    assert Image.from_url(url) == Image("image/*", url=url)
    assert Audio.from_url(url).media_type == "audio/*"
    assert Video.from_url(url).media_type == "video/*"
    assert Document.from_url(url) == Document("*/*", url=url, name="cat.png")
    assert Image.from_url(url, media_type="image/JPG").media_type == "image/jpeg"
    assert Audio.from_url(url, media_type="audio/PCM;rate=8000").media_type == "audio/pcm;rate=8000"
    assert Document.from_url("https://example.com/", name="Terms").name == "Terms"
    assert Document.from_url("https://example.com/").name is None


@pytest.mark.parametrize("url", ["ftp://example.com/a.png", "s3://bucket/a.png", "cat.png", "https://a:b@example.com/"])
def test_only_the_web_has_urls(url: str) -> None:
    """Other schemes and addresses with credentials in them are refused where they are given."""
    for kind in (Image, Document, Audio, Video):
        with pytest.raises(ValueError, match="a URL"):
            kind.from_url(url)
    with pytest.raises(ValueError, match="a URL"):
        Image("image/png", url=url)


def test_a_url_has_content_of_one_kind() -> None:
    """A declared type of another kind is refused before anything is fetched."""
    with pytest.raises(ValueError, match="application/pdf is no image"):
        Image.from_url("https://example.com/a", media_type="application/pdf")
    with pytest.raises(ValueError, match="image/png is no document"):
        Document.from_url("https://example.com/a", media_type="image/png")


def test_a_repr_shows_the_host_of_a_url_only() -> None:
    """A signed address is a secret, in its path or in its query."""
    image = Image.from_url("https://files.example.com:8443/token-1/cat.png?signature=2")
    assert repr(image) == "<Image image/*, at https://files.example.com:8443>"


def test_content_takes_the_place_of_a_url() -> None:
    """The type is found as for bytes; name and metadata stay."""
    document = Document.from_url("https://example.com/table", name="t")
    filled = with_content(document, b"a,b", media_type_hint="text/csv")
    assert filled == Document("text/csv", b"a,b", name="t")
    image = Image("image/*", url="https://example.com/a", metadata={"echo": {"n": 1}})
    assert with_content(image, _PNG) == Image("image/png", _PNG, metadata={"echo": {"n": 1}})
    samples = Audio.from_url("https://example.com/a", media_type="audio/pcm;rate=8000")
    assert with_content(samples, b"\x80\x81").media_type == "audio/pcm;rate=8000"


@pytest.mark.parametrize(
    ("medium", "data", "message"),
    [
        (Image.from_url("https://example.com/a"), b"<html>", "text/html is no image|text/plain is no image"),
        (
            Image.from_url("https://example.com/a", media_type="image/jpeg"),
            _PNG,
            "the content is image/png, not image/jpeg",
        ),
        (Image.from_url("https://example.com/a"), b"", "Image is empty"),
        (Document.from_url("https://example.com/a"), _PNG, "image/png is no document"),
    ],
)
def test_content_that_does_not_fit_a_url_is_refused(medium: Media, data: bytes, message: str) -> None:
    """A page instead of a picture is the usual answer of a link that has expired."""
    with pytest.raises(ValueError, match=message):
        with_content(medium, data)


def test_rule_24_the_type_is_what_the_content_says(tmp_path: Path) -> None:
    """Neither a name nor a declaration makes a PNG a JPEG: the one is passed over, the other refused."""
    file = tmp_path / "picture.jpg"
    file.write_bytes(_PNG)
    assert Image.from_path(file).media_type == "image/png"
    assert with_content(Image.from_url("https://example.com/a.jpg"), _PNG, media_type_hint="image/jpeg") == Image(
        "image/png", _PNG
    )
    with pytest.raises(ValueError, match="the content is image/png, not image/jpeg"):
        Image.from_bytes(_PNG, media_type="image/jpeg")


def test_a_document_has_context_and_citations_however_it_is_made(tmp_path: Path) -> None:
    """Each way to make one takes both, and neither is set unasked."""
    file = tmp_path / "a.txt"
    file.write_text("words", encoding="utf-8")
    more: dict[str, Any] = {"context": "a draft", "citations": True}
    for made, plain in [
        (Document.from_bytes(b"%PDF-", **more), Document.from_bytes(b"%PDF-")),
        (Document.from_path(file, **more), Document.from_path(file)),
        (Document.from_uri("s3://b/a.pdf", **more), Document.from_uri("s3://b/a.pdf")),
        (Document.from_url("https://example.com/a.pdf", **more), Document.from_url("https://example.com/a.pdf")),
    ]:
        assert made == replace(plain, **more)
        assert (plain.context, plain.citations) == (None, False)
