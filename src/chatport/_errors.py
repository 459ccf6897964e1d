"""What can go wrong, as one tree.

    ChatError
    ├── BackendLookupError
    │   ├── UnknownBackendError       nothing installed or registered under that name
    │   └── BrokenBackendError        installed, but it cannot be loaded or built
    ├── UnsupportedError              this backend or model cannot say this; nothing was sent
    ├── BackendError                  the exchange with the service failed
    │   ├── AuthenticationError
    │   ├── PermissionDeniedError
    │   ├── ModelNotFoundError
    │   ├── InvalidRequestError
    │   │   └── ContextWindowError
    │   ├── RateLimitError
    │   ├── ServiceError
    │   ├── TransportError
    │   │   └── StreamTimeoutError
    │   └── ProtocolError
    │       └── StreamInterruptedError
    ├── OutputError                   the reply does not fit the type that was asked for
    ├── ToolLoopError                 max_steps reached and the model still asks for tools
    ├── UsageLimitError               as much is spent as may be
    ├── ConflictError                 a stored session was changed by someone else
    ├── StoreError                    a store of sessions cannot be read or written
    └── ConfigurationError            something is missing or wrong before anything was sent

    BusyError(RuntimeError)           two turns at once on one session, two readers of one stream
    StreamClosedError(RuntimeError)   a stream read too early, too late or in two ways

What a tool raises is not an error of the chat: it goes back to the model as an error result. Cancellation is
never caught.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypedDict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Unpack

    from chatport._adjustments import Adjustment
    from chatport._reply import Partial, Reply
    from chatport._store import Claim
    from chatport._timeouts import TimeoutName

Phase = Literal["connect", "request", "stream"]
"""Where in an exchange a failure happened: before the service was reached, before it answered, or while it did."""


LimitName = Literal["tokens", "requests", "cost"]
"""What a limit of `UsageLimits` is on."""

LimitScope = Literal["session", "turn"]
"""Whose limit it is."""


class ChatError(Exception):
    """Everything chatport raises about a conversation; catch this to catch them all.

    Attributes:
        partial: What had happened in a turn that broke off, tools that ran included; set by the session. None where
            no turn was under way.
    """

    partial: Partial | None = None


class BackendLookupError(ChatError):
    """No usable backend under the name that was asked for."""


class UnknownBackendError(BackendLookupError):
    """Nothing is installed or registered under that name; the message says what is and what to install."""


class BrokenBackendError(BackendLookupError):
    """A backend is installed under that name but cannot be loaded or built; the cause is attached."""


class UnsupportedError(ChatError):
    """This backend or model cannot say what the request asks for. Nothing was sent.

    Attributes:
        adjustments: With `strict=True`, the losses that were refused; else empty.
    """

    def __init__(self, message: str, *, adjustments: Sequence[Adjustment] = ()) -> None:
        """Keep the message and the refused adjustments."""
        super().__init__(message)
        self.adjustments: tuple[Adjustment, ...] = tuple(adjustments)


class FailureFacts(TypedDict, total=False):
    """What every `BackendError` takes, by name; see its attributes."""

    backend: str | None
    model: str | None
    status: int | None
    code: str | None
    request_id: str | None
    retry_after: float | None
    retryable: bool | None
    partial: Partial | None
    phase: Phase | None


class BackendError(ChatError):
    """The exchange with the service failed.

    Attributes:
        backend: The backend's name, the key of its metadata; None where it was not asked yet.
        model: The model id as it was sent.
        status: The HTTP status, also for errors inside a stream where the service defines one.
        code: The service's own error code.
        request_id: The service's id of the request, for its support.
        retry_after: How long the service asks to wait, in seconds.
        retryable: Whether the same request may succeed when it is sent again.
        phase: `"connect"`, `"request"` or `"stream"`.
        attempts: How many requests the session has sent for the answer that failed, the last included; set by the
            session. None where no turn was under way.
    """

    retryable_by_default: ClassVar[bool] = False
    attempts: int | None = None

    def __init__(  # noqa: PLR0913 - the facts of a failure, by name only
        self,
        message: str,
        *,
        backend: str | None = None,
        model: str | None = None,
        status: int | None = None,
        code: str | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
        retryable: bool | None = None,
        partial: Partial | None = None,
        phase: Phase | None = None,
    ) -> None:
        """Keep the message and what is known of the failure."""
        super().__init__(message)
        self.backend = backend
        self.model = model
        self.status = status
        self.code = code
        self.request_id = request_id
        self.retry_after = retry_after
        self.retryable = self.retryable_by_default if retryable is None else retryable
        self.partial = partial
        self.phase: Phase | None = phase

    def __str__(self) -> str:
        """Return the message, then the facts that support people ask for first."""
        facts = [
            f"{name}={value}"
            for name, value in (
                ("backend", self.backend),
                ("model", self.model),
                ("status", self.status),
                ("code", self.code),
                ("request_id", self.request_id),
            )
            if value is not None
        ]
        message = super().__str__()
        return f"{message} ({', '.join(facts)})" if facts else message

    @property
    def message(self) -> str:
        """The bare message, without the facts that `str()` adds."""
        return str(self.args[0]) if self.args else ""


class AuthenticationError(BackendError):
    """Credentials are missing, expired or not accepted."""


class PermissionDeniedError(BackendError):
    """The credentials are good but not allowed to do this."""


class ModelNotFoundError(BackendError):
    """The service does not know the model, or does not offer it in this way or place."""


class InvalidRequestError(BackendError):
    """The service refuses the request as it is; sending it again will not help."""


class ContextWindowError(InvalidRequestError):
    """The conversation is longer than the model's context window."""


