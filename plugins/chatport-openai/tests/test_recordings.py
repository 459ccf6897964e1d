"""Recorded traffic through the public API: served on loopback in the recorded and in awkward pieces, it says the same.

The expectation is read from the recording by code of its own (`openai_support.recordings`). Each message of the model
is sent back as well: what the next request carries is what was recorded to be accepted.
"""

from __future__ import annotations

import json
from collections import Counter
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Self

import anyio
import pytest
from openai_support.recordings import FOLDER, Exchange, Reading, read_answer, read_stream, recorded
from tests.replaying import converse, pieces

import chatport
from chatport import Reply, Session, ToolResult
from chatport.testing import HttpReply, HttpService

if TYPE_CHECKING:
    from chatport.backend import Backend

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(not FOLDER.is_dir(), reason="the recordings are not beside the repository"),
]

REQUEST_IDS = ("x-request-id", "apim-request-id", "mistral-correlation-id", "x-generation-id")
CALLS = {"tool_calls", "tool_call", "function_call", "stop", "", None}
# Where an answer says with the status 200 that there is none: what it is.
FAILURES = {
    "openllmetry__test_prompt_content_filtering[0]": (chatport.InvalidRequestError, 400, "content_filter"),
    "pydantic-ai__test_openrouter_stream_error[0]": (chatport.InvalidRequestError, 400, "400"),
    "pydantic-ai__test_text_response[0]": (chatport.ProtocolError, 200, None),
    "pydantic-ai__test_tool_use_failed_error_streaming_with_text[0]": (
        chatport.InvalidRequestError,
        400,
        "tool_use_failed",
    ),
    "req-llm__groq__meta_llama_llama_4_scout_17b_16e_instruct__object_streaming[0]": (
        chatport.InvalidRequestError,
        400,
        "tool_use_failed",
    ),
    "req-llm__openrouter__google_gemini_2_5_flash_lite__object_streaming[0]": (chatport.ServiceError, 502, "502"),
    "ruby-llm__vcr_cassettes__chat_with_extended_thinking_gpustack_qwen3_streams_thinking_content_when_available[0]": (
        chatport.ServiceError,
        200,
        None,
    ),
}
# Status, wording → class, code and whether it is worth another try.
ERRORS: dict[tuple[int, str], tuple[type[chatport.BackendError], str | None]] = {
    (400, "Missing required parameter"): (chatport.InvalidRequestError, "missing_required_parameter"),
    (400, "invalid image input"): (chatport.InvalidRequestError, "invalid_request_error"),
    (400, "context length is only 4096 tokens"): (chatport.ContextWindowError, "BadRequestError"),
    (400, "Error while downloading"): (chatport.InvalidRequestError, "invalid_image_url"),
    (400, "Content blocks are expected"): (chatport.InvalidRequestError, "invalid_value"),
    (400, "Web search options not supported"): (chatport.InvalidRequestError, "invalid_request_error"),
    (400, "Tool call validation failed"): (chatport.InvalidRequestError, "tool_use_failed"),
    (400, "Unsupported parameter: 'temperature'"): (chatport.InvalidRequestError, "400"),
    (400, "unknown variant"): (chatport.InvalidRequestError, "invalid_request_error"),
    (400, "Temperature must be between"): (chatport.InvalidRequestError, "BadRequest"),
    (400, "exceeds the available context size"): (chatport.ContextWindowError, "exceed_context_size_error"),
    (400, "maximum context length is 200000"): (chatport.ContextWindowError, "400"),
    (400, "total length of all messages is too long"): (chatport.ContextWindowError, "too_many_prompt_tokens"),
    (401, "Invalid API Key"): (chatport.AuthenticationError, ""),
    (401, "Unauthorized"): (chatport.AuthenticationError, "api_error"),
    (401, "Missing Authentication header"): (chatport.AuthenticationError, "401"),
    (401, "Invalid API key provided"): (chatport.AuthenticationError, "invalid_api_key"),
    (403, "Content violates usage guidelines"): (chatport.PermissionDeniedError, "403"),
    (403, "Forbidden"): (chatport.PermissionDeniedError, "forbidden"),
    (404, "Resource not found"): (chatport.ModelNotFoundError, "404"),
    (404, "does not exist"): (chatport.ModelNotFoundError, ""),
    (404, "tools is not supported in this model"): (chatport.InvalidRequestError, "invalid_request_error"),
    (404, "No endpoints found that support tool use"): (chatport.InvalidRequestError, "404"),
    (422, "Input should be a valid string"): (chatport.InvalidRequestError, "Invalidinput"),
    (429, "have exceeded rate limit"): (chatport.RateLimitError, "RateLimitReached"),
    (500, "cannot make GET request"): (chatport.ServiceError, "server_error"),
}


