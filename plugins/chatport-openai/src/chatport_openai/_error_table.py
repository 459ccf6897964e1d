"""What statuses, codes and wordings of servers mean, as data."""

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from chatport.backend import (
    AuthenticationError,
    BackendError,
    ContextWindowError,
    InvalidRequestError,
    ModelNotFoundError,
    PermissionDeniedError,
    ProtocolError,
    RateLimitError,
    ServiceError,
)

__all__ = ["Meaning", "meaning_of"]


class Meaning(NamedTuple):
    """What a failure means.

    Attributes:
        kind: The class of its error.
        retryable: Whether the same request may succeed later; None for what the class says.
        hint: What to do about it.
    """

    kind: type[BackendError]
    retryable: bool | None = None
    hint: str = ""


_MODELS: Final = "`models()` of the backend lists what the server offers."
_KEY: Final = Meaning(AuthenticationError)
_MODEL: Final = Meaning(ModelNotFoundError, hint=_MODELS)
_INVALID: Final = Meaning(InvalidRequestError)
_WINDOW: Final = Meaning(ContextWindowError)
_DENIED: Final = Meaning(PermissionDeniedError)
_LIMIT: Final = Meaning(RateLimitError)
_SERVICE: Final = Meaning(ServiceError)
_CREDIT: Final = "The account has no credit left: waiting does not help."

# By the server's own word, in lower case and without what separates words: `code` or `type` of the error.
_CODES: Final[Mapping[str, Meaning]] = {
    "contextlengthexceeded": _WINDOW,
    "exceedcontextsizeerror": _WINDOW,
    "toomanyprompttokens": _WINDOW,
    "stringabovemaxlength": _INVALID,
    "invalidapikey": _KEY,
    "authenticationerror": _KEY,
    "invalidauthentication": _KEY,
    "invalidauthenticationerror": _KEY,
    "unauthorized": _KEY,
    "modelnotfound": _MODEL,
    "deploymentnotfound": _MODEL,
    "unknownmodel": _MODEL,
    "modelnotavailable": _MODEL,
    "permissiondenied": _DENIED,
    "permissionerror": _DENIED,
    "insufficientquota": Meaning(RateLimitError, retryable=False, hint=_CREDIT),
    "billinghardlimitreached": Meaning(RateLimitError, retryable=False, hint=_CREDIT),
    "insufficientbalance": Meaning(PermissionDeniedError, hint=_CREDIT),
    "ratelimitexceeded": _LIMIT,
    "ratelimiterror": _LIMIT,
    "ratelimitreached": _LIMIT,
    "toomanyrequests": _LIMIT,
    "contentfilter": _INVALID,
    "contentpolicyviolation": _INVALID,
    # Groq: the model wrote a call that does not fit its schema; the next one may.
    "toolusefailed": Meaning(InvalidRequestError, retryable=True),
    "outputparsefailed": Meaning(InvalidRequestError, retryable=True),
    "jsonvalidatefailed": Meaning(InvalidRequestError, retryable=True),
    "servererror": _SERVICE,
    "internalservererror": _SERVICE,
    "overloadederror": _SERVICE,
    "engineoverloaded": _SERVICE,
    "serviceunavailable": _SERVICE,
}

_STATUSES: Final[Mapping[int, Meaning]] = {
    400: _INVALID,
    401: _KEY,
    402: Meaning(PermissionDeniedError, hint=_CREDIT),
    403: _DENIED,
    404: _MODEL,
    405: _INVALID,
    408: _SERVICE,
    409: _SERVICE,
    413: _INVALID,
    422: _INVALID,
    425: _SERVICE,
    429: _LIMIT,
    498: _LIMIT,  # Groq: the flexible tier has no room
    501: Meaning(ServiceError, retryable=False),
}

# Wordings, in lower case, with the statuses in which they count; the first that fits wins.
_REFUSED: Final = frozenset({400, 404, 413, 422})
_WORDINGS: Final[tuple[tuple[re.Pattern[str], frozenset[int], Meaning], ...]] = (
    (
        re.compile(
            r"maximum context length|context length is only|max(imum)? context (length|size|window)"
            r"|exceeds? the (available |model'?s? )?(maximum )?context|context (window|size|length) exceeded"
            r"|prompt (is )?too long|too many prompt tokens|total length of all messages is too long"
            r"|too large for model with \d+ maximum context|input (is )?too long for (the )?(requested )?model"
            r"|input length \d+ exceeds"
        ),
        _REFUSED | {500},
        _WINDOW,
    ),
    # What a model or its endpoints cannot do is said with the status of a model that is not there.
    (re.compile(r"not supported|support tool use|no endpoints found that"), frozenset({404}), _INVALID),
    (
        re.compile(
            r"model `?[^ ]*`? ?does not exist|is not a valid model|model not exist|invalid model\b|unknown model"
            r"|no such model|model .{1,100} not found|deployment .{1,200} does not exist"
        ),
        frozenset({400, 404, 422}),
        _MODEL,
    ),
    # llama.cpp: started without what the request needs, or asked for a file that it cannot get.
    (
        re.compile(r"--jinja|--mmproj|cannot make get request|is not supported by this|failed to parse|unsupported"),
        frozenset({500}),
        Meaning(ServiceError, retryable=False),
    ),
)
_FIRST_ERROR: Final = 400
_SERVER_ERROR: Final = 500


def meaning_of(status: int | None, words: tuple[str | None, ...], message: str) -> Meaning:
    """Return what a failure means.

    Args:
        status: The HTTP status, or the one that an error inside an answer names; None where nothing names one.
        words: The error's `code` and `type`.
        message: What it says, also what a server behind the server says.
    """
    for word in words:
        found = _CODES.get("".join(filter(str.isalnum, (word or "").lower())))
        # "server_error" is what some call anything; the wording may say that it will not pass.
        if found is not None and found is not _SERVICE:
            return found
    text = message.lower()
    for pattern, statuses, meaning in _WORDINGS:
        if (status is None or status in statuses) and pattern.search(text):
            return meaning
    if status is None or status >= _SERVER_ERROR:
        return _STATUSES.get(status or 0, _SERVICE)
    if status < _FIRST_ERROR:
        return Meaning(ProtocolError)
    return _STATUSES.get(status, _INVALID)
