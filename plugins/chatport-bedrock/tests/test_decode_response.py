"""A whole answer becomes the events that a stream of it would have given, and what deltas cannot say comes whole."""

import json
from base64 import b64encode
from typing import Any

import pytest

from chatport.backend import (
    Adjustment,
    Audio,
    BackendEvent,
    CachePoint,
    Citation,
    CitationDelta,
    Document,
    Fold,
    Image,
    Json,
    Message,
    MessageEnd,
    MessageStart,
    Opaque,
    Part,
    PartEnd,
    ProtocolError,
    ReasoningDelta,
    Text,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    ToolCallStart,
    ToolResult,
    Usage,
    Video,
)
from chatport_bedrock._decode import decode_response

MODEL = "deepseek.r1-v1:0"
MARK = {"bedrock": {"family": "deepseek"}}
BYTES = b"\x89PNG and more"
BASE64 = b64encode(BYTES).decode()


def answer(*content: Any, **members: Any) -> dict[str, Any]:
    """The body of an answer with these blocks."""
    return {"output": {"message": {"role": "assistant", "content": list(content)}}, "stopReason": "end_turn", **members}


def events(*content: Any) -> list[BackendEvent]:
    """The events of blocks, without start and end."""
    return list(decode_response(answer(*content), model=MODEL, request_id=None))[1:-1]


def fold(body: dict[str, Any]) -> tuple[Message, MessageEnd]:
    """The message of an answer and its end."""
    folding = Fold(backend="bedrock")
    for event in decode_response(body, model=MODEL, request_id=None):
        folding.feed(event)
    assert folding.end is not None
    return folding.message(), folding.end


def part(block: dict[str, Any]) -> Part:
    """The one part that a block becomes."""
    (found,) = fold(answer(block))[0].parts
    return found


@pytest.mark.parametrize("as_bytes", [True, False])
def test_a_whole_answer(as_bytes: bool) -> None:
    """Start with id and adjustments, the blocks, an end with usage, facts and time: from bytes or a parsed body."""
    adjustment = Adjustment("dropped", "setting-dropped", "settings.top_k", "no such thing")
    usage = {"inputTokens": 1, "outputTokens": 2, "totalTokens": 3, "serverToolUsage": {}}
    facts = {"metrics": {"latencyMs": 10}, "trace": {"promptRouter": {"invokedModelId": "m"}}, "later": True}
    body: Any = answer({"text": "Hi"}, usage=usage, additionalModelResponseFields={"stop_sequence": None}, **facts)
    if as_bytes:
        body = json.dumps(body).encode()
    found = list(decode_response(body, model=MODEL, request_id="id-1", adjustments=[adjustment]))
    kept = {"bedrock": {"additionalModelResponseFields": {"stop_sequence": None}, **facts}}
    assert found == [
        MessageStart(MODEL, "id-1", (adjustment,)),
        TextDelta(0, "Hi"),
        MessageEnd("stop", "end_turn", Usage(1, 2, None, None, None, 3, raw=usage), kept, 0.01),
    ]


def test_what_streams_comes_as_deltas() -> None:
    """Text, reasoning, citations and calls: the same kinds of events as in a stream, in its order."""
    citation = {"title": "T", "location": {"web": {"url": "https://a.example"}}}
    cited = Citation("T", "https://a.example", metadata={"bedrock": citation})
    assert events(
        {"text": "a"},
        {"text": ""},
        {"reasoningContent": {"reasoningText": {"text": "Hm", "signature": "c2ln"}}},
        {"reasoningContent": {"reasoningText": {"text": ""}}},
        {"reasoningContent": {"redactedContent": BASE64}},
        {"citationsContent": {"content": [{"text": "b"}], "citations": [citation]}},
        {"citationsContent": {"citations": [citation]}},
        {"toolUse": {"toolUseId": "1", "name": "t", "input": {"z": "ä", "a": [1.0, None]}, "type": "tool_use"}},
        {"toolUse": {"toolUseId": "2", "name": "s", "type": "server_tool_use"}},
    ) == [
        TextDelta(0, "a"),
        ReasoningDelta(2, "Hm", MARK, "c2ln"),
        ReasoningDelta(4, metadata=MARK, redacted=BYTES),
        CitationDelta(5, cited),
        TextDelta(5, "b"),
        CitationDelta(6, cited),
        ToolCallStart(7, "1", "t"),
        ToolCallDelta(7, '{"z":"ä","a":[1.0,null]}'),
        ToolCallStart(8, "2", "s", "server"),
    ]


def test_the_order_of_arguments_is_kept() -> None:
    """Names stand in the order that the model wrote them in."""
    call = part({"toolUse": {"toolUseId": "1", "name": "t", "input": {"z": 1, "a": 2, "m": {"y": 1, "b": 2}}}})
    assert isinstance(call, ToolCall)
    assert json.dumps(call.arguments) == '{"z": 1, "a": 2, "m": {"y": 1, "b": 2}}'