class RateLimitError(BackendError):
    """Too many requests or tokens; waiting helps."""

    retryable_by_default = True


class ServiceError(BackendError):
    """The service or the model behind it failed or is overloaded."""

    retryable_by_default = True


class TransportError(BackendError):
    """The service could not be reached or the connection broke before it answered."""

    retryable_by_default = True


class StreamTimeoutError(TransportError):
    """Something took longer than a limit of `Timeouts` allows; the message says which, and how long it waited.

    Attributes:
        timeout: The name of the limit: `"connect"`, `"acquire"`, `"first_event"`, `"idle"` or `"total"`; None where it
            was another limit, such as one of the operating system.
    """

    def __init__(self, message: str, *, timeout: TimeoutName | None = None, **facts: Unpack[FailureFacts]) -> None:
        """Keep the message, the limit and what is known of the failure."""
        super().__init__(message, **facts)
        self.timeout: TimeoutName | None = timeout


class ProtocolError(BackendError):
    """What came over the wire cannot be decoded."""


class StreamInterruptedError(ProtocolError):
    """The stream ended before its closing event; `partial` holds what had arrived."""

    retryable_by_default = True


class OutputError(ChatError):
    """The reply does not fit the type that was asked for; the message says where and why.

    The turn does not stand in the history. `session.keep(error.partial)` puts it there, to go on from it.

    Attributes:
        reply: The whole reply, with everything but `output`.
    """

    def __init__(self, message: str, *, reply: Reply[None], partial: Partial | None = None) -> None:
        """Keep the message and the reply."""
        super().__init__(message)
        self.reply = reply
        self.partial = partial


class ToolLoopError(ChatError):
    """`max_steps` is reached and the model still asks for tools; `partial` is the turn so far."""

    def __init__(self, message: str, *, partial: Partial | None = None) -> None:
        """Keep the message and what had happened."""
        super().__init__(message)
        self.partial = partial


class UsageLimitError(ChatError):
    """As much is spent as `usage_limits` allow, or nobody can say whether it is; nothing more was sent.

    `partial` is the turn so far; `session.keep(error.partial)` puts it into the history.

    Attributes:
        limit: Which limit it is: `"tokens"`, `"requests"` or `"cost"`.
        scope: Whose limit it is: that of the `"session"` or of the `"turn"`.
    """

    def __init__(
        self, message: str, *, limit: LimitName, scope: LimitScope = "turn", partial: Partial | None = None
    ) -> None:
        """Keep the message, the limit and what had happened."""
        super().__init__(message)
        self.limit: LimitName = limit
        self.scope: LimitScope = scope
        self.partial = partial


class ConflictError(ChatError):
    """A stored session was changed by someone else since it was read; nothing was written, and nothing is lost.

    `await session.reload()` reads what is stored now; `session.keep(error.partial)` then puts the turn behind it.

    Attributes:
        reply: The reply of the turn that could not land, `output` included; None where it was no turn, or one that was
            stopped before its tools ran.
        claim: Who has begun to run the calls that were to be resumed, where that is why they were not. Neither
            `reload` nor `keep` helps then: wait for that worker, or say with `claimed=` what is to become of them.
    """

    reply: Reply[Any] | None = None
    claim: Claim | None = None


class StoreError(ChatError):
    """A store of sessions cannot be opened, read or written; the message says why, and the cause is attached.

    Attributes:
        reply: As for `ConflictError`.
    """

    reply: Reply[Any] | None = None


class ConfigurationError(ChatError):
    """Something is missing or wrong before anything is sent; the message says every place that was looked at."""


class BusyError(RuntimeError):
    """Two at once where one fits: a second turn on a session, which holds one conversation, or a second reader."""


class StreamClosedError(RuntimeError):
    """A stream was read too early, too late, or both as text and as events."""
