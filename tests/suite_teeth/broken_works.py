"""Backends that are broken on purpose between translating and decoding, or where they are left; each in one way."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from dataclasses import replace
from typing import Any, ClassVar

import anyio
import anyio.lowlevel
from chatport_parrot._decode import Decoder
from chatport_parrot._translate import translate
from chatport_parrot._wire import Connection
from chatport_parrot.backend import ParrotBackend

from chatport.backend import (
    BackendEvent,
    ChatRequest,
    MessageEnd,
    Preview,
    ProtocolError,
    Reasoning,
    StreamInterruptedError,
    Text,
    Timeouts,
    refuse_losses,
)

Events = AsyncGenerator[BackendEvent, None]


class _Rebuilt(ParrotBackend):
    """The parrot's own steps, for what is broken in one of them."""

    refuses: ClassVar[bool] = True

    def body(self, body: dict[str, Any], request: ChatRequest) -> dict[str, Any]:
        return body

    def decoder(self, *given: Any, secret: str) -> Decoder:
        return Decoder(*given, secret=secret)

    def connection(self, *given: Any) -> Connection:
        return Connection(*given)

    async def stream(self, request: ChatRequest) -> Events:
        body, adjustments = translate(request)
        if request.strict and self.refuses:
            refuse_losses(adjustments)
        facts: dict[str, Any] = {"backend": self.name, "model": request.model}
        decoder = self.decoder(facts, adjustments, secret=self._key)
        async with self.connection(self._address, request.timeouts, facts) as connection:
            await connection.send({"key": self._key, **self.body(body, request)})
            while not decoder.is_complete:
                for event in decoder.feed(await connection.receive()):
                    yield event


class EverybodyIsTheUser(_Rebuilt):
    """Whose words they are is lost."""

    def body(self, body: dict[str, Any], request: ChatRequest) -> dict[str, Any]:
        return {**body, "messages": [{**message, "role": "user"} for message in body["messages"]]}


class FailuresHidden(_Rebuilt):
    """That a tool has failed is lost."""

    def body(self, body: dict[str, Any], request: ChatRequest) -> dict[str, Any]:
        return dict(json.loads(json.dumps(body).replace('"failed": true', '"failed": false')))


class OwnMembersLost(_Rebuilt):
    """`Settings.extra` goes nowhere."""

    def body(self, body: dict[str, Any], request: ChatRequest) -> dict[str, Any]:
        return {name: value for name, value in body.items() if name not in request.settings.extra.get("parrot", {})}


class HalfOfAWhole(_Rebuilt):
    """What is asked for as a whole goes without the settings."""

    def body(self, body: dict[str, Any], request: ChatRequest) -> dict[str, Any]:
        return body if request.streaming else {name: value for name, value in body.items() if name != "most"}


class _DeafDecoder(Decoder):
    _has_heard = False

    def feed(self, line: dict[str, Any]) -> Iterator[BackendEvent]:
        is_first, self._has_heard = not self._has_heard and "text" not in line, self._has_heard or "text" in line
        if is_first and "error" in line and self._has_begun:
            return iter(())
        return super().feed(line)


class DeafAtFirst(_Rebuilt):
    """An error in place of the first word is passed over."""

    def decoder(self, *given: Any, secret: str) -> Decoder:
        return _DeafDecoder(*given, secret=secret)


class StrictIgnored(_Rebuilt):
    """Losses are reported, but not refused."""

    refuses = False


class NothingLeftOut(ParrotBackend):
    """What cannot be said is always refused: so a conversation that began elsewhere cannot go on here."""

    async def stream(self, request: ChatRequest) -> Events:
        async with aclosing(super().stream(replace(request, strict=True))) as events:
            async for event in events:
                yield event


class _NarrowDecoder(Decoder):
    def feed(self, line: dict[str, Any]) -> Iterator[BackendEvent]:
        if not line.keys() & {"head", "thought", "text", "call", "arguments", "end", "error"}:
            raise ProtocolError("an event that nobody knows", backend="parrot")
        return super().feed(line)


class KnownEventsOnly(_Rebuilt):
    """An event that is new is an error."""

    def decoder(self, *given: Any, secret: str) -> Decoder:
        return _NarrowDecoder(*given, secret=secret)


class _HastyConnection(Connection):
    async def receive(self) -> dict[str, Any]:
        try:
            return await super().receive()
        except StreamInterruptedError:
            raise
        except ProtocolError:
            return await self.receive()


class DamagePassedOver(_Rebuilt):
    """A line that cannot be read is passed over."""

    def connection(self, *given: Any) -> Connection:
        return _HastyConnection(*given)


class _PatientConnection(Connection):
    async def receive(self) -> dict[str, Any]:
        given = self._timeouts
        self._timeouts = Timeouts(first_event=given.first_event, idle=None, total=given.total)
        return await super().receive()


class NeverIdle(_Rebuilt):
    """A service that falls silent in the middle is waited for without end."""

    def connection(self, *given: Any) -> Connection:
        return _PatientConnection(*given)


class AskingPreview(ParrotBackend):
    """To preview a request is to send it."""

    async def preview(self, request: ChatRequest) -> Preview:
        async with aclosing(self.stream(request)) as events:
            await anext(events)
        return await super().preview(request)


class ForeignThoughts(ParrotBackend):
    """The thoughts of another service are taken for words."""

    async def stream(self, request: ChatRequest) -> Events:
        messages = tuple(
            replace(message, parts=tuple(Text(p.text) if isinstance(p, Reasoning) else p for p in message.parts))
            for message in request.messages
        )
        async with aclosing(super().stream(replace(request, messages=messages))) as events:
            async for event in events:
                yield event


class LeakedStream(ParrotBackend):
    """A stream that is left keeps its connection."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._kept: list[tuple[object, Events]] = []

    async def stream(self, request: ChatRequest) -> Events:
        events = super().stream(request)
        self._kept.append((anyio.lowlevel.current_token(), events))
        async for event in events:
            yield event

    async def aclose(self) -> None:
        token = anyio.lowlevel.current_token()
        for owner, events in self._kept:
            if owner == token:
                await events.aclose()


class SwallowedCancel(ParrotBackend):
    """A cancelled stream ends as if it were whole."""

    async def stream(self, request: ChatRequest) -> Events:
        try:
            async with aclosing(super().stream(request)) as events:
                async for event in events:
                    yield event
        except anyio.get_cancelled_exc_class():
            yield MessageEnd("stop")


class ClosedOnce(ParrotBackend):
    """Closing a second time is an error."""

    _is_closed = False

    async def aclose(self) -> None:
        if self._is_closed:
            raise RuntimeError("closed already")
        self._is_closed = True


class OneAtATime(ParrotBackend):
    """A lock is held for as long as an answer takes."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._lock = anyio.Lock()

    async def stream(self, request: ChatRequest) -> Events:
        async with self._lock, aclosing(super().stream(request)) as events:
            async for event in events:
                yield event


class BoundToALoop(ParrotBackend):
    """What it keeps belongs to the event loop that asked first."""

    _owner: Any = None

    async def stream(self, request: ChatRequest) -> Events:
        token = anyio.lowlevel.current_token()
        self._owner = self._owner or token
        if self._owner != token:
            raise RuntimeError("attached to a different loop")
        async with aclosing(super().stream(request)) as events:
            async for event in events:
                yield event
