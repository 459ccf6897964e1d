"""What a failure means: its class, whether to try again, and what to do about it.

The code says most (`_error_codes`). Some codes cover several things, and only the text tells them apart: a wrong model
id, a conversation that is too long and a bad parameter are all a `ValidationException`. One table has these wordings.
"""

import re
from collections.abc import Callable
from http import HTTPStatus
from typing import Final, NamedTuple, TypeAlias

from chatport.backend import (
    AuthenticationError,
    BackendError,
    ContextWindowError,
    InvalidRequestError,
    ModelNotFoundError,
    PermissionDeniedError,
    RateLimitError,
)
from chatport_bedrock._error_codes import Failure, blames_request, class_of_code
from chatport_bedrock._models import parse_model
from chatport_bedrock._profile_ids import profile_geographies, profile_ids

__all__ = ["WORDINGS", "Meaning", "Wording", "meaning_of"]


class Meaning(NamedTuple):
    """What a failure means.

    Attributes:
        kind: The class to raise.
        retryable: Whether the same request may succeed soon.
        hint: What to do about it, in a sentence or two; empty where that cannot be told from here.
    """

    kind: type[BackendError]
    retryable: bool
    hint: str


_Hint: TypeAlias = Callable[[Failure, "re.Match[str]"], str]


class Wording(NamedTuple):
    """One wording and what it means.

    Attributes:
        pattern: What the message says, a regular expression, which is compiled when something has failed; upper and
            lower case do not matter, apostrophes are ASCII.
        given: The classes that the code may stand for; of others the wording says nothing.
        kind: The class that it is.
        hint: What to do.
    """

    pattern: str
    given: tuple[type[BackendError], ...]
    kind: type[BackendError]
    hint: _Hint


# --- what to do ------------------------------------------------------------------------------------------------------


def _says(text: str) -> _Hint:
    return lambda _failure, _match: text


def _credentials_hint(failure: Failure) -> str:
    match failure.key:
        case "expiredtoken" | "requestexpired":
            return failure.remedy or "Get fresh credentials (with a profile of IAM Identity Center: `aws sso login`)."
        case "invalidsignature" | "signaturedoesnotmatch" | "incompletesignature" | "requesttimetooskewed":
            return "Check the secret access key, the session token that belongs to it, and this machine's clock."
        case _:
            hint = "Check which credentials are used, that session token and key belong together, and the region."
            return f"{hint} {failure.remedy}".rstrip()


def _profile_hint(failure: Failure, _match: "re.Match[str]") -> str:
    """A base model that has to be asked through a profile, or an id that nobody has."""
    found = profile_ids(failure.model or "", failure.region)
    if not found:
        return _place_hint(failure)
    place = "" if failure.region is None else f", from {failure.region}"
    return (
        f"Most models are asked through an inference profile{place} {_or(found)}; `chatport models bedrock` lists "
        "those that the region has."
    )


def _place_hint(failure: Failure) -> str:
    """An id that is no base model's, and that the region does not know."""
    geography = parse_model(failure.model or "").geography
    near = profile_geographies(failure.region)
    if failure.region is not None and geography is not None and geography not in near and near:
        instead = _or(near, end=".")
        return f"{failure.region} has no profiles of the geography `{geography}`; there, try {instead} in its place."
    place = failure.region or "the region you call"
    return f"Check the id, and that {place} offers it: `chatport models bedrock` lists those it has."


def _permission_hint(_failure: Failure, match: "re.Match[str]") -> str:
    """What a policy has to allow. Actions of AWS are the same in every language and account."""
    action = match["action"]
    hint = f"Whoever asks needs the permission `{action}`"
    match action.lower():
        case "bedrock:invoketool":
            hint += ", which system tools take beside `bedrock:InvokeModel`."
        case "bedrock:callwithbearertoken":
            hint += ", which API keys take beside `bedrock:InvokeModel`."
        case "bedrock:getinferenceprofile":
            hint += "; the option resolve_profiles asks for it."
        case "bedrock:invokemodel" | "bedrock:invokemodelwithresponsestream":
            hint += "; for an inference profile on the profile, and on its model in every region that it leads to."
        case _:
            hint += "."
    if "explicit deny" in match.string.lower():
        hint += " A policy denies it outright, which no other policy can overrule."
    return hint


def _or(names: tuple[str, ...], *, end: str = "") -> str:
    quoted = [f"`{name}{end}`" for name in names]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} or {quoted[-1]}"


# --- wordings --------------------------------------------------------------------------------------------------------

_NOTHING: Final = _says("")
_REQUEST: Final = (InvalidRequestError,)
_DENIED: Final = (PermissionDeniedError,)
_ANY: Final = (InvalidRequestError, ModelNotFoundError, PermissionDeniedError)


