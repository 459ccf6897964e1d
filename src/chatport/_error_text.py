"""What a service says about a failure, made fit to show: one line, of a bounded length, without secrets.

Services quote keys and headers that they refuse, and proxies answer with pages of HTML. Neither belongs in an exception
that ends up in a log.
"""

import re
from collections.abc import Iterable
from typing import Final

MAX_ERROR_BYTES: Final = 64 * 1024
"""How much of an error's body is worth a look, in bytes."""

_MAX_CHARACTERS: Final = 1000
_MAX_PAGE_CHARACTERS: Final = 200
_MAX_CODE_CHARACTERS: Final = 100
_CUT: Final = "[cut]"
_NO_CODE: Final = r"[^A-Za-z0-9_.-]"
# Nothing that people read is as long.
_LONG_RUN: Final = r"[a-z0-9+/=_-]{120,}"
# What is never closed ends with the page, and a tag ends before the next one: else a page of "<" takes square time.
_NOT_SHOWN: Final = r"<(script|style)\b.*?(?:</\1\s*>|\Z)|<!--.*?(?:-->|\Z)|<[^<>]*>"
# Line breaks of any kind, and what terminals take for commands.
_BLANK: Final = r"[\s\x00-\x1f\x7f-\x9f\u2028\u2029]+"


class ErrorText:
    """Makes words of one service fit to show.

    Patterns are compiled when something has failed, not before.
    """

    def __init__(self, secrets: Iterable[tuple[str, str]] = ()) -> None:
        """Say what must not be shown.

        Args:
            secrets: Patterns of regular expressions, each for one way in which a secret gets into a message, and what
                stands in its place, such as `"[cut]"`. Case does not matter, and they see the text as one line. They
                are applied in order, and must take linear time: a service decides what they read. Whatever they leave,
                runs of 120 letters and digits are cut as well.
        """
        self._secrets = (*secrets, (_LONG_RUN, _CUT))

    def one_line(self, text: str, *, limit: int = _MAX_CHARACTERS) -> str:
        """Return a text as one line without secrets, cut to a number of characters."""
        text = re.sub(_BLANK, " ", text[:MAX_ERROR_BYTES]).strip()
        for pattern, replacement in self._secrets:
            text = re.sub(pattern, replacement, text, flags=re.IGNORECASE)
        return text if len(text) <= limit else f"{text[: limit - 1].rstrip()}…"

    def words_of_page(self, body: bytes) -> str:
        """Return the first words of a body that is no JSON, such as a proxy's HTML page."""
        page = body[:MAX_ERROR_BYTES].decode("utf-8", "replace")
        words = re.sub(_NOT_SHOWN, " ", page, flags=re.IGNORECASE | re.DOTALL)
        return self.one_line(words, limit=_MAX_PAGE_CHARACTERS)


def error_code(text: str) -> str | None:
    """Return a code that a service says without what no code has; None where nothing is left."""
    return re.sub(_NO_CODE, "", text)[:_MAX_CODE_CHARACTERS] or None


def as_sentence(text: str) -> str:
    """Return a text that another sentence can follow."""
    return text if not text or text[-1] in ".!?…" else f"{text}."
