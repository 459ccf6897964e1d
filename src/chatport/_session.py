"""A conversation: `Session` asks a backend and keeps the history."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar, overload

from chatport._adjustments import reported
from chatport._claims import results_of_claimed
from chatport._content import open_calls, turn_messages
from chatport._errors import StreamClosedError, UnsupportedError
from chatport._events import Usage
from chatport._messages import Content, Message, ToolResult, as_parts
from chatport._options import (
    DEFAULT_MAX_STEPS,
    DEFAULT_OUTPUT_RETRIES,
    ResumeOptions,
    SessionOptions,
    TurnOptions,
    check_names,
    checked_choice,
    checked_messages,
    checked_output_retries,
    checked_retry,
    checked_settings,
    checked_steps,
)
from chatport._request import ChatRequest, Preview, Settings
from chatport._retry import Retry
from chatport._session_history import last_turn
from chatport._session_store import SessionTurn, StoredOwner
from chatport._stored_history import stored_history
from chatport._stream import ReplyStream
from chatport._timeouts import Timeouts, checked_timeouts
from chatport._tool_policy import DEFAULT_TOOL_POLICY
from chatport._tools import as_tools, checked_state
from chatport._turn import Turn, TurnPlan
from chatport._url_media import UrlMedia, native_urls
from chatport._usage_limits import session_allowance, turn_allowances
from chatport._window import checked_window, windowed

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import TypeForm, Unpack

    from chatport._output import Output
    from chatport._reply import Reply
    from chatport._window import Windowed
    from chatport.backend import Backend

_OutputT = TypeVar("_OutputT")

_DEFAULT_RETRY: Final = Retry()
_DEFAULT_TIMEOUTS: Final = Timeouts()


class Session(StoredOwner):
    """A conversation with one model through a backend that it borrows.

    `open_session` makes one together with its backend; this constructor is for several sessions on one backend. A
    turn lands in the history whole or not at all: after any exception the history is as before.
    """

    def __init__(self, backend: Backend, model: str, **options: Unpack[SessionOptions]) -> None:
        """Begin a conversation.

        Args:
            backend: Whom to ask, from `open_backend`.
            model: The model's id, which goes to the service as given.
            **options: See `SessionOptions`.

        Raises:
            TypeError: An option is unknown or of the wrong type.
            ValueError: An option's value makes no sense.
        """
        check_names(options, SessionOptions)
        self._backend = backend
        self._model = model
        system = options.get("system")
        self._system = () if system is None else as_parts(system)
        self._messages = checked_messages(options.get("messages", ()))
        tools = options.get("tools")
        self._tools = as_tools(tools) if tools else ()
        self._tool_choice = options.get("tool_choice")
        self._settings = checked_settings(options.get("settings")) or Settings()
        self._max_steps = checked_steps(options.get("max_steps", DEFAULT_MAX_STEPS))
        self._output_retries = checked_output_retries(options.get("output_retries", DEFAULT_OUTPUT_RETRIES))
        self._retry = checked_retry(options.get("retry", _DEFAULT_RETRY))
        self._timeouts = checked_timeouts(options.get("timeouts")) or _DEFAULT_TIMEOUTS
        self._strict = options.get("strict", False)
        self._allowance = session_allowance(options.get("usage_limits"))
        self._window = checked_window(options.get("window"))
        self._tool_policy = DEFAULT_TOOL_POLICY.merged(options)
        self._base = self._messages  # what stands before the turn under way
        self._media = UrlMedia()
        self._usage = Usage()
        self._stored = stored_history(options.get("store"), options.get("id"), options.get("worker"))
        self._busy = False
        self._closed = False

    def __repr__(self) -> str:
        """Show whom it talks to and how long the history is."""
        return f"<Session {self._backend.name}:{self._model}, {len(self._messages)} messages>"

    async def __aenter__(self) -> Self:
        """Return itself, with the history that its store has; a borrowed backend stays open when the block ends.

        Raises:
            StreamClosedError: Its block has ended before; a new session can go on with its messages.
            StoreError: What is stored cannot be read.
            ValueError: What is stored does not begin with the `messages` that were given.
        """
        self._check_open()
        await self._read_stored()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the session: it sends nothing any more; history and usage stay readable.

        Raises:
            ConflictError: Something was not stored yet, such as after `keep`, and someone else has changed the session.
            StoreError: Something was not stored yet and cannot be written.
        """
        self._closed = True
        if self._stored is not None:
            await self._stored.close(self._messages, error)

    @property
    def backend(self) -> Backend:
        """Whom the session asks."""
        return self._backend

    @property
    def model(self) -> str:
        """The model's id."""
        return self._model

    @property
    def messages(self) -> tuple[Message, ...]:
        """The history, without the system prompt."""
        return self._messages

    @property
    def usage(self) -> Usage:
        """What the session has cost so far, in tokens, turns that failed included as far as known."""
        return self._usage

    @overload
    async def ask(self, *content: Content, output: None = None, **options: Unpack[TurnOptions]) -> Reply[None]: ...

    @overload
    async def ask(
        self, *content: Content, output: type[_OutputT], **options: Unpack[TurnOptions]
    ) -> Reply[_OutputT]: ...

    @overload
    async def ask(
        self, *content: Content, output: TypeForm[_OutputT], **options: Unpack[TurnOptions]
    ) -> Reply[_OutputT]: ...

    async def ask(self, *content: Content, output: Any = None, **options: Unpack[TurnOptions]) -> Reply[Any]:
        """Say something, let tools run, and return the whole reply.

        Args:
            *content: Any mix of str and parts; `ToolResult` parts answer the model's open calls. Nothing at all
                answers a history that ends with a user's message.
            output: The type that the answer has to fit, for `reply.output`: anything that pydantic reads from JSON, be
                it a model, a dataclass, `Literal["yes", "no"]`, `list[int]` or `City | None`. None is words.
            **options: See `TurnOptions`.

        Raises:
            TypeError: An option is unknown, or something is of the wrong type.
            ValueError: A call of the model is left without a result, or there is nothing to ask.
            BusyError: Another turn is under way.
            UnsupportedError: The backend cannot say it; nothing was sent.
            BackendError: The exchange failed.
            ToolLoopError: `max_steps` is reached and the model still asks for tools.
            UsageLimitError: As much is spent as `usage_limits` allow.
            OutputError: The answer does not fit `output`, also after `output_retries`; `error.reply` has it.
            ConflictError: Someone else has changed the stored session; `error.reply` has the answer. It is None where
                that was known before the first tool was to run: none did.
            StoreError: The turn cannot be stored; `error.reply` has the answer.

        All from `UnsupportedError` on have `partial`, which says how far the turn came. After any exception that is
        what the session's `partial` says, after cancellation too, and after what a function of the caller's raises.
        """
        async with self._open_turn(content, output, options, streaming=False) as stream:
            return await stream.finish()

    @overload
    def stream(self, *content: Content, output: None = None, **options: Unpack[TurnOptions]) -> ReplyStream[None]: ...

    @overload
    def stream(
        self, *content: Content, output: type[_OutputT], **options: Unpack[TurnOptions]
    ) -> ReplyStream[_OutputT]: ...

    @overload
    def stream(
        self, *content: Content, output: TypeForm[_OutputT], **options: Unpack[TurnOptions]
    ) -> ReplyStream[_OutputT]: ...

    def stream(self, *content: Content, output: Any = None, **options: Unpack[TurnOptions]) -> ReplyStream[Any]:
        """Say something and read the reply as it comes, inside `async with`.

        Args:
            *content: As for `ask`.
            output: As for `ask`; what comes piece by piece is the JSON. Where an answer does not fit, another one
                follows it, behind `OutputRetryStart`.
            **options: See `TurnOptions`.

        Returns:
            A stream that sends when it is entered; there, and while it is read, it raises what `ask` raises.
        """
        return self._open_turn(content, output, options, streaming=True)

    async def preview(
        self, *content: Content, output: TypeForm[Any] | None = None, **options: Unpack[TurnOptions]
    ) -> Preview:
        """Return what `stream` would send first, and what cannot be said as asked; the backend sends nothing.

        Media that are given as URLs are fetched, as they are part of what would be sent.

        Raises:
            ValueError: As for `ask`.
            UnsupportedError: The backend has no preview, or cannot say it, or a URL may not be fetched.
            TransportError: A URL could not be fetched.
        """
        preview: Any = getattr(self._backend, "preview", None)
        if preview is None:
            message = f"the backend {self._backend.name!r} has no preview"
            raise UnsupportedError(message)
        first = self._first_request(content, output, options, streaming=True)
        try:
            shown: Preview = await preview(await self._media.filled(first.request, native_urls(self._backend)))
        except UnsupportedError as error:
            if first.places is None:
                raise
            raise first.places.refusal(error) from error.__cause__
        told = shown.adjustments if first.places is None else first.places.adjustments(shown.adjustments)
        return replace(shown, adjustments=reported((*first.left_out, *told)))

    def request(
        self, *content: Content, output: TypeForm[Any] | None = None, **options: Unpack[TurnOptions]
    ) -> ChatRequest:
        """Return the request that `ask` would hand to the backend, sending and fetching nothing.

        Raises:
            ValueError: As for `ask`.
        """
        return self._first_request(content, output, options, streaming=False).request

    def fork(self, **options: Unpack[SessionOptions]) -> Session:
        """Return another session that goes on from here: the same backend and model, the options and the history.

        The two know nothing of each other from then on. The fork borrows the backend, also where `open_session` has
        opened it for this session: it is of use as long as that is open. Its usage begins at nothing, it has no store,
        and of a turn that is under way here it knows nothing.

        Args:
            **options: What is to be said otherwise than for this session; see `SessionOptions`.

        Raises:
            StreamClosedError: The block of this session has ended.
            TypeError: An option is unknown or of the wrong type.
            ValueError: An option's value makes no sense.
        """
        self._check_open()
        self._check_read()
        own: SessionOptions = {
            "system": self._system,
            "messages": self._messages,
            "tools": self._tools,
            "tool_choice": self._tool_choice,
            "settings": self._settings,
            "max_steps": self._max_steps,
            "output_retries": self._output_retries,
            "retry": self._retry,
            "timeouts": self._timeouts,
            "strict": self._strict,
            "usage_limits": None if self._allowance is None else self._allowance.limits,
            "window": self._window,
        }
        own.update(options)
        forked = Session(self._backend, self._model, **own)
        forked._media = self._media.copy()  # the model sees the same pictures in both
        forked._tool_policy = self._tool_policy.merged(options)
        return forked

    def _open_turn(
        self,
        content: Sequence[Content] | None,
        asked: object,
        options: TurnOptions,
        *,
        streaming: bool,
        results: Sequence[ToolResult] | None = None,
    ) -> ReplyStream[Any]:
        check_names(options, TurnOptions if results is None else ResumeOptions, "output")
        output = _as_output(asked)
        return ReplyStream(
            SessionTurn(self, lambda: self._begin(content, output, options, results, streaming=streaming))
        )

    def _request(
        self, messages: tuple[Message, ...], output: Output | None, options: TurnOptions, *, streaming: bool
    ) -> ChatRequest:
        self._check_read()
        given = options.get("tools")
        tools = self._tools if given is None else as_tools(given)
        choice = options.get("tool_choice")
        strict = options.get("strict")
        settings = self._settings.merged(checked_settings(options.get("settings")))
        request = ChatRequest(
            self._model,
            messages,
            self._system,
            tools,
            checked_choice(self._tool_choice if choice is None else choice, tools, settings),
            settings,
            streaming=streaming,
            strict=self._strict if strict is None else strict,
            timeouts=self._timeouts.merged(checked_timeouts(options.get("timeouts"))),
        )
        return request if output is None else replace(request, output_schema=output.schema, output_name=output.name)

    def _first_request(
        self, content: Sequence[Content], asked: object, options: TurnOptions, *, streaming: bool
    ) -> Windowed:
        """Return what is sent first."""
        check_names(options, TurnOptions, "output")
        messages = (*self._messages, *turn_messages(self._messages, content))
        return windowed(self._window, self._request(messages, _as_output(asked), options, streaming=streaming))

    def _begin(
        self,
        content: Sequence[Content] | None,
        output: Output | None,
        options: TurnOptions,
        results: Sequence[ToolResult] | None,
        *,
        streaming: bool,
    ) -> Turn:
        """Claim the session and prepare a turn."""
        self._check_open()
        self._check_idle()
        if results is not None:
            base, added = self._messages, self._messages[:0]
            results = (*results, *results_of_claimed(self.claim, base, results, options))
        elif content is None:
            base, added = last_turn(self._messages)
        else:
            base, added = self._messages, turn_messages(self._messages, content)
        request = self._request((*base, *added), output, options, streaming=streaming)
        steps, retries = options.get("max_steps"), options.get("output_retries")
        plan = TurnPlan(
            self._backend,
            request,
            added,
            options.get("run_tools", True),
            self._max_steps if steps is None else checked_steps(steps),
            self._media,
            output,
            self._output_retries if retries is None else checked_output_retries(retries),
            checked_retry(options.get("retry", self._retry)),
            self._window,
            turn_allowances(self._allowance, options.get("usage_limits")),
            checked_state(self._tool_policy.merged(options), request.tools),
            None if results is None else open_calls(base, results, request.tools),
            None if self._stored is None else partial(self._stored.claim, self._messages),
        )
        self._base = base
        self._busy = True
        self._partial, self._has_landed = None, False
        return Turn(plan)

    def _check_open(self) -> None:
        if self._closed:
            message = "the session is closed; it sends only inside its `async with` block"
            raise StreamClosedError(message)

    def _end(self, turn: Turn) -> None:
        self._busy = False
        self._partial = None if self._has_landed else turn.partial()
        self._usage += turn.usage  # what a failed turn has cost is spent all the same
        if self._allowance is not None:
            self._allowance.settle(turn.spending())
        if self._stored is not None:
            self._stored.end_turn(turn.usage, has_begun=turn.has_run_calls)


def _as_output(asked: object) -> Output | None:
    if asked is None:
        return None
    from chatport._output import Output  # noqa: PLC0415 - loads pydantic, for who wants a type

    return Output(asked)
