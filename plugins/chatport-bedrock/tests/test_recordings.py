"""Recorded traffic through the public API: served on loopback in awkward pieces, it says what the recording says.

The expectation is read from the recording by code of its own (`bedrock_support.recordings`). Each assistant message is
echoed back as well: what the next request would carry is the recorded block.
"""

from collections import Counter
from typing import Any

import anyio
import pytest
from bedrock_support.http_bytes import LAST_CHUNK, chunk, head
from bedrock_support.loopback import LoopbackServer
from bedrock_support.recordings import FOLDER, Exchange, Reading, read_answer, read_stream, recorded
from tests.replaying import pieces

import chatport
from chatport import Json, Reply, Session, Text, ToolResult

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(not FOLDER.is_dir(), reason="the recordings are not beside the repository"),
]

STOP_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
    "model_context_window_exceeded": "context_window",
}
# What goes back differently from how it came, how often, and why.
ECHO_DIFFERENCES = {
    # Newer models send it with every call; the service model knows server_tool_use only, and no recorded conversation
    # sends it back.
    "toolUse.type 'tool_use'": 44,
    # Between two cited sentences stands a block with one blank. The service refuses text without a visible character.
    "a text block without a visible character": 1,
    # gpt-oss is reported to say it aloud, and DeepSeek R1 to refuse it; neither reads reasoning of earlier answers.
    "unsigned reasoning": 7,
}
# Recordings that are no answer although the status says so, and what they are.
NO_ANSWERS = {
    # A stream may begin with an exception: here of image bytes that are no image.
    "req-llm-main__amazon_nova_lite_v1_0__converse_stream_validation_exception[0]": (
        "validationException",
        chatport.InvalidRequestError,
    ),
}
# Status, code and wording → class, and what the message says to do; the server stands for us-east-1.
ERRORS: dict[tuple[int, str, str], tuple[type[chatport.BackendError], str]] = {
    (403, "ExpiredTokenException", "expired"): (chatport.AuthenticationError, "aws sso login"),
    (403, "UnrecognizedClientException", "invalid"): (chatport.AuthenticationError, "which credentials are used"),
    (400, "ValidationException", "model identifier is invalid"): (chatport.ModelNotFoundError, "us-east-1 offers it"),
    (400, "ValidationException", "on-demand throughput"): (
        chatport.ModelNotFoundError,
        "from us-east-1 `us.deepseek.r1-v1:0` or `global.deepseek.r1-v1:0`",
    ),
    (404, "ResourceNotFoundException", "end of its life"): (chatport.ModelNotFoundError, "--status active"),
    (400, "ValidationException", "Input Tokens Exceeded"): (chatport.ContextWindowError, ""),
    (400, "ValidationException", "doesn't support the video content block"): (chatport.InvalidRequestError, ""),
    (400, "ValidationException", "doesn't support the s3Uri field"): (chatport.InvalidRequestError, ""),
    (400, "ValidationException", "extraneous key [toolResult]"): (chatport.InvalidRequestError, ""),
    (400, "ValidationException", "document.source.type: Field required"): (chatport.InvalidRequestError, ""),
}


def serve(server: LoopbackServer, exchange: Exchange, sizes: tuple[int, ...]) -> None:
    """Let the server answer with the recorded bytes: each piece a write, and in streams a chunk."""
    kept = {name: value for name, value in exchange.headers.items() if name.startswith("x-amzn-")}
    parts = pieces(exchange.body, sizes)
    if exchange.operation == "converse-stream" and exchange.status == 200:
        kept |= {"content-type": "application/vnd.amazon.eventstream", "transfer-encoding": "chunked"}
        server.answer(head("200 OK", kept), *map(chunk, parts), LAST_CHUNK)
    else:
        kept |= {"content-type": "application/json", "content-length": str(len(exchange.body))}
        server.answer(head(f"{exchange.status} X", kept), *parts)


async def converse(session: Session, exchange: Exchange) -> tuple[Reply[None], str | None]:
    """Ask as the recording was asked: in one piece, or reading the text as it comes."""
    if exchange.operation == "converse":
        return await session.ask("?"), None
    async with session.stream("?") as stream:
        text = "".join([piece async for piece in stream.text])
    return stream.reply, text


def check_reply(exchange: Exchange, reading: Reading, reply: Reply[None], streamed: str | None) -> None:
    """Hold a reply against the recording."""
    assert reply.text == reading.text
    assert streamed in {None, reading.text}
    assert [(call.id, call.name, call.arguments) for call in reply.tool_calls] == reading.calls
    assert reply.reasoning == reading.reasoning
    assert reply.raw_stop_reason == reading.stop_reason
    assert reply.stop_reason == STOP_REASONS[reading.stop_reason or ""]
    assert reply.usage.input_tokens == reading.input_tokens
    assert reply.usage.output_tokens == reading.usage["outputTokens"]
    assert reply.usage.total_tokens == reading.usage["totalTokens"]
    assert reply.usage.cache_read_tokens == reading.usage.get("cacheReadInputTokens")
    assert reply.usage.cache_write_tokens == reading.usage.get("cacheWriteInputTokens")
    assert (reply.usage.raw, reply.usage.complete) == (reading.usage, True)
    assert reply.request_id == exchange.headers.get("x-amzn-requestid")
    assert not reply.adjustments


