"""A conversation: `Session` asks a backend and keeps the history."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Self, TypeVar, overload

from chatport._adjustments import reported
from chatport._claims import results_of_claimed
from chatport._content import open_calls, turn_messages
from chatport._conversation import Conversation, ConversationTurn
from chatport._errors import UnsupportedError
from chatport._options import (
    ResumeOptions,
    SessionOptions,
    TurnOptions,
    check_names,
    checked_messages,
    checked_retry,
)
from chatport._session_history import last_question
from chatport._session_setup import SessionSetup
from chatport._session_store import StoredOwner
from chatport._stored_history import stored_history
from chatport._stream import ReplyStream
from chatport._tools import checked_state
from chatport._turn import Turn
from chatport._turn_plan import TurnPlan
from chatport._url_media import UrlMedia, native_urls
from chatport._usage_limits import session_allowance, turn_allowances
from chatport._window import windowed

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import TypeForm, Unpack

    from chatport._messages import Content, ToolResult
    from chatport._output import Output
    from chatport._reply import Reply
    from chatport._request import ChatRequest, Preview
    from chatport._window import Windowed
    from chatport.backend import Backend

_OutputT = TypeVar("_OutputT")


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
        self._setup = SessionSetup.of(options)
        self._media = UrlMedia()
        stored = stored_history(options.get("store"), options.get("id"), options.get("worker"))
        allowance = session_allowance(self._setup.usage_limits)
        super().__init__(Conversation(checked_messages(options.get("messages", ())), stored, allowance))

    def __repr__(self) -> str:
        """Show whom it talks to and how long the history is."""
        return f"<Session {self._backend.name}:{self._model}, {len(self.messages)} messages>"

    async def __aenter__(self) -> Self:
        """Return itself, with the history that its store has; a borrowed backend stays open when the block ends.

        Raises:
            StreamClosedError: Its block has ended before; a new session can go on with its messages.
            StoreError: What is stored cannot be read.
            ValueError: What is stored does not begin with the `messages` that were given.
        """
        self._conversation.check_open()
        await self._conversation.read()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the session: it sends nothing any more; history and usage stay readable.

        A stream that is open still ends here: its connection is closed, and its turn does not land.

        Raises:
            BusyError: Another task is in the middle of a turn.
            ConflictError: Something was not stored yet, such as after `keep`, and someone else has changed the session.
            StoreError: Something was not stored yet and cannot be written.
        """
        await self._conversation.close(error)

    @property
    def backend(self) -> Backend:
        """Whom the session asks."""
        return self._backend

    @property
    def model(self) -> str:
        """The model's id."""
        return self._model

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
        self._conversation.check_open()
        self._conversation.check_read()
        own: SessionOptions = {"messages": self.messages, **self._setup.options()}
        own.update(options)
        forked = Session(self._backend, self._model, **own)
        # None in these options keeps what there is: a guard is not lifted by leaving it out.
        policy = self._setup.tool_policy.merged(options)
        forked._setup = replace(forked._setup, tool_policy=policy)
        forked._media = self._media.copy()  # the model sees the same pictures in both
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
            ConversationTurn(
                self._conversation,
                lambda: self._begin(content, output, options, results, streaming=streaming),
                f"{self._backend.name}:{self._model}",
            )
        )

    def _first_request(
        self, content: Sequence[Content], asked: object, options: TurnOptions, *, streaming: bool
    ) -> Windowed:
        """Return what is sent first."""
        check_names(options, TurnOptions, "output")
        self._conversation.check_read()
        messages = (*self.messages, *turn_messages(self.messages, content))
        setup, output = self._setup, _as_output(asked)
        return windowed(setup.window, setup.request(self._model, messages, output, options, streaming=streaming))

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
        conversation, setup, history = self._conversation, self._setup, self.messages
        conversation.check_open()
        conversation.check_idle()
        if results is not None:
            base, added = history, history[:0]
            results = (*results, *results_of_claimed(self.claim, base, results, options))
        elif content is None:
            base, added = last_question(history)
        else:
            base, added = history, turn_messages(history, content)
        request = setup.request(self._model, (*base, *added), output, options, streaming=streaming)
        plan = TurnPlan(
            self._backend,
            request,
            added,
            options.get("run_tools", True),
            setup.steps(options),
            self._media,
            output,
            setup.retries_of_output(options),
            checked_retry(options.get("retry", setup.retry)),
            setup.window,
            turn_allowances(conversation.allowance, options.get("usage_limits")),
            checked_state(setup.tool_policy.merged(options), request.tools),
            None if results is None else open_calls(base, results, request.tools),
            None if conversation.stored is None else partial(conversation.stored.claim, history),
        )
        conversation.begin_turn(base)
        return Turn(plan)


def _as_output(asked: object) -> Output | None:
    if asked is None:
        return None
    from chatport._output import Output  # noqa: PLC0415 - loads pydantic, for who wants a type

    return Output(asked)
