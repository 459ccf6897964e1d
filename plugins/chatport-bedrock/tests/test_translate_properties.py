"""Any conversation of our parts: translated without being changed, alike every time, and good by the service model."""

import json
from itertools import pairwise
from typing import Any

import botocore.session
from botocore.validate import ParamValidator
from hypothesis import given
from hypothesis import strategies as st

from chatport.backend import (
    Audio,
    CachePoint,
    ChatRequest,
    Document,
    Image,
    Json,
    Message,
    Opaque,
    Part,
    Reasoning,
    Settings,
    Text,
    Tool,
    ToolCall,
    ToolResult,
    UnsupportedError,
    Video,
)
from chatport_bedrock._body import encode_body
from chatport_bedrock._translate import translate

_CONVERSE: Any = botocore.session.get_session().get_service_model("bedrock-runtime").operation_model("Converse")

_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.sampled_from(["", " ", "\n", "Hello"])
_names = st.sampled_from(["weather", "clock", "search_2"])
_ids = st.sampled_from(["a", "b", "c", "tooluse_1", "functions.t:0"])
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | _text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_text, inner, max_size=3),
    max_leaves=6,
)
_objects = st.dictionaries(_text, _json, max_size=3)
_data = st.binary(min_size=1, max_size=6)
_marks = st.sampled_from([{}, {"bedrock": {"family": "anthropic"}}, {"bedrock": {"family": "meta"}}, {"openai": {}}])
_document_names = st.none() | _text | st.sampled_from(["report.pdf", "report"])
_documents = st.builds(
    Document, st.sampled_from(["text/plain", "application/json"]), _data, name=_document_names
) | st.builds(Document, st.just("application/pdf"), st.just(b"%PDF-1.7"), name=_document_names)
_uris = st.sampled_from(["s3://bucket/a", "gs://bucket/a"])
_images = st.builds(Image, st.just("image/png"), _data) | st.builds(Image, st.just("image/png"), st.none(), _uris)
_reasoning = st.builds(Reasoning, _text, st.none() | st.just("sig"), st.none() | st.binary(max_size=3), metadata=_marks)
_words = st.builds(Text, _text)
_foreign = st.just(Opaque("other", {"x": 1}))
_result_parts = _words | st.builds(Json, _json) | _images | _documents | st.builds(CachePoint) | _foreign
_results = st.builds(
    ToolResult,
    _ids,
    st.lists(_result_parts, max_size=3).map(tuple),
    st.booleans(),
    metadata=st.sampled_from([{}, {"bedrock": {"status": "success"}}, {"bedrock": {"status": "error"}}]),
)
_calls = st.builds(
    ToolCall,
    _ids,
    _names,
    _objects,
    st.none() | st.just('{"a'),
    st.sampled_from(["client", "server"]),
)
_said = (
    _words
    | _images
    | _documents
    | st.builds(Audio, st.just("audio/wav"), _data)
    | st.builds(Video, st.just("video/mp4"), _data)
    | st.builds(Json, _json)
    | st.builds(CachePoint, st.sampled_from([None, "5m", "1h"]))
    | _reasoning
    | _foreign
)
_system_parts = _words | st.builds(Json, _json) | st.builds(CachePoint) | _foreign
# Adjustments that add a block of their own.
_ADDING = {"document-text-added", "call-unanswered", "leading-turn-added", "prefill-refused", "turn-separated"}


def _messages(role: Any, parts: st.SearchStrategy[Part]) -> st.SearchStrategy[Message]:
    return st.builds(Message, st.just(role), st.lists(parts, max_size=4).map(tuple))


_histories = st.lists(
    _messages("user", _said | _results)
    | _messages("assistant", _said | _calls | _results)
    | _messages("tool", _results | _words)
    | _messages("system", _system_parts),
    max_size=6,
).map(tuple)
_settings = st.builds(
    Settings,
    max_tokens=st.none() | st.integers(1, 10),
    temperature=st.none() | st.floats(0, 1),
    top_k=st.none() | st.integers(0, 5),
    stop_sequences=st.none() | st.lists(st.just("END"), max_size=2).map(tuple),
)
_tools = st.lists(
    st.builds(Tool, _names, _text, st.just({"type": "object", "properties": {}})),
    max_size=2,
    unique_by=lambda tool: tool.name,
).map(tuple)


