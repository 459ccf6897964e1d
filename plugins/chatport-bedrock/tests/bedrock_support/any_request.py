"""Requests at random, with everything that our types can say, for property tests of translate.

Most of a request is what its place takes; now and then a part stands where nothing can take it. Media are real ones,
signatures are the emulator's own: what is made up would be refused for that alone.
"""

from collections.abc import Mapping
from typing import Any, Final

from hypothesis import strategies as st

from bedrock_support.emulation import gif, jpeg, png, webp_lossy
from chatport.backend import (
    Audio,
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
from chatport_bedrock._typed_blocks import (
    guard_content,
    search_result,
    text_document,
    tool_addition,
    tool_removal,
    with_bucket_owner,
)
from chatport_bedrock.emulator._signatures import sign

# Fourteen makers; of Claude one model for each way in which they differ.
MODELS: Final = (
    *("us.anthropic.claude-3-haiku-20240307-v1:0", "us.anthropic.claude-sonnet-4-20250514-v1:0"),
    *("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "us.anthropic.claude-sonnet-4-6"),
    *("us.amazon.nova-lite-v1:0", "us.amazon.nova-2-lite-v1:0", "us.meta.llama3-3-70b-instruct-v1:0"),
    *(
        "us.meta.llama4-scout-17b-instruct-v1:0",
        "mistral.mistral-large-2407-v1:0",
        "us.mistral.pixtral-large-2502-v1:0",
    ),
    *("cohere.command-r-plus-v1:0", "ai21.jamba-1-5-large-v1:0", "us.writer.palmyra-x5-v1:0", "us.deepseek.r1-v1:0"),
    *("deepseek.v3-v1:0", "openai.gpt-oss-120b-1:0", "qwen.qwen3-32b-v1:0", "moonshotai.kimi-k2.5"),
    *("minimax.minimax-m2", "zai.glm-4.6", "google.gemma-3-12b-it", "newcomer.model-1.5-v1:0"),
)
# Those whose models reason, of which there is reasoning in histories.
FAMILIES: Final = ("anthropic", "amazon", "openai", "deepseek", "qwen")

_PICTURES: Final[Mapping[str, bytes]] = {
    "image/png": png(),
    "image/jpeg": jpeg(),
    "image/gif": gif(),
    "image/webp": webp_lossy(),
}
_CITED: Final[list[dict[str, Any]]] = [
    {"title": "A", "sourceContent": [{"text": "q"}], "location": {"documentChar": {"documentIndex": 0, "start": 1}}},
    {"location": {"web": {"url": "https://example.org", "domain": "example.org"}}},
]

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.sampled_from(
    ["", " ", "\n", "Hello", "\x00"]
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
json_objects = st.dictionaries(texts, json_values, max_size=3)
_data = st.binary(min_size=1, max_size=6)
_marks = st.sampled_from([{}, {"openai": {"x": 1}}, {"bedrock": {}}, {"bedrock": {"y": [1]}}])

# --- words -----------------------------------------------------------------------------------------------------------


def _own_citation(raw: dict[str, Any]) -> Citation:
    quotes = tuple(entry["text"] for entry in raw.get("sourceContent", ()))
    return Citation(raw.get("title"), raw["location"].get("web", {}).get("url"), quotes, metadata={"bedrock": raw})


_citations = st.sampled_from(_CITED).map(_own_citation) | st.builds(
    Citation, texts, st.none(), metadata=st.sampled_from([{}, {"openai": {"x": 1}}])
)
_cited_raw = st.builds(
    lambda words, raws: Text(
        "".join(words),
        metadata={"bedrock": {"citationsContent": {"content": [{"text": w} for w in words], "citations": raws}}},
    ),
    st.lists(st.sampled_from(["a", "b."]), min_size=1, max_size=2),
    st.lists(st.sampled_from(_CITED), max_size=2),
)
words = st.builds(Text, texts, metadata=_marks)
cited_words = st.builds(Text, texts, st.lists(_citations, max_size=2).map(tuple), metadata=_marks) | _cited_raw
json_parts = st.builds(Json, json_values)
points = st.builds(CachePoint, st.sampled_from([None, "5m", "1h"]))
foreign = st.builds(Opaque, st.sampled_from(["openai", "other"]), json_values)

# --- media -----------------------------------------------------------------------------------------------------------

_uris = st.sampled_from(["s3://bucket/a", "s3://bucket/b.c", "gs://bucket/a"])
_images = st.sampled_from(sorted(_PICTURES.items())).map(lambda item: Image(*item)) | st.builds(
    Image, st.sampled_from(["image/png", "image/webp"]), st.none(), _uris
)
_names = st.none() | texts | st.sampled_from(["report.pdf", "report", "Größe (1).txt", "a  b", "document"])
_documents = st.builds(
    lambda content, name, context, citations: Document(
        content[0], content[1], name=name, context=context, citations=citations
    ),
    st.just(("application/pdf", b"%PDF-1.7"))
    | st.tuples(st.sampled_from(["text/plain", "text/csv", "application/json", "text/x-python"]), _data),
    _names,
    st.none() | st.just("from the archive"),
    st.booleans(),
) | st.builds(Document, st.just("application/pdf"), st.none(), _uris, name=_names)
_owned = st.builds(with_bucket_owner, st.just(Image("image/png", None, "s3://bucket/a")), st.just("123456789012"))
media = (
    _images
    | _documents
    | _owned
    | st.builds(Audio, st.sampled_from(["audio/wav", "audio/mpeg"]), _data)
    | st.builds(Video, st.sampled_from(["video/mp4", "video/webm"]), _data)
    | st.builds(Video, st.just("video/mp4"), st.none(), _uris)
)

# --- reasoning -------------------------------------------------------------------------------------------------------


def _thought(text: str, family: str | None, *, redacted: bytes | None, unsigned: bool) -> Reasoning:
    """Reasoning as decoding leaves it: Claude signs, the others do not; without a family somebody made it by hand."""
    mark = {} if family is None else {"bedrock": {"family": family}}
    signs = family == "anthropic" or (family is None and not unsigned)
    if redacted is not None and signs:
        return Reasoning(redacted=redacted, metadata=mark)
    return Reasoning(text, sign(text) if signs else None, metadata=mark)


reasoning = st.one_of(
    st.builds(
        _thought,
        texts,
        st.sampled_from([None, *FAMILIES]),
        redacted=st.none() | st.binary(max_size=3),
        unsigned=st.booleans(),
    ),
    st.builds(Reasoning, texts, st.just("sig"), metadata=st.just({"openai": {"id": "1"}})),
)

# --- tools -----------------------------------------------------------------------------------------------------------

_tool_names = st.sampled_from(["weather", "clock", "search_2", "files.read", "größe", "x" * 70, "with-hyphen"])
call_ids = st.sampled_from(["a", "b", "c", "tooluse_1", "functions.t:0", "", "call|1/é", "x" * 80, "aB3dE6gH9"])
_own_ids = st.sampled_from(["tooluse_1", "functions.t:0", "chatcmpl-tool-1"])
calls = st.one_of(
    st.builds(ToolCall, call_ids, _tool_names, json_objects, metadata=st.sampled_from([{}, {"openai": {"x": 1}}])),
    # What the service issued goes back as it came, so it is what the service can have issued.
    st.builds(ToolCall, _own_ids, st.just("weather"), json_objects, metadata=st.just({"bedrock": {}})),
    st.builds(ToolCall, call_ids, _tool_names, st.just({}), st.sampled_from(['{"a', "[1]", ""])),
)
_plain_result_parts = words | json_parts | st.builds(Json, json_objects) | foreign | points
_found = st.builds(search_result, st.just("https://example.org"), st.just("A"), st.just(["one", "two"]))
result_parts = _plain_result_parts | _images | _documents | st.builds(Video, st.just("video/mp4"), _data) | _found
results = st.builds(
    ToolResult,
    call_ids,
    st.lists(result_parts, max_size=3).map(tuple),
    st.booleans(),
    metadata=st.sampled_from(
        [{}, {"bedrock": {"status": "success"}}, {"bedrock": {"status": "error"}}, {"openai": {}}]
    ),
)
# What the service itself gave as a result is words and objects, and goes back as it came.
_own_results = st.builds(
    ToolResult, call_ids, st.lists(words | st.builds(Json, json_objects), max_size=2).map(tuple), st.booleans()
)


@st.composite
def _server_exchanges(draw: st.DrawFn) -> list[Part]:
    """What the service did itself in an answer: its call, and the result behind it."""
    call_id = draw(st.sampled_from(["server_1", "server_2"]))
    call = ToolCall(call_id, "nova_grounding", {}, executed_by="server", metadata={"bedrock": {}})
    marks = {"bedrock": {"type": "nova_grounding_result"}}
    return [call, ToolResult(call_id, (Json({"hits": 1}),), metadata=marks)]


# --- messages --------------------------------------------------------------------------------------------------------

_own_blocks = (
    st.builds(guard_content, st.sampled_from(["careful", Image("image/png", png())]))
    | _found
    | st.sampled_from(["notes", "report"]).map(lambda name: text_document(name, "words"))
)
_user_parts = words | cited_words | json_parts | points | foreign | media | _own_blocks | reasoning
_assistant_parts = words | cited_words | json_parts | points | foreign | reasoning
_system_parts = words | json_parts | points | foreign
_changes = st.sampled_from([tool_addition("extra"), tool_removal("extra")])
# What stands where nothing takes it: the planner refuses, and says where.
_MISPLACED: Final[tuple[tuple[Role, Part], ...]] = (
    ("user", ToolCall("a", "weather")),
    ("user", Document("application/zip", b"PK")),
    ("user", Image("image/png", b"")),
    ("user", Image("image/tiff", b"II")),
    ("user", Audio("audio/wav", None, url="https://example.org/a.wav")),
    ("user", Opaque("bedrock", "no object")),
    ("tool", ToolResult("a", (ToolCall("b", "clock"),))),
    ("tool", ToolResult("a", (Audio("audio/wav", b"RIFF"),))),
    ("assistant", CachePoint("2h")),
    ("system", Image("image/png", png())),
)


def _message(role: Role, parts: st.SearchStrategy[Part], size: int = 4) -> st.SearchStrategy[Message]:
    return st.builds(Message, st.just(role), st.lists(parts, max_size=size).map(tuple))


@st.composite
def _exchanges(draw: st.DrawFn) -> list[Message]:
    """Calls with their results, in any order, some missing and some twice."""
    asked = draw(st.lists(calls, min_size=1, max_size=3))
    said = draw(st.lists(_assistant_parts, max_size=2))
    given = [ToolResult(call.id, draw(st.lists(result_parts, max_size=2)), draw(st.booleans())) for call in asked]
    given = draw(st.permutations(given))[: draw(st.integers(0, 3))]
    more = draw(st.lists(words | points | results, max_size=2))
    return [Message("assistant", (*said, *asked)), Message("tool", (*given, *more))]


_turns = st.one_of(
    _message("user", _user_parts).map(lambda message: [message]),
    _message("user", _user_parts | results, 2).map(lambda message: [message]),
    _message("assistant", _assistant_parts).map(lambda message: [message]),
    _message("assistant", _assistant_parts | media | calls | _own_results, 3).map(lambda message: [message]),
    st.builds(lambda parts, more: [Message("assistant", (*parts, *more))], _server_exchanges(), st.lists(words)),
    _message("system", _system_parts | _changes, 2).map(lambda message: [message]),
    _exchanges(),
)
histories = st.lists(_turns, max_size=4).map(lambda turns: [message for turn in turns for message in turn])

# --- requests --------------------------------------------------------------------------------------------------------

_schemas = st.sampled_from(
    [
        {"type": "object", "properties": {}},
        {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
        {"type": "object", "$defs": {"A": {"type": "integer"}}, "properties": {"a": {"$ref": "#/$defs/A"}}},
    ]
)
_outputs = st.sampled_from(
    [
        {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
        {"type": "object", "properties": {"n": {"type": "integer", "minimum": 0}}},
    ]
)
tools = st.lists(st.builds(Tool, _tool_names, texts, _schemas), max_size=3, unique_by=lambda tool: tool.name).map(tuple)
settings = st.builds(
    Settings,
    max_tokens=st.none() | st.integers(1, 4000),
    temperature=st.none() | st.floats(0, 1),
    top_p=st.none() | st.floats(0, 1),
    top_k=st.none() | st.integers(0, 500),
    stop_sequences=st.none() | st.lists(st.sampled_from(["END", "\n"]), max_size=2).map(tuple),
    reasoning=st.sampled_from([None, None, "off", "low", "medium", "high", "max", 2048]),
    cache=st.sampled_from([None, None, "auto", "5m", "1h"]),
)


def _without_doubles(history: list[Message]) -> list[Message]:
    """Words that are documents have names of the caller's own, who has to keep them apart."""
    seen: list[str] = []

    def is_new(part: Part) -> bool:
        match part:
            case Opaque(data={"document": {"name": str(name)}}):
                seen.append(name)
                return seen.count(name) == 1
            case _:
                return True

    return [Message(message.role, tuple(part for part in message.parts if is_new(part))) for message in history]


@st.composite
def requests(draw: st.DrawFn, models: tuple[str, ...] = MODELS) -> ChatRequest:
    """A request: any history, any system prompt, any tools and settings, for one of the models."""
    offered = draw(tools)
    choices = [None, "auto", "none", *(["any", offered[0].name] if offered else [])]
    history = _without_doubles(draw(histories))
    if draw(st.integers(0, 15)) == 9:  # not 0, which is drawn more often
        role, part = draw(st.sampled_from(_MISPLACED))
        history = [*history, Message(role, (part,))]
    if not history or history[-1].role != "assistant" or draw(st.booleans()):
        history = [*history, Message.user("And now?")]
    return ChatRequest(
        draw(st.sampled_from(models)),
        tuple(history),
        tuple(draw(st.lists(_system_parts, max_size=3))),
        offered,
        draw(st.sampled_from(choices)),
        draw(settings),
        streaming=draw(st.booleans()),
        output_schema=draw(st.none() | _outputs),
    )
