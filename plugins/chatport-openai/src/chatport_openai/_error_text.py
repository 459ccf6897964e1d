"""What a server says about a failure, made fit to show: one line, of a bounded length, without secrets.

Servers quote keys that they refuse, and proxies answer with pages of HTML. Neither belongs in an exception that ends up
in a log.
"""

import re
from typing import Final

__all__ = ["MAX_BODY_BYTES", "identifier", "one_line", "sentence", "words_of_page"]

MAX_BODY_BYTES: Final = 64 * 1024
"""How much of an error's body is looked at."""

_MAX_CHARACTERS: Final = 1000
_MAX_PAGE_CHARACTERS: Final = 200
_MAX_CODE_CHARACTERS: Final = 100
_NO_CODE: Final = r"[^A-Za-z0-9_.-]"
_CUT: Final = "[cut]"
_FLAGS: Final = re.IGNORECASE | re.DOTALL
# Each pattern stands for one way in which a secret gets into a message; all of them take linear time. They are compiled
# when something has failed.
_SECRETS: Final = (
    (r"\b(authorization(?: header)?) ?[:=].*", rf"\1: {_CUT}"),
    (r"\bbearer\s+(?=[a-z._~+/=*-]*[0-9])[a-z0-9._~+/=*-]{8,}", f"Bearer {_CUT}"),
    # OpenAI repeats the key it refuses, with asterisks in the middle or, where it is short, without.
    (r"\b(api[- _]?key(?: provided| is|:|=)+)\s*['\"]?[^\s'\",;&]{6,}?(?=[.'\",;&]?(?:\s|$|['\",;&]))", rf"\1 {_CUT}"),
    (r"\b(?:sk|pk|gsk|xai|csk|fw|hf|nvapi|ollama|rk|key|pplx|tgp_v1)[-_][a-z0-9*_-]{6,}", _CUT),
    (r"\b[0-9a-f]{32,}\b", _CUT),
    (r"[a-z0-9+/=_-]{120,}", _CUT),
)
# What is never closed ends with the page, and a tag ends before the next one: else a page of "<" takes square time.
_NOT_SHOWN: Final = r"<(script|style)\b.*?(?:</\1\s*>|\Z)|<!--.*?(?:-->|\Z)|<[^<>]*>"
# Line breaks of any kind, and what terminals take for commands.
_BLANK: Final = r"[\s\x00-\x1f\x7f-\x9f\u2028\u2029]+"


def one_line(text: str, *, limit: int = _MAX_CHARACTERS) -> str:
    """Return a text as one line without secrets, cut to a number of characters."""
    text = text[:MAX_BODY_BYTES]
    for pattern, replacement in _SECRETS:
        text = re.sub(pattern, replacement, text, flags=_FLAGS)
    text = re.sub(_BLANK, " ", text).strip()
    return text if len(text) <= limit else f"{text[: limit - 1].rstrip()}…"


def identifier(text: str) -> str | None:
    """Return a code without what no code has; None where nothing is left."""
    return re.sub(_NO_CODE, "", text)[:_MAX_CODE_CHARACTERS] or None


def sentence(text: str) -> str:
    """Return a text that another sentence can follow."""
    return text if not text or text[-1] in ".!?…" else f"{text}."


def words_of_page(body: bytes) -> str:
    """Return the first words of a body that is no JSON, such as a proxy's HTML page."""
    page = body[:MAX_BODY_BYTES].decode("utf-8", "replace")
    return one_line(re.sub(_NOT_SHOWN, " ", page, flags=_FLAGS), limit=_MAX_PAGE_CHARACTERS)
