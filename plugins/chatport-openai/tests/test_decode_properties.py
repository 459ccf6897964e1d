"""Any message, streamed in any pieces or whole, is read as the same message, and goes back as it came."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from openai_support.streams import asked, chunk, events_of, folded, sse
from tests.strategies import json_objects, pieces_of, texts

from chatport.backend import BackendError, BackendEvent, ChatRequest, Message, ProtocolError, ToolCall, ToolResult
from chatport.backend.http import plain_json
from chatport_openai._decode import decode_response
from chatport_openai._dialect_table import DIALECTS
from chatport_openai._stream_reader import StreamReader
from chatport_openai._translate import translate

USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
_ids = st.text("abcXYZ019_-", min_size=1, max_size=12)
_calls = st.lists(st.tuples(_ids, _ids, json_objects()), max_size=3, unique_by=lambda call: call[0])


@st.composite
def wire_messages(draw: st.DrawFn) -> dict[str, Any]:
    """A message of the model as servers write it."""
    message: dict[str, Any] = {"role": "assistant", "content": draw(st.none() | texts())}
    if draw(st.booleans()):
        message[draw(st.sampled_from(["reasoning_content", "reasoning"]))] = draw(texts().filter(bool))
    if calls := draw(_calls):
        message["tool_calls"] = [
            {"id": call_id, "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
            for call_id, name, arguments in calls
        ]
    return message


@st.composite
def deltas_of(draw: st.DrawFn, message: dict[str, Any]) -> list[dict[str, Any]]:
    """Deltas that amount to a message: reasoning, words, then calls, each in any pieces."""
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": draw(st.sampled_from(["", None]))}]
    for name in ("reasoning_content", "reasoning", "content"):
        deltas += [{name: piece} for piece in draw(pieces_of(message.get(name) or ""))]
    for index, call in enumerate(message.get("tool_calls", ())):
        first, *rest = draw(pieces_of(call["function"]["arguments"])) or [""]
        begun = {**call, "index": index, "function": {**call["function"], "arguments": first}}
        deltas.append({"tool_calls": [begun]})
        repeated: dict[str, Any] = draw(st.sampled_from([{}, {"id": None}, {"id": ""}, {"id": call["id"]}]))
        deltas += [{"tool_calls": [{"index": index, **repeated, "function": {"arguments": piece}}]} for piece in rest]
    return deltas


def whole_body(message: dict[str, Any]) -> bytes:
    """A message as an answer in one piece."""
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return json.dumps({"id": "c1", "model": "a-model-1", "choices": [choice], "usage": USAGE}).encode()


@given(st.data(), wire_messages())
def test_a_stream_in_any_pieces_is_the_whole_answer(data: st.DataObject, message: dict[str, Any]) -> None:
    """Any deltas, any cuts of the bytes: start, message and end are those of the answer in one piece."""
    chunks = [chunk(delta) for delta in data.draw(deltas_of(message))]
    body = sse(*chunks, chunk({}, finish="stop"), {"choices": [], "usage": USAGE}, done=data.draw(st.booleans()))
    sizes = data.draw(st.lists(st.integers(1, 80), max_size=30))
    assert folded(events_of(body, sizes)) == folded(decode_response(whole_body(message), asked()))


@given(st.data(), wire_messages())
def test_a_stream_that_is_cut_never_passes_for_an_answer(data: st.DataObject, message: dict[str, Any]) -> None:
    """Wherever the bytes end, it is the whole message or an error of ours."""
    chunks = [chunk(delta) for delta in data.draw(deltas_of(message))]
    body = sse(*chunks, chunk({}, finish="stop"))
    wanted = folded(events_of(body))
    cut = body[: data.draw(st.integers(0, len(body)))]
    try:
        found = folded(events_of(cut))
    except ProtocolError:  # also one that is interrupted
        return
    assert found == wanted


@given(wire_messages(), st.sampled_from(["compatible", "ollama", "doubleword"]))
def test_what_was_decoded_goes_back(message: dict[str, Any], dialect: str) -> None:
    """Words, calls and reasoning of the server's own: translate undoes decode."""
    events = decode_response(
        whole_body(message), asked(server=dialect, family="a-model", call_id=DIALECTS[dialect].call_id)
    )
    decoded = folded(events)[1]
    results = tuple(ToolResult(part.id, "done") for part in decoded.parts if isinstance(part, ToolCall))
    turns = [Message.user("Hi"), decoded, *([Message("tool", results)] if results else []), Message.user("Go on")]
    body = plain_json(translate(ChatRequest("a-model", tuple(turns)), dialect=DIALECTS[dialect], server=dialect).body)
    sent = [each for each in body["messages"] if each["role"] == "assistant"]
    if not decoded.parts:
        assert sent == []
        return
    (back,) = sent
    assert (back["content"] or "") == (message["content"] or "")
    member = next((name for name in ("reasoning_content", "reasoning") if name in message), None)
    if member in DIALECTS[dialect].replayed:
        assert back[member] == message[member]
    calls = [
        (call["id"], call["function"]["name"], json.loads(call["function"]["arguments"]))
        for call in back.get("tool_calls", ())
    ]
    assert [(call_id, arguments) for call_id, _, arguments in calls] == [
        (call["id"], json.loads(call["function"]["arguments"])) for call in message.get("tool_calls", ())
    ]


@given(st.binary(max_size=400), st.lists(st.integers(1, 50), max_size=10))
def test_any_bytes_are_a_message_or_an_error_of_ours(noise: bytes, sizes: list[int]) -> None:
    """Nothing else escapes, whatever a server sends."""
    for body in (noise, b"data: " + noise + b"\n\n", b'data: {"choices": [' + noise + b"]}\n\n"):
        ready: deque[BackendEvent] = deque()
        reader = StreamReader(asked(), ready)
        failures = [reader.feed(body[:size]) for size in sizes]
        failures.append(reader.finish())
        assert any(failures) or folded(ready)[1].role == "assistant"


_NAMES = (
    *("annotations", "arguments", "audio", "choices", "content", "custom", "data", "delta", "error", "finish_reason"),
    *("function", "id", "images", "index", "logprobs", "message", "name", "reasoning", "reasoning_details", "refusal"),
    *("text", "tool_calls", "type", "usage"),
)
_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_NAMES), inner, max_size=6),
    max_leaves=25,
)


@given(_values)
def test_any_json_is_a_message_or_an_error_of_ours(value: Any) -> None:
    """Members of any type at any place are left out or kept as unknown; none breaks the reader."""
    for body in (
        value,
        {"choices": [{"delta": value, "finish_reason": "stop"}], "usage": value},
        {"choices": [{"message": {"content": value, "tool_calls": [value], "reasoning_details": [value]}}]},
    ):
        assert _is_refused_or_whole(partial(events_of, sse(body)))
        assert _is_refused_or_whole(partial(decode_response, json.dumps(body).encode(), asked()))


def _is_refused_or_whole(read: Callable[[], Iterable[BackendEvent]]) -> bool:
    try:
        events = list(read())
    except BackendError:
        return True
    return folded(events)[1].role == "assistant"
