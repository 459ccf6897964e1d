"""The service behind the Bedrock backend, for the suite that every backend has to pass: the emulator."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self, assert_never

import anyio.to_thread

from chatport import Reasoning as ReasoningPart
from chatport import ReasoningDelta, StopReason, TextDelta, ToolCall, ToolCallDelta, ToolCallStart, Usage
from chatport import Text as TextPart
from chatport.testing import (
    Cut,
    Damage,
    Feature,
    Hold,
    RefusalKind,
    ScriptedAnswer,
    ServiceAnswer,
    ServiceFault,
    ServiceRefusal,
    StreamFailure,
    UnknownEvent,
)
from chatport_bedrock import emulator as wire
from chatport_bedrock.emulator._signatures import sign

_STOP_REASONS: dict[StopReason, str] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "content_filtered",
}
_REFUSALS: dict[RefusalKind, tuple[int, str]] = {
    "invalid-request": (400, "ValidationException"),
    "unauthorized": (403, "ExpiredTokenException"),
    "forbidden": (403, "AccessDeniedException"),
    "model-not-found": (404, "ResourceNotFoundException"),
    "throttled": (429, "ThrottlingException"),
    "server-error": (500, "InternalServerException"),
    "overloaded": (503, "ServiceUnavailableException"),
    "context-window": (400, "ValidationException"),
}
_FAILURES = {
    "throttled": "throttlingException",
    "server-error": "internalServerException",
    "overloaded": "serviceUnavailableException",
}


class BedrockScript:
    """The emulator, told what to say in the suite's words."""

    model = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
    secrets: Sequence[str] = ("ABSKQmVkcm9ja0FQSUtleS1hYmMxMjM0NTY3ODkw",)
    lacks: Mapping[Feature, str] = {"audio": "Claude takes none", "video": "Claude takes none"}

    def __init__(self) -> None:
        self.emulator = wire.Emulator(api_key=self.secrets[0])

    def __enter__(self) -> Self:
        self.emulator.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.emulator.close()

    @property
    def options(self) -> dict[str, Any]:
        """The options of a backend that asks here."""
        return {"endpoint_url": self.emulator.url, "region": "us-east-1", "api_key": self.secrets[0]}

    @property
    def requests(self) -> Sequence[bytes]:
        return [request.raw_body for request in self.emulator.requests]

    def enqueue(self, *answers: ScriptedAnswer) -> None:
        for answer in answers:
            self.emulator.enqueue(_refusal(answer) if isinstance(answer, ServiceRefusal) else _wire_answer(answer))

    def sign(self, text: str) -> str:
        return sign(text)

    def release(self) -> None:
        self.emulator.release(100)

    async def until_held(self, count: int = 1) -> None:
        await anyio.to_thread.run_sync(self.emulator.wait_for_holds, count)

    async def until_left(self, count: int = 1) -> float:
        await anyio.to_thread.run_sync(self.emulator.wait_for_disconnects, count)
        return self.emulator.disconnects[count - 1].at


def _refusal(refusal: ServiceRefusal) -> wire.HttpError:
    status, code = _REFUSALS[refusal.kind]
    headers = {"x-amzn-requestid": refusal.request_id}
    if refusal.retry_after is not None:
        headers["retry-after"] = f"{refusal.retry_after:g}"
    long = "Input is too long for requested model. "
    return wire.HttpError(status, code, (long if refusal.kind == "context-window" else "") + refusal.message, headers)


