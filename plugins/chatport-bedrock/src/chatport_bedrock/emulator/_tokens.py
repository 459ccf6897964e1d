"""Counting and cutting text by tokens: a token is a word, a number or one other character, with the space before it."""

import re
from collections.abc import Iterator
from typing import Final

_TOKEN: Final = re.compile(r"\s*(?:\w+|[^\w\s])")
# What a model sends at a time is about a word, with the space before it.
_PIECE: Final = re.compile(r"\s*\S+|\s+$")


def count_tokens(text: str) -> int:
    """How many tokens a text has; the real services count otherwise, but in the same order of magnitude."""
    return sum(1 for _ in _TOKEN.finditer(text))


def cut_to_tokens(text: str, limit: int) -> str:
    """The beginning of a text that has at most this many tokens."""
    for count, match in enumerate(_TOKEN.finditer(text)):
        if count == limit:
            return text[: match.start()]
    return text


def pieces(text: str) -> Iterator[str]:
    """A text in the pieces that a stream sends: words, each with the space before it. Joined they are the text."""
    for match in _PIECE.finditer(text):
        yield match.group()


def fragments(text: str, size: int = 12) -> Iterator[str]:
    """JSON in the fragments that a stream sends, cut without regard to what they say."""
    for start in range(0, len(text), size):
        yield text[start : start + size]
