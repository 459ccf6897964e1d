"""Async chat with swappable backends: ask, stream, images and tools, on asyncio and trio.

    async with chatport.open_session("backend:model") as session:
        reply = await session.ask("What is your name?")

This is the door for callers. Backend authors use `chatport.backend`, tests `chatport.testing`.
"""

from chatport._adjustments import Adjustment
from chatport._approval import Allow, Approve, Decision, Deny, Pause
from chatport._chat_session import ChatSession
from chatport._cost import Cost, Prices
from chatport._errors import (
    AuthenticationError,
    BackendError,
    BackendLookupError,
    BrokenBackendError,
    BusyError,
    ChatError,
    ConfigurationError,
    ConflictError,
    ContextWindowError,
    InvalidRequestError,
    ModelNotFoundError,
    OutputError,
    PermissionDeniedError,
    ProtocolError,
    RateLimitError,
    ServiceError,
    StoreError,
    StreamClosedError,
    StreamInterruptedError,
    StreamTimeoutError,
    ToolLoopError,
    TransportError,
    UnknownBackendError,
    UnsupportedError,
    UsageLimitError,
)
from chatport._estimate import estimate_tokens
from chatport._events import (
    CitationDelta,
    Event,
    MessageEnd,
    MessageStart,
    OutputRetryStart,
    PartEnd,
    ReasoningDelta,
    ReplyEnd,
    RetryStart,
    StopReason,
    TextDelta,
    ToolCallDelta,
    ToolCallStart,
    ToolRunEnd,
    ToolRunStart,
    Usage,
)
from chatport._export import export_json_lines, export_markdown
from chatport._fallback import FallbackBackend
from chatport._fitting import count_tokens, fit_history
from chatport._import import import_json_lines
from chatport._library_prices import LibraryPrices
from chatport._media import Audio, Document, Image, Video
from chatport._messages import (
    CachePoint,
    Citation,
    Content,
    Json,
    Message,
    Opaque,
    Part,
    Reasoning,
    Role,
    Text,
    ToolCall,
    ToolErrorKind,
    ToolResult,
)
from chatport._model_info import ModelInfo
from chatport._oldest_steps import CountMessages, Pinned, drop_oldest_steps
from chatport._opening import ask, open_session
from chatport._options import ClaimedCalls, ResumeOptions, SessionOptions, TurnOptions
from chatport._registry import Registration, available_backends, open_backend, register_backend
from chatport._repair import repair_messages, validate_messages
from chatport._replay import replay_messages, summarise_oldest_steps
from chatport._reply import Partial, Reply, Step, Timing
from chatport._request import (
    CacheChoice,
    ChatRequest,
    Preview,
    ReasoningLevel,
    Settings,
    Tool,
    ToolChoice,
)
from chatport._retry import Retry
from chatport._revision import HistoryProblem, ProblemKind, Revision, TokenCount
from chatport._serialize import dump_messages, load_messages
from chatport._session import Session
from chatport._sqlite_store import SqliteStore
from chatport._store import Claim, SearchHit, SessionStore, SessionSummary, StoredSession, StoredTurn
from chatport._stream import ReplyStream, TextStream
from chatport._timeouts import TimeoutName, Timeouts
from chatport._tool_context import ToolContext
from chatport._tools import tool
from chatport._url_media import fetch_media
from chatport._usage_limits import UsageLimits
from chatport._window import Window

__all__ = [
    "Adjustment",
    "Allow",
    "Approve",
    "Audio",
    "AuthenticationError",
    "BackendError",
    "BackendLookupError",
    "BrokenBackendError",
    "BusyError",
    "CacheChoice",
    "CachePoint",
    "ChatError",
    "ChatRequest",
    "ChatSession",
    "Citation",
    "CitationDelta",
    "Claim",
    "ClaimedCalls",
    "ConfigurationError",
    "ConflictError",
    "Content",
    "ContextWindowError",
    "Cost",
    "CountMessages",
    "Decision",
    "Deny",
    "Document",
    "Event",
    "FallbackBackend",
    "HistoryProblem",
    "Image",
    "InvalidRequestError",
    "Json",
    "LibraryPrices",
    "Message",
    "MessageEnd",
    "MessageStart",
    "ModelInfo",
    "ModelNotFoundError",
    "Opaque",
    "OutputError",
    "OutputRetryStart",
    "Part",
    "PartEnd",
    "Partial",
    "Pause",
    "PermissionDeniedError",
    "Pinned",
    "Preview",
    "Prices",
    "ProblemKind",
    "ProtocolError",
    "RateLimitError",
    "Reasoning",
    "ReasoningDelta",
    "ReasoningLevel",
    "Registration",
    "Reply",
    "ReplyEnd",
    "ReplyStream",
    "ResumeOptions",
    "Retry",
    "RetryStart",
    "Revision",
    "Role",
    "SearchHit",
    "ServiceError",
    "Session",
    "SessionOptions",
    "SessionStore",
    "SessionSummary",
    "Settings",
    "SqliteStore",
    "Step",
    "StopReason",
    "StoreError",
    "StoredSession",
    "StoredTurn",
    "StreamClosedError",
    "StreamInterruptedError",
    "StreamTimeoutError",
    "Text",
    "TextDelta",
    "TextStream",
    "TimeoutName",
    "Timeouts",
    "Timing",
    "TokenCount",
    "Tool",
    "ToolCall",
    "ToolCallDelta",
    "ToolCallStart",
    "ToolChoice",
    "ToolContext",
    "ToolErrorKind",
    "ToolLoopError",
    "ToolResult",
    "ToolRunEnd",
    "ToolRunStart",
    "TransportError",
    "TurnOptions",
    "UnknownBackendError",
    "UnsupportedError",
    "Usage",
    "UsageLimitError",
    "UsageLimits",
    "Video",
    "Window",
    "ask",
    "available_backends",
    "count_tokens",
    "drop_oldest_steps",
    "dump_messages",
    "estimate_tokens",
    "export_json_lines",
    "export_markdown",
    "fetch_media",
    "fit_history",
    "import_json_lines",
    "load_messages",
    "open_backend",
    "open_session",
    "register_backend",
    "repair_messages",
    "replay_messages",
    "summarise_oldest_steps",
    "tool",
    "validate_messages",
]
