"""The service behind the Anthropic backend, for the suite that every backend has to pass."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self, assert_never

from chatport import Reasoning as ReasoningPart
from chatport import ReasoningDelta, StopReason, TextDelta, ToolCall, ToolCallDelta, ToolCallStart, Usage
from chatport import Text as TextPart
from chatport.testing import (
    Cut,
    Damage,
    Feature,
    Hold,
    HttpReply,
    HttpService,
    HttpStep,
    RefusalKind,
    ScriptedAnswer,
    ServedRequest,
    ServiceAnswer,
    ServiceEvent,
    ServiceRefusal,
    StreamFailure,
    UnknownEvent,
)

_STOP_REASONS: dict[StopReason, str] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
}
_REFUSALS: dict[RefusalKind, tuple[int, str, str]] = {
    "invalid-request": (400, "invalid_request_error", ""),
    "unauthorized": (401, "authentication_error", ""),
    "forbidden": (403, "permission_error", ""),
    "model-not-found": (404, "not_found_error", "model: "),
    "throttled": (429, "rate_limit_error", ""),
    "server-error": (500, "api_error", ""),
    "overloaded": (529, "overloaded_error", ""),
    "context-window": (400, "invalid_request_error", "prompt is too long: 9 tokens > 5 maximum. "),
}
_FAILURES = {"throttled": "rate_limit_error", "server-error": "api_error", "overloaded": "overloaded_error"}
_STARTS: dict[type, dict[str, Any]] = {
    TextDelta: {"type": "text", "text": ""},
    ReasoningDelta: {"type": "thinking", "thinking": "", "signature": ""},
}


class AnthropicScript:
    """A service on loopback that says what the suite enqueues on the wire of the Messages API."""

    model = "claude-sonnet-4-5"
    secrets: Sequence[str] = ("sk-ant-api03-of-the-suite-0123456789",)
    lacks: Mapping[Feature, str] = {"audio": "Claude takes none", "video": "Claude takes none"}

    def __init__(self) -> None:
        self.service = HttpService()

    def __enter__(self) -> Self:
        self.service.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.service.__exit__(kind, error, traceback)

    @property
    def options(self) -> dict[str, Any]:
        """The options of a backend that asks here."""
        return {"base_url": self.service.url, "api_key": self.secrets[0]}

    @property
    def requests(self) -> Sequence[bytes]:
        return [request.body for request in self.service.requests if request.path == "/v1/messages"]

    def enqueue(self, *answers: ScriptedAnswer) -> None:
        for answer in answers:
            self.service.reply(_refusal(answer) if isinstance(answer, ServiceRefusal) else _wire_answer(answer))

    def sign(self, text: str) -> str:
        return f"signature of {len(text)}"

    def release(self) -> None:
        self.service.release()

    async def until_held(self, count: int = 1) -> None:
        await self.service.until_held(count)

    async def until_left(self, count: int = 1) -> float:
        return await self.service.until_left(count)


def _refusal(refusal: ServiceRefusal) -> HttpReply:
    status, code, words = _REFUSALS[refusal.kind]
    headers = {"content-type": "application/json", "request-id": refusal.request_id}
    if refusal.retry_after is not None:
        headers["retry-after"] = f"{refusal.retry_after:g}"
    return HttpReply(status=status, headers=headers, body=json.dumps(_error(code, words + refusal.message)).encode())


def _error(code: str, message: str) -> dict[str, Any]:
    return {"type": "error", "error": {"type": code, "message": message}}


def _wire_answer(answer: ServiceAnswer) -> Any:
    def say(request: ServedRequest) -> HttpReply:
        if json.loads(request.body).get("stream"):
            return _streamed(answer)
        return _whole(answer)

    return say


# --- streamed --------------------------------------------------------------------------------------------------------


def _streamed(answer: ServiceAnswer) -> HttpReply:
    headers = {"content-type": "text/event-stream; charset=utf-8", "request-id": answer.request_id}
    pieces, places = _pieces(answer)
    fault = answer.fault
    before: HttpStep | None = None
    body: list[bytes | HttpStep] = [*pieces]
    if fault is not None:
        if isinstance(fault, (Cut, Hold)) and fault.after is None:
            before = HttpStep.HOLD if isinstance(fault, Hold) else HttpStep.RESET
        else:
            assert fault.after is not None
            body = _with_fault(body, places[fault.after], fault)
    ends = isinstance(fault, Cut) and fault.how != "reset"
    return HttpReply(
        body=tuple(body),
        headers=headers,
        framing="end" if ends else None,
        before=before,
        write_size=answer.write_size,
    )


def _with_fault(
    pieces: list[bytes | HttpStep], place: int, fault: Cut | Damage | StreamFailure | Hold
) -> list[bytes | HttpStep]:
    """The pieces with what happens behind so many of them."""
    told, rest = pieces[:place], pieces[place:]
    match fault:
        case Hold():
            return [*told, HttpStep.HOLD, *rest]
        case Cut(how="reset"):
            return [*told, HttpStep.RESET]
        case Cut(how="inside-frame"):
            torn = rest[0]
            assert isinstance(torn, bytes)
            return [*told, torn[: len(torn) // 2]]
        case Cut():
            return told
        case Damage():
            return [*told, b'event: content_block_delta\ndata: {"type": "content_bl\n\n', *rest]
        case StreamFailure(kind=kind, message=message):
            return [*told, _event(_error(_FAILURES[kind], message))]
        case _:
            assert_never(fault)


def _pieces(answer: ServiceAnswer) -> tuple[list[bytes], list[int]]:
    """The events on the wire, and behind how many of them each neutral one has gone out; the first place is 0's."""
    figures = _usage(answer.usage)
    begun = {**figures, "output_tokens": 1} if figures else {}
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": AnthropicScript.model, "content": []}
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": {**message, "stop_reason": None, "usage": begun or None}}
    ]
    places = [1]
    for position, event in enumerate(answer.events):
        if answer.begins_part(position):
            events += _begun(event)
        events += _said(event)
        places.append(len(events))
        if answer.ends_part(position):
            assert not isinstance(event, UnknownEvent)
            events.append({"type": "content_block_stop", "index": event.index})
    delta = {"stop_reason": answer.raw_stop_reason or _STOP_REASONS[answer.reason], "stop_sequence": None}
    events.append({"type": "message_delta", "delta": delta, **({"usage": figures} if figures else {})})
    events.append({"type": "message_stop"})
    return [_event(event) for event in events], places