@st.composite
def _requests(draw: st.DrawFn) -> ChatRequest:
    tools = draw(_tools)
    choices = [None, "auto", "none", *(["any", tools[0].name] if tools else [])]
    return ChatRequest(
        draw(
            st.sampled_from(
                ["anthropic.claude-3-haiku-20240307-v1:0", "us.amazon.nova-lite-v1:0", "meta.llama3-1-8b-v1:0"]
            )
        ),
        (*draw(_histories), Message.user("And now?")),
        draw(st.lists(_system_parts, max_size=3).map(tuple)),
        tools,
        draw(st.sampled_from(choices)),
        draw(_settings),
    )


@given(_requests())
def test_any_request_is_said_in_the_service_model(request: ChatRequest) -> None:
    """The body has only members that the model knows, of their types and lengths, and all that it requires."""
    translation = translate(request, check_limits=False)
    report = ParamValidator().validate({"modelId": translation.model, **translation.body}, _CONVERSE.input_shape)
    assert not report.has_errors(), report.generate_report()
    json.loads(encode_body(translation.body))


@given(_requests())
def test_turns_are_what_the_service_wants(request: ChatRequest) -> None:
    """Rules that no model of types can say: alternation, no empty turn, results first, no blank words, unique names."""
    turns = translate(request, check_limits=False).body["messages"]
    assert all(one["role"] != other["role"] for one, other in pairwise(turns))
    names: list[str] = []
    for turn in turns:
        content = turn["content"]
        assert content
        kinds = [next(iter(block)) for block in content]
        if turn["role"] == "user":
            results = kinds.count("toolResult")
            assert "toolResult" not in kinds[results:]
            assert "document" not in kinds or "text" in kinds
            assert all(block["toolResult"]["content"] for block in content[:results])
        if "reasoningContent" not in kinds:
            assert all(block["text"].strip() for block in content if "text" in block)
        inner = [item for block in content for item in block.get("toolResult", {"content": [block]})["content"]]
        names += [item["document"]["name"] for item in inner if "document" in item]
    assert len(set(names)) == len(names)


@given(_requests())
def test_every_part_is_sent_or_reported_as_left_out(request: ChatRequest) -> None:
    """Nothing is dropped in silence: every part gives its block or blocks, but those that an adjustment names."""
    translation = translate(request, check_limits=False)
    left_out = {
        item.path
        for item in translation.adjustments
        if item.kind == "dropped" or item.code in {"blank-text-omitted", "unsigned-reasoning"}
    }
    parts = {f"system[{index}]": part for index, part in enumerate(request.system)}
    for number, message in enumerate(request.messages):
        parts |= {f"messages[{number}].parts[{index}]": part for index, part in enumerate(message.parts)}
    expected = sum(_block_count(part) for path, part in parts.items() if path not in left_out)
    expected -= sum(path.removesuffix(".text") in parts for path in left_out if path.endswith(".text"))
    added = sum(item.code in _ADDING for item in translation.adjustments)
    added += 2 * sum(
        item.code == "result-media-moved" and item.path.rpartition(".")[0] not in left_out
        for item in translation.adjustments
    )
    sent = sum(len(turn["content"]) for turn in translation.body["messages"]) + len(translation.body.get("system", []))
    assert sent == expected + added


def _block_count(part: Part) -> int:
    match part:
        case Reasoning(text, signature, bytes()) if text or signature is not None:
            return 2  # the readable half and the redacted one
        case _:
            return 1


@given(_histories)
def test_only_documented_errors_leave_translate(messages: tuple[Message, ...]) -> None:
    """A conversation that ends in any way is translated, or refused because nothing of its end is left."""
    try:
        translate(ChatRequest("anthropic.claude-3-haiku-20240307-v1:0", messages))
    except UnsupportedError as error:
        newest = f"messages[{len(messages) - 1}]: there is nothing in the newest message"
        assert str(error).startswith((newest, "messages: nothing is said")) or "number 6" in str(error)  # noqa: PT017 - either outcome is right
