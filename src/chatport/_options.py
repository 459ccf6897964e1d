"""What can be said of a session and of a turn, and what cannot."""

from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias, TypedDict

from chatport._approval import Approve
from chatport._messages import Content, Message
from chatport._request import Settings, Tool, ToolChoice
from chatport._retry import Retry
from chatport._store import SessionStore
from chatport._timeouts import Timeouts
from chatport._tools import ToolLike
from chatport._usage_limits import UsageLimits
from chatport._window import Window

DEFAULT_MAX_STEPS = 10
DEFAULT_OUTPUT_RETRIES = 0


ClaimedCalls: TypeAlias = Literal["refuse", "close", "run"]
"""What becomes of calls that somebody has begun to run: see `ResumeOptions`."""


class TurnOptions(TypedDict, total=False):
    """What can be said of one turn; each overrides the session's own for this turn.

    Attributes:
        settings: Laid over the session's settings, field by field.
        tools: The tools on offer, in place of the session's.
        tool_choice: `"auto"`, `"any"`, `"none"` or a tool's name; a forced call is forced in the first step only.
        run_tools: False ends the turn with the model's calls, for the caller to answer.
        max_steps: The most requests to send in this turn, repeated ones not counted.
        output_retries: How often an answer that does not fit `output` is asked for again, in place of the session's
            number; each time is a step.
        usage_limits: What this turn may spend; the session's limits hold as well.
        retry: When a failed request is sent again, in place of the session's policy; None repeats nothing.
        timeouts: How long to wait, laid over the session's, limit by limit.
        strict: Whether a loss is refused instead of reported.
        approve: Who is asked before a call is run: an async function of a call that gives `Allow`, `Deny` or `Pause`.
            It is asked about one call after the other, before any tool of the step runs, and not about calls that
            cannot run anyway. None asks the one of the session.
        tool_timeout: How long a call of a tool may take, in seconds, where the tool says nothing of its own.
        max_parallel_tools: How many tools of a step run at once; without it all of them do.
        state: What tools find in their `ToolContext`.
    """

    settings: Settings | None
    tools: Sequence[ToolLike] | None
    tool_choice: ToolChoice | None
    run_tools: bool
    max_steps: int | None
    output_retries: int | None
    usage_limits: UsageLimits | None
    retry: Retry | None
    timeouts: Timeouts | None
    strict: bool | None
    approve: Approve | None
    tool_timeout: float | None
    max_parallel_tools: int | None
    state: object


class ResumeOptions(TurnOptions, total=False):
    """What can be said of a turn that goes on at calls that wait: all of `TurnOptions`, and this.

    Attributes:
        claimed: What becomes of calls that a worker has begun to run, by the claim that is stored with the session:
            `"refuse"`, as without it, is a `ConflictError`; `"close"` answers them as interrupted, as nobody knows how
            far they came, and goes on; `"run"` runs them, once more perhaps. A call whose result is given is not run.
    """

    claimed: ClaimedCalls


class SessionOptions(TypedDict, total=False):
    """What can be said of a session.

    Attributes:
        system: The system prompt.
        messages: The history to begin with. A session that is stored already has its own, which has to begin with it.
        tools: Functions and `Tool` values on offer in every turn.
        tool_choice: `"auto"`, `"any"`, `"none"` or a tool's name; None leaves it to the service.
        settings: How to answer.
        max_steps: The most requests to send in one turn, repeated ones not counted; 10 unless given.
        output_retries: How often an answer that does not fit a turn's `output` is asked for again; 0 unless given.
        usage_limits: What all turns may spend together, the stored ones included as far as tokens are limited.
        retry: When a failed request is sent again; `Retry()` unless given, None repeats nothing.
        timeouts: How long to wait, laid over the backend's, limit by limit.
        strict: Whether a loss is refused instead of reported.
        approve: Who is asked before a call is run: an async function of a call that gives `Allow`, `Deny` or `Pause`.
            It is asked about one call after the other, before any tool of the step runs, and not about calls that
            cannot run anyway. None runs every call.
        tool_timeout: How long a call of a tool may take, in seconds, where the tool says nothing of its own.
        max_parallel_tools: How many tools of a step run at once; without it all of them do.
        state: What tools find in their `ToolContext`.
        window: What is sent of the messages of each request, such as a function that calls `drop_oldest_steps`; the
            history keeps all of them, and `reply.adjustments` has what was left out, whatever `strict` says.
        store: Where the session is kept, such as an open `SqliteStore`. It is read when the block is entered, and each
            turn is written before its reply is given. Stored are messages and usage; all else is said anew each time.
        id: The session's name in the store; a random one unless given, which `session.id` says.
        worker: What the store says of who runs the tools of this session; the names of machine and process unless
            given.
    """

    system: Content | None
    messages: Sequence[Message]
    tools: Sequence[ToolLike]
    tool_choice: ToolChoice | None
    settings: Settings | None
    max_steps: int
    output_retries: int
    usage_limits: UsageLimits | None
    retry: Retry | None
    timeouts: Timeouts | None
    strict: bool
    approve: Approve | None
    tool_timeout: float | None
    max_parallel_tools: int | None
    state: object
    window: Window | None
    store: SessionStore | None
    id: str | None
    worker: str | None


