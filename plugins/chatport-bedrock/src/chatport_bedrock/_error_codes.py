"""What the service's error codes mean: one table.

Pure data and functions; `_errors` reads the answers, `_error_wordings` knows what only the text tells apart. Over HTTP
codes are spelled `ValidationException`, inside a stream `validationException`; the table does not mind.
"""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from chatport.backend import (
    AuthenticationError,
    BackendError,
    InvalidRequestError,
    ModelNotFoundError,
    PermissionDeniedError,
    ProtocolError,
    RateLimitError,
    ServiceError,
)

__all__ = ["CODES", "Failure", "blames_request", "class_of_code", "code_key", "status_in_stream"]

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
        region: The region that was asked, where that is known.
        remedy: How to get fresh credentials in place of those that were used, where that is known.
    """

    code: str | None
    status: int | None
    message: str
    model: str | None
    original_status: int | None = None
    region: str | None = None
    remedy: str = ""

    @property
    def key(self) -> str:
        """The code as `CODES` has it."""
        return code_key(self.code or "")

    @property
    def wording(self) -> str:
        """The message in the form that wordings are compared in."""
        return self.message.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")


def code_key(code: str) -> str:
    """Return a code as `CODES` has it: in lower case, without "Exception" at the end."""
    return code.lower().removesuffix("exception")


def status_in_stream(code: str | None) -> int | None:
    """Return the HTTP status that a code stands for where no HTTP answer gives one."""
    row = CODES.get(code_key(code or ""))
    return row[1] if row else None


def class_of_code(failure: Failure) -> type[BackendError]:
    """Return the class of a failure by its code, else by its status."""
    row = CODES.get(failure.key)
    return row[0] if row else _class_of_status(failure.status)


def _class_of_status(status: int | None) -> type[BackendError]:
    if status is None:  # an error inside a stream that the table does not have yet
        return ServiceError
    if status in _CLASS_OF_STATUS:
        return _CLASS_OF_STATUS[status]
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return ServiceError
    return InvalidRequestError if blames_request(status) else ProtocolError  # a redirect, or a success that is none


def blames_request(status: int) -> bool:
    """Whether a status says that the request is to blame."""
    return HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR
