"""What a failure means: its class, whether to try again, what to do about it.

Pure data and functions; `_errors` reads the answers. One table says which class a code means. Over HTTP codes are
spelled `ValidationException`, inside a stream `validationException`; the table does not mind. Some codes cover several
things (a wrong model id, a conversation that is too long, a bad parameter are all a `ValidationException`): then the
wording decides.
"""

import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

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
from chatport_bedrock._models import GEOGRAPHIES, is_arn

__all__ = ["CODES", "Failure", "class_of", "code_key", "hint_for", "is_retryable", "status_in_stream"]

CODES: Final[dict[str, tuple[type[BackendError], int]]] = {
    # Credentials.
    "authfailure": (AuthenticationError, 401),
    "expiredtoken": (AuthenticationError, 403),
    "incompletesignature": (AuthenticationError, 400),
    "invalidclienttokenid": (AuthenticationError, 403),
    "invalidsignature": (AuthenticationError, 403),
    "missingauthenticationtoken": (AuthenticationError, 403),
    "requestexpired": (AuthenticationError, 400),
    "requesttimetooskewed": (AuthenticationError, 403),
    "signaturedoesnotmatch": (AuthenticationError, 403),
    "unauthorized": (AuthenticationError, 401),
    "unrecognizedclient": (AuthenticationError, 403),
    # What they may do.
    "accessdenied": (PermissionDeniedError, 403),
    "forbidden": (PermissionDeniedError, 403),
    "notauthorized": (PermissionDeniedError, 403),
    "optinrequired": (PermissionDeniedError, 403),
    "unauthorizedoperation": (PermissionDeniedError, 403),
    # What is asked for.
    "conflict": (InvalidRequestError, 409),
    "resourcenotfound": (ModelNotFoundError, 404),
    "serialization": (InvalidRequestError, 400),
    "unknownoperation": (InvalidRequestError, 404),
    "validation": (InvalidRequestError, 400),
    # How much.
    "limitexceeded": (RateLimitError, 429),
    "requestlimitexceeded": (RateLimitError, 429),
    "requestthrottled": (RateLimitError, 429),
    "servicequotaexceeded": (RateLimitError, 400),
    "slowdown": (RateLimitError, 503),
    "throttled": (RateLimitError, 429),
    "throttling": (RateLimitError, 429),
    "toomanyrequests": (RateLimitError, 429),
    # The service, or the model behind it.
    "internalerror": (ServiceError, 500),
    "internalfailure": (ServiceError, 500),
    "internalserver": (ServiceError, 500),
    "internalservererror": (ServiceError, 500),
    "modelerror": (ServiceError, 424),
    "modelnotready": (ServiceError, 429),
    "modelstreamerror": (ServiceError, 424),
    "modeltimeout": (ServiceError, 408),
    "requesttimeout": (ServiceError, 408),
    "serviceunavailable": (ServiceError, 503),
}
"""Code without "Exception", in lower case → class, and the HTTP status that it stands for inside a stream.

Source: the errors of Bedrock Runtime's service model (`httpStatusCode`), the names that signature checks and throttling
have in all services of AWS, and recorded answers for those that the model of Bedrock does not know.
"""

# Wordings are compared in lower case, with an ASCII apostrophe. Where no comment says otherwise they were recorded.
_TOO_LONG: Final = re.compile(
    r"input is too long for requested model"
    r"|input tokens exceeded"
    r"|prompt is too long"
    r"|exceeds? context limit"  # "input length and `max_tokens` exceed context limit": reported for Claude
    r"|too many total text bytes"  # reported for Claude
    r"|too many input tokens"  # reported for Titan and Cohere
    r"|maximum context length"  # reported for Llama, GLM and MiniMax
    r"|too large for model with \d+ maximum context"  # reported for Mistral
)
_NO_SUCH_MODEL: Final = re.compile(
    r"model identifier is invalid"
    r"|with on-demand throughput isn't supported"
    r"|could not resolve the foundation model"
    r"|at 'modelid' failed to satisfy constraint"
)
_BAD_API_KEY: Final = re.compile(r"api key is (?:not )?valid|bearer token (?:has expired|is (?:expired|invalid))")
_NO_MODEL_ACCESS: Final = "have access to the model"
_A_LONG_WAIT: Final = re.compile(r"\btokens per day\b")

