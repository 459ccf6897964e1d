"""A conversation as callers see it: the protocol that `Session` fulfils."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar, overload, runtime_checkable

if TYPE_CHECKING:
    from typing_extensions import TypeForm, Unpack

    from chatport._events import Usage
    from chatport._messages import Content, Message
    from chatport._options import TurnOptions
    from chatport._reply import Reply
    from chatport._request import Preview
    from chatport._stream import ReplyStream

_OutputT = TypeVar("_OutputT")


@runtime_checkable
class ChatSession(Protocol):
    """A conversation, as callers see it; wrap one in a class of your own to log, route or record."""

    @property
    def messages(self) -> tuple[Message, ...]:
        """The history, without the system prompt."""
        ...

    @property
    def usage(self) -> Usage:
        """What the session has cost so far, in tokens."""
        ...

    # `type[T]` comes before `TypeForm[T]`: type checkers that do not know the latter yet still know classes.
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
        """Say something and wait for the whole reply."""
        ...

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
        """Say something and read the reply as it comes."""
        ...

    async def preview(
        self, *content: Content, output: TypeForm[Any] | None = None, **options: Unpack[TurnOptions]
    ) -> Preview:
        """Return what would be sent, sending nothing."""
        ...
