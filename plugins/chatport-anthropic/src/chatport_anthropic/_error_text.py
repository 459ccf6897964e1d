"""The ways in which secrets get into what the service says about a failure: it may quote keys that it refuses."""

from typing import Final

from chatport.backend.http import ErrorText

__all__ = ["one_line", "words_of_page"]

_CUT: Final = "[cut]"
# All of them take linear time.
_SECRETS: Final = (
    (r"\b(authorization|x-api-key|api-key)\s*[:=].*", rf"\1: {_CUT}"),
    (r"\bbearer\s+(?=[a-z._~+/=*-]*[0-9])[a-z0-9._~+/=*-]{8,}", f"Bearer {_CUT}"),
    (r"\bsk-[a-z0-9*_-]{6,}", _CUT),
    (r"\b[0-9a-f]{32,}\b", _CUT),
)

_TEXT: Final = ErrorText(_SECRETS)
one_line: Final = _TEXT.one_line
words_of_page: Final = _TEXT.words_of_page