# What a model behind the service answered is a matter of the request, unless its status is one of these.
_TRANSIENT: Final = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS})
_CLASS_OF_STATUS: Final[dict[int, type[BackendError]]] = {
    HTTPStatus.UNAUTHORIZED: AuthenticationError,
    HTTPStatus.FORBIDDEN: PermissionDeniedError,
    HTTPStatus.NOT_FOUND: ModelNotFoundError,
    HTTPStatus.REQUEST_TIMEOUT: ServiceError,
    HTTPStatus.FAILED_DEPENDENCY: ServiceError,
    HTTPStatus.TOO_EARLY: ServiceError,
    HTTPStatus.TOO_MANY_REQUESTS: RateLimitError,
}


@dataclass(frozen=True, slots=True)
class Failure:
    """What decides about a failure.

    Attributes:
        code: The service's code, as it spelled it; None where it gave none.
        status: The HTTP status; None inside a stream, where only a known code stands for one.
        message: What the service says.
        model: The model id as it was sent; None where no model was asked.
        original_status: The status that the model behind the service gave, where the service passes it on.
    """

    code: str | None
    status: int | None
    message: str
    model: str | None
    original_status: int | None = None

    @property
    def key(self) -> str:
        """The code as `CODES` has it."""
        return code_key(self.code or "")

    @property
    def wording(self) -> str:
        """The message in the form that wordings are compared in."""
        return self.message.lower().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")


def code_key(code: str) -> str:
    """Return a code as `CODES` has it: in lower case, without "Exception" at the end."""
    return code.lower().removesuffix("exception")


def status_in_stream(code: str | None) -> int | None:
    """Return the HTTP status that a code stands for where no HTTP answer gives one."""
    row = CODES.get(code_key(code or ""))
    return row[1] if row else None


def class_of(failure: Failure) -> type[BackendError]:
    """Return the class of a failure: by its code, else by its status, and by its wording where these say too little."""
    row = CODES.get(failure.key)
    kind = row[0] if row else _class_of_status(failure.status)
    if kind is InvalidRequestError:
        if _TOO_LONG.search(failure.wording):
            return ContextWindowError
        if _NO_SUCH_MODEL.search(failure.wording):
            return ModelNotFoundError
    if kind is PermissionDeniedError and _BAD_API_KEY.search(failure.wording):
        return AuthenticationError
    return kind


def _class_of_status(status: int | None) -> type[BackendError]:
    if status is None:  # an error inside a stream that the table does not have yet
        return ServiceError
    if status in _CLASS_OF_STATUS:
        return _CLASS_OF_STATUS[status]
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return ServiceError
    return InvalidRequestError if _blames_request(status) else ProtocolError  # a redirect, or a success that is none


def is_retryable(kind: type[BackendError], failure: Failure) -> bool:
    """Whether the same request may succeed soon; of an unknown error inside a stream nobody knows."""
    if failure.status is None or not kind.retryable_by_default:
        return False
    if kind is RateLimitError and _A_LONG_WAIT.search(failure.wording):
        return False
    origin = failure.original_status
    return origin is None or not _blames_request(origin) or origin in _TRANSIENT


def _blames_request(status: int) -> bool:
    return HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR


def hint_for(kind: type[BackendError], failure: Failure) -> str:
    """Return what to do about a failure, in a sentence or two; empty where that cannot be told from here."""
    if kind is AuthenticationError:
        return _credentials_hint(failure)
    if kind is ModelNotFoundError and _NO_SUCH_MODEL.search(failure.wording):
        return _model_hint(failure.model)
    if kind is PermissionDeniedError and _NO_MODEL_ACCESS in failure.wording:
        return "Access to a model is granted in the Bedrock console, for each account and region."
    return ""


def _credentials_hint(failure: Failure) -> str:
    if _BAD_API_KEY.search(failure.wording):
        return "An API key is valid in one region and until it expires: check both, or make a new one."
    match failure.key:
        case "expiredtoken" | "requestexpired":
            return "Get fresh credentials (with a profile of IAM Identity Center: `aws sso login`)."
        case "invalidsignature" | "signaturedoesnotmatch" | "incompletesignature" | "requesttimetooskewed":
            return "Check the secret access key, the session token that belongs to it, and this machine's clock."
        case _:
            return "Check which credentials are used, that session token and key belong together, and the region."


def _model_hint(model: str | None) -> str:
    if model is None or is_arn(model) or "." not in model or model.partition(".")[0] in GEOGRAPHIES:
        return "Check the id, and that the region you call offers it."
    return (
        f"Most models are called by the id of an inference profile, such as `us.{model}` "
        "(by region also eu., apac., jp., au. or global.); check the id and the region too."
    )
