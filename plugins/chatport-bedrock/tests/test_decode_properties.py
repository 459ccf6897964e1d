"""Any message, written as a stream or as a whole answer, is read back as the same message."""

import json
from base64 import b64encode
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise
from typing import Any

from bedrock_support.stream_frames import event_headers
from hypothesis import given
from hypothesis import strategies as st
from tests.strategies import json_objects, json_values, texts

from chatport.backend import (
    BackendEvent,
    Citation,
    Fold,
    Image,
    Json,
    Message,
    MessageEnd,
    Opaque,
    Part,
    ProtocolError,
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
)
from chatport_bedrock._decode import StreamDecoder, decode_response
from chatport_bedrock._frames import Frame, FrameReader, encode_frame

MODEL = "eu.anthropic.claude-x"
MARK = {"bedrock": {"family": "anthropic"}}

# Parts that a message loses on the way, by the reason; all others come back equal.
LOST: dict[str, Callable[[Part], bool]] = {
    "text without a word": lambda part: part == Text(""),
    "reasoning without a word or a proof": lambda part: part == Reasoning("", metadata=MARK),
}

# --- messages at random ----------------------------------------------------------------------------------------------


def _citation(title: str | None, quotes: list[str], extra: dict[str, Any]) -> Citation:
    raw: dict[str, Any] = {"later": extra}
    raw |= {} if title is None else {"title": title}
    raw |= {"sourceContent": [{"text": quote} for quote in quotes]} if quotes else {}
    return Citation(title, None, tuple(quotes), metadata={"bedrock": raw})


def _result(call_id: str, content: list[Part], marks: dict[str, str]) -> ToolResult:
    return ToolResult(call_id, content, marks.get("status") == "error", metadata={"bedrock": marks} if marks else {})


_citations = st.builds(_citation, st.none() | texts(), st.lists(texts(), max_size=2), json_objects())
_images = st.builds(
    Image, st.sampled_from(["image/png", "image/jpeg", "image/gif", "image/webp"]), st.binary(min_size=1)
)
_marks = st.fixed_dictionaries({}, optional={"status": st.sampled_from(["success", "error"]), "type": texts()})
_proofs = st.text("abcXYZ019+/=", max_size=20)


def parts() -> st.SearchStrategy[Part]:
    """What an answer may hold and a stream can say."""
    return st.one_of(
        st.builds(Text, texts(), st.lists(_citations, max_size=2).map(tuple)),
        st.builds(lambda text, proof: Reasoning(text, proof, metadata=MARK), texts(), st.none() | _proofs),
        st.builds(lambda secret: Reasoning(redacted=secret, metadata=MARK), st.binary(max_size=20)),
        st.builds(ToolCall, texts(), texts(), json_objects(), executed_by=st.sampled_from(["client", "server"])),
        st.builds(
            _result, texts(), st.lists(st.builds(Text, texts()) | st.builds(Json, json_values()), max_size=3), _marks
        ),
        _images,
        st.builds(lambda value: Opaque("bedrock", {"hologram": value}), json_objects()),
    )


# --- writing them: first as a whole answer ---------------------------------------------------------------------------


def block_of(part: Part) -> dict[str, Any]:  # noqa: PLR0911 - one return for each kind of part
    """A part as the block of a whole answer."""
    match part:
        case Text(text, ()):
            return {"text": text}
        case Text(text, citations):
            content = {"content": [{"text": text}]} if text else {}
            return {"citationsContent": {**content, "citations": [one.metadata["bedrock"] for one in citations]}}
        case Reasoning(redacted=bytes(secret)):
            return {"reasoningContent": {"redactedContent": b64encode(secret).decode()}}
        case Reasoning(text, signature):
            proof = {} if signature is None else {"signature": signature}
            return {"reasoningContent": {"reasoningText": {"text": text, **proof}}}
        case ToolCall():
            return {"toolUse": {**_call(part), "input": part.arguments}}
        case ToolResult(call_id, content):
            entries = [{"json": one.value} if isinstance(one, Json) else block_of(one) for one in content]
            return {"toolResult": {"toolUseId": call_id, "content": entries, **part.metadata.get("bedrock", {})}}
        case Image(media_type, bytes(data)):
            source = {"bytes": b64encode(data).decode()}
            return {"image": {"format": media_type.removeprefix("image/"), "source": source}}
        case Opaque(_, data):
            return {**data}
        case _:
            raise AssertionError(f"no strategy makes a {type(part).__name__}")