COUNTS = {"stream": 109, "whole": 92}
# What goes back, and what differently from how it came: how often.
ECHOES = {
    "recorded going back": 26,
    "reasoning: reasoning": 15,
    "reasoning: reasoning_content": 16,
    "reasoning: reasoning_details": 4,
    "reasoning: content": 3,
    # Doubleword writes the details beside the text; it was recorded to take the text.
    "reasoning: reasoning without details": 2,
    # DeepSeek behind Azure: nothing recorded shows that it takes its reasoning back.
    "reasoning: left out for azure": 2,
    # Gemini gives calls an empty id, and an old form of calls has none: each gets one.
    "a call without an id": 2,
    # Cut by the limit of tokens; the calls are never run.
    "arguments that are no JSON": 2,
    # A limit of tokens that reasoning has used up, and an answer of no tokens.
    "nothing to send back": 2,
}


class Backends:
    """A backend for each dialect, opened when it is asked for."""

    def __init__(self, options: dict[str, Any]) -> None:
        self._options = options
        self._stack = AsyncExitStack()
        self._open: dict[str, Backend] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._stack.aclose()

    async def of(self, exchange: Exchange) -> Backend:
        """The backend that speaks to the server of an exchange."""
        name = exchange.dialect
        if name not in self._open:
            opening = chatport.open_backend("openai", **self._options, dialect=name)
            self._open[name] = await self._stack.enter_async_context(opening)
        return self._open[name]


def serve(service: HttpService, exchange: Exchange, sizes: tuple[int, ...]) -> None:
    """Let the service answer with the recorded bytes, each piece a write."""
    dropped = {"content-length", "transfer-encoding", "connection", "content-encoding", "date", "server"}
    headers = {name: value for name, value in exchange.headers.items() if name not in dropped}
    service.reply(HttpReply(body=pieces(exchange.body, sizes), status=exchange.status, headers=headers))


def request_id(exchange: Exchange) -> str | None:
    """The server's id of the request."""
    return next((exchange.headers[name] for name in REQUEST_IDS if name in exchange.headers), None)


def expected_stop(reading: Reading) -> str:
    """Why the model stopped, by what the recording says."""
    if "length" in {reading.finish_reason, reading.native}:
        return "length"
    if reading.calls and reading.finish_reason in CALLS:
        return "tool_calls"
    if reading.refused:
        return "content_filter"
    return {"stop": "stop", "eos": "stop"}.get(reading.finish_reason or "", "other")


def check_reply(exchange: Exchange, reading: Reading, reply: Reply[None], streamed: str | None) -> None:
    """Hold a reply against the recording."""
    assert reply.text == reading.text
    assert streamed in {None, reading.text}
    assert reply.reasoning == reading.reasoning
    said = [(call.id, call.name, call.invalid_json or call.arguments) for call in reply.tool_calls]
    wanted = reading.arguments()
    assert [call[1:] for call in said] == [call[1:] for call in wanted]
    assert all(call[0] == other[0] or (other[0] == "" and call[0]) for call, other in zip(said, wanted, strict=True))
    assert reply.raw_stop_reason == reading.finish_reason or (reply.raw_stop_reason == "" and not reading.finish_reason)
    assert reply.stop_reason == expected_stop(reading)
    assert reply.model == (reading.model or exchange.model)
    assert reply.request_id == request_id(exchange)
    texts = [part for part in reply.message.parts if isinstance(part, chatport.Text)]
    assert sum(len(part.citations) for part in texts) == reading.citations
    assert sum(isinstance(part, chatport.Opaque) for part in reply.message.parts) == reading.custom
    check_usage(reading, reply.usage, beside=exchange.dialect == "xai")


