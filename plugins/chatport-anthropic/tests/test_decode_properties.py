"""Any message, written as a stream in any pieces or as a whole answer, is read as the same message, and goes back."""

import json
from typing import Any

from anthropic_support.decoding import MODEL, body_of, decoded_bytes, decoded_whole, folded, stream_events
from hypothesis import given
from hypothesis import strategies as st
from tests.strategies import json_objects, json_values, pieces_of, texts

from chatport.backend import ChatRequest, Citation, Json, Message, Opaque, Part, Reasoning, Text, ToolCall, ToolResult
from chatport.backend.http import plain_json
from chatport_anthropic._translate import translate

MARK = {"anthropic": {"family": "anthropic"}}

_words = texts().filter(bool)
_ids = st.text("abcXYZ019_-", min_size=1, max_size=12)
_proofs = st.text("abcXYZ019+/=", min_size=1, max_size=20)


def _citation(raw: dict[str, Any], title: str, quote: str) -> Citation:
    said = {**raw, "type": "char_location", "document_title": title, "cited_text": quote}
    for name in ("title", "url", "source", "file_id"):
        said.pop(name, None)
    return Citation(title, None, (quote,), metadata={"anthropic": said})


def _result(call_id: str, kind: str, content: Any) -> ToolResult:
    return ToolResult(call_id, (Json(content),), metadata={"anthropic": {"type": f"{kind}_tool_result"}})


_citations = st.builds(_citation, json_objects(), _words, _words)
_parts: st.SearchStrategy[Part] = st.one_of(
    st.builds(Text, _words, st.lists(_citations, max_size=2).map(tuple)),
    st.builds(lambda text, proof: Reasoning(text, proof, metadata=MARK), texts(), _proofs),
    st.builds(lambda secret: Reasoning(redacted=secret.encode(), metadata=MARK), _proofs),
    st.builds(ToolCall, _ids, _ids, json_objects()),
    st.builds(_result, _ids, st.sampled_from(["web_search", "mcp"]), st.lists(json_values(), max_size=2)),
    st.builds(lambda value: Opaque("anthropic", {**value, "type": "dream"}), json_objects()),
)


def block_of(part: Part) -> dict[str, Any]:  # noqa: PLR0911 - one return for each kind of part
    """A part as the block of a whole answer."""
    match part:
        case Text(text, ()):
            return {"type": "text", "text": text}
        case Text(text, citations):
            return {"type": "text", "text": text, "citations": [each.metadata["anthropic"] for each in citations]}
        case Reasoning(redacted=bytes(secret)):
            return {"type": "redacted_thinking", "data": secret.decode()}
        case Reasoning(text, signature):
            return {"type": "thinking", "thinking": text, "signature": signature}
        case ToolCall(call_id, name, arguments):
            return {"type": "tool_use", "id": call_id, "name": name, "input": arguments}
        case ToolResult(call_id, (Json(content),)):
            return {**part.metadata["anthropic"], "tool_use_id": call_id, "content": content}
        case Opaque(data=data):
            return {**data}
        case _:
            raise AssertionError(f"no strategy makes a {type(part).__name__}")


def streamed_block(draw: st.DrawFn, part: Part) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A part as the start of a block and its deltas, cut anywhere."""
    block = block_of(part)
    match part:
        case Text(text, citations):
            cited = [{"type": "citations_delta", "citation": each.metadata["anthropic"]} for each in citations]
            said = [{"type": "text_delta", "text": piece} for piece in draw(pieces_of(text))]
            return {"type": "text", "text": ""}, [*cited, *said]
        case Reasoning(text, str(signature)):
            thought = [{"type": "thinking_delta", "thinking": piece} for piece in draw(pieces_of(text))]
            start = {"type": "thinking", "thinking": "", "signature": ""}
            return start, [*thought, {"type": "signature_delta", "signature": signature}]
        case ToolCall():
            written = json.dumps(block["input"], ensure_ascii=draw(st.booleans()))
            pieces = [{"type": "input_json_delta", "partial_json": piece} for piece in ("", *draw(pieces_of(written)))]
            return {**block, "input": {}}, pieces
        case _:
            return block, []


def cut_anywhere(draw: st.DrawFn, body: bytes) -> list[bytes]:
    """Bytes in pieces, cut in the middle of characters and line ends as well."""
    places = draw(st.lists(st.integers(0, len(body)), max_size=12).map(sorted))
    return [body[start:end] for start, end in zip([0, *places], [*places, len(body)], strict=True)]


@st.composite
def answers(draw: st.DrawFn) -> tuple[list[Part], list[bytes]]:
    """The parts of an answer, and the pieces of a stream that says them."""
    parts = draw(st.lists(_parts, max_size=5))
    events = stream_events(*(streamed_block(draw, part) for part in parts))
    for place in sorted(draw(st.lists(st.integers(1, len(events)), max_size=3)), reverse=True):
        events.insert(place, {"type": "ping"})
    body = body_of(events)
    if draw(st.booleans()):
        body = body.replace(b"\n", b"\r\n")
    if draw(st.booleans()):
        body = body.rstrip()
    return parts, cut_anywhere(draw, body)


@given(answers())
def test_any_stream_and_the_whole_answer_are_the_same_message(answer: tuple[list[Part], list[bytes]]) -> None:
    """However the bytes are cut, whatever pings stand between."""
    parts, pieces = answer
    _, message, end = folded(decoded_bytes(pieces))
    assert message.parts == tuple(parts)
    assert "unknown" not in end.metadata["anthropic"]
    assert folded(decoded_whole([block_of(part) for part in parts]))[1] == message


@given(st.lists(_parts, min_size=1, max_size=5, unique_by=lambda part: getattr(part, "id", id(part))))
def test_any_answer_goes_back_as_it_came(parts: list[Part]) -> None:
    """Decoded and translated, each block is the block that came."""
    content = [block_of(part) for part in parts]
    _, message, _ = folded(decoded_whole(content))
    results = tuple(ToolResult(call.id, "done") for call in message.tool_calls)
    messages = (Message.user("?"), message, Message("tool", results) if results else Message.user("!"))
    body = plain_json(translate(ChatRequest(MODEL, messages)).body)
    assert body["messages"][1]["content"] == content