def _call(part: ToolCall) -> dict[str, Any]:
    server = {"type": "server_tool_use"} if part.executed_by == "server" else {}
    return {"toolUseId": part.id, "name": part.name, **server}


# --- … then as a stream ----------------------------------------------------------------------------------------------


def cut(draw: st.DrawFn, text: str) -> list[str]:
    """Text in pieces, empty ones too, cut where UTF-16 can be cut: in the middle of a character as well."""
    units = text.encode("utf-16-le", "surrogatepass")
    count = len(units) // 2
    places = sorted(draw(st.lists(st.integers(0, count), max_size=4))) if text.isascii() or count < 200 else []
    bounds = [0, *places, count]
    return [units[2 * begin : 2 * end].decode("utf-16-le", "surrogatepass") for begin, end in pairwise(bounds)]


def events_of(draw: st.DrawFn, index: int, part: Part) -> list[tuple[str, dict[str, Any]]]:
    """A part as the events of its block."""
    block = block_of(part)
    (value,) = block.values()
    begun: dict[str, Any] = {}
    deltas: list[Any]
    match part:
        case Text():
            deltas = [{"citation": citation.metadata["bedrock"]} for citation in part.citations]
            deltas += [{"text": piece} for piece in cut(draw, part.text)]
        case Reasoning(redacted=None):
            deltas = [{"reasoningContent": {"text": piece}} for piece in cut(draw, part.text)]
            pieces = [] if part.signature is None else cut(draw, part.signature)
            deltas += [{"reasoningContent": {"signature": piece}} for piece in pieces]
        case ToolCall():
            begun = {"toolUse": _call(part)}
            written = json.dumps(part.arguments, ensure_ascii=draw(st.booleans()))
            deltas = [{"toolUse": {"input": piece}} for piece in cut(draw, written)]
        case ToolResult():
            begun = {"toolResult": {name: item for name, item in value.items() if name != "content"}}
            middle = draw(st.integers(0, len(value["content"])))
            deltas = [{"toolResult": some} for some in (value["content"][:middle], value["content"][middle:])]
        case Image(data=bytes(data)):
            begun = {"image": {"format": value["format"]}}
            middle = draw(st.integers(0, len(data)))
            halves = [b64encode(half).decode() for half in (data[:middle], data[middle:])]
            deltas = [{"image": {"source": {"bytes": half}}} for half in halves]
        case _:
            deltas = [block]
    start = [("contentBlockStart", {"start": begun})] if begun else []
    found = [*start, *(("contentBlockDelta", {"delta": delta}) for delta in deltas), ("contentBlockStop", {})]
    return [(name, {"contentBlockIndex": index, **members}) for name, members in found]


@st.composite
def streams(draw: st.DrawFn, *, message: list[Part], ending: dict[str, Any], stopping: dict[str, Any]) -> list[bytes]:
    """A message as the bytes of a stream, cut anywhere; its blocks may interleave."""
    rows = [events_of(draw, index, part) for index, part in enumerate(message)]
    order = [index for index, row in enumerate(rows) for _ in row]
    if draw(st.booleans()):
        order = draw(st.permutations(order))
    queues = [iter(row) for row in rows]
    found = [("messageStart", {"role": "assistant"}), *(next(queues[index]) for index in order)]
    found += [("messageStop", stopping), ("metadata", ending)]
    padding = draw(st.sampled_from([{}, {"p": "abcdef"}]))
    data = b"".join(
        encode_frame(event_headers(name), json.dumps({**payload, **padding}).encode()) for name, payload in found
    )
    size = draw(st.integers(1, len(data)))
    return [data[place : place + size] for place in range(0, len(data), size)]


# --- reading them ----------------------------------------------------------------------------------------------------