def _wire_answer(answer: ServiceAnswer) -> Any:
    def say(request: wire.RecordedRequest) -> wire.Answer:
        streaming = request.operation == "ConverseStream"
        headers = {"x-amzn-requestid": answer.request_id}
        if not streaming:
            body = _body(answer)
            fault, hold = _whole_fault(answer.fault, len(json.dumps(body)) // 2)
            return wire.Answer(body=body, fault=fault, hold=hold, headers=headers, write_size=answer.write_size)
        events, places = _events(answer)
        fault, hold = _stream_fault(answer.fault, places)
        return wire.Answer(events=events, fault=fault, hold=hold, headers=headers, write_size=answer.write_size)

    return say


# --- streamed --------------------------------------------------------------------------------------------------------


def _events(answer: ServiceAnswer) -> tuple[list[wire.Event], list[int]]:
    """The events on the wire, and behind how many of them each neutral one has gone out; the first place is 0's."""
    events: list[wire.Event] = [{"messageStart": {"role": "assistant"}}]
    places = [1]
    for position, event in enumerate(answer.events):
        match event:
            case UnknownEvent():
                events.append({"contentBlockDream": {"contentBlockIndex": 99, "dream": {"of": "sheep"}}})
            case TextDelta(index, text):
                events.append(_delta(index, {"text": text}))
            case ToolCallStart(index, id_, name):
                start = {"toolUse": {"toolUseId": id_, "name": name}}
                events.append({"contentBlockStart": {"contentBlockIndex": index, "start": start}})
            case ToolCallDelta(index, text):
                events.append(_delta(index, {"toolUse": {"input": text}}))
            case ReasoningDelta(index, text, signature=None):
                events.append(_delta(index, {"reasoningContent": {"text": text}}))
            case ReasoningDelta(index, signature=signature):
                events.append(_delta(index, {"reasoningContent": {"signature": signature}}))
            case _:
                assert_never(event)
        places.append(len(events))
        if answer.ends_part(position):
            assert not isinstance(event, UnknownEvent)
            events.append({"contentBlockStop": {"contentBlockIndex": event.index}})
    events.append({"messageStop": {"stopReason": _stop_reason(answer)}})
    events.append({"metadata": {"metrics": {"latencyMs": 3}, **_usage(answer.usage)}})
    return events, places


def _delta(index: int, delta: dict[str, Any]) -> wire.Event:
    return {"contentBlockDelta": {"contentBlockIndex": index, "delta": delta}}


def _stream_fault(fault: ServiceFault | None, places: list[int]) -> tuple[wire.Fault | None, wire.Hold | None]:
    if isinstance(fault, Hold):
        return None, wire.Hold(None if fault.after is None else places[fault.after])
    if fault is None or fault.after is None:
        return (None if fault is None else wire.Cut(how="abort")), None
    place = places[fault.after]
    match fault:
        case Cut(how="reset"):
            return wire.Cut(how="abort", after_events=place), None
        case Cut(how=how):
            return wire.Cut(how="end", after_events=place, inside_frame=how == "inside-frame"), None
        case Damage():
            return wire.BadChecksum(place), None
        case StreamFailure(kind=kind, message=message):
            return wire.StreamException(place, _FAILURES[kind], message), None
        case _:
            assert_never(fault)


# --- whole -----------------------------------------------------------------------------------------------------------


def _body(answer: ServiceAnswer) -> dict[str, Any]:
    content = [_block(part) for part in answer.message.parts]
    unknown = any(isinstance(event, UnknownEvent) for event in answer.events)
    return {
        "output": {"message": {"role": "assistant", "content": content}, **({"dream": "sheep"} if unknown else {})},
        "stopReason": _stop_reason(answer),
        "metrics": {"latencyMs": 3},
        **_usage(answer.usage),
    }


def _block(part: object) -> dict[str, Any]:
    match part:
        case TextPart(text):
            return {"text": text}
        case ToolCall(id_, name, arguments):
            return {"toolUse": {"toolUseId": id_, "name": name, "input": arguments}}
        case ReasoningPart(text, signature):
            signed = {} if signature is None else {"signature": signature}
            return {"reasoningContent": {"reasoningText": {"text": text, **signed}}}
        case _:
            raise AssertionError(part)


def _whole_fault(fault: ServiceFault | None, middle: int) -> tuple[wire.Fault | None, wire.Hold | None]:
    match fault:
        case None:
            return None, None
        case Hold(after=None):
            return None, wire.Hold()
        case Hold():
            return None, wire.Hold(0)
        case Cut(after=None):
            return wire.Cut(how="abort"), None
        case Cut(how=how):
            return wire.Cut(how="abort" if how == "reset" else "close", after_bytes=middle), None
        case Damage():
            return wire.BadChecksum(0), None
        case StreamFailure():
            raise AssertionError("a whole answer does not turn into an error")


# --- both ------------------------------------------------------------------------------------------------------------


def _stop_reason(answer: ServiceAnswer) -> str:
    return answer.raw_stop_reason or _STOP_REASONS[answer.reason]


def _usage(usage: Usage | None) -> dict[str, Any]:
    if usage is None:
        return {}
    assert usage.input_tokens is not None
    cached = usage.cache_read_tokens
    figures = {
        "inputTokens": usage.input_tokens - (cached or 0),
        "outputTokens": usage.output_tokens,
        "totalTokens": usage.total_tokens,
    }
    return {"usage": figures if cached is None else {**figures, "cacheReadInputTokens": cached}}
