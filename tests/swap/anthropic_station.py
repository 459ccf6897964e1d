"""The Messages API as a station: a service on loopback, the vendor's own types, and the rules of turns and calls."""

import json
import re
from base64 import b64encode
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import cache
from typing import Any, ClassVar, Final, assert_never

import pytest
from pydantic import TypeAdapter
from tests.swap.http_visit import HttpVisit, type_faults
from tests.swap.speech import Answer, Body, Call, Cited, Said, Sealed, ServerRun, Stop, Thought, Unknown, Words
from tests.swap.station import Station, Visit, WireCall, WireResult

import chatport
from chatport.backend import Adjustment, ChatRequest
from chatport.backend.http import plain_json
from chatport.testing import HttpService
from chatport_anthropic._translate import translate

_STOPS: Final[Mapping[Stop, str]] = {"stop": "end_turn", "tool_calls": "tool_use", "length": "max_tokens"}
_USAGE: Final = {"input_tokens": 3, "output_tokens": 2}
_NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,128}")
_ID: Final = re.compile(r"[a-zA-Z0-9_-]+")  # documented in the words of the service's refusals
_MOST_MARKS: Final = 4


@cache
def _types() -> tuple[TypeAdapter[Any], TypeAdapter[Any]]:
    """The vendor's types of a body and of a block: in that of the body, blocks of answers would do as well."""
    types = pytest.importorskip("anthropic.types")
    return TypeAdapter(types.message_create_params.MessageCreateParams), TypeAdapter(types.ContentBlockParam)


class AnthropicStation(Station):
    """Claude, asked by Anthropic's own API."""

    backend_name: ClassVar[str] = "anthropic"

    def can_say(self, said: Said) -> bool:
        """See `Station.can_say`: everything."""
        del said
        return True

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[Visit]:
        """See `Station.open`."""
        with HttpService() as service:
            async with chatport.open_backend("anthropic", base_url=service.url, api_key="made-up") as backend:
                yield HttpVisit(service, backend, self._render)

    def calls(self, body: Body) -> Iterator[WireCall]:
        """See `Station.calls`."""
        for number, block in _blocks(body):
            if block["type"] == "tool_use":
                yield WireCall(block["id"], block["name"], number)

    def results(self, body: Body) -> Iterator[WireResult]:
        """See `Station.results`."""
        for number, block in _blocks(body):
            if block["type"] == "tool_result":
                failed = block.get("is_error", False)
                yield WireResult(block["tool_use_id"], failed, number, block.get("content"))

    def plan(self, request: ChatRequest) -> tuple[Body, Sequence[Adjustment]]:
        """See `Station.plan`."""
        translation = translate(request)
        return plain_json(translation.body), translation.adjustments

    def violations(self, body: Body) -> Iterator[str]:
        """What the vendor's types say against it, and the rules that the service is known to enforce."""
        of_body, of_block = _types()
        turns = [{**turn, "content": "words"} for turn in body["messages"]]
        yield from type_faults(of_body, {**body, "messages": turns})
        for _, block in _blocks(body):
            yield from type_faults(of_block, block)
        yield from _turn_faults(body["messages"])
        yield from _block_faults(body)

    def _render(self, answer: Answer, body: Body) -> dict[str, Any] | list[tuple[str, dict[str, Any] | str]]:
        message = {
            "id": "msg_01",
            "type": "message",
            "role": "assistant",
            "model": self.model,
            "content": [block for said in answer.said for block in _said(said)],
            "stop_reason": _STOPS[answer.stop],
            "stop_sequence": None,
            "usage": _USAGE,
        }
        return _events(message) if body.get("stream") else message


def _said(said: Said) -> Iterator[dict[str, Any]]:
    match said:
        case Words(text):
            yield {"type": "text", "text": text}
        case Thought(text):
            yield {"type": "thinking", "thinking": text, "signature": b64encode(f"signed: {text}".encode()).decode()}
        case Sealed(data):
            yield {"type": "redacted_thinking", "data": b64encode(data).decode()}
        case Call(call_id, name, arguments):
            yield {"type": "tool_use", "id": call_id, "name": name, "input": _parsed(arguments)}
        case Cited(text, title, quote):
            place = {"document_index": 0, "start_char_index": 0, "end_char_index": len(quote)}
            citation = {"type": "char_location", "cited_text": quote, "document_title": title, **place}
            yield {"type": "text", "text": text, "citations": [citation]}
        case ServerRun(call_id, query, found):
            yield {"type": "server_tool_use", "id": call_id, "name": "web_search", "input": {"query": query}}
            page = {"type": "web_search_result", "title": found, "url": "https://example.org/", "page_age": None}
            content = [{**page, "encrypted_content": b64encode(found.encode()).decode()}]
            yield {"type": "web_search_tool_result", "tool_use_id": call_id, "content": content}
        case Unknown(text):
            yield {"type": "container_upload", "file_id": text}
        case _:
            assert_never(said)