# Where no comment says otherwise the wording was recorded. The first that is found counts.
WORDINGS: Final[tuple[Wording, ...]] = (
    Wording(
        r"input is too long for requested model"
        r"|input tokens exceeded"
        r"|prompt is too long"
        r"|exceeds? context limit"  # "input length and `max_tokens` exceed context limit": reported for Claude
        r"|too many total text bytes"  # reported for Claude
        r"|too many input tokens"  # reported for Titan and Cohere
        r"|maximum context length"  # reported for Llama, GLM and MiniMax
        r"|too large for model with \d+ maximum context"  # reported for Mistral
        # In one sentence; not recorded, but nothing else is said so.
        r"|(?:exceed(?:s|ed|ing)?|longer than|larger than|too (?:long|large) for)\b[^.]{0,80}"
        r"\bcontext (?:window|length|size)\b"
        r"|\bcontext (?:window|length|size)\b[^.]{0,40}\bexceeded\b",
        _REQUEST,
        ContextWindowError,
        _NOTHING,
    ),
    Wording(
        r"reached the end of its life"
        r"|marked by provider as legacy",  # reported; with both codes
        _ANY,
        ModelNotFoundError,
        _says("Choose a model that is still offered: `chatport models bedrock --status active` lists them."),
    ),
    Wording(
        # Reported: with the code of a resource that is missing.
        r"use case details have not been submitted|not filled out the required use-case form",
        _ANY,
        PermissionDeniedError,
        _says("The maker wants a form filled in once for each account, in the Bedrock console, before the first use."),
    ),
    Wording(
        r"model identifier is invalid"
        r"|with on-demand throughput isn't supported"
        r"|could not resolve the foundation model"
        r"|at 'modelid' failed to satisfy constraint",
        (InvalidRequestError, ModelNotFoundError),
        ModelNotFoundError,
        _profile_hint,
    ),
    Wording(
        r"api key is (?:not )?valid|bearer token (?:has expired|is (?:expired|invalid))",
        _DENIED,
        AuthenticationError,
        _says("An API key is valid in one region and until it expires: check both, or make a new one."),
    ),
    Wording(
        r"invalid_payment_instrument",  # reported
        _DENIED,
        PermissionDeniedError,
        _says("The AWS account needs a way to pay that the marketplace takes; no permission is missing."),
    ),
    Wording(
        r"aws marketplace|aws-marketplace:",  # reported
        _DENIED,
        PermissionDeniedError,
        _says(
            "Models of this maker are subscribed to once for each account: let somebody ask the model who has the "
            "permissions `aws-marketplace:ViewSubscriptions` and `aws-marketplace:Subscribe`, and wait some minutes."
        ),
    ),
    Wording(r"not authorized to perform: (?P<action>[\w-]+:\w+)", _DENIED, PermissionDeniedError, _permission_hint),
    Wording(
        r"have access to the model",
        _DENIED,
        PermissionDeniedError,
        _says("Access to a model is granted in the Bedrock console, for each account and region."),
    ),
    Wording(
        r"^operation not allowed\.?$|account is not authorized to invoke this api",  # reported
        _REQUEST,
        PermissionDeniedError,
        _says("AWS keeps this account from asking models, which happens to new ones: AWS Support can lift it."),
    ),
    Wording(
        r"not allowed from unsupported countries",  # reported
        _REQUEST,
        PermissionDeniedError,
        _says("The maker does not serve the place that the request comes from."),
    ),
    Wording(
        r"data retention mode '[^']*' is not available",  # reported
        _REQUEST,
        PermissionDeniedError,
        _says("The account has to choose another data retention mode for this model, in the Bedrock console."),
    ),
)
"""Wordings that tell more than the code does."""

_A_LONG_WAIT: Final = r"\btokens per day\b"
# What a model behind the service answered is a matter of the request, unless its status is one of these.
_TRANSIENT: Final = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS})


def meaning_of(failure: Failure) -> Meaning:
    """Return what a failure means: by its code, else by its status, and by its wording where these say too little."""
    kind = class_of_code(failure)
    hint = ""
    for wording in WORDINGS:
        found = re.search(wording.pattern, failure.wording, re.IGNORECASE) if kind in wording.given else None
        if found:
            kind, hint = wording.kind, wording.hint(failure, found)
            break
    if kind is AuthenticationError and not hint:
        hint = _credentials_hint(failure)
    return Meaning(kind, _is_retryable(kind, failure), hint)


def _is_retryable(kind: type[BackendError], failure: Failure) -> bool:
    """Whether the same request may succeed soon; of an unknown error inside a stream nobody knows."""
    if failure.status is None or not kind.retryable_by_default:
        return False
    if kind is RateLimitError and re.search(_A_LONG_WAIT, failure.wording, re.IGNORECASE):
        return False
    origin = failure.original_status
    return origin is None or not blames_request(origin) or origin in _TRANSIENT
