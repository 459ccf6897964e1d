"""Recorded traffic through the public API: served on loopback in recorded and awkward pieces, it says what it says.

The expectation is read from the recording by code of its own (`anthropic_support.recordings`). Each assistant message
is echoed back as well: what the next request would carry is the recorded blocks.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import anyio
import pytest
from anthropic_support.recordings import FOLDER, Exchange, Reading, read_answer, recorded
from tests.replaying import converse, pieces

import chatport
from chatport import Reply, Session, Settings, ToolResult
from chatport.backend import CountsTokens
from chatport.testing import HttpReply, HttpService

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(not FOLDER.is_dir(), reason="the recordings are not beside the repository"),
]

STOP_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "pause_turn": "other",
}
# What goes back differently from how it came, and how often; `test_translate_echo` says why.
ECHO_DIFFERENCES = {"empty text": 1, "empty citations": 1, "a server's call without its result": 2}
# Small enough that a whole answer is asked for where one was recorded.
SETTINGS = Settings(max_tokens=1000)


def reply_of(exchange: Exchange, sizes: tuple[int, ...] | None) -> HttpReply:
    """The recorded answer, each piece a chunk: as it was recorded where that is known, or at sizes that fit nothing."""
    kept = {name: value for name, value in exchange.headers.items() if name in {"request-id", "x-should-retry"}}
    kind = "text/event-stream; charset=utf-8" if exchange.streams and exchange.status == 200 else "application/json"
    body = pieces(exchange.body, sizes or exchange.pieces or (len(exchange.body),))
    return HttpReply(body=body, status=exchange.status, headers={**kept, "content-type": kind})


def check_reply(exchange: Exchange, reading: Reading, reply: Reply[None], streamed: str | None) -> None:
    """Hold a reply against the recording."""
    assert reply.text == reading.joined("text", "text")
    assert streamed in {None, reply.text}
    assert [(call.id, call.name, call.arguments) for call in reply.tool_calls] == reading.calls
    assert reply.reasoning == reading.joined("thinking", "thinking")
    assert reply.raw_stop_reason == reading.stop_reason
    assert reply.stop_reason == STOP_REASONS[reading.stop_reason or ""]
    assert reply.model == reading.model
    assert reply.request_id == exchange.headers.get("request-id")
    assert not reply.adjustments
    check_usage(reading, reply.usage)


def check_usage(reading: Reading, usage: chatport.Usage) -> None:
    """Hold the figures against the recorded ones: the input is all of it."""
    read, written = reading.tokens("cache_read_input_tokens"), reading.tokens("cache_creation_input_tokens")
    whole = (reading.tokens("input_tokens") or 0) + (read or 0) + (written or 0)
    details = reading.usage.get("output_tokens_details") or {}
    assert (usage.input_tokens, usage.output_tokens) == (whole, reading.tokens("output_tokens"))
    assert (usage.cache_read_tokens, usage.cache_write_tokens) == (read, written)
    assert usage.reasoning_tokens == details.get("thinking_tokens")
    assert usage.total_tokens == whole + (reading.tokens("output_tokens") or 0)
    assert (usage.raw, usage.complete) == (reading.usage, True)


async def check_echo(session: Session, reading: Reading, reply: Reply[None], found: Counter[str]) -> None:
    """Hold what the next request would carry against the recorded blocks."""
    results = [ToolResult(call.id, "done") for call in reply.tool_calls]
    preview = await session.preview(*results, "Go on.")
    answered = {block.get("tool_use_id") for block in reading.blocks if block["type"].endswith("_result")}
    expected = [kept for block in reading.blocks if (kept := expected_echo(block, answered, found)) is not None]
    messages = preview.request["messages"]
    assert (messages[1]["content"] if len(messages) > 2 else []) == expected


def expected_echo(block: dict[str, Any], answered: set[Any], found: Counter[str]) -> dict[str, Any] | None:
    """The block as it is expected to go back; every difference is counted."""
    if block == {"type": "text", "text": ""}:
        found["empty text"] += 1
        return None
    if block.get("citations") == []:
        found["empty citations"] += 1
        return {name: value for name, value in block.items() if name != "citations"}
    if block["type"] == "server_tool_use" and block["id"] not in answered:
        found["a server's call without its result"] += 1
        return None
    return block


@pytest.mark.parametrize(
    "sizes",
    [None, (1, 7, 61, 4096), (61,), (1_000_000,)],
    ids=["recorded", "ragged", "sixty-one", "whole"],
)
async def test_every_recorded_answer(
    service: HttpService, options: dict[str, Any], sizes: tuple[int, ...] | None
) -> None:
    """Text, calls, reasoning, stop reason, usage and request id as recorded, and every message echoes."""
    counts: Counter[str] = Counter()
    found: Counter[str] = Counter()
    wrong: list[str] = []
    async with chatport.open_backend("anthropic", **options) as backend:
        for exchange in recorded():
            if exchange.status != 200 or not exchange.operation.startswith("messages"):
                continue
            counts[exchange.operation] += 1
            service.reply(reply_of(exchange, sizes))
            session = Session(backend, exchange.model, settings=SETTINGS, max_steps=1)  # a paused answer stays alone
            try:
                with anyio.fail_after(20):
                    reply, streamed = await converse(session, streams=exchange.streams)
                reading = read_answer(exchange)
                check_reply(exchange, reading, reply, streamed)
                await check_echo(session, reading, reply, found)
            except (AssertionError, chatport.ChatError, ValueError, TimeoutError) as error:
                wrong.append(f"{exchange.name}: {type(error).__name__}: {error}")
    assert not wrong, f"{len(wrong)} of {counts.total()}:\n" + "\n".join(wrong)
    assert counts == {"messages": 96, "messages-stream": 80}
    assert found == ECHO_DIFFERENCES


async def test_the_recorded_pause(service: HttpService, options: dict[str, Any]) -> None:
    """One turn asks as the recording asked, twice: the paused message goes back as it was sent back there."""
    first, second = (each for each in recorded() if "test_pause_turn" in each.name)
    assert first.request is not None
    assert second.request is not None
    service.reply(reply_of(first, None), reply_of(second, None))
    async with chatport.open_backend("anthropic", **options) as backend:
        session = Session(backend, first.model, settings=SETTINGS)
        async with session.stream(first.request["messages"][0]["content"][0]["text"]) as stream:
            await stream.finish()
    asked = [json.loads(request.body)["messages"] for request in service.requests]
    assert asked[0] == first.request["messages"]
    assert asked[1][0] == second.request["messages"][0]
    assert asked[1][1] == {"role": "assistant", "content": read_answer(first).blocks}
    recorded_blocks = second.request["messages"][1]["content"]
    assert [block["type"] for block in asked[1][1]["content"]] == [block["type"] for block in recorded_blocks]
    reply, rest = stream.reply, read_answer(second)
    assert (reply.text, reply.stop_reason) == (rest.joined("text", "text"), "stop")
    assert [step.raw_stop_reason for step in reply.steps] == ["pause_turn", "end_turn"]
    assert not reply.adjustments
    assert reply.usage.output_tokens == sum(read_answer(each).usage["output_tokens"] for each in (first, second))


async def test_every_byte_for_itself(service: HttpService, options: dict[str, Any]) -> None:
    """The streams with thoughts, calls, results and citations in them, written byte by byte."""
    wanted = ("signature_delta", "input_json_delta", "citations_delta", "_tool_result")
    seen: Counter[str] = Counter()
    async with chatport.open_backend("anthropic", **options) as backend:
        for exchange in recorded():
            kinds = [kind for kind in wanted if kind.encode() in exchange.body and seen[kind] < 2]
            if not kinds or not exchange.streams or len(exchange.body) > 20_000:
                continue
            seen.update(kinds)
            service.reply(reply_of(exchange, (1,)))
            session = Session(backend, exchange.model, settings=SETTINGS)
            reply, streamed = await converse(session, streams=exchange.streams)
            check_reply(exchange, read_answer(exchange), reply, streamed)
    assert all(seen[kind] >= 1 for kind in wanted), seen


# Status, type and wording → class, and what the message says to do.
ERRORS: dict[tuple[int, str, str], tuple[type[chatport.BackendError], str]] = {
    (400, "invalid_request_error", "prefill"): (chatport.InvalidRequestError, ""),
    (400, "invalid_request_error", "does not match the expected shape"): (chatport.InvalidRequestError, ""),
    (400, "invalid_request_error", "'minimum' is not supported"): (chatport.InvalidRequestError, ""),
    (401, "authentication_error", "invalid x-api-key"): (chatport.AuthenticationError, "ANTHROPIC_API_KEY"),
    (401, "authentication_error", "API key is invalid"): (chatport.AuthenticationError, "ANTHROPIC_API_KEY"),
    (404, "not_found_error", "model: "): (chatport.ModelNotFoundError, "chatport models anthropic"),
}


async def test_every_recorded_error(service: HttpService, options: dict[str, Any]) -> None:
    """Class, status, code, request id and phase; the service's own words stay in the message."""
    count = 0
    seen: set[tuple[int, str, str]] = set()
    async with chatport.open_backend("anthropic", **options) as backend:
        for exchange in recorded():
            if exchange.status == 200:
                continue
            count += 1
            words = exchange.body.decode()
            (case,) = [row for row in ERRORS if row[0] == exchange.status and row[1] in words and row[2] in words]
            seen.add(case)
            service.reply(reply_of(exchange, (3, 50)))
            session = Session(backend, exchange.model, settings=SETTINGS)
            with pytest.raises(chatport.BackendError) as caught:
                await converse(session, streams=exchange.streams)
            error = caught.value
            kind, hint = ERRORS[case]
            assert type(error) is kind, exchange.name
            assert hint in error.message
            assert (error.status, error.code) == (exchange.status, case[1])
            assert (error.retryable, error.phase, error.backend) == (False, "request", "anthropic")
            assert error.model == exchange.model
            if "request-id" in exchange.headers:
                assert error.request_id == exchange.headers["request-id"]
            assert case[2] in str(error)
            assert session.messages == ()
    assert count == 17
    assert seen == set(ERRORS)


async def test_every_recorded_count(service: HttpService, options: dict[str, Any]) -> None:
    """The number of tokens that the service says."""
    counted: list[int] = []
    async with chatport.open_backend("anthropic", **options) as backend:
        for exchange in recorded():
            if exchange.operation == "count-tokens":
                service.reply(reply_of(exchange, None))
                session = Session(backend, exchange.model)
                assert isinstance(backend, CountsTokens)
                counted.append(await backend.count_tokens(session.request("?")))
                assert f'"input_tokens":{counted[-1]}' in exchange.body.decode().replace(" ", "")
    assert len(counted) == 2