def _parsed(arguments: str) -> Any:
    """The input of a call; what is cut stays the text that it is."""
    try:
        return json.loads(arguments)
    except ValueError:
        return arguments


# --- a stream --------------------------------------------------------------------------------------------------------


def _events(message: dict[str, Any]) -> list[tuple[str, dict[str, Any] | str]]:
    begun = {**message, "content": [], "stop_reason": None, "usage": {**_USAGE, "output_tokens": 1}}
    events: list[dict[str, Any]] = [{"type": "message_start", "message": begun}]
    for index, block in enumerate(message["content"]):
        start, deltas = _pieces(block)
        events.append({"type": "content_block_start", "index": index, "content_block": start})
        events += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
        events.append({"type": "content_block_stop", "index": index})
    end = {"stop_reason": message["stop_reason"], "stop_sequence": None}
    events += [{"type": "message_delta", "delta": end, "usage": _USAGE}, {"type": "message_stop"}]
    return [(event["type"], event) for event in events]


def _pieces(block: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The start of a block and its deltas, as they were recorded."""
    match block["type"]:
        case "text":
            cited = block.get("citations", [])
            start = {"type": "text", "text": "", **({"citations": []} if cited else {})}
            deltas = [{"type": "citations_delta", "citation": citation} for citation in cited]
            return start, [*deltas, {"type": "text_delta", "text": block["text"]}]
        case "thinking":
            thought = {"type": "thinking_delta", "thinking": block["thinking"]}
            signed = {"type": "signature_delta", "signature": block["signature"]}
            return {"type": "thinking", "thinking": "", "signature": ""}, [thought, signed]
        case "tool_use" | "server_tool_use":
            given = block["input"]
            text = given if isinstance(given, str) else json.dumps(given)
            pieces = ["", text[: len(text) // 2], text[len(text) // 2 :]]
            return {**block, "input": {}}, [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]
        case _:
            return block, []


# --- rules -----------------------------------------------------------------------------------------------------------


def _blocks(body: Body) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, turn in enumerate(body["messages"]):
        content = turn["content"]
        for block in [{"type": "text", "text": content}] if isinstance(content, str) else content:
            yield number, block


def _turn_faults(turns: list[dict[str, Any]]) -> Iterator[str]:
    """Calls are answered in the next turn, all of them, results first; nothing else is answered; no turn is empty."""
    asked: list[str] = []
    for number, turn in enumerate(turns):
        blocks = turn["content"]
        if not blocks:
            yield f"messages.{number}: all messages must have non-empty content"
        answered = [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
        if sorted(asked) != sorted(answered):
            yield f"messages.{number}: `tool_use` ids were found without `tool_result` blocks, or the other way round"
        if any(block["type"] == "tool_result" for block in blocks[len(answered) :]):
            yield f"messages.{number}: results of tools come first in their turn"
        asked = [block["id"] for block in blocks if block["type"] == "tool_use"]
        if len(set(asked)) != len(asked):
            yield f"messages.{number}: `tool_use` ids must be unique"
    if asked:
        yield "messages: the last turn has calls without results"
    roles = [turn["role"] for turn in turns]
    for number, role in enumerate(roles):
        if role == "system" and (
            number == 0 or roles[number - 1] != "user" or "assistant" not in roles[number + 1 :][:1]
        ):
            yield f"messages.{number}: a system message stands behind the user and before the model"


def _block_faults(body: Body) -> Iterator[str]:
    marks = 0
    for number, block in _blocks(body):
        place = f"messages.{number}: {block['type']}"
        marks += "cache_control" in block
        if block["type"] == "text" and not block["text"]:
            yield f"{place}: text content blocks must be non-empty"
        if block["type"] == "text" and body["messages"][number]["role"] == "user" and not block["text"].strip():
            yield f"{place}: text content blocks must contain non-whitespace text"
        if block["type"] in {"tool_use", "server_tool_use"} and not _ID.fullmatch(block["id"]):
            yield f"{place}: the id {block['id']!r} does not match {_ID.pattern}"
        if block["type"] == "tool_use" and not _NAME.fullmatch(block["name"]):
            yield f"{place}: the name {block['name']!r} does not match {_NAME.pattern}"
        if block["type"] in {"thinking", "redacted_thinking"} and "cache_control" in block:
            yield f"{place}: thinking blocks cannot be marked"
        if block["type"] == "tool_result" and block.get("is_error"):
            inside = block.get("content") or []
            if any(entry["type"] != "text" for entry in inside if isinstance(entry, dict)):
                yield f"{place}: all content must be type text if is_error is true"
    if (
        marks + sum("cache_control" in block for block in body.get("system", []) if isinstance(block, dict))
        > _MOST_MARKS
    ):
        yield f"a maximum of {_MOST_MARKS} blocks with cache_control may be provided"
