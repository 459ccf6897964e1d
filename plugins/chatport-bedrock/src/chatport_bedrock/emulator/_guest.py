"""Another backend in the place of the brain: it is asked in chatport's values, and answers over the Bedrock wire."""

import json
import time
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final

from chatport.backend import (
    Adjustment,
    Backend,
    BackendError,
    BackendEvent,
    ChatError,
    ContextWindowError,
    Fold,
    InvalidRequestError,
    MessageEnd,
    MessageStart,
    ModelNotFoundError,
    RateLimitError,
    Reasoning,
    ReasoningDelta,
    StopReason,
    Text,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    ToolCallStart,
    UnsupportedError,
    Usage,
)
from chatport_bedrock.emulator._answer import Event, event_frame, exception_frame
from chatport_bedrock.emulator._brain import count_input_tokens
from chatport_bedrock.emulator._conversation import Conversation
from chatport_bedrock.emulator._json import encode_json
from chatport_bedrock.emulator._neutral import chat_request
from chatport_bedrock.emulator._refusal import HttpError, RefusedError, validation_error
from chatport_bedrock.emulator._tokens import count_tokens

_STOP_REASONS: Final[Mapping[StopReason, str]] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "content_filtered",
    "context_window": "model_context_window_exceeded",
    "other": "end_turn",
}


@dataclass(frozen=True, slots=True)
class Guest:
    """A backend that answers, and the model that it is asked for.

    Attributes:
        backend: The backend; whoever made it closes it.
        model: The model id.
    """

    backend: Backend
    model: str

    async def answer(self, conversation: Conversation, *, streaming: bool) -> AsyncGenerator[bytes]:
        """Yield what goes out: the frames of a stream as they come, or one body.

        Raises:
            RefusedError: The backend cannot answer; before anything was yielded.
        """
        request = chat_request(conversation, self.model, streaming=streaming)
        wire = _Wire(conversation)
        has_begun = False
        try:
            async with aclosing(self.backend.stream(request)) as events:
                async for event in events:
                    for said in wire.feed(event):
                        if streaming:
                            has_begun = True
                            yield event_frame(said)
        except ChatError as error:
            refusal = _refusal(error)
            if not has_begun:
                raise RefusedError(refusal) from error
            code = refusal.code[0].lower() + refusal.code[1:]
            yield exception_frame(code, {"message": refusal.message})
            return
        if not streaming:
            yield encode_json(wire.body())


class _Wire:
    """Says a backend's events on the wire, one after the other, and the whole of them as a body."""

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation
        self._started = time.monotonic()
        self._fold = Fold()
        self._adjustments: tuple[Adjustment, ...] = ()
        self._open: int | None = None
        self._places: dict[int, int] = {}

    def feed(self, event: BackendEvent) -> Iterator[Event]:
        """Take one event, and yield what it is on the wire."""
        self._fold.feed(event)
        match event:
            case MessageStart(adjustments=adjustments):
                self._adjustments = tuple(item for item in adjustments if item.kind != "lossless")
                yield {"messageStart": {"role": "assistant"}}
            case TextDelta(index, text):
                yield from self._delta(index, {"text": text})
            case ReasoningDelta(index, text, signature=signature):
                if text:
                    yield from self._delta(index, {"reasoningContent": {"text": text}})
                if signature is not None:
                    yield from self._delta(index, {"reasoningContent": {"signature": signature}})
            case ToolCallStart(index, identifier, name):
                yield from self._turn_to(index)
                start = {"toolUse": {"toolUseId": identifier, "name": name}}
                yield {"contentBlockStart": {"contentBlockIndex": self._places[index], "start": start}}
            case ToolCallDelta(index, text):
                yield from self._delta(index, {"toolUse": {"input": text}})
            case MessageEnd():
                yield from self._stop()
                body = self.body()
                told = {name: body[name] for name in ("stopReason", "additionalModelResponseFields") if name in body}
                yield {"messageStop": told}
                yield {"metadata": {name: body[name] for name in ("metrics", "usage")}}
            case _:
                raise _unsayable(type(event).__name__)

    def body(self) -> dict[str, Any]:
        """Return the body of an answer to Converse."""
        _, message, end = self._fold.complete()
        body = {
            "metrics": {"latencyMs": max(1, round((time.monotonic() - self._started) * 1000))},
            "output": {"message": {"content": [_block(part) for part in message.parts], "role": "assistant"}},
            "stopReason": _STOP_REASONS[end.stop_reason],
            "usage": self._usage(end.usage, message.text),
        }
        if self._adjustments:  # the service has no place for them; a model's own fields may hold anything
            told = [{"kind": item.kind, "code": item.code, "path": item.path} for item in self._adjustments]
            body["additionalModelResponseFields"] = {"chatport": {"adjustments": told}}
        return body

    def _delta(self, index: int, delta: Mapping[str, Any]) -> Iterator[Event]:
        yield from self._turn_to(index)
        yield {"contentBlockDelta": {"contentBlockIndex": self._places[index], "delta": delta}}

    def _turn_to(self, index: int) -> Iterator[Event]:
        """Stop the block before where another begins; blocks of this wire do not come by turns."""
        if index == self._open:
            return
        yield from self._stop()
        if index in self._places:
            raise _unsayable("parts that come by turns")
        self._places[index] = len(self._places)
        self._open = index

    def _stop(self) -> Iterator[Event]:
        if self._open is not None:
            yield {"contentBlockStop": {"contentBlockIndex": self._places[self._open]}}
        self._open = None

    def _usage(self, usage: Usage, text: str) -> dict[str, Any]:
        """The figures; the service always has some, so that what was not reported is counted here."""
        written = count_tokens(text) if usage.output_tokens is None else usage.output_tokens
        read = count_input_tokens(self._conversation) if usage.input_tokens is None else usage.input_tokens
        return {"inputTokens": read, "outputTokens": written, "totalTokens": read + written}


def _block(part: object) -> dict[str, Any]:
    match part:
        case Text(text):
            return {"text": text}
        case ToolCall(identifier, name, arguments, invalid):
            given = arguments if invalid is None else {}
            return {"toolUse": {"toolUseId": identifier, "name": name, "input": json.loads(json.dumps(given))}}
        case Reasoning(text, signature):
            signed = {} if signature is None else {"signature": signature}
            return {"reasoningContent": {"reasoningText": {"text": text, **signed}}}
        case _:
            raise _unsayable(type(part).__name__)


def _unsayable(what: str) -> UnsupportedError:
    return UnsupportedError(f"the emulator cannot say this on its wire: {what}")


def _refusal(error: ChatError) -> HttpError:
    """What the service would say where a backend fails like this."""
    match error:
        case ContextWindowError():
            return validation_error(f"Input is too long for requested model. {error}")
        case UnsupportedError() | InvalidRequestError():
            return validation_error(str(error))
        case RateLimitError():
            return HttpError(429, "ThrottlingException", str(error))
        case ModelNotFoundError():
            return HttpError(404, "ResourceNotFoundException", str(error))
        case BackendError():
            return HttpError(424, "ModelErrorException", str(error))
        case _:
            return HttpError(500, "InternalServerException", str(error))