def read_stream(chunks: list[bytes]) -> tuple[Message, MessageEnd | None]:
    """The message of a stream and its end."""
    reader, decoder, fold = FrameReader(), StreamDecoder(model=MODEL, request_id=None), Fold()
    for chunk in chunks:
        for frame in reader.feed(chunk):
            for one in decoder.feed(frame):
                fold.feed(one)
    reader.finish()
    assert decoder.complete
    assert decoder.finish() == ()
    return fold.message(), fold.end


def read_whole(body: dict[str, Any]) -> tuple[Message, MessageEnd | None]:
    """The message of a whole answer and its end."""
    fold = Fold()
    for one in decode_response(json.dumps(body).encode(), model=MODEL, request_id=None):
        fold.feed(one)
    return fold.message(), fold.end


@given(st.data())
def test_stream_and_whole_answer_are_one_message(data: st.DataObject) -> None:
    """Both give the message that was written, but for what `LOST` says, and equal ends."""
    message = data.draw(st.lists(parts(), max_size=4), label="message")
    stopping = {"stopReason": data.draw(st.sampled_from(["end_turn", "tool_use", "max_tokens", "new"]))}
    counts = st.fixed_dictionaries({}, optional=dict.fromkeys(("inputTokens", "outputTokens", "other"), st.integers(0)))
    facts = {"metrics": st.just({"latencyMs": 5}), "trace": json_objects()}
    ending = data.draw(st.fixed_dictionaries({"usage": counts}, optional=facts))
    streamed = read_stream(data.draw(streams(message=message, ending=ending, stopping=stopping), label="stream"))
    content = [block_of(part) for part in message]
    whole = read_whole({"output": {"message": {"role": "assistant", "content": content}}, **stopping, **ending})
    kept = tuple(part for part in message if not any(is_lost(part) for is_lost in LOST.values()))
    assert streamed == whole
    assert streamed[0] == Message("assistant", kept)


_EVENTS = [
    "messageStart",
    "contentBlockStart",
    "contentBlockDelta",
    "contentBlockStop",
    "messageStop",
    "metadata",
    "other",
]
_KINDS = ["text", "toolUse", "toolResult", "reasoningContent", "citation", "image", "hologram"]
_PIECES = st.dictionaries(
    st.sampled_from(_KINDS),
    json_values()
    | st.dictionaries(
        st.sampled_from(["text", "signature", "redactedContent", "input", "toolUseId", "name", "source", "bytes"]),
        texts() | json_values(),
        max_size=3,
    ),
    max_size=2,
)
_PAYLOADS = json_objects() | st.fixed_dictionaries(
    {"contentBlockIndex": st.integers(0, 1)}, optional={"delta": _PIECES, "start": _PIECES}
)


@given(st.lists(st.tuples(st.sampled_from(_EVENTS), _PAYLOADS), max_size=8), st.booleans())
def test_any_stream_folds_or_is_an_error(found: list[tuple[str, dict[str, Any]]], begun: bool) -> None:
    """Whatever JSON a peer sends, the decoder refuses it as damaged, or gives events in an order that folds."""
    decoder, events = StreamDecoder(model=MODEL, request_id=None), list[BackendEvent]()
    whole = False
    with suppress(ProtocolError):
        for name, payload in [("messageStart", {}), *found] if begun else found:
            events += decoder.feed(Frame(event_headers(name), json.dumps(payload).encode()))
        events += decoder.finish()
        whole = True
    fold = Fold()
    for one in events:
        fold.feed(one)
    assert (fold.end is not None) is whole or decoder.complete


@given(json_values() | st.fixed_dictionaries({"output": json_values(), "stopReason": json_values()}))
def test_any_answer_folds_or_is_an_error(body: Any) -> None:
    """The same of whole answers: what is not refused folds to its end."""
    assert _is_refused_or_whole(body)


@given(st.lists(json_values() | _PIECES | st.dictionaries(texts(), json_values(), min_size=1, max_size=1), max_size=3))
def test_any_content_folds_or_is_an_error(content: Any) -> None:
    """The same of whatever may stand in a message."""
    assert _is_refused_or_whole({"output": {"message": {"content": content}}})


def _is_refused_or_whole(body: Any) -> bool:
    try:
        events = list(decode_response(json.dumps(body).encode(), model=MODEL, request_id=None))
    except ProtocolError:
        return True
    fold = Fold()
    for one in events:
        fold.feed(one)
    return fold.end is not None
