"""What is asked: the words of the command line, what is piped in, and attached files."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TextIO, TypeAlias, cast

from chatport import Audio, Document, Image, Video
from chatport._sniff import media_type_from_name, sniff_media_type
from chatport.cli._errors import CommandError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

Attachment: TypeAlias = Image | Document | Audio | Video

STANDARD_INPUT = "-"
# One file more than this is refused before it fills the memory; each kind of medium has a limit of its own below it.
_MAX_BYTES = max(kind.default_max_bytes for kind in (Image, Document, Audio, Video))


def read_content(prompt: str, attachments: Sequence[str]) -> tuple[str | Attachment, ...]:
    """Return what to ask: the text first, then the attachments in their order.

    Text that is piped in stands before the prompt, with an empty line between them. It blocks while it reads, so it is
    called before an event loop runs.

    Args:
        prompt: The words of the command line.
        attachments: Paths, addresses in an object store, or `-` for standard input, which then is no text.

    Raises:
        UsageError: There is nothing to ask, or standard input is asked for twice.
        CommandError: Something cannot be read, or is of no kind that can be attached.
    """
    if list(attachments).count(STANDARD_INPUT) > 1:
        raise UsageError("`-a -` is given twice, and standard input can be read once")
    piped = "" if STANDARD_INPUT in attachments else _piped_text()
    text = "\n\n".join(words for words in (piped, prompt) if words.strip())
    content = (*([text] if text else []), *(read_attachment(name) for name in attachments))
    if not content:
        raise UsageError("there is nothing to ask", hint='write `chatport "your question"`')
    return content


def is_piped() -> bool:
    """Whether standard input is something else than a person at a terminal."""
    piped = cast("TextIO | None", sys.stdin)
    return piped is not None and not piped.isatty()


def _piped_text() -> str:
    if not is_piped():
        return ""
    try:
        return standard_input().read().decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError as error:
        message = f"what is piped in is no text in UTF-8 (byte {error.start} is not)"
        raise CommandError(message, hint="attach it instead: -a -") from error


def standard_input() -> BinaryIO:
    """Return standard input as bytes.

    Raises:
        CommandError: It is closed.
    """
    piped = cast("TextIO | None", sys.stdin)
    if piped is None:
        raise CommandError("standard input is closed")
    return piped.buffer


def read_attachment(name: str) -> Attachment:
    """Return a file as the kind of medium that its content shows.

    Args:
        name: A path, an address in an object store, or `-` for standard input.

    Raises:
        CommandError: It cannot be read, or is of no kind that can be attached.
    """
    if "://" in name:
        return _at_address(name)
    if name == STANDARD_INPUT:
        data = _read(standard_input(), "standard input")
        return _recognised(data, "standard input", file_name=None)
    try:
        with Path(name).open("rb") as file:
            data = _read(file, name)
    except OSError as error:
        raise CommandError(f"cannot read {name!r}: {error.strerror}") from error
    return _recognised(data, repr(name), file_name=Path(name).name)


def _read(file: BinaryIO, where: str) -> bytes:
    # One byte more than allowed tells what is too large, or a device without end, from what fits.
    data = file.read(_MAX_BYTES + 1)
    if len(data) > _MAX_BYTES:
        raise CommandError(f"{where} has more than {_MAX_BYTES} bytes, the limit for an attachment")
    return data


def _recognised(data: bytes, where: str, *, file_name: str | None) -> Attachment:
    media_type = _media_type(data, media_type_from_name(file_name) if file_name else None)
    if media_type is None and data:
        raise CommandError(
            f"{where} is neither an image nor a document, sound or film of a kind that is known",
            hint="text has to be in UTF-8",
        )
    kind = _kind_of(media_type or "")
    try:
        if kind is Document:
            return Document.from_bytes(data, media_type=media_type, name=file_name)
        return kind.from_bytes(data)
    except ValueError as error:
        raise CommandError(f"cannot attach {where}: {error}") from error


def _media_type(data: bytes, hint: str | None) -> str | None:
    """Return the type that the content shows; the name decides where a container may hold sound or film."""
    if hint is not None:
        as_named = sniff_media_type(data, hint=hint, family=hint.partition("/")[0] + "/")
        if as_named == hint:
            return hint
    return sniff_media_type(data, hint=hint)


def _kind_of(media_type: str) -> type[Attachment]:
    kinds: tuple[type[Attachment], ...] = (Image, Audio, Video)
    return next((kind for kind in kinds if media_type.startswith(kind.family)), Document)


def _at_address(address: str) -> Attachment:
    if address.partition("://")[0].lower() in {"http", "https"}:
        raise CommandError(f"{address!r} is not downloaded", hint="download it and attach the file")
    file_name = address.partition("?")[0].rpartition("/")[2]
    try:
        return _kind_of(media_type_from_name(file_name) or "").from_uri(address)
    except ValueError as error:
        raise CommandError(f"cannot attach {address!r}: {error}") from error
