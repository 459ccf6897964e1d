"""The service behind the OpenAI backend, for the suite that every backend has to pass."""

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
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "content_filter": "content_filter",
}
_FAILURES = {"throttled": 429, "server-error": 500, "overloaded": 503}
_DONE = b"data: [DONE]\n\n"


class OpenAIScript(HttpScript):
    """A service on loopback that says what the suite enqueues on the wire of Chat Completions.

    It is asked in the dialect of OpenRouter, which can say the most: signed reasoning, sound and films.
    """

    model = "anthropic/claude-sonnet-4.5"
    secrets: Sequence[str] = ("sk-or-v1-of-the-suite-0123456789",)
    lacks: Mapping[Feature, str] = {}
    path = "/api/v1/chat/completions"
    request_id = "x-request-id"
    refusals: ClassVar[Mapping[RefusalKind, tuple[int, str, str]]] = {
        "invalid-request": (400, "invalid_request_error", ""),
        "unauthorized": (401, "invalid_api_key", ""),
        "forbidden": (403, "forbidden", ""),
        "model-not-found": (404, "model_not_found", "The model `x` does not exist. "),
        "throttled": (429, "rate_limit_exceeded", ""),
        "server-error": (500, "server_error", ""),
        "overloaded": (503, "overloaded_error", ""),
        "context-window": (400, "context_length_exceeded", "maximum context length is 5 tokens. "),
    }
    damaged = b'data: {"choices": [{"delta": {"cont\n\n'

    @property
    def options(self) -> dict[str, Any]:
        """The options of a backend that asks here."""
        return {"base_url": f"{self.service.url}/api/v1", "api_key": self.secrets[0], "dialect": "openrouter"}

    def error(self, code: str, message: str) -> dict[str, Any]:
        return {"error": {"message": message, "type": "error", "param": None, "code": code}}

    def failure(self, failure: StreamFailure) -> bytes:
        return _event({"error": {"code": _FAILURES[failure.kind], "message": failure.message}})

    def whole(self, answer: ServiceAnswer) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": None}
        for part in answer.message.parts:
            _add(part, message)
        finish = answer.raw_stop_reason or _STOP_REASONS[answer.reason]
        unknown = any(isinstance(event, UnknownEvent) for event in answer.events)
        return {
            **_head("chat.completion"),
            "choices": [{"index": 0, "message": message, "finish_reason": finish}],
            **({} if answer.usage is None else {"usage": _usage(answer.usage)}),
            **({"dream": "sheep"} if unknown else {}),
        }

    def events(self, answer: ServiceAnswer) -> tuple[list[bytes], list[int]]:
        """A chunk with the role, one for each neutral event, one with the reason, one with the usage, and the end."""
        calls: dict[int, int] = {}
        chunks = [_chunk({"role": "assistant", "content": ""})]
        chunks += [_said(event, calls) for event in answer.events]
        chunks.append(_chunk({}, finish=answer.raw_stop_reason or _STOP_REASONS[answer.reason]))
        if answer.usage is not None:
            chunks.append({**_head("chat.completion.chunk"), "choices": [], "usage": _usage(answer.usage)})
        return [*map(_event, chunks), _DONE], [1 + count for count in range(len(answer.events) + 1)]


def _said(event: ServiceEvent, calls: dict[int, int]) -> dict[str, Any]:
    match event:
        case UnknownEvent():
            return {"object": "chat.completion.dream", "of": "sheep"}
        case ToolCallStart(index, id_, name):
            calls[index] = len(calls)
            function = {"name": name, "arguments": ""}
            return _chunk(
                {"tool_calls": [{"index": calls[index], "id": id_, "type": "function", "function": function}]}
            )
        case ToolCallDelta(index, text):
            return _chunk({"tool_calls": [{"index": calls[index], "function": {"arguments": text}}]})
        case TextDelta(text=text):
            return _chunk({"content": text})
        case ReasoningDelta(text=text, signature=None):
            return _chunk({"reasoning": text, "reasoning_details": [_detail(text=text)]})
        case ReasoningDelta(signature=signature):
            return _chunk({"reasoning_details": [_detail(signature=signature)]})
        case _:
            assert_never(event)


def _chunk(delta: dict[str, Any], *, finish: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
    return {**_head("chat.completion.chunk"), "choices": [choice]}


def _detail(**members: Any) -> dict[str, Any]:
    return {"type": "reasoning.text", "format": "anthropic-claude-v1", "index": 0, **members}


def _head(kind: str) -> dict[str, Any]:
    return {"id": "gen-1", "provider": "Anthropic", "model": OpenAIScript.model, "object": kind, "created": 1}


def _event(value: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(value)}\n\n".encode()


def _add(part: object, message: dict[str, Any]) -> None:
    match part:
        case TextPart(text):
            message["content"] = (message["content"] or "") + text
        case ToolCall(id_, name, arguments, invalid_json):
            function = {"name": name, "arguments": invalid_json or json.dumps(arguments)}
            message.setdefault("tool_calls", []).append({"id": id_, "type": "function", "function": function})
        case ReasoningPart(text, signature):
            message["reasoning"] = text
            message["reasoning_details"] = [
                _detail(text=text, **({} if signature is None else {"signature": signature}))
            ]
        case _:
            raise AssertionError(part)


def _usage(usage: Usage) -> dict[str, Any]:
    figures: dict[str, Any] = {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
    }
    cached = usage.cache_read_tokens
    return figures if cached is None else {**figures, "prompt_tokens_details": {"cached_tokens": cached}}