@pytest.mark.parametrize(("value", "text"), [("{", '"{"'), ([1], "[1]"), (None, "null"), (3, "3")])
def test_arguments_that_are_no_object(value: Any, text: str) -> None:
    """They are kept as JSON text and make no call that could be run."""
    assert part({"toolUse": {"toolUseId": "1", "name": "t", "input": value}}) == ToolCall("1", "t", {}, text)


@pytest.mark.parametrize(
    "content",
    [
        {"content": [{"text": "a"}, {"text": "b"}], "citations": [{"title": "T"}]},
        {"content": [{"text": "ab"}], "citations": []},
        {"content": [{"text": "ab"}]},
        {"content": [{"text": "ab"}], "citations": [{"title": "T"}], "tone": "warm"},
        {"content": [{"text": ""}], "citations": [{"title": "T"}]},
        {"content": [], "citations": [{"title": "T"}]},
        {},
    ],
    ids=["two texts", "no citations", "none at all", "another member", "an empty text", "no text", "nothing"],
)
def test_cited_text_that_deltas_cannot_say(content: dict[str, Any]) -> None:
    """The words come whole, with their citations, and beside them the block for the way back."""
    text = "".join(entry["text"] for entry in content.get("content", []))
    citations = tuple(Citation("T", metadata={"bedrock": {"title": "T"}}) for _ in content.get("citations", []))
    whole = Text(text, citations, metadata={"bedrock": {"citationsContent": content}})
    assert events({"citationsContent": content}) == [PartEnd(0, whole)]


DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"


@pytest.mark.parametrize(
    ("block", "whole"),
    [
        ({"image": {"format": "jpeg", "source": {"bytes": BASE64}}}, Image("image/jpeg", BYTES)),
        (
            {"image": {"format": "png", "source": {"s3Location": {"uri": "s3://b/k"}}}},
            Image("image/png", None, "s3://b/k"),
        ),
        ({"audio": {"format": "mp3", "source": {"bytes": BASE64}}}, Audio("audio/mpeg", BYTES)),
        ({"video": {"format": "three_gp", "source": {"bytes": BASE64}}}, Video("video/3gpp", BYTES)),
        (
            {"document": {"format": "docx", "name": "A report", "source": {"bytes": BASE64}}},
            Document(DOCX, BYTES, name="A report"),
        ),
        ({"cachePoint": {"type": "default"}}, CachePoint()),
        ({"cachePoint": {"type": "default", "ttl": "1h"}}, CachePoint("1h")),
        (
            {
                "toolResult": {
                    "toolUseId": "1",
                    "status": "error",
                    "content": [
                        {"text": "a"},
                        {"json": [1]},
                        {"image": {"format": "png", "source": {"bytes": BASE64}}},
                        {"searchResult": {"title": "T"}},
                        {"text": "a", "tone": 1},
                        "bare",
                    ],
                }
            },
            ToolResult(
                "1",
                [
                    Text("a"),
                    Json([1]),
                    Image("image/png", BYTES),
                    Opaque("bedrock", {"searchResult": {"title": "T"}}),
                    Opaque("bedrock", {"text": "a", "tone": 1}),
                    Opaque("bedrock", "bare"),
                ],
                is_error=True,
                metadata={"bedrock": {"status": "error"}},
            ),
        ),
    ],
    ids=["image", "stored", "audio", "video", "document", "cache point", "cache point for an hour", "tool result"],
)
def test_what_comes_whole(block: dict[str, Any], whole: Part) -> None:
    """A block that has no deltas is one part, where a part says all of it."""
    assert events(block) == [PartEnd(0, whole)]