def check_usage(reading: Reading, usage: chatport.Usage, *, beside: bool) -> None:
    """Hold what an exchange cost against the recording."""
    if reading.usage is None:
        assert (usage.input_tokens, usage.complete) == (None, False)
        return
    raw = reading.usage
    inputs, outputs = raw.get("prompt_tokens_details") or {}, raw.get("completion_tokens_details") or {}
    reasoning = outputs.get("reasoning_tokens", raw.get("reasoning_tokens"))
    assert usage.raw == raw
    assert usage.input_tokens == raw["prompt_tokens"]
    assert usage.output_tokens == raw["completion_tokens"] + (reasoning if beside and reasoning else 0)
    assert (usage.total_tokens, usage.reasoning_tokens) == (raw["total_tokens"], reasoning)
    cached = inputs.get("cached_tokens")
    assert cached is None or usage.cache_read_tokens == min(cached, raw["prompt_tokens"])


async def check_echo(
    session: Session, exchange: Exchange, reading: Reading, reply: Reply[None], found: Counter[str]
) -> None:
    """Hold what the next request would carry against the recorded message."""
    results = [ToolResult(call.id, "done") for call in reply.tool_calls]
    preview = await session.preview(*results, "Go on.")
    sent = [message for message in preview.request["messages"] if message["role"] == "assistant"]
    if not reply.message.parts:
        found["nothing to send back"] += 1
        assert sent == []
        return
    (message,) = sent
    content = message.get("content")
    texts = content if isinstance(content, list) else [{"type": "text", "text": content or ""}]
    assert "".join(item["text"] for item in texts if item["type"] == "text") == reading.text
    calls = [call for call in message.get("tool_calls", ()) if call["type"] == "function"]
    for call, (call_id, name, arguments), own in zip(calls, reading.arguments(), reply.tool_calls, strict=True):
        assert call["function"]["name"] == name
        said = call["function"]["arguments"]
        if isinstance(arguments, str):
            found["arguments that are no JSON"] += 1
            assert said == arguments or json.loads(said) == {"invalid_json": arguments}
        else:
            assert json.loads(said) == arguments
        assert call["id"] == own.id
        found["a call without an id"] += not call_id
    answered = [each["tool_call_id"] for each in preview.request["messages"] if each["role"] == "tool"]
    assert answered == [call["id"] for call in message.get("tool_calls", ())]
    check_reasoning(message, exchange, reading, found)
    check_next_request(message, exchange, found)


def check_reasoning(message: dict[str, Any], exchange: Exchange, reading: Reading, found: Counter[str]) -> None:
    """Reasoning goes back in the member it came in, or not at all where the server does not read it."""
    if not (reading.reasoning or reading.details):
        return
    member = "reasoning_details" if reading.details else reading.member or ""
    if member == "content":
        thoughts = [item for item in message["content"] if item["type"] == "thinking"]
        assert "".join(thought["text"] for item in thoughts for thought in item["thinking"]) == reading.reasoning
    elif member in message:
        assert message[member] == (reading.details or reading.reasoning)
    elif reading.member in message:
        assert message[reading.member] == reading.reasoning
        member = f"{reading.member} without details"
    else:
        member = f"left out for {exchange.dialect}"
    found[f"reasoning: {member}"] += 1


