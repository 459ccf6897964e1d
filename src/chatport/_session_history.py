"""What a session can do with its history besides asking: change it, go back in it, and ask again."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, TypeVar, overload

from chatport._content import kept_messages, pending_calls
from chatport._options import checked_messages
from chatport._revision import is_question

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import TypeForm, Unpack

    from chatport._conversation import Conversation
    from chatport._events import Usage
    from chatport._messages import Content, Message, ToolCall, ToolResult
    from chatport._options import ResumeOptions, TurnOptions
    from chatport._reply import Partial, Reply
    from chatport._stream import ReplyStream

_OutputT = TypeVar("_OutputT")


class HistoryOwner(ABC):
    """The half of `Session` that has to do with what is there already: the history, and its place in a store."""

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation

    @property
    def messages(self) -> tuple[Message, ...]:
        """The history, without the system prompt."""
        return self._conversation.messages

    @property
    def usage(self) -> Usage:
        """What the session has cost so far, in tokens, turns that failed included as far as known."""
        return self._conversation.usage

    @property
    def partial(self) -> Partial | None:
        """What had happened in the last turn, where it broke off; None where it came to its end, or there was none.

        It says so whatever has ended the turn: cancellation, or an exception that is none of chatport's and so has no
        `partial` of its own, such as of a function that was given as `approve` or `window`.
        """
        return self._conversation.partial

    def keep(self, partial: Partial, *, allow_pending: bool = False) -> None:
        """Put what is left of a turn that broke off into the history, as a valid turn.

        Unfinished tool calls are closed as interrupted. Left out of the unfinished message is what a service would
        refuse: reasoning that is not signed or that nothing follows, and a call that the service was still running.

        Args:
            partial: From `error.partial`, `stream.partial` or `session.partial`.
            allow_pending: Whether the calls of a whole message wait for `resume` where no answer to them was begun, in
                place of being closed. So lands a turn with `output=` that was paused.

        Raises:
            BusyError: A turn is under way.
            StreamClosedError: The block of a session that has a store has ended.
            ValueError: The turn stands in the history already, or does not answer the calls that wait for results.
        """
        self._conversation.check_changeable()
        kept = kept_messages(self.messages, partial, allow_pending=allow_pending)
        self._conversation.messages = (*self.messages, *kept)

    def edit(self, messages: Sequence[Message]) -> tuple[Message, ...]:
        """Put other messages in the place of the history, and return those that it held.

        They are taken as they are. `repair_messages` puts a history right whose calls and results do not fit any more.

        Args:
            messages: The history from now on.

        Raises:
            BusyError: A turn is under way.
            StreamClosedError: The block of a session that has a store has ended.
            TypeError: Something is no message.
        """
        self._conversation.check_changeable()
        before, self._conversation.messages = self.messages, checked_messages(messages)
        return before

    def rewind(self, questions: int = 1, *, to: Message | None = None) -> tuple[Message, ...]:
        """Take the last questions off the history, with all that was said to them, and return their messages.

        A question is what the user says, results of tools aside; it may have taken several turns to answer. What they
        have cost stays in `usage`.

        Args:
            questions: How many.
            to: In place of a number, a message of the user in `messages`, the very object: it goes, and all behind it.

        Raises:
            BusyError: A turn is under way.
            StreamClosedError: The block of a session that has a store has ended.
            ValueError: There are not so many questions, or that message is none of them.
        """
        self._conversation.check_changeable()
        begins = question_places(self.messages)
        if to is not None:
            found = [index for index in begins if self.messages[index] is to]
            if not found:
                message = "that message is no question of this history: give one of the user's in `messages`"
                raise ValueError(message)
            begin = found[-1]
        elif 1 <= questions <= len(begins):
            begin = begins[-questions]
        else:
            message = f"there are {len(begins)} questions in this history, so these cannot be taken off: {questions}"
            raise ValueError(message)
        taken, self._conversation.messages = self.messages[begin:], self.messages[:begin]
        return taken

    @overload
    async def regenerate(self, *, output: None = None, **options: Unpack[TurnOptions]) -> Reply[None]: ...

    @overload
    async def regenerate(self, *, output: type[_OutputT], **options: Unpack[TurnOptions]) -> Reply[_OutputT]: ...

    @overload
    async def regenerate(self, *, output: TypeForm[_OutputT], **options: Unpack[TurnOptions]) -> Reply[_OutputT]: ...

    async def regenerate(self, *, output: Any = None, **options: Unpack[TurnOptions]) -> Reply[Any]:
        """Ask again what the user said last, and put the new answer in the place of what followed it.

        Tools run again where the model calls them again. After an exception the old answer stands as before, and its
        question stands before it: whoever wants to `keep` what is left of the new one calls `rewind` first, after a
        `ConflictError` between `reload` and `keep`.

        Args:
            output: As for `ask`.
            **options: As for `ask`.

        Raises:
            ValueError: The user has said nothing yet.
            BusyError: Another turn is under way.
            ChatError: As for `ask`.
        """
        async with self._open_turn(None, output, options, streaming=False) as stream:
            return await stream.finish()

    @overload
    def regenerate_stream(self, *, output: None = None, **options: Unpack[TurnOptions]) -> ReplyStream[None]: ...

    @overload
    def regenerate_stream(self, *, output: type[_OutputT], **options: Unpack[TurnOptions]) -> ReplyStream[_OutputT]: ...

    @overload
    def regenerate_stream(
        self, *, output: TypeForm[_OutputT], **options: Unpack[TurnOptions]
    ) -> ReplyStream[_OutputT]: ...

    def regenerate_stream(self, *, output: Any = None, **options: Unpack[TurnOptions]) -> ReplyStream[Any]:
        """Do what `regenerate` does, and read the new answer as it comes, inside `async with`.

        Args:
            output: As for `stream`.
            **options: As for `stream`.

        Returns:
            A stream that sends when it is entered. Left before the end, the old answer stands as before.
        """
        return self._open_turn(None, output, options, streaming=True)

    @property
    def pending_calls(self) -> tuple[ToolCall, ...]:
        """The calls at the end of the history that wait for a result; `resume` goes on there."""
        return pending_calls(self.messages)

    @overload
    async def resume(
        self, *results: ToolResult, output: None = None, **options: Unpack[ResumeOptions]
    ) -> Reply[None]: ...

    @overload
    async def resume(
        self, *results: ToolResult, output: type[_OutputT], **options: Unpack[ResumeOptions]
    ) -> Reply[_OutputT]: ...

    @overload
    async def resume(
        self, *results: ToolResult, output: TypeForm[_OutputT], **options: Unpack[ResumeOptions]
    ) -> Reply[_OutputT]: ...

    async def resume(self, *results: ToolResult, output: Any = None, **options: Unpack[ResumeOptions]) -> Reply[Any]:
        """Go on with a turn that ended at calls of tools: run them, and ask again until the model is done.

        The history is all that is needed, so another process can do it. `approve=` is asked about each call, also about
        those that it allowed before: nothing was run. If it still has to wait, the reply has `pending_calls` again,
        and the history is as before.

        In a session that has a store no call is run twice unless that is asked for: before the first one runs, the
        store is told who runs them, and what that worker leaves undone is not begun again without `claimed=`. So it is
        after a turn of this session that broke off while its tools ran, or later: `keep(session.partial)` keeps what
        they gave back.

        Args:
            *results: Results of calls that are not to be run, because they have been, or because somebody said no.
            output: As for `ask`.
            **options: See `ResumeOptions`: those of `ask`, and `claimed`.

        Raises:
            ValueError: No call waits, a result answers none of them or could answer two, or none of the tools on offer
                can answer one.
            BusyError: Another turn is under way.
            ConflictError: As for `ask`; where another worker was first to resume, no tool has run here. So it is where
                `error.claim` says who has begun to run the calls.
            ChatError: As for `ask`.
        """
        async with self._open_turn((), output, options, streaming=False, results=results) as stream:
            return await stream.finish()

    @overload
    def resume_stream(
        self, *results: ToolResult, output: None = None, **options: Unpack[ResumeOptions]
    ) -> ReplyStream[None]: ...

    @overload
    def resume_stream(
        self, *results: ToolResult, output: type[_OutputT], **options: Unpack[ResumeOptions]
    ) -> ReplyStream[_OutputT]: ...

    @overload
    def resume_stream(
        self, *results: ToolResult, output: TypeForm[_OutputT], **options: Unpack[ResumeOptions]
    ) -> ReplyStream[_OutputT]: ...

    def resume_stream(
        self, *results: ToolResult, output: Any = None, **options: Unpack[ResumeOptions]
    ) -> ReplyStream[Any]:
        """Do what `resume` does, and read what happens as it does, inside `async with`.

        Args:
            *results: As for `resume`.
            output: As for `stream`.
            **options: As for `stream`.

        Returns:
            A stream that runs the tools when it is read. Left before the end, the calls still wait; where there is a
            store, those that were begun wait as `resume` says.
        """
        return self._open_turn((), output, options, streaming=True, results=results)

    @abstractmethod
    def _open_turn(
        self,
        content: Sequence[Content] | None,
        asked: object,
        options: TurnOptions,
        *,
        streaming: bool,
        results: Sequence[ToolResult] | None = None,
    ) -> ReplyStream[Any]:
        """Return the stream of a turn; without content, of the last one once more; with results, of one that waits."""


def question_places(messages: Sequence[Message]) -> tuple[int, ...]:
    """Return where the user asks something in a history."""
    return tuple(index for index, message in enumerate(messages) if is_question(message))


def last_question(messages: tuple[Message, ...]) -> tuple[tuple[Message, ...], tuple[Message, ...]]:
    """Return what stands before the last question of a history, and that question.

    Raises:
        ValueError: The user has said nothing yet.
    """
    begins = question_places(messages)
    if not begins:
        message = "the user has said nothing in this history, so there is nothing to ask again"
        raise ValueError(message)
    return messages[: begins[-1]], (messages[begins[-1]],)
