"""A request's body with its media apart, and how the two become what is sent.

Base64 of a large image stays in pieces from here to the connection: to put them together costs as much as to encode
them.
"""

from binascii import b2a_base64
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

__all__ = ["CutBody"]

_MEDIA_PIECE: Final = 3 * 2**14  # bytes, which are 64 KiB as base64, without padding in between


@dataclass(frozen=True, slots=True)
class CutBody:
    """A request's body, ready but for its media, which are not base64 yet.

    Attributes:
        texts: The JSON in UTF-8, cut at the places of the media: one more than there are of them.
        media: The media, in order.
    """

    texts: tuple[bytes, ...]
    media: tuple[bytes, ...] = ()

    def __repr__(self) -> str:
        """Show how large it is: a report of an error is no place for a whole conversation."""
        texts, media = sum(map(len, self.texts)), self.media_size
        return f"<body: {texts} bytes of JSON, {len(self.media)} media of {media} bytes>"

    @property
    def media_size(self) -> int:
        """How many bytes the media have: how long `pieces` takes depends on it."""
        return sum(map(len, self.media))

    def pieces(self) -> tuple[bytes, ...]:
        """Return the whole body, in pieces of 64 KiB or less where there are media."""
        return tuple(self._pieces())

    def _pieces(self) -> Iterator[bytes]:
        before = self.texts[0]
        for medium, text in zip(self.media, self.texts[1:], strict=True):
            yield before + b'"'
            view = memoryview(medium)
            for start in range(0, len(view), _MEDIA_PIECE):
                yield b2a_base64(view[start : start + _MEDIA_PIECE], newline=False)
            before = b'"' + text
        yield before