def check_names(options: Mapping[str, object], known: type, *more: str) -> None:
    """Refuse an option that does not exist: misspelt, it would be ignored in silence.

    Args:
        options: What was given.
        known: The options there are.
        *more: Those that are arguments of their own; the message names them too.

    Raises:
        TypeError: There is no such option.
    """
    if not options:
        return
    names = known.__annotations__
    unknown = [name for name in options if name not in names]
    if unknown:
        message = f"unknown option {unknown[0]!r}; there are {', '.join(sorted([*names, *more]))}"
        raise TypeError(message)


def checked_messages(messages: Sequence[Message]) -> tuple[Message, ...]:
    """Return a history as a tuple.

    Raises:
        TypeError: It holds something that is no message.
    """
    history = tuple(messages)
    for position, message in enumerate(history):
        if not isinstance(message, Message):
            text = f"messages[{position}] is a {type(message).__name__}, not a Message"
            raise TypeError(text)
    return history


def checked_settings(settings: Settings | None) -> Settings | None:
    """Return settings that are some.

    Raises:
        TypeError: They are something else, such as a dict.
    """
    if settings is not None and not isinstance(settings, Settings):
        message = f"settings must be a Settings, not a {type(settings).__name__}"
        raise TypeError(message)
    return settings


def checked_choice(choice: ToolChoice | None, tools: Sequence[Tool], settings: Settings) -> ToolChoice | None:
    """Return a choice that can be met.

    Raises:
        TypeError: It is no str.
        ValueError: It names no tool on offer, or asks for any where there is none.
    """
    given: object = choice
    if given is not None and not isinstance(given, str):
        message = f'tool_choice is "auto", "any", "none" or the name of a tool, not a {type(given).__name__}'
        raise TypeError(message)
    # `extra` may offer tools of the service's own, which only the backend can see.
    if choice is None or choice in {"auto", "none"} or settings.extra:
        return choice
    names = [tool.name for tool in tools]
    if not (names if choice == "any" else choice in names):
        message = f"tool_choice={choice!r} fits none of the tools on offer ({', '.join(names) or 'there are none'})"
        raise ValueError(message)
    return choice


def checked_retry(retry: Retry | None) -> Retry | None:
    """Return a policy that is one.

    Raises:
        TypeError: It is something else, such as a number.
    """
    if retry is not None and not isinstance(retry, Retry):
        message = f"retry must be a Retry or None, not a {type(retry).__name__}"
        raise TypeError(message)
    return retry


def checked_steps(steps: int) -> int:
    """Return a number of steps that makes sense.

    Raises:
        ValueError: It is less than 1.
    """
    if steps < 1:
        message = f"max_steps must be at least 1, not {steps}"
        raise ValueError(message)
    return steps


def checked_output_retries(retries: int) -> int:
    """Return a number of repetitions that makes sense.

    Raises:
        ValueError: It is less than 0.
    """
    if retries < 0:
        message = f"output_retries must be at least 0, not {retries}"
        raise ValueError(message)
    return retries
