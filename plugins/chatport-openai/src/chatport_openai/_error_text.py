"""The ways in which secrets get into what a server says about a failure: servers quote keys that they refuse."""

from typing import Final

from chatport.backend.http import ErrorText

__all__ = ["one_line", "words_of_page"]

_CUT: Final = "[cut]"
# All of them take linear time.
_SECRETS: Final = (
    (r"\b(authorization(?: header)?) ?[:=].*", rf"\1: {_CUT}"),
    (r"\bbearer\s+(?=[a-z._~+/=*-]*[0-9])[a-z0-9._~+/=*-]{8,}", f"Bearer {_CUT}"),
    # OpenAI repeats the key it refuses, with asterisks in the middle or, where it is short, without.
    (r"\b(api[- _]?key(?: provided| is|:|=)+)\s*['\"]?[^\s'\",;&]{6,}?(?=[.'\",;&]?(?:\s|$|['\",;&]))", rf"\1 {_CUT}"),
    (r"\b(?:sk|pk|gsk|xai|csk|fw|hf|nvapi|ollama|rk|key|pplx|tgp_v1)[-_][a-z0-9*_-]{6,}", _CUT),
    (r"\b[0-9a-f]{32,}\b", _CUT),
)

_TEXT: Final = ErrorText(_SECRETS)
one_line: Final = _TEXT.one_line
words_of_page: Final = _TEXT.words_of_page
