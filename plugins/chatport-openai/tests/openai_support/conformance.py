"""The service behind the OpenAI backend, for the suite that every backend has to pass."""

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
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "content_filter": "content_filter",
}
_REFUSALS: dict[RefusalKind, tuple[int, str, str]] = {
    "invalid-request": (400, "invalid_request_error", ""),
    "unauthorized": (401, "invalid_api_key", ""),
    "forbidden": (403, "forbidden", ""),
    "model-not-found": (404, "model_not_found", "The model `x` does not exist. "),
    "throttled": (429, "rate_limit_exceeded", ""),
    "server-error": (500, "server_error", ""),
    "overloaded": (503, "overloaded_error", ""),
    "context-window": (400, "context_length_exceeded", "maximum context length is 5 tokens. "),
}
_FAILURES = {"throttled": 429, "server-error": 500, "overloaded": 503}
_DONE = b"data: [DONE]\n\n"


class OpenAIScript:
    """A service on loopback that says what the suite enqueues on the wire of Chat Completions.

    It is asked in the dialect of OpenRouter, which can say the most: signed reasoning, sound and films.
    """

    model = "anthropic/claude-sonnet-4.5"
    secrets: Sequence[str] = ("sk-or-v1-of-the-suite-0123456789",)
    lacks: Mapping[Feature, str] = {}

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
        return {"base_url": f"{self.service.url}/api/v1", "api_key": self.secrets[0], "dialect": "openrouter"}

    @property
    def requests(self) -> Sequence[bytes]:
        return [request.body for request in self.service.requests if request.path == "/api/v1/chat/completions"]

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
    headers = {"content-type": "application/json", "x-request-id": refusal.request_id}
    if refusal.retry_after is not None:
        headers["retry-after"] = f"{refusal.retry_after:g}"
    error = {"message": words + refusal.message, "type": "error", "param": None, "code": code}
    return HttpReply(status=status, headers=headers, body=json.dumps({"error": error}).encode())


def _wire_answer(answer: ServiceAnswer) -> Any:
    def say(request: ServedRequest) -> HttpReply:
        return _streamed(answer) if json.loads(request.body).get("stream") else _whole(answer)

    return say


# --- streamed --------------------------------------------------------------------------------------------------------


def _streamed(answer: ServiceAnswer) -> HttpReply:
    headers = {"content-type": "text/event-stream; charset=utf-8", "x-request-id": answer.request_id}
    pieces = _pieces(answer)
    fault = answer.fault
    before: HttpStep | None = None
    body: list[bytes | HttpStep] = [*pieces]
    if fault is not None:
        if isinstance(fault, (Cut, Hold)) and fault.after is None:
            before = HttpStep.HOLD if isinstance(fault, Hold) else HttpStep.RESET
        else:
            assert fault.after is not None
            body = _with_fault(body, fault.after + 1, fault)  # the first chunk has the role only
    ends = isinstance(fault, Cut) and fault.how != "reset"
    return HttpReply(
        body=tuple(body), headers=headers, framing="end" if ends else None, before=before, write_size=answer.write_size
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
            return [*told, b'data: {"choices": [{"delta": {"cont\n\n', *rest]
        case StreamFailure(kind=kind, message=message):
            return [*told, _event({"error": {"code": _FAILURES[kind], "message": message}})]
        case _:
            assert_never(fault)


def _pieces(answer: ServiceAnswer) -> list[bytes]:
    """A chunk with the role, one for each neutral event, one with the reason, one with the usage, and the end."""
    calls: dict[int, int] = {}
    chunks = [_chunk({"role": "assistant", "content": ""})]
    chunks += [_said(event, calls) for event in answer.events]
    chunks.append(_chunk({}, finish=answer.raw_stop_reason or _STOP_REASONS[answer.reason]))
    if answer.usage is not None:
        chunks.append({**_head("chat.completion.chunk"), "choices": [], "usage": _usage(answer.usage)})
    return [*map(_event, chunks), _DONE]


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


# --- whole -----------------------------------------------------------------------------------------------------------


def _whole(answer: ServiceAnswer) -> HttpReply:  # noqa: PLR0911 - one return for each fault
    message: dict[str, Any] = {"role": "assistant", "content": None}
    for part in answer.message.parts:
        _add(part, message)
    choice = {"index": 0, "message": message, "finish_reason": answer.raw_stop_reason or _STOP_REASONS[answer.reason]}
    unknown = any(isinstance(event, UnknownEvent) for event in answer.events)
    usage = {} if answer.usage is None else {"usage": _usage(answer.usage)}
    body = json.dumps(
        {**_head("chat.completion"), "choices": [choice], **usage, **({"dream": "sheep"} if unknown else {})}
    ).encode()
    headers = {"content-type": "application/json", "x-request-id": answer.request_id}
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
