"""The service behind the Anthropic backend, for the suite that every backend has to pass."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, assert_never

from tests.http_scripts import HttpScript

from chatport import Reasoning as ReasoningPart
from chatport import ReasoningDelta, StopReason, TextDelta, ToolCall, ToolCallDelta, ToolCallStart, Usage
from chatport import Text as TextPart
from chatport.testing import Feature, RefusalKind, ServiceAnswer, ServiceEvent, StreamFailure, UnknownEvent

_STOP_REASONS: dict[StopReason, str] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
}
_FAILURES = {"throttled": "rate_limit_error", "server-error": "api_error", "overloaded": "overloaded_error"}
_STARTS: dict[type, dict[str, Any]] = {
    TextDelta: {"type": "text", "text": ""},
    ReasoningDelta: {"type": "thinking", "thinking": "", "signature": ""},
}


class AnthropicScript(HttpScript):
    """A service on loopback that says what the suite enqueues on the wire of the Messages API."""

    model = "claude-sonnet-4-5"
    secrets: Sequence[str] = ("sk-ant-api03-of-the-suite-0123456789",)
    lacks: Mapping[Feature, str] = {"audio": "Claude takes none", "video": "Claude takes none"}
    path = "/v1/messages"
    request_id = "request-id"
    refusals: ClassVar[Mapping[RefusalKind, tuple[int, str, str]]] = {
        "invalid-request": (400, "invalid_request_error", ""),
        "unauthorized": (401, "authentication_error", ""),
        "forbidden": (403, "permission_error", ""),
        "model-not-found": (404, "not_found_error", "model: "),
        "throttled": (429, "rate_limit_error", ""),
        "server-error": (500, "api_error", ""),
        "overloaded": (529, "overloaded_error", ""),
        "context-window": (400, "invalid_request_error", "prompt is too long: 9 tokens > 5 maximum. "),
    }
    damaged = b'event: content_block_delta\ndata: {"type": "content_bl\n\n'

    @property
    def options(self) -> dict[str, Any]:
        """The options of a backend that asks here."""
        return {"base_url": self.service.url, "api_key": self.secrets[0]}

    def error(self, code: str, message: str) -> dict[str, Any]:
        return {"type": "error", "error": {"type": code, "message": message}}

    def failure(self, failure: StreamFailure) -> bytes:
        return _event(self.error(_FAILURES[failure.kind], failure.message))

    def whole(self, answer: ServiceAnswer) -> dict[str, Any]:
        unknown = any(isinstance(event, UnknownEvent) for event in answer.events)
        return {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": self.model,
            "content": [_block(part) for part in answer.message.parts],
            "stop_reason": answer.raw_stop_reason or _STOP_REASONS[answer.reason],
            "stop_sequence": None,
            "usage": _usage(answer.usage) or None,
            **({"dream": "sheep"} if unknown else {}),
        }

    def events(self, answer: ServiceAnswer) -> tuple[list[bytes], list[int]]:
        figures = _usage(answer.usage)
        begun = {**figures, "output_tokens": 1} if figures else {}
        message = {"id": "msg_1", "type": "message", "role": "assistant", "model": self.model, "content": []}
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
