"""The headers of event-stream frames: bytes to values and back.

Below `_frames`, which is the module to import from: it hands on everything here that others need.

A header is its name's length (1 byte), its name (UTF-8), a type code (1 byte) and a value of that type, big-endian;
strings and byte arrays begin with their length (2 bytes). Source: the "Amazon Event Stream Specification" of Smithy.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from struct import Struct
from struct import error as StructError  # noqa: N812 - a class, so it is written like one
from types import MappingProxyType
from typing import Final, TypeAlias
from uuid import UUID

_MAX_NAME_BYTES: Final = 255
# For writing. Reading takes what the two bytes of the length can say.
_MAX_VALUE_BYTES: Final = 2**15 - 1

_UINT16: Final = Struct("!H")
_INT8: Final = Struct("!b")
_INT16: Final = Struct("!h")
_INT32: Final = Struct("!i")
_INT64: Final = Struct("!q")
_UUID_BYTES: Final = 16

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)


class Int8(int):
    """A header value of the wire type `byte`; compares and counts like any int."""

    __slots__ = ()


class Int16(int):
    """A header value of the wire type `short`; compares and counts like any int."""

    __slots__ = ()


class Int64(int):
    """A header value of the wire type `long`; compares and counts like any int."""

    __slots__ = ()


HeaderValue: TypeAlias = bool | int | bytes | str | datetime | UUID
"""What a header can hold: one Python type per wire type, so that what was read can be written again unchanged.

A plain int is the wire type `integer` (32 bits); `Int8`, `Int16` and `Int64` are the other widths. A datetime is aware,
in UTC when read, and has a precision of milliseconds.
"""


class FrameError(ValueError):
    """The bytes are no event stream, or the values to write make no frame.

    Attributes:
        offset: Where the offending frame begins, in bytes from the start of the stream; None while writing.
    """

    offset: int | None = None


class HeaderError(FrameError):
    """A header is malformed: unknown type, cut short, no name, a name used twice, bad UTF-8, a value out of range."""


def decode_headers(block: bytes) -> Mapping[str, HeaderValue]:
    """Read the header block of a frame.

    Args:
        block: The bytes between prelude and payload, whose checksum was found right.

    Returns:
        The values by name, in the order of the wire; read-only, because callers share it.

    Raises:
        HeaderError: The block does not follow the format.
    """
    headers: dict[str, HeaderValue] = {}
    position = 0
    while position < len(block):
        name_bytes, position = _take(block, position + 1, block[position], "a header name")
        name = _text(name_bytes, "a header name")
        if not name:
            raise HeaderError("a header has no name")
        if name in headers:
            raise HeaderError(f"header {name!r} is there twice")
        headers[name], position = _decode_value(block, position, f"header {name!r}")
    return MappingProxyType(headers)


def _decode_value(block: bytes, position: int, what: str) -> tuple[HeaderValue, int]:
    """Read the type code and the value at `position`; return the value and where it ends."""
    code, position = _take(block, position, 1, what)
    value: HeaderValue
    match code[0]:
        case 0:
            value = True
        case 1:
            value = False
        case 2:
            number, position = _take_number(block, position, _INT8, what)
            value = Int8(number)
        case 3:
            number, position = _take_number(block, position, _INT16, what)
            value = Int16(number)
        case 4:
            value, position = _take_number(block, position, _INT32, what)
        case 5:
            number, position = _take_number(block, position, _INT64, what)
            value = Int64(number)
        case 6:
            length, position = _take_number(block, position, _UINT16, what)
            value, position = _take(block, position, length, what)
        case 7:
            length, position = _take_number(block, position, _UINT16, what)
            text, position = _take(block, position, length, what)
            value = _text(text, what)
        case 8:
            number, position = _take_number(block, position, _INT64, what)
            value = _moment(number, what)
        case 9:
            raw, position = _take(block, position, _UUID_BYTES, what)
            value = UUID(bytes=raw)
        case unknown:
            raise HeaderError(f"{what} has the unknown type {unknown}")
    return value, position


def _take(block: bytes, position: int, length: int, what: str) -> tuple[bytes, int]:
    end = position + length
    if end > len(block):
        raise HeaderError(f"{what} is cut short: {length} bytes expected, {len(block) - position} left")
    return block[position:end], end


def _take_number(block: bytes, position: int, layout: Struct, what: str) -> tuple[int, int]:
    raw, end = _take(block, position, layout.size, what)
    (number,) = layout.unpack(raw)
    return int(number), end


def _text(raw: bytes, what: str) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise HeaderError(f"{what} is not UTF-8: {error}") from error


def _moment(milliseconds: int, what: str) -> datetime:
    try:
        return _EPOCH + milliseconds * _MILLISECOND
    except OverflowError as error:
        raise HeaderError(f"{what} is no time between the years 1 and 9999: {milliseconds} ms") from error


def encode_headers(headers: Mapping[str, HeaderValue]) -> bytes:
    """Write the header block of a frame.

    Args:
        headers: The values by name, written in this order.

    Raises:
        HeaderError: A name or a value does not fit the format.
        TypeError: A value is of a type that the format does not have.
    """
    parts: list[bytes] = []
    for name, value in headers.items():
        what = f"header {name!r}"
        name_bytes = _utf_8(name, what)
        if not 1 <= len(name_bytes) <= _MAX_NAME_BYTES:
            raise HeaderError(f"{what}: a name has 1 to {_MAX_NAME_BYTES} bytes, this has {len(name_bytes)}")
        parts += (bytes((len(name_bytes),)), name_bytes, _encode_value(value, what))
    return b"".join(parts)


def _encode_value(value: HeaderValue, what: str) -> bytes:  # noqa: PLR0911 - one return per wire type
    # A bool is an int, and so are the widths: they stand before it.
    match value:
        case True:
            return b"\x00"
        case False:
            return b"\x01"
        case Int8():
            return b"\x02" + _pack(_INT8, value, what)
        case Int16():
            return b"\x03" + _pack(_INT16, value, what)
        case Int64():
            return b"\x05" + _pack(_INT64, value, what)
        case int():
            return b"\x04" + _pack(_INT32, value, what)
        case bytes():
            return b"\x06" + _with_length(value, what)
        case str():
            return b"\x07" + _with_length(_utf_8(value, what), what)
        case datetime():
            return b"\x08" + _INT64.pack(_milliseconds(value, what))
        case UUID():
            return b"\x09" + value.bytes
        case _:  # a caller whose types nobody checked
            raise TypeError(f"{what} has a value of type {type(value).__name__}, which no header can hold")


def _pack(layout: Struct, number: int, what: str) -> bytes:
    try:
        return layout.pack(number)
    except StructError as error:
        raise HeaderError(f"{what} does not fit {layout.size * 8} bits: {int(number)}") from error


def _with_length(raw: bytes, what: str) -> bytes:
    if len(raw) > _MAX_VALUE_BYTES:
        raise HeaderError(f"{what} is too long: {len(raw)} bytes, {_MAX_VALUE_BYTES} at most")
    return _UINT16.pack(len(raw)) + raw


def _utf_8(text: str, what: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise HeaderError(f"{what} cannot be written in UTF-8: {error}") from error


def _milliseconds(moment: datetime, what: str) -> int:
    if moment.tzinfo is None:
        raise HeaderError(f"{what} is a time without a time zone: {moment.isoformat()}")
    milliseconds, rest = divmod(moment - _EPOCH, _MILLISECOND)
    if rest:
        raise HeaderError(f"{what} is finer than milliseconds, which the format cannot say: {moment.isoformat()}")
    return milliseconds