async def check_echo(
    session: Session, exchange: Exchange, reading: Reading, reply: Reply[None], found: Counter[str]
) -> None:
    """Hold what the next request would carry against the recorded blocks."""
    results = [ToolResult(call.id, "done") for call in reply.tool_calls]
    preview = await session.preview(*results, "Go on.")
    expected = [kept for block in reading.blocks if (kept := expected_echo(exchange, block, found)) is not None]
    messages = preview.request["messages"]
    sent = messages[1]["content"] if len(messages) > 2 else []
    assert sent == expected


async def check_refusal(session: Session, exchange: Exchange, exception: tuple[str, str]) -> None:
    """Hold a stream that begins with an exception against the error that entering it raises."""
    code, kind = NO_ANSWERS[exchange.name]
    with pytest.raises(kind) as caught:
        async with session.stream("?"):
            pytest.fail("the stream was entered")
    error = caught.value
    assert (error.code, error.status, error.phase, error.retryable) == (code, 400, "stream", False)
    assert (error.code, error.message.endswith(exception[1])) == (exception[0], True)
    assert (error.request_id, session.messages) == (exchange.headers.get("x-amzn-requestid"), ())


def expected_echo(exchange: Exchange, block: dict[str, Any], found: Counter[str]) -> dict[str, Any] | None:
    """The block as it is expected to go back; every difference is counted."""
    thought = block.get("reasoningContent", {}).get("reasoningText", {"signature": "of another block"})
    if "signature" not in thought and ("openai.gpt-oss" in exchange.model or "deepseek." in exchange.model):
        found["unsigned reasoning"] += 1
        return None
    if "text" in block and not block["text"].strip():
        if block["text"]:
            found["a text block without a visible character"] += 1
        return None
    call = block.get("toolUse", {})
    if call.get("type") == "tool_use":
        found["toolUse.type 'tool_use'"] += 1
        return {"toolUse": {name: value for name, value in call.items() if name != "type"}}
    return block


@pytest.mark.parametrize("sizes", [(1, 2, 3, 7, 61, 4096), (100_000,), (13,)], ids=["ragged", "whole", "thirteen"])
async def test_every_recorded_answer(server: LoopbackServer, options: dict[str, Any], sizes: tuple[int, ...]) -> None:
    """Text, calls, reasoning, stop reason, usage and request id as recorded, and every message echoes."""
    counts: Counter[str] = Counter()
    found: Counter[str] = Counter()
    wrong: list[str] = []
    refused: list[str] = []
    async with chatport.open_backend("bedrock", **options) as backend:
        for exchange in recorded():
            if exchange.status != 200:
                continue
            counts[exchange.operation] += 1
            reading = read_stream(exchange.body) if exchange.answer is None else read_answer(exchange.answer)
            serve(server, exchange, sizes)
            session = Session(backend, exchange.model)
            if reading.exception is not None:
                refused.append(exchange.name)
                await check_refusal(session, exchange, reading.exception)
                continue
            try:
                with anyio.fail_after(20):
                    reply, streamed = await converse(session, exchange)
                check_reply(exchange, reading, reply, streamed)
                await check_echo(session, exchange, reading, reply, found)
            except (AssertionError, chatport.ChatError, ValueError, TimeoutError) as error:
                wrong.append(f"{exchange.name}: {type(error).__name__}: {error}")
    assert not wrong, f"{len(wrong)} of {counts.total()}:\n" + "\n".join(wrong)
    assert counts == {"converse": 279, "converse-stream": 61}
    assert refused == list(NO_ANSWERS)
    assert found == ECHO_DIFFERENCES


async def test_every_recorded_error(server: LoopbackServer, options: dict[str, Any]) -> None:
    """Class, status, code, request id and phase as documented; the service's own words stay in the message."""
    counts: Counter[str] = Counter()
    seen: set[tuple[int, str, str]] = set()
    async with chatport.open_backend("bedrock", **options) as backend:
        for exchange in recorded():
            if exchange.status == 200:
                continue
            counts[exchange.operation] += 1
            code = exchange.headers["x-amzn-errortype"].partition(":")[0]
            words = exchange.body.decode().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
            (case,) = [row for row in ERRORS if row[:2] == (exchange.status, code) and row[2] in words]
            seen.add(case)
            serve(server, exchange, (3, 50))
            session = Session(backend, exchange.model)
            with pytest.raises(chatport.BackendError) as caught:
                await converse(session, exchange)
            error = caught.value
            kind, hint = ERRORS[case]
            assert type(error) is kind, exchange.name
            assert hint in error.message
            assert (error.status, error.code, error.retryable, error.phase) == (exchange.status, code, False, "request")
            assert (error.model, error.backend) == (exchange.model, "bedrock")
            assert error.request_id == exchange.headers.get("x-amzn-requestid")
            assert case[2] in str(error).replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
            assert session.messages == ()
    assert counts == {"converse": 14, "converse-stream": 1}
    assert seen == set(ERRORS)


async def test_server_tools_are_kept_and_never_run(server: LoopbackServer, options: dict[str, Any]) -> None:
    """Calls that the service ran itself, with their results, are in the message and not the caller's to answer."""
    count = 0
    async with chatport.open_backend("bedrock", **options) as backend:
        for exchange in recorded():
            if exchange.status != 200 or b"server_tool_use" not in exchange.body:
                continue
            count += 1
            serve(server, exchange, (100_000,))
            reply, _ = await converse(Session(backend, exchange.model), exchange)
            assert all(call.executed_by == "client" for call in reply.tool_calls)
            results = [part for part in reply.message.parts if isinstance(part, ToolResult)]
            assert all(isinstance(item, (Json, Text)) for part in results for item in part.content)
    assert count > 0
