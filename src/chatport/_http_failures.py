"""What fails on a connection, and the error that callers see. Pure: nothing here knows an HTTP library."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, cast

from chatport._errors import (
    BackendError,
    ChatError,
    ConfigurationError,
    FailureFacts,
    ProtocolError,
    StreamInterruptedError,
    TransportError,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from chatport._errors import Phase
    from chatport._server_sent_events import UnreadableEventError

_CLOSED: Final = "the answer, or its backend, was closed while somebody waited for more of it"

FailureKind: TypeAlias = Literal[
    "connect", "connect-timeout", "proxy", "tls", "unsayable", "no-http", "broken", "closed"
]
"""What failed: a connection did not come about, not in time, or not through the proxy; TLS; the request cannot be said
in HTTP; what came is no HTTP; the connection broke; its owner closed it."""


class ConnectionFailedError(Exception):
    """A connection failed; what this means for the request, `request_failure` and `body_failure` say.

    Attributes:
        kind: What failed.
        reason: Why, in one line.
    """

    def __init__(self, kind: FailureKind, reason: str) -> None:
        """Keep both."""
        super().__init__(f"{kind}: {reason}")
        self.kind: FailureKind = kind
        self.reason = reason


class TimedOutError(Exception):
    """Nothing came in time; whose time that was, `Patience` says.

    A connection raises it when the seconds that it was given are over; it never reaches callers of a backend.
    """


@dataclass(frozen=True, slots=True)
class Exchange:
    """What is known of an exchange when it fails: a request, and its answer as far as it has come.

    Attributes:
        backend: The name of the backend.
        model: The model that was asked; None where no model was.
        status: The HTTP status, once there is one.
        request_id: The service's id of the request, once known.
    """

    backend: str
    model: str | None = None
    status: int | None = None
    request_id: str | None = None

    def facts(self, phase: Phase, *, retryable: bool | None = None) -> FailureFacts:
        """Return the arguments that every error takes.

        Args:
            phase: How far the exchange had come.
            retryable: Whether the same request may succeed when it is sent again; None leaves that to the class.
        """
        return {
            "backend": self.backend,
            "model": self.model,
            "status": self.status,
            "request_id": self.request_id,
            "phase": phase,
            "retryable": retryable,
        }


def request_failure(error: ConnectionFailedError, exchange: Exchange) -> ChatError:  # noqa: PLR0911 - one for each kind
    """Return the error for a request that was not answered."""
    reason = error.reason
    match error.kind:
        case "connect" | "connect-timeout":
            message = f"no connection came about: {reason} (is there a network, and is the address right?)"
            return TransportError(message, **exchange.facts("connect"))
        case "proxy":
            # One that wants a password, or does not let anybody through, will not do so the next time.
            is_refusal = reason.startswith(("401", "403", "407"))
            message = f"the proxy made no connection: {reason}"
            return TransportError(message, **exchange.facts("connect", retryable=not is_refusal))
        case "tls":
            # A certificate that is not trusted will not be trusted the next time.
            return TransportError(f"TLS failed: {reason}", **exchange.facts("connect", retryable=False))
        case "unsayable":
            return ConfigurationError(f"the request cannot be sent over HTTP: {reason}; nothing was sent")
        case "no-http":
            # The service has answered and may have done its work, so nothing is sent again.
            message = f"an answer came, but it is no good HTTP: {reason}"
            return TransportError(message, **exchange.facts("request", retryable=False))
        case "broken":
            message = f"the connection broke before an answer came: {reason}"
            return TransportError(message, **exchange.facts("request"))
        case "closed":
            # As of `closed_failure`.
            return TransportError(_CLOSED, **exchange.facts("request", retryable=False))


def body_failure(error: ConnectionFailedError, exchange: Exchange, *, has_begun: bool) -> BackendError:
    """Return the error for an answer that broke off.

    Args:
        error: What failed.
        exchange: What is known of the exchange.
        has_begun: Whether an event of the answer has been read.
    """
    if error.kind == "closed":
        kind = StreamInterruptedError if has_begun else TransportError
        return kind(_CLOSED, **exchange.facts("stream" if has_begun else "request", retryable=False))
    if has_begun:
        message = f"the connection broke in the middle of the stream: {error.reason}"
        return StreamInterruptedError(message, **exchange.facts("stream"))
    message = f"the connection broke before the answer was complete: {error.reason}"
    return TransportError(message, **exchange.facts("request"))


def closed_failure(exchange: Exchange) -> TransportError:
    """Return the error for a request that waited for a connection while the backend was closed."""
    message = "the backend was closed while the request waited for a connection; nothing was sent"
    # Asked again, it would open connections that whoever closed the backend does not know of.
    return TransportError(message, **exchange.facts("connect", retryable=False))


def unreadable_failure(error: UnreadableEventError, exchange: Exchange) -> ProtocolError:
    """Return the error for a stream of events that cannot be read on; a caller is to see the events before it first."""
    message = f"the answer cannot be read as a stream of events: {error}"
    failure = ProtocolError(message, **exchange.facts("stream"))
    failure.__cause__ = error
    return failure


def without_frames(error: BaseException, *, forget: Callable[[BaseException], object] | None = None) -> BaseException:
    """Return an exception of a library, and what led to it, without its frames.

    They hold the headers of the request, keys included, and tools that report errors print the local variables of every
    frame. What went wrong stands in the messages, which stay. An error of ours is raised from what this returns.

    Args:
        error: What the library raised.
        forget: What is to be called with it and with each exception that led to it, where those of a library hold
            headers themselves.
    """
    seen: set[int] = set()
    left: list[BaseException | None] = [error]
    while left:
        each = left.pop()
        if each is not None and id(each) not in seen:
            seen.add(id(each))
            each.__traceback__ = None
            if forget is not None:
                forget(each)
            left += [each.__cause__, each.__context__]
            if isinstance(each, BaseExceptionGroup):
                left += cast("BaseExceptionGroup[BaseException]", each).exceptions
    return error
