"""Any answer of a model that is sent back says on the wire what it said when it came: decoded again, it is the same."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from tests.strategies import json_objects, json_values

from chatport.backend import (
    Audio,
    ChatRequest,
    Citation,
    Document,
    Fold,
    Image,
    Json,
    Message,
    Opaque,
    Part,
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
)
from chatport_bedrock import with_bucket_owner
from chatport_bedrock._body import encode_body
from chatport_bedrock._decode import decode_response
from chatport_bedrock._translate import translate

# One of each family; with these an answer may hold whatever follows.
MODELS = {
    "us.anthropic.claude-sonnet-4-5-20250929-v1:0": "anthropic",
    "us.amazon.nova-2-lite-v1:0": "amazon",
    "moonshotai.kimi-k2.5": "moonshotai",
    "qwen.qwen3-32b-v1:0": "qwen",
    "newcomer.model-1.5-v1:0": "newcomer",
    "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abcdefghijkl": None,
}
CITED: list[dict[str, Any]] = [
    {"title": "A", "sourceContent": [{"text": "q"}], "location": {"documentChar": {"documentIndex": 0, "start": 1}}},
    {"location": {"web": {"url": "https://example.org", "domain": "example.org"}}},
]


def _citation(raw: dict[str, Any]) -> Citation:
    quotes = tuple(entry["text"] for entry in raw.get("sourceContent", ()))
    return Citation(raw.get("title"), raw["location"].get("web", {}).get("url"), quotes, metadata={"bedrock": raw})


_data = st.binary(min_size=1, max_size=6)
# A blank text beside nothing that is signed does not go back: the service refuses it.
_words = st.text(st.characters(exclude_categories=["Cs"]), max_size=8).map(lambda text: f"{text}.")
_ids = st.from_regex(r"[a-zA-Z0-9_.:-]{1,64}", fullmatch=True)
_names = st.from_regex(r"[a-zA-Z0-9_-]{1,64}", fullmatch=True)
_media = (
    st.builds(Image, st.sampled_from(["image/png", "image/webp"]), _data)
    | st.builds(Image, st.just("image/jpeg"), st.none(), st.just("s3://bucket/key.jpg"))
    | st.builds(Audio, st.just("audio/wav"), _data)
    | st.builds(Image.from_uri, st.just("s3://bucket/key.png")).map(lambda image: with_bucket_owner(image, "1" * 12))
    | st.builds(
        Document,
        st.just("application/pdf"),
        _data,
        name=st.sampled_from(["report", "letter 2"]),
        context=st.none() | _words,
        citations=st.booleans(),
    )
)
_statuses = st.sampled_from([{}, {"status": "success"}, {"status": "error", "type": "nova_grounding_result"}])


def _own_result(call_id: str, content: list[Part], marks: dict[str, str]) -> ToolResult:
    return ToolResult(call_id, content, marks.get("status") == "error", metadata={"bedrock": marks} if marks else {})


def _parts(mark: dict[str, Any]) -> st.SearchStrategy[Part]:
    """What a model may answer; Claude signs its reasoning, and gets back nothing else."""
    signed = st.just("c2ln")
    proofs = signed if mark["bedrock"]["family"] == "anthropic" else st.none() | signed
    said = st.builds(Text, _words) | st.builds(Json, json_values())
    return st.one_of(
        st.builds(Text, _words, st.lists(st.sampled_from(CITED).map(_citation), max_size=2).map(tuple)),
        st.builds(lambda text, proof: Reasoning(text, proof, metadata=mark), _words, proofs),
        st.builds(lambda secret: Reasoning(redacted=secret, metadata=mark), st.binary(max_size=6)),
        st.builds(ToolCall, _ids, _names, json_objects(), executed_by=st.sampled_from(["client", "server"])),
        st.builds(_own_result, _ids, st.lists(said, max_size=2), _statuses),
        _media,
        st.just(Opaque("bedrock", {"hologram": {"depth": 3, "cells": ["a", None]}})),
    )


@st.composite
def _answers(draw: st.DrawFn) -> tuple[str, Message]:
    model, family = draw(st.sampled_from(sorted(MODELS.items(), key=lambda item: item[0])))
    mark = {"bedrock": {"family": model if family is None else family}}
    parts = draw(st.lists(_parts(mark), min_size=1, max_size=5))
    if family == "anthropic":  # which shows no media, and takes none in what it said
        parts = [part for part in parts if not isinstance(part, (Image, Audio, Document))] or [Text("Hello.")]
    calls = [part.id for part in parts if isinstance(part, ToolCall)]
    names = [part.name for part in parts if isinstance(part, Document)]
    if len(set(calls)) < len(calls) or len(set(names)) < len(names):
        parts = parts[:1]  # the service gives no id twice in an answer, and takes no name twice
    if any(isinstance(part, Document) for part in parts):
        parts = [Text("Here it is."), *parts]  # the service takes no document without words beside it
    return model, Message("assistant", tuple(parts))


@given(_answers())
def test_an_answer_that_is_sent_back_is_the_answer(found: tuple[str, Message]) -> None:
    """Every part goes back as the block that it came as, in its place, and reads as the same part again."""
    model, answer = found
    results = tuple(ToolResult(call.id, "done") for call in answer.tool_calls)
    messages = (Message.user("?"), answer, Message("tool", results) if results else Message.user("!"))
    body = json.loads(encode_body(translate(ChatRequest(model, messages)).body))
    _, turn, _ = body["messages"]
    again = {"output": {"message": turn}, "stopReason": "end_turn", "usage": {}}
    fold = Fold()
    for event in decode_response(json.dumps(again).encode(), model=model, request_id=None):
        fold.feed(event)
    assert fold.message() == answer