def _begun(event: ServiceEvent) -> list[dict[str, Any]]:
    if isinstance(event, UnknownEvent | ToolCallStart):
        return []
    return [{"type": "content_block_start", "index": event.index, "content_block": _STARTS[type(event)]}]


def _said(event: ServiceEvent) -> list[dict[str, Any]]:
    match event:
        case UnknownEvent():
            return [{"type": "dream", "of": "sheep"}]
        case ToolCallStart(index, id_, name):
            block = {"type": "tool_use", "id": id_, "name": name, "input": {}}
            return [
                {"type": "content_block_start", "index": index, "content_block": block},
                _delta(index, {"type": "input_json_delta", "partial_json": ""}),
            ]
        case TextDelta(index, text):
            return [_delta(index, {"type": "text_delta", "text": text})]
        case ToolCallDelta(index, text):
            return [_delta(index, {"type": "input_json_delta", "partial_json": text})]
        case ReasoningDelta(index, text, signature=None):
            return [_delta(index, {"type": "thinking_delta", "thinking": text})]
        case ReasoningDelta(index, signature=signature):
            return [_delta(index, {"type": "signature_delta", "signature": signature})]
        case _:
            assert_never(event)


def _delta(index: int, delta: dict[str, Any]) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": delta}


def _event(event: dict[str, Any]) -> bytes:
    return f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()


# --- whole -----------------------------------------------------------------------------------------------------------


def _whole(answer: ServiceAnswer) -> HttpReply:  # noqa: PLR0911 - one return for each fault
    content = [_block(part) for part in answer.message.parts]
    unknown = any(isinstance(event, UnknownEvent) for event in answer.events)
    body = json.dumps(
        {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": AnthropicScript.model,
            "content": content,
            "stop_reason": answer.raw_stop_reason or _STOP_REASONS[answer.reason],
            "stop_sequence": None,
            "usage": _usage(answer.usage) or None,
            **({"dream": "sheep"} if unknown else {}),
        }
    ).encode()
    headers = {"content-type": "application/json", "request-id": answer.request_id}
    middle = len(body) // 2
    match answer.fault:
        case None | StreamFailure():
            return HttpReply(body=body, headers=headers, write_size=answer.write_size)
        case Hold(after=None):
            return HttpReply(body=body, headers=headers, before=HttpStep.HOLD)
        case Hold():
            return HttpReply(body=(body[:middle], HttpStep.HOLD, body[middle:]), headers=headers, framing="length")
        case Cut(after=None):
            return HttpReply(body=body, headers=headers, before=HttpStep.RESET)
        case Cut(how="reset"):
            return HttpReply(body=(body[:middle], HttpStep.RESET, body[middle:]), headers=headers, framing="length")
        case Cut():
            return HttpReply(body=(body[:middle], HttpStep.CLOSE, body[middle:]), headers=headers, framing="length")
        case Damage():
            return HttpReply(body=body[:middle] + b"}{" + body[middle:], headers=headers)
        case _:
            assert_never(answer.fault)


def _block(part: object) -> dict[str, Any]:
    match part:
        case TextPart(text):
            return {"type": "text", "text": text}
        case ToolCall(id_, name, arguments):
            return {"type": "tool_use", "id": id_, "name": name, "input": arguments}
        case ReasoningPart(text, signature):
            return {"type": "thinking", "thinking": text, "signature": signature or ""}
        case _:
            raise AssertionError(part)


def _usage(usage: Usage | None) -> dict[str, Any]:
    if usage is None:
        return {}
    assert usage.input_tokens is not None
    cached = usage.cache_read_tokens
    figures = {"input_tokens": usage.input_tokens - (cached or 0), "output_tokens": usage.output_tokens}
    return figures if cached is None else {**figures, "cache_read_input_tokens": cached}
