"""Requests at random, with everything that our types can say, for property tests of translate.

Most of a request is what its place takes; now and then a part stands where nothing can take it.
"""

from __future__ import annotations

from typing import Any, Final

from hypothesis import strategies as st

from chatport.backend import (
    CachePoint,
    ChatRequest,
    Citation,
    Document,
    Image,
    Json,
    Message,
    Opaque,
    Part,
    Reasoning,
    Role,
    Settings,
    Text,
    Tool,
    ToolCall,
    ToolResult,
    Video,
)
from chatport_anthropic import search_result, text_document

MODELS: Final = (
    *("claude-2.1", "claude-3-haiku-20240307", "claude-3-7-sonnet-latest", "claude-opus-4-1", "claude-sonnet-4-5"),
    *("claude-opus-4-6", "claude-opus-4-8", "claude-sonnet-5", "claude-fable-5-1", "gpt-oss:20b"),
)

_texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.sampled_from(["", " ", "\n", "Hello"])
_json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | _texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_texts, inner, max_size=3),
    max_leaves=6,
)
_objects = st.dictionaries(_texts, _json_values, max_size=3)
_ids = st.sampled_from(["toolu_1", "toolu_2", "functions.get:0", "call_1"])
_names = st.sampled_from(["weather", "search.web", "naïve", "x" * 140])

_CITED: Final[dict[str, Any]] = {
    "type": "char_location",
    "cited_text": "q",
    "document_index": 0,
    "document_title": None,
    "start_char_index": 0,
    "end_char_index": 1,
}
_citations = st.sampled_from(
    [Citation("A", metadata={"anthropic": _CITED}), Citation("B"), Citation("C", metadata={"bedrock": {}})]
)
_words = st.builds(Text, _texts, st.lists(_citations, max_size=2).map(tuple))
_points = st.builds(CachePoint, st.sampled_from([None, "5m", "1h"]))
_foreign = st.builds(Opaque, st.sampled_from(["bedrock", "openai"]), _json_values)
_media: st.SearchStrategy[Part] = st.sampled_from(
    [
        Image("image/png", b"\x89PNG"),
        Image.from_url("https://example.org/a.webp"),
        Image("image/png", None, "s3://a/b"),
        Image.from_uri("anthropic://file_1", media_type="image/png"),
        Document("application/pdf", b"%PDF-1.7", name="a.pdf", context="c", citations=True),
        Document("text/csv", b"a,b", name=" "),
        Document.from_url("https://example.org/a.pdf"),
    ]
)
_typed = st.sampled_from([search_result("s", "T", "x", citations=True), text_document(["a", "b"], title="T")])
_thoughts = st.builds(
    Reasoning,
    _texts,
    st.none() | st.sampled_from(["", "c2ln"]),
    st.none() | st.just(b"redacted"),
    metadata=st.sampled_from(
        [{}, {"anthropic": {"family": "anthropic"}}, {"anthropic": {"family": "other"}}, {"bedrock": {}}]
    ),
)
_calls = (
    st.builds(
        ToolCall,
        _ids,
        _names,
        _objects,
        metadata=st.sampled_from([{}, {"openai": {}}]),
    )
    | st.builds(
        ToolCall, st.just("toolu_1"), _names, _objects, metadata=st.just({"anthropic": {"caller": {"type": "direct"}}})
    )
    | st.builds(ToolCall, _ids, _names, st.just({}), st.just("{half"))
)
_SEARCH: Final = ToolCall(
    "srvtoolu_1",
    "web_search",
    {"query": "x"},
    executed_by="server",
    metadata={"anthropic": {"type": "server_tool_use"}},
)
_FOUND: Final[dict[str, Any]] = {"type": "web_search_result", "title": "T", "url": "u", "encrypted_content": "e"}
_served = st.sampled_from(
    [
        _SEARCH,
        ToolResult("srvtoolu_1", (Json([_FOUND]),), metadata={"anthropic": {"type": "web_search_tool_result"}}),
        ToolCall("x", "nova_grounding", {}, executed_by="server", metadata={"bedrock": {}}),
        ToolResult("x", "found", metadata={"bedrock": {}}),
    ]
)
_result_content = st.lists(_words | st.builds(Json, _json_values) | _media | _typed | _points, max_size=3)
_results = st.builds(ToolResult, _ids, _result_content.map(tuple), st.booleans())
_misplaced: st.SearchStrategy[Part] = st.sampled_from([Video("video/mp4", b"x"), ToolCall("toolu_1", "weather")])

_user_parts = _words | _media | _points | _foreign | _typed | st.builds(Json, _json_values) | _thoughts
_model_parts = _words | _calls | _thoughts | _served | _points | _foreign | _media


@st.composite
def _messages(draw: st.DrawFn) -> Message:
    role: Role = draw(st.sampled_from(["user", "user", "assistant", "assistant", "tool", "system"]))
    rows: dict[Role, st.SearchStrategy[Any]] = {
        "assistant": _model_parts,
        "system": _words | _points,
        "tool": _results,
        "user": _user_parts,
    }
    rare = draw(st.integers(0, 40)) == 0
    return Message(role, tuple(draw(st.lists(_misplaced if rare else rows[role], max_size=4))))


_SCHEMAS: Final[tuple[dict[str, Any], ...]] = (
    {"type": "object", "properties": {"city": {"type": "string", "minLength": 2}}, "required": ["city"]},
    {"properties": {"n": {"type": ["integer", "null"], "minimum": 1}}},
    {"type": "object"},
    {"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}}, "$defs": {"node": {"type": "null"}}},
)
_tools = st.lists(
    st.builds(Tool, _names, st.sampled_from(["", "What it does."]), st.sampled_from(_SCHEMAS), strict=st.booleans()),
    max_size=3,
    unique_by=lambda tool: tool.name,
)
_settings = st.builds(
    Settings,
    max_tokens=st.none() | st.integers(1, 200_000),
    temperature=st.none() | st.floats(0, 1),
    top_p=st.none() | st.floats(0, 1),
    top_k=st.none() | st.integers(0, 100),
    stop_sequences=st.none() | st.just(("###",)),
    reasoning=st.sampled_from([None, "off", "minimal", "low", "high", "max", 500, 5000]),
    cache=st.sampled_from([None, "auto", "5m", "1h"]),
    extra=st.sampled_from(
        [
            {},
            {"anthropic": {"tool_choice": {"disable_parallel_tool_use": True}}},
            {"anthropic": {"tools": [{"type": "web_search_20250305", "name": "web_search"}]}},
            {"anthropic": {"metadata": {"user_id": "u"}, "service_tier": "auto"}},
            {"openai": {"zebra": 1}},
        ]
    ),
)


@st.composite
def requests(draw: st.DrawFn, models: tuple[str, ...] = MODELS) -> ChatRequest:
    """Any request."""
    tools = tuple(draw(_tools))
    choices = [None, "auto", "none", *(["any", tools[0].name] if tools else [])]
    history = draw(st.lists(_messages(), max_size=6))
    question = [] if history and draw(st.integers(0, 3)) == 0 else [Message.user("And now?")]
    return ChatRequest(
        draw(st.sampled_from(models)),
        (*history, *question),
        tuple(draw(st.lists(_words | _points, max_size=2))),
        tools,
        draw(st.sampled_from(choices)),
        draw(_settings),
        output_schema=draw(st.none() | st.none() | st.sampled_from(_SCHEMAS)),
    )
