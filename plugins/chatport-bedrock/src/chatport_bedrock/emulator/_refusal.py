"""What the service answers instead of an answer: status, code and message, raised where the reason is found."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

_NAMESPACES: Final = {
    # Codes that come from the framework in front of the service rather than from the service itself; recorded of the
    # three about tokens and signatures.
    "ExpiredTokenException": "com.amazon.coral.service",
    "InvalidSignatureException": "com.amazon.coral.service",
    "MissingAuthenticationTokenException": "com.amazon.coral.service",
    "SerializationException": "com.amazon.coral.service",
    "UnknownOperationException": "com.amazon.coral.service",
    "UnrecognizedClientException": "com.amazon.coral.service",
}
_SERVICE_NAMESPACE: Final = "com.amazon.bedrock"

Author = Literal["service", "model"]


@dataclass(frozen=True, slots=True)
class HttpError:
    """An error as the service sends it before anything else: an HTTP status, a code and a message.

    Enqueue one to make a request fail, whatever it says.

    Attributes:
        status: The HTTP status, such as 429.
        code: The name of the error, such as `"ThrottlingException"`; it goes into the header `x-amzn-errortype`.
        message: The text for people.
        headers: More headers, such as `{"retry-after": "2"}`; they replace those of the same name.
        fields: More members of the body, such as `{"originalStatusCode": 500}` of a `ModelErrorException`.
    """

    status: int
    code: str
    message: str
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    fields: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def __post_init__(self) -> None:
        """Refuse what is no error: a client would take it for an answer."""
        if not 300 <= self.status <= 599:  # noqa: PLR2004 - the range of HTTP statuses that are no answer
            raise ValueError(f"{self.status} is no HTTP status of an error")

    def error_type(self) -> str:
        """The value of `x-amzn-errortype`: the code and the address of its definition."""
        namespace = _NAMESPACES.get(self.code, _SERVICE_NAMESPACE)
        return f"{self.code}:http://internal.amazon.com/coral/{namespace}/"

    def body(self) -> bytes:
        """The JSON body."""
        return json.dumps({"message": self.message, **self.fields}, ensure_ascii=False).encode()


class RefusedError(Exception):
    """The request gets this error for an answer.

    Attributes:
        error: What to send.
        author: Who refused: the service, before it asked the model, or the model. Some models refuse a stream only
            after it has begun, which then carries the refusal.
    """

    def __init__(self, error: HttpError, *, author: Author = "service") -> None:
        super().__init__(f"{error.status} {error.code}: {error.message}")
        self.error = error
        self.author: Author = author


def validation_error(message: str) -> HttpError:
    """The answer to a request that says something wrong."""
    return HttpError(400, "ValidationException", message)
