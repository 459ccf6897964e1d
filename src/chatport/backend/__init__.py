"""The door for backend authors: the `Backend` protocol, `hookimpl`, and every type they mention.

A backend is one async generator, `stream`, and `aclose`. Install it with an entry point in the group
`chatport.backends` that names a light module with one hook implementation:

    from chatport.backend import Backend, hookimpl

    @hookimpl
    def chatport_backend(name: str, options: dict[str, object]) -> Backend:
        from my_package.service import ServiceBackend   # heavy imports belong inside

        return ServiceBackend(**options)

The hook runs in a worker thread, so its imports do not hold up the event loop; it must do no I/O beyond imports.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from typing import Protocol, runtime_checkable

from chatport._adjustments import Adjustment, AdjustmentKind, refuse_losses
from chatport._errors import (
    AuthenticationError,
    BackendError,
    ChatError,
    ConfigurationError,
    ContextWindowError,
    InvalidRequestError,
    ModelNotFoundError,
    PermissionDeniedError,
    Phase,
    ProtocolError,
    RateLimitError,
    ServiceError,
    StreamInterruptedError,
    StreamTimeoutError,
    TransportError,
    UnsupportedError,
)
from chatport._event_stream import EventStream
from chatport._events import (
    BackendEvent,
    CitationDelta,
    MessageEnd,
    MessageStart,
    PartEnd,
    ReasoningDelta,
    StopReason,
    TextDelta,
    ToolCallDelta,
    ToolCallStart,
    Usage,
)
from chatport._fold import Fold, parse_arguments
from chatport._hook_specs import hookimpl
from chatport._load import Load
from chatport._media import Audio, Document, Image, Media, Video
from chatport._messages import (
    CachePoint,
    Citation,
    Json,
    Message,
    Opaque,
    Part,
    Reasoning,
    Role,
    Text,
    ToolCall,
    ToolResult,
)
from chatport._model_info import ModelInfo
from chatport._request import (
    CacheChoice,
    ChatRequest,
    Preview,
    ReasoningLevel,
    Settings,
    Tool,
    ToolChoice,
    deep_merge,
)
from chatport._sniff import encoded_media_type
from chatport._timeouts import TimeoutName, Timeouts
from chatport._unfold import events_from


@runtime_checkable
class Backend(Protocol):
    """One service, ready to be asked.

    Media that are given as URLs come with their content. Where the service takes URLs itself, the backend may have
    `native_urls`: True, or a function `(medium, model) -> bool` that says which of them.

    A backend may also have `async def preview(request) -> Preview`, which says what would be sent, and the methods of
    `ListsModels`, `CountsTokens`, `DescribesItself` and `ReportsLoad`: whoever wants one looks whether it is there. One
    that passes requests on to other backends names in `MessageStart.backend` the one that answers, and has
    `def possible_answers(model)`, which returns pairs of the names of backends and models that may answer: they are who
    is counted and priced.
    """

    @property
    def name(self) -> str:
        """The key under which metadata and `Settings.extra` are meant for this backend; mostly a plain attribute."""
        ...

    def stream(self, request: ChatRequest) -> AsyncGenerator[BackendEvent, None]:
        """Send one request and yield its events: `MessageStart` first, `MessageEnd` last.

        Write it as an async generator. The caller always closes it, so a `finally` or an `async with` around the
        wire is enough to let go of the connection. One that gets several events at a time may put an `EventStream`
        around it. A backend never sends a request twice: it raises, and says with `retryable` whether the caller may.

        Args:
            request: What to ask. With `request.strict`, refuse a loss with `refuse_losses` before sending.

        Raises:
            UnsupportedError: The request cannot be said to this service; nothing was sent.
            ConfigurationError: Something needed to send is missing; nothing was sent.
            BackendError: The exchange failed; the nearest subclass says how.
        """
        ...

    async def aclose(self) -> None:
        """Let go of pooled connections. May be called more than once."""
        ...


@runtime_checkable
class ListsModels(Protocol):
    """What a backend is that can say which models there are; `isinstance` tells."""

    async def models(
        self,
        *,
        output: str | None = None,
        input: str | None = None,  # noqa: A002 - the name of `ModelInfo`'s member
        status: str | None = None,
        provider: str | None = None,
    ) -> tuple[ModelInfo, ...]:
        """Return the models whose ids can be asked; `ModelInfo.matches` says what the filters mean.

        Args:
            output: What they have to write, such as `"text"`.
            input: What they have to read, such as `"image"`.
            status: What their status has to be, such as `"active"`.
            provider: Who has to have made them.

        Raises:
            ConfigurationError: Something needed to ask is missing.
            BackendError: The service did not answer, or not with a list.
        """
        ...


@runtime_checkable
class CountsTokens(Protocol):
    """What a backend is that can say how many tokens a request has; `isinstance` tells."""

    async def count_tokens(self, request: ChatRequest) -> int:
        """Return how many input tokens a request has for its model, by the service's own count.

        Raises:
            UnsupportedError: The request cannot be said to this service, or it does not count for this model.
            ConfigurationError: Something needed to ask is missing.
            BackendError: The exchange failed.
        """
        ...


@runtime_checkable
class DescribesItself(Protocol):
    """What a backend is that can say how it is set up, for `chatport doctor`; `isinstance` tells."""

    async def describe(self) -> Mapping[str, str]:
        """Return facts about the set-up by their names, in the order in which people should read them.

        Where requests go, as whom, and with which versions: where the credentials come from, never what they are. It
        may read files and look credentials up, and sends no request to the service itself. What is missing is no
        error here: its value says so, beginning with `none: `.
        """
        ...


@runtime_checkable
class ReportsLoad(Protocol):
    """What a backend is that can say how busy it is, for gauges; `isinstance` tells."""

    def load(self) -> Load:
        """Return how many requests hold a connection and how many wait for one, now.

        It asks nobody and waits for nothing, so that it may be called often, and from any thread.

        Raises:
            UnsupportedError: A backend around others that cannot say it.
        """
        ...


__all__ = [
    "Adjustment",
    "AdjustmentKind",
    "Audio",
    "AuthenticationError",
    "Backend",
    "BackendError",
    "BackendEvent",
    "CacheChoice",
    "CachePoint",
    "ChatError",
    "ChatRequest",
    "Citation",
    "CitationDelta",
    "ConfigurationError",
    "ContextWindowError",
    "CountsTokens",
    "DescribesItself",
    "Document",
    "EventStream",
    "Fold",
    "Image",
    "InvalidRequestError",
    "Json",
    "ListsModels",
    "Load",
    "Media",
    "Message",
    "MessageEnd",
    "MessageStart",
    "ModelInfo",
    "ModelNotFoundError",
    "Opaque",
    "Part",
    "PartEnd",
    "PermissionDeniedError",
    "Phase",
    "Preview",
    "ProtocolError",
    "RateLimitError",
    "Reasoning",
    "ReasoningDelta",
    "ReasoningLevel",
    "ReportsLoad",
    "Role",
    "ServiceError",
    "Settings",
    "StopReason",
    "StreamInterruptedError",
    "StreamTimeoutError",
    "Text",
    "TextDelta",
    "TimeoutName",
    "Timeouts",
    "Tool",
    "ToolCall",
    "ToolCallDelta",
    "ToolCallStart",
    "ToolChoice",
    "ToolResult",
    "TransportError",
    "UnsupportedError",
    "Usage",
    "Video",
    "deep_merge",
    "encoded_media_type",
    "events_from",
    "hookimpl",
    "parse_arguments",
    "refuse_losses",
]
