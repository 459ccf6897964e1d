"""What a command line asks for, as values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from chatport import ClaimedCalls  # noqa: TC004 - nobody evaluates the annotations of `AskCommand`


@dataclass(frozen=True, slots=True, kw_only=True)
class AskCommand:
    """Ask and show the answer.

    Attributes:
        prompt: The words of the command line, joined; perhaps empty.
        attachments: Paths, addresses in an object store, or `-` for standard input.
        model: `backend:model`, or None where none is given.
        options: The backend's own options.
        system: The system prompt.
        settings: What is set of `chatport.Settings`, by name.
        attempts: The most times to send a request that may succeed on another try, or None where none is given.
        timeout: How long the answer may take, in seconds, repetitions included, or None where none is given.
        strict: Whether a loss is refused instead of reported.
        streaming: Whether the backend streams its answer.
        store: The file in which the session is kept, or None where none is given.
        session: The session's name in the store, or None where none is given.
        tools: Python files whose functions the model may call.
        approve: `"ask"`, `"allow"`, `"deny"` or `"wait"`: what is said of each call before it runs.
        resume: Whether to go on with calls that wait, in place of asking anything.
        claimed: What becomes of those that a worker has begun to run: see `ResumeOptions`.
        usage: Whether to say what it cost.
        json: Whether the answer is one JSON object.
        debug: Whether to show log records and traces.
    """

    prompt: str = ""
    attachments: tuple[str, ...] = ()
    model: str | None = None
    options: dict[str, Any] = field(default_factory=dict[str, Any])
    system: str | None = None
    settings: dict[str, Any] = field(default_factory=dict[str, Any])
    attempts: int | None = None
    timeout: float | None = None
    strict: bool = False
    streaming: bool = True
    store: str | None = None
    session: str | None = None
    tools: tuple[str, ...] = ()
    approve: str = "ask"
    resume: bool = False
    claimed: ClaimedCalls = "refuse"
    usage: bool = False
    json: bool = False
    debug: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatCommand(AskCommand):
    """Talk until the input ends: what is asked comes from standard input, a line at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionsCommand:
    """See or delete what is stored.

    Attributes:
        action: `"list"`, `"show"`, `"search"`, `"export"`, `"import"` or `"delete"`.
        words: The session's name, what to search, or a file and perhaps a name.
        store: The file, or None where none is given.
        limit: The most to list or find.
        format: `"jsonl"` or `"markdown"`, for exports.
        json: Whether to list as JSON.
        debug: As for `AskCommand`.
    """

    action: str
    words: tuple[str, ...] = ()
    store: str | None = None
    limit: int = 20
    format: str = "jsonl"
    json: bool = False
    debug: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendsCommand:
    """List the backends.

    Attributes:
        json: Whether to list them as JSON.
        debug: As for `AskCommand`.
    """

    json: bool = False
    debug: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoCommand:
    """Show what a conversation can do.

    Attributes:
        model: As for `AskCommand`.
        options: As for `AskCommand`.
        debug: As for `AskCommand`.
    """

    model: str | None = None
    options: dict[str, Any] = field(default_factory=dict[str, Any])
    debug: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelsCommand:
    """List the models of a backend.

    Attributes:
        backend: Its name, or None for the one of the chosen model.
        options: As for `AskCommand`.
        filters: What `models` of a backend takes, by name.
        json: Whether to list them as JSON.
        debug: As for `AskCommand`.
    """

    backend: str | None = None
    options: dict[str, Any] = field(default_factory=dict[str, Any])
    filters: dict[str, str] = field(default_factory=dict[str, str])
    json: bool = False
    debug: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DoctorCommand:
    """Say how a backend is set up, and whether it answers.

    Attributes:
        backend: As for `ModelsCommand`.
        options: As for `AskCommand`.
        probe: Whether to ask the service something that costs nothing.
        json: Whether to say it as JSON.
        debug: As for `AskCommand`.
    """

    backend: str | None = None
    options: dict[str, Any] = field(default_factory=dict[str, Any])
    probe: bool = True
    json: bool = False
    debug: bool = False


@dataclass(frozen=True, slots=True)
class HelpCommand:
    """Show how the command is used.

    Attributes:
        text: The help.
    """

    text: str
    debug: bool = False


@dataclass(frozen=True, slots=True)
class VersionCommand:
    """Show which version this is."""

    debug: bool = False


ServiceCommand: TypeAlias = (
    AskCommand | BackendsCommand | ChatCommand | DemoCommand | DoctorCommand | ModelsCommand | SessionsCommand
)
"""What needs the library."""

Command: TypeAlias = ServiceCommand | HelpCommand | VersionCommand
