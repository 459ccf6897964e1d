"""The ways in which secrets get into what the service says about a failure.

A refusal of a signature quotes the request it was computed from, with session token, key id and signature.
"""

from typing import Final

from chatport.backend.http import ErrorText

__all__ = ["one_line", "words_of_page"]

_CUT: Final = "[cut]"
_NAMES: Final = "security-?token|signature|credential|session-?token|secret-?access-?key|access-?key-?id"
# All of them take linear time.
_SECRETS: Final = (
    # A refused signature: from here to the end it quotes the request, header by header.
    (r"\s*\bthe (?:canonical (?:string|request)|string[- ]to[- ]sign)\b[^.:]{0,60}should have been.*", ""),
    # A malformed signature: the offending piece of the header, then the header itself.
    (r"'[^']*'(?= not a valid key=value pair)", _CUT),
    (r"\b(authorization(?: header)?) ?[:=].*", rf"\1: {_CUT}"),
    (rf"\b((?:x-amz-)?(?:{_NAMES}))\s*[:=]\s*['\"]?[^\s'\",;&]{{16,}}", rf"\1={_CUT}"),
    (r"\bbearer\s+(?=[a-z._~+/=-]*[0-9])[a-z0-9._~+/=-]{8,}", f"Bearer {_CUT}"),
    (r"\b(?:bedrock-api-key-|ABSK)[a-z0-9+/=_-]{8,}", _CUT),  # API keys, short-lived and long-lived
    (r"\b(?:AKIA|ASIA)[a-z0-9]{12,}", _CUT),  # access key ids
    (r"\b[0-9a-f]{64}\b", _CUT),  # signatures and what they sign
)

_TEXT: Final = ErrorText(_SECRETS)
one_line: Final = _TEXT.one_line
words_of_page: Final = _TEXT.words_of_page
