"""Backends that are broken on purpose in events and errors, each in one way: the suite has to find all of them."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from dataclasses import replace

import anyio
from chatport_parrot.backend import ParrotBackend

from chatport.backend import (
    BackendError,
    BackendEvent,
    ChatRequest,
    MessageEnd,
    MessageStart,
    ProtocolError,
    RateLimitError,
    ReasoningDelta,
    StreamInterruptedError,
    TextDelta,
    ToolCallDelta,
    ToolCallStart,
    Usage,
)

Events = AsyncGenerator[BackendEvent, None]


class Sound(ParrotBackend):
    """Nothing is wrong with it."""


class _Altered(ParrotBackend):
    """Passes events on in its own way."""

    async def stream(self, request: ChatRequest) -> Events:
        seen: list[BackendEvent] = []
        async with aclosing(super().stream(request)) as events:
            async for event in events:
                seen.append(event)
                for altered in self.alter(event, seen):
                    yield altered

    def alter(self, event: BackendEvent, seen: list[BackendEvent]) -> Iterator[BackendEvent]:
        raise NotImplementedError


class LateEnd(_Altered):
    """A piece of text comes behind the end."""

    def alter(self, event: BackendEvent, seen: list[BackendEvent]) -> Iterator[BackendEvent]:
        texts = [other for other in seen if isinstance(other, TextDelta)]
        if event is not next(iter(texts), None):
            yield event
        if isinstance(event, MessageEnd):
            yield from texts[:1]


class EndTwice(_Altered):
    """The end comes twice."""

    def alter(self, event: BackendEvent, seen: list[BackendEvent]) -> Iterator[BackendEvent]:
        yield event
        if isinstance(event, MessageEnd):
            yield event


class StartAfterText(_Altered):
    """The start comes behind the first piece."""

    def alter(self, event: BackendEvent, seen: list[BackendEvent]) -> Iterator[BackendEvent]:
        if not isinstance(event, MessageStart):
            yield event
        if len(seen) == 2:
            yield seen[0]


class LostDelta(_Altered):
    """The second piece of text is lost."""

    def alter(self, event: BackendEvent, seen: list[BackendEvent]) -> Iterator[BackendEvent]:
        if not isinstance(event, TextDelta) or sum(isinstance(other, TextDelta) for other in seen) != 2:
            yield event


class Trimmed(_Altered):
    """Blanks around the pieces are lost."""

    def alter(self, event: BackendEvent, seen: list[BackendEvent]) -> Iterator[BackendEvent]:
        yield replace(event, text=event.text.strip()) if isinstance(event, TextDelta) else event


class WrongIndex(_Altered):
    """Pieces of arguments go to the call that began last."""

    def alter(self, event: BackendEvent, seen: list[BackendEvent]) -> Iterator[BackendEvent]:
        newest = [other.index for other in seen if isinstance(other, ToolCallStart)][-1:]
        yield replace(event, index=newest[0]) if isinstance(event, ToolCallDelta) else event


class EarlyArguments(_Altered):
    """Arguments are read as soon as there are any."""

    def alter(self, event: BackendEvent, seen: list[BackendEvent]) -> Iterator[BackendEvent]:
        if isinstance(event, ToolCallDelta):
            try:
                json.loads(event.json)
            except ValueError as error:
                raise ProtocolError("arguments that are no JSON", backend=self.name) from error
        yield event


class LostUsage(_Altered):
    """What it cost is lost."""

    def alter(self, event: BackendEvent, seen: list[BackendEvent]) -> Iterator[BackendEvent]:
        yield replace(event, usage=Usage()) if isinstance(event, MessageEnd) else event


class ZeroUsage(_Altered):
    """What is not counted counts as nothing."""

    def alter(self, event: BackendEvent, seen: list[BackendEvent]) -> Iterator[BackendEvent]:
        if isinstance(event, MessageEnd) and event.usage == Usage():
            event = replace(event, usage=Usage(0, 0, total_tokens=0))
        yield event


class ThoughtlessUsage(_Altered):
    """A figure that the service does not have counts as nothing."""

    def alter(self, event: BackendEvent, seen: list[BackendEvent]) -> Iterator[BackendEvent]:
        if isinstance(event, MessageEnd) and event.usage.output_tokens is not None:
            event = replace(event, usage=replace(event.usage, reasoning_tokens=0))
        yield event


class CacheNotCounted(_Altered):
    """What comes from a cache is not counted as heard."""

    def alter(self, event: BackendEvent, seen: list[BackendEvent]) -> Iterator[BackendEvent]:
        if isinstance(event, MessageEnd) and event.usage.cache_read_tokens:
            heard = (event.usage.input_tokens or 0) - event.usage.cache_read_tokens
            event = replace(event, usage=replace(event.usage, input_tokens=heard))
        yield event


class BrokenSeal(_Altered):
    """Signatures are lost, and with them the mark that says whose thoughts these are."""

    def alter(self, event: BackendEvent, seen: list[BackendEvent]) -> Iterator[BackendEvent]:
        yield replace(event, signature=None, metadata={}) if isinstance(event, ReasoningDelta) else event


class KnownReasonsOnly(_Altered):
    """A stop reason that is new counts as an orderly end."""

    def alter(self, event: BackendEvent, seen: list[BackendEvent]) -> Iterator[BackendEvent]:
        if isinstance(event, MessageEnd) and event.stop_reason == "other":
            event = replace(event, stop_reason="stop")
        yield event


class DroppedInSilence(_Altered):
    """Nobody is told what is left out."""

    def alter(self, event: BackendEvent, seen: list[BackendEvent]) -> Iterator[BackendEvent]:
        yield replace(event, adjustments=()) if isinstance(event, MessageStart) else event


class Collected(ParrotBackend):
    """It waits for the whole answer before it passes on anything."""

    async def stream(self, request: ChatRequest) -> Events:
        async with aclosing(super().stream(request)) as events:
            collected = [event async for event in events]
        for event in collected:
            yield event


class _Failing(ParrotBackend):
    """Raises in its own way."""

    async def stream(self, request: ChatRequest) -> Events:
        try:
            async with aclosing(super().stream(request)) as events:
                async for event in events:
                    yield event
        except BackendError as error:
            raise self.alter(error) from error.__cause__

    def alter(self, error: BackendError) -> Exception:
        raise NotImplementedError


class ForeignException(_Failing):
    """What the wire raises comes through as it is."""

    def alter(self, error: BackendError) -> Exception:
        return anyio.BrokenResourceError() if isinstance(error, StreamInterruptedError) else error


class SecretInError(_Failing):
    """An error says with which key it was asked."""

    def alter(self, error: BackendError) -> Exception:
        error.add_note(f"asked with {self._key}")
        return error


class RetryAfterLost(_Failing):
    """Nobody is told how long to wait."""

    def alter(self, error: BackendError) -> Exception:
        error.retry_after = None
        return error


class RequestIdLost(_Failing):
    """An error does not say which request it was."""

    def alter(self, error: BackendError) -> Exception:
        error.request_id = None
        return error


class CodeLost(_Failing):
    """The service's own word for an error is lost."""

    def alter(self, error: BackendError) -> Exception:
        error.code = None
        return error


class NothingHelps(_Failing):
    """No error says that the same request may succeed."""

    def alter(self, error: BackendError) -> Exception:
        error.retryable = False
        return error


class CutTakenForAnEnd(ParrotBackend):
    """A stream that breaks off is a short answer."""

    async def stream(self, request: ChatRequest) -> Events:
        try:
            async with aclosing(super().stream(request)) as events:
                async for event in events:
                    yield event
        except StreamInterruptedError:
            yield MessageEnd("stop")


class SentAgain(ParrotBackend):
    """What is refused for now is sent again, unasked."""

    async def stream(self, request: ChatRequest) -> Events:
        try:
            async with aclosing(super().stream(request)) as events:
                async for event in events:
                    yield event
        except RateLimitError:
            async with aclosing(super().stream(request)) as events:
                async for event in events:
                    yield event