@pytest.mark.parametrize(
    "block",
    [
        {"hologram": {"light": "ab"}},
        {"hologram": 1},
        {},
        {"image": {"format": "png", "source": {"bytes": BASE64}}, "tone": 1},
        {"image": {"format": "bmp", "source": {"bytes": BASE64}}},
        {"image": {"format": "png", "source": {"bytes": BASE64}, "error": {"message": "no"}}},
        {"image": {"format": "png", "source": {"bytes": ""}}},
        {"image": {"format": "png", "source": {"bytes": "Zm9vYmFy="}}},
        {"image": {"format": "png", "source": {"bytes": "Zm9vYmF"}}},
        {"image": {"format": "png", "source": {"bytes": "Zm9vYmH="}}},
        {"image": {"format": "png", "source": {"s3Location": {"uri": "s3://b/k", "bucketOwner": 1}}}},
        {"image": {"format": "png", "source": {"s3Location": {"uri": "s3://b/k", "region": "x"}}}},
        {"image": {"format": "png", "source": {"s3Location": {"uri": "https://b/k"}}}},
        {"image": {"format": "png", "source": {"s3Location": {"uri": "s3://"}}}},
        {"image": {"format": "png", "source": {"s3Location": {"uri": 1}}}},
        {"image": {"source": {"bytes": BASE64}}},
        {"image": {"format": "png"}},
        {"image": "png"},
        {"video": {"format": "mpg", "source": {"bytes": BASE64}}},
        {"document": {"name": "d", "source": {"bytes": BASE64}}},
        {"document": {"format": "txt", "name": "d", "source": {"text": "a"}}},
        {"document": {"format": "txt", "name": "d", "source": {"bytes": BASE64}, "context": None}},
        {"document": {"format": "txt", "name": "d", "source": {"bytes": BASE64}, "citations": {"enabled": False}}},
        {"document": {"format": "txt", "name": "d", "source": {"bytes": BASE64}, "citations": None}},
        {"document": {"format": "txt", "name": "d", "source": {"bytes": BASE64}, "tone": "x"}},
        {"document": {"format": "txt", "name": 1, "source": {"bytes": BASE64}}},
        {"cachePoint": {"type": "special"}},
        {"cachePoint": {"type": "default", "ttl": 5}},
        {"toolResult": {"content": []}},
        {"toolResult": {"toolUseId": "1", "content": {}}},
        {"toolResult": {"toolUseId": "1", "content": [], "status": "half"}},
        {"toolResult": {"toolUseId": "1", "content": [], "status": {}}},
        {"toolResult": {"toolUseId": "1", "content": [], "mood": "good"}},
        {"reasoningContent": {"reasoningText": {"text": "a", "mood": "good"}}},
        {"reasoningContent": {"reasoningText": {"text": "a"}, "redactedContent": BASE64}},
        {"reasoningContent": {"reasoningText": {"signature": "a"}}},
        {"reasoningContent": {"reasoningText": {"text": "a"}}, "tone": 1},
        {"reasoningContent": "a"},
        {"citationsContent": {"content": [{"text": "a", "tone": 1}], "citations": []}},
        {"citationsContent": {"content": [{"text": "a"}], "citations": {}}},
        {"citationsContent": {"content": "a", "citations": []}},
        {"citationsContent": {"citations": ["a"]}},
        {"citationsContent": []},
    ],
    ids=json.dumps,
)
def test_what_no_part_can_say(block: dict[str, Any]) -> None:
    """The block itself, word for word: nothing of it is lost or bent, and it can go back."""
    assert part(block) == Opaque("bedrock", block)


def test_members_beside_words_and_calls() -> None:
    """Words and calls come through whatever stands beside them; that itself is in the metadata of the end."""
    body = answer({"text": "a", "tone": 1}, {"toolUse": {"toolUseId": "1", "name": "t", "server": "s"}, "wish": {}})
    body["output"] |= {"draft": {}}
    body["output"]["message"]["mood"] = "good"
    message, end = fold(body)
    assert message.parts == (Text("a"), ToolCall("1", "t", metadata={"bedrock": {"server": "s"}}))
    assert end.metadata["bedrock"]["unknown"] == [
        {"output": {"draft": {}}},
        {"message": {"mood": "good"}},
        {"content": 0, "members": {"tone": 1}},
        {"content": 1, "members": {"wish": {}}},
    ]


@pytest.mark.parametrize("output", [None, {}, {"message": None}, {"message": {"role": "assistant"}}])
def test_an_answer_without_a_message(output: Any) -> None:
    """The service may answer with a reason alone; that is an empty message, not an error."""
    message, end = fold({"output": output, "stopReason": "guardrail_intervened"})
    assert message == Message("assistant", ())
    assert (end.stop_reason, end.usage) == ("content_filter", Usage(complete=False))


def test_an_answer_without_a_reason() -> None:
    """A message that does not say why it ended is a message; the reason is "other"."""
    body = answer({"text": "a"})
    del body["stopReason"]
    message, end = fold(body)
    assert message.parts == (Text("a"),)
    assert (end.stop_reason, end.raw_stop_reason) == ("other", None)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"<html>", "no JSON"),
        (b"", "no JSON"),
        (b"[]", "no JSON object"),
        ([], "no JSON object"),
        ({}, "neither"),
        ({"message": "What is this?"}, "neither"),
        ({"output": {"text": "a"}}, "neither"),
        ({"output": {"message": {"content": {}}}}, "no list"),
        (answer("a"), "block 0 is no object"),
        (answer({"text": "a"}, {"text": None}), "block 1 is no string"),
        (answer({"toolUse": {"name": "t"}}), "block 0 has no id"),
        (answer({"toolUse": {"toolUseId": "1", "name": None}}), "no name"),
        (answer({"toolUse": "t"}), "no id"),
        (answer({"reasoningContent": {"redactedContent": "no base64"}}), "base64"),
        (answer({"reasoningContent": {"redactedContent": 1}}), "no string"),
    ],
)
def test_what_is_no_answer(body: Any, words: str) -> None:
    """A `ProtocolError` at the call, before the first event: all of an answer comes or none of it."""
    with pytest.raises(ProtocolError, match=words) as caught:
        decode_response(body, model=MODEL, request_id="id-1")
    error = caught.value
    assert (error.backend, error.model, error.status, error.request_id) == ("bedrock", MODEL, 200, "id-1")
    assert (error.phase, error.retryable) == ("request", False)
