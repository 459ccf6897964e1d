"""Images, documents, audio and video: bytes, or where they are, with a type found from the content."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from chatport._sniff import canonical_media_type, encoded_media_type, media_type_from_name, sniff_media_type
from chatport._urls import parse_url

if TYPE_CHECKING:
    from typing import Self

MEBIBYTE = 1024 * 1024


@dataclass(frozen=True, slots=True, repr=False)
class Media:
    """What the four kinds of media share: a type, and either bytes or an address.

    Make one with `from_bytes`, `from_path`, `from_url` or `from_uri`; those check what the plain constructor takes as
    given.

    Attributes:
        media_type: The media type, such as `"image/png"`; of a URL that nobody has said it of, `"image/*"` or `"*/*"`.
        data: The content in bytes, or None when only an address is known.
        uri: An object-store address such as `"s3://bucket/key"` that the service reads itself, or None.
        url: An address on the web, which the session fetches unless the backend takes it as it is, or None.
        metadata: JSON values keyed by backend name; nobody but that backend reads them.
    """

    family: ClassVar[str] = ""
    default_max_bytes: ClassVar[int] = 25 * MEBIBYTE

    media_type: str
    data: bytes | None = None
    uri: str | None = None
    url: str | None = field(default=None, kw_only=True)
    metadata: dict[str, Any] = field(default_factory=dict[str, Any], hash=False, kw_only=True)

    def __post_init__(self) -> None:
        """Refuse a medium with no content, one with two, and an address that is none of its kind."""
        if [self.data, self.uri, self.url].count(None) != 2:  # noqa: PLR2004 - of three
            message = f"{type(self).__name__} needs either data or uri or url"
            raise ValueError(message)
        if self.uri is not None:
            _check_uri(self.uri)
        if self.url is not None:
            parse_url(self.url)

    def __repr__(self) -> str:
        """Show type and size only: content belongs in no log, nor does a URL beyond its host, as it may be signed."""
        if self.data is not None:
            where = f"{len(self.data)} bytes"
        else:
            where = "in an object store" if self.url is None else f"at {parse_url(self.url).origin}"
        return f"<{type(self).__name__} {self.media_type}, {where}>"

    @classmethod
    def from_bytes(cls, data: bytes, *, media_type: str | None = None, max_bytes: int | None = None) -> Self:
        """Make one from bytes; the type is read from the content.

        Args:
            data: The content.
            media_type: Only for content whose type cannot be recognised, such as raw audio samples; content that
                is recognised as something else is refused.
            max_bytes: The largest size to accept, in bytes; each kind has a default of its own.

        Raises:
            TypeError: `data` is no bytes (base64 text, for example).
            ValueError: The content is empty, too large, of another kind or unrecognisable.
        """
        checked = _checked_bytes(cls, data, max_bytes)
        return cls(_decide_media_type(cls, checked, media_type, hint=None), checked)

    @classmethod
    def from_path(
        cls, path: str | os.PathLike[str], *, media_type: str | None = None, max_bytes: int | None = None
    ) -> Self:
        """Read a file; the type is read from its content, not from its name.

        The file is read at once and in place. From a coroutine that must not wait for a slow disk, read the bytes
        with `anyio.Path(path).read_bytes()` and use `from_bytes`.

        Args:
            path: The file to read.
            media_type: As in `from_bytes`.
            max_bytes: As in `from_bytes`; a larger file is refused without being read.

        Raises:
            OSError: The file cannot be read.
            ValueError: As in `from_bytes`.
        """
        checked, file = _read_file(cls, path, max_bytes)
        return cls(_decide_media_type(cls, checked, media_type, hint=media_type_from_name(file.name)), checked)

    @classmethod
    def from_uri(cls, uri: str, *, media_type: str | None = None) -> Self:
        """Point to an object that the service reads itself with its own permissions, such as `s3://bucket/key`.

        Never build such an address from what an untrusted user typed: it is read with your account's rights.

        Args:
            uri: The address, with a scheme that the backend knows.
            media_type: The type; by default it is taken from the name's ending, as the content cannot be seen.

        Raises:
            ValueError: It is no object-store address, or its ending tells no type of this kind.
        """
        return cls(_type_of_uri(cls, uri, media_type), None, uri)

    @classmethod
    def from_url(cls, url: str, *, media_type: str | None = None) -> Self:
        """Point to a file on the web. Nothing is fetched here: the session does that when it asks.

        A session fetches from the public internet only (ports 80 and 443, at most 20 MiB), whoever the URL is from; a
        backend whose service takes URLs gets it as it is. The extra `url` has to be installed: `chatport[url]`.

        Args:
            url: The address, `http` or `https`, without a user name or password in it.
            media_type: The type, if it has to be this one. By default it is found from the content.

        Raises:
            ValueError: It is no address on the web, or the type is of another kind.
        """
        parse_url(url)
        return cls(_declared_type(cls, media_type), url=url)


_MediaT = TypeVar("_MediaT", bound=Media)


def with_content(medium: _MediaT, data: bytes, *, media_type_hint: str | None = None) -> _MediaT:
    """Return a medium of a URL with what the URL led to in its place.

    Args:
        medium: The medium; its type, if one was declared, has to fit.
        data: The content.
        media_type_hint: What the server, or the name, says of the type: for what the content does not show.

    Raises:
        ValueError: The content is empty, too large, of another kind or of another type than declared.
    """
    kind = type(medium)
    declared = None if medium.media_type == _any_type(kind) else medium.media_type
    checked = _checked_bytes(kind, data, None)
    return replace(
        medium, media_type=_decide_media_type(kind, checked, declared, hint=media_type_hint), data=checked, url=None
    )


def _any_type(kind: type[Media]) -> str:
    """Return the media range of a kind (RFC 9110, 12.5.1): the type of what nobody has looked at."""
    return f"{kind.family}*" if kind.family else "*/*"


def _declared_type(kind: type[Media], declared: str | None) -> str:
    if declared is None:
        return _any_type(kind)
    found = canonical_media_type(declared)
    _check_family(kind, found)
    return declared.lower() if ";" in declared else found  # raw samples are nothing without their rate


def _limit(kind: type[Media], max_bytes: int | None) -> int:
    return kind.default_max_bytes if max_bytes is None else max_bytes


def _checked_bytes(kind: type[Media], data: bytes, max_bytes: int | None) -> bytes:
    if not isinstance(data, (bytes, bytearray, memoryview)):
        message = f"{kind.__name__} needs bytes, not {type(data).__name__}; decode base64 text first"
        raise TypeError(message)
    if not len(data):
        message = f"{kind.__name__} is empty"
        raise ValueError(message)
    limit = _limit(kind, max_bytes)
    if len(data) > limit:
        message = f"{kind.__name__} has {len(data)} bytes; the limit is {limit} (max_bytes)"
        raise ValueError(message)
    return bytes(data)


def _read_file(kind: type[Media], path: str | os.PathLike[str], max_bytes: int | None) -> tuple[bytes, Path]:
    file = Path(path)
    limit = _limit(kind, max_bytes)
    with file.open("rb") as opened:
        size = os.fstat(opened.fileno()).st_size
        # One byte more than allowed tells a file that grows, or a device without end, from one that fits.
        data = opened.read(limit + 1) if size <= limit else b""
    if max(size, len(data)) > limit:
        message = f"{file.name!r} has {max(size, len(data))} bytes or more; the limit is {limit} (max_bytes)"
        raise ValueError(message)
    if not data:
        message = f"{file.name!r} is empty"
        raise ValueError(message)
    return data, file


def _decide_media_type(kind: type[Media], data: bytes, declared: str | None, *, hint: str | None) -> str:
    """Find the type from the content; a declared type fills in only where the content says nothing."""
    wanted = None if declared is None else canonical_media_type(declared)
    found = sniff_media_type(data, hint=wanted or hint, family=kind.family)
    _refuse_base64(data, found, said=wanted or hint)
    if found is None and declared is not None:
        found = declared.lower()  # with its parameters: raw samples are nothing without their rate
    elif found is not None and wanted is not None and found != wanted:
        message = f"the content is {found}, not {declared}"
        raise ValueError(message)
    if found is None:
        message = f"the content is of no type that {kind.__name__} knows; say it with media_type=..."
        raise ValueError(message)
    _check_family(kind, found)
    return found


def _refuse_base64(data: bytes, found: str | None, *, said: str | None) -> None:
    """Refuse the base64 text of a medium: sent as it is, it would be encoded twice, and nobody could read it."""
    if found is None or (said is not None and said == found):
        return  # it is no text, or it is text by somebody's word
    encoded = encoded_media_type(data) if found == "text/plain" else None
    if encoded is not None:
        message = f"the content is base64 text of {encoded}: decode it first, for example with base64.b64decode"
        raise ValueError(message)


def _check_uri(uri: str) -> None:
    scheme, separator, rest = uri.partition("://")
    if not separator or not scheme or not rest or scheme.lower() in {"http", "https", "data", "file"}:
        message = f"{uri!r} is no object-store address such as s3://bucket/key"
        raise ValueError(message)


def _name_in_uri(uri: str) -> str:
    return uri.partition("?")[0].rpartition("/")[2]


def _type_of_uri(kind: type[Media], uri: str, declared: str | None) -> str:
    _check_uri(uri)
    found = canonical_media_type(declared) if declared is not None else media_type_from_name(_name_in_uri(uri))
    if found is None:
        message = f"the ending of {uri!r} tells no media type; say it with media_type=..."
        raise ValueError(message)
    _check_family(kind, found)
    return found


def _check_family(kind: type[Media], media_type: str) -> None:
    if kind.family:
        fits = media_type.startswith(kind.family)
    else:
        fits = not media_type.startswith(("image/", "audio/", "video/"))
    if not fits:
        message = f"{media_type} is no {kind.__name__.lower()}"
        raise ValueError(message)


@dataclass(frozen=True, slots=True, repr=False)
class Image(Media):
    """A picture."""

    family: ClassVar[str] = "image/"


@dataclass(frozen=True, slots=True, repr=False)
class Audio(Media):
    """A sound recording."""

    family: ClassVar[str] = "audio/"
    default_max_bytes: ClassVar[int] = 100 * MEBIBYTE


@dataclass(frozen=True, slots=True, repr=False)
class Video(Media):
    """A film."""

    family: ClassVar[str] = "video/"
    default_max_bytes: ClassVar[int] = 100 * MEBIBYTE


@dataclass(frozen=True, slots=True, repr=False)
class Document(Media):
    """A file to read: PDF, office formats, or text.

    Attributes:
        name: What the model may call it. Some services show it to the model and restrict its characters; what a
            backend had to change is reported.
        context: What the model should know about it, such as where it comes from; it is not cited.
        citations: Whether the answer should say which passages it rests on, where the service can.
    """

    name: str | None = None
    context: str | None = field(default=None, kw_only=True)
    citations: bool = field(default=False, kw_only=True)

    @classmethod
    def from_bytes(
        cls,
        data: bytes,
        *,
        media_type: str | None = None,
        max_bytes: int | None = None,
        name: str | None = None,
        context: str | None = None,
        citations: bool = False,
    ) -> Self:
        """Make one from bytes, as `Media.from_bytes`; text formats are told apart by `media_type` or `name`."""
        checked = _checked_bytes(cls, data, max_bytes)
        hint = media_type_from_name(name) if name else None
        found = _decide_media_type(cls, checked, media_type, hint=hint)
        return cls(found, checked, name=name, context=context, citations=citations)

    @classmethod
    def from_path(
        cls,
        path: str | os.PathLike[str],
        *,
        media_type: str | None = None,
        max_bytes: int | None = None,
        name: str | None = None,
        context: str | None = None,
        citations: bool = False,
    ) -> Self:
        """Read a file, as `Media.from_path`; the document is named after the file unless `name` is given."""
        checked, file = _read_file(cls, path, max_bytes)
        found = _decide_media_type(cls, checked, media_type, hint=media_type_from_name(file.name))
        called = name if name is not None else file.name
        return cls(found, checked, name=called, context=context, citations=citations)

    @classmethod
    def from_uri(
        cls,
        uri: str,
        *,
        media_type: str | None = None,
        name: str | None = None,
        context: str | None = None,
        citations: bool = False,
    ) -> Self:
        """Point to an object that the service reads itself, as `Media.from_uri`."""
        found = _type_of_uri(cls, uri, media_type)
        called = name if name is not None else _name_in_uri(uri) or None
        return cls(found, None, uri, name=called, context=context, citations=citations)

    @classmethod
    def from_url(
        cls,
        url: str,
        *,
        media_type: str | None = None,
        name: str | None = None,
        context: str | None = None,
        citations: bool = False,
    ) -> Self:
        """Point to a file on the web, as `Media.from_url`; it is named after the file unless `name` is given."""
        file_name = parse_url(url).file_name
        called = name if name is not None else file_name or None
        return cls(_declared_type(cls, media_type), url=url, name=called, context=context, citations=citations)