def check_next_request(message: dict[str, Any], exchange: Exchange, found: Counter[str]) -> None:
    """Where the recording goes on with this message, it was accepted as we say it, or says less."""
    ids = [call.get("id") for call in message.get("tool_calls", ())]
    for other in (exchange.follows or {}).get("messages", ()):
        if other["role"] != "assistant" or not ids or [call["id"] for call in other.get("tool_calls", ())] != ids:
            continue
        found["recorded going back"] += 1
        mine, theirs = ([call["function"] for call in each["tool_calls"]] for each in (message, other))
        assert [call["name"] for call in mine] == [call["name"] for call in theirs]
        wanted = [json.loads(call["arguments"]) or {} for call in theirs]
        assert [json.loads(call["arguments"]) for call in mine] == wanted
        for member in {"reasoning_content", "reasoning"} & message.keys() & other.keys():
            assert message[member] == other[member], member
        # That client knew no formats, and said null in their place.
        for entry, recorded_entry in zip(
            message.get("reasoning_details", ()), other.get("reasoning_details", ()), strict=True
        ):
            assert entry == recorded_entry | {"format": entry["format"]}


@pytest.mark.parametrize("sizes", [None, (1, 7, 61), (1_000_000,)], ids=["recorded", "ragged", "whole"])
async def test_every_recorded_answer(
    service: HttpService, options: dict[str, Any], sizes: tuple[int, ...] | None
) -> None:
    """Text, calls, reasoning, stop reason, usage and request id as recorded, and every message goes back."""
    counts: Counter[str] = Counter()
    found: Counter[str] = Counter()
    wrong: list[str] = []
    failed: list[str] = []
    async with Backends(options) as backends:
        for exchange in recorded():
            if exchange.status != 200:
                continue
            counts["stream" if exchange.streams else "whole"] += 1
            serve(service, exchange, sizes or exchange.pieces or (4096,))
            session = Session(await backends.of(exchange), exchange.model, retry=None)
            try:
                with anyio.fail_after(20):
                    if exchange.name in FAILURES:
                        failed.append(exchange.name)
                        await check_failure(session, exchange)
                        continue
                    reading = read_stream(exchange.body) if exchange.streams else read_answer(exchange.body)
                    reply, streamed = await converse(session, streams=exchange.streams)
                check_reply(exchange, reading, reply, streamed)
                await check_echo(session, exchange, reading, reply, found)
            except (AssertionError, chatport.ChatError, ValueError, TimeoutError) as error:
                wrong.append(f"{exchange.name} ({exchange.server}): {type(error).__name__}: {str(error)[:600]}")
    assert not wrong, f"{len(wrong)} of {counts.total()}:\n" + "\n".join(wrong)
    assert sorted(failed) == sorted(FAILURES)
    assert counts == COUNTS
    assert found == ECHOES


async def check_failure(session: Session, exchange: Exchange) -> None:
    """Hold an error inside an answer against what it is; the history stays as it was."""
    kind, status, code = FAILURES[exchange.name]
    with pytest.raises(chatport.BackendError) as caught:
        await converse(session, streams=exchange.streams)
    error = caught.value
    assert (type(error), error.status, error.code) == (kind, status, code)
    assert error.model == exchange.model
    assert session.messages == ()


async def test_every_recorded_error(service: HttpService, options: dict[str, Any]) -> None:
    """Class, status, code, request id and phase; the server's own words stay in the message."""
    count = 0
    seen: set[tuple[int, str]] = set()
    for exchange in recorded():
        if exchange.status == 200:
            continue
        count += 1
        words = json.loads(exchange.body)
        (case,) = [row for row in ERRORS if row[0] == exchange.status and row[1] in json.dumps(words).replace("\\", "")]
        seen.add(case)
        kind, code = ERRORS[case]
        serve(service, exchange, (3, 50))
        async with chatport.open_backend("openai", **options, dialect=exchange.dialect) as backend:
            session = Session(backend, exchange.model, retry=None)
            with pytest.raises(chatport.BackendError) as caught:
                await converse(session, streams=exchange.streams)
        error = caught.value
        assert type(error) is kind, exchange.name
        assert code in {"", error.code}, exchange.name
        assert (error.status, error.phase, error.model, error.backend) == (
            exchange.status,
            "request",
            exchange.model,
            "openai",
        )
        assert error.request_id == request_id(exchange)
        assert case[1] in error.message
        assert error.retryable is (exchange.status == 429 or "tool_use_failed" in str(words))
        assert error.retry_after == (1.0 if exchange.status == 429 else None)
        assert session.messages == ()
    assert count == 37
    assert seen == set(ERRORS)
