"""Values at random, for property tests: JSON, text, parts, messages, and texts cut into pieces."""

from typing import Any

from hypothesis import strategies as st

from chatport.backend import (
    Audio,
    CachePoint,
    Citation,
    Document,
    Image,
    Json,
    Message,
    Opaque,
    Part,
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
    Video,
)

# Short values find the same bugs as long ones, sooner.
_LONGEST = 12
_BACKENDS = st.sampled_from(["echo", "scripted", "another-one"])


def texts() -> st.SearchStrategy[str]:
    """Text of any script, the characters beyond the basic plane included, and now and then much of one letter."""
    return st.one_of(
        st.text(max_size=_LONGEST),
        st.text(st.characters(min_codepoint=0x10000), max_size=3),
        st.sampled_from(
            ["", "\x00", "\u2028", "\ufeff", '"\\', "e\u0301", "👩‍👩‍👧", "\N{HANGUL SYLLABLE GAG}", "a" * 3000]
        ),
    )


def json_values() -> st.SearchStrategy[Any]:
    """Anything that JSON can say, integers beyond 64 bits included."""
    leaves = st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.integers(min_value=-(2**80), max_value=2**80),
        st.floats(allow_nan=False, allow_infinity=False),
        texts(),
    )
    return st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts(), inner, max_size=3),
        max_leaves=8,
    )


def json_objects() -> st.SearchStrategy[dict[str, Any]]:
    """JSON objects, such as the arguments of a call."""
    return st.dictionaries(texts(), json_values(), max_size=3)


def metadata() -> st.SearchStrategy[dict[str, Any]]:
    """Nothing, mostly; else JSON objects by the name of a backend."""
    return st.just({}) | st.dictionaries(_BACKENDS, json_objects(), max_size=2)


def _media(kind: Any, media_types: list[str], **more: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    types = st.sampled_from(media_types)
    stored = st.builds("s3://bucket/{}".format, st.text("abcdefgh/-_.", min_size=1, max_size=_LONGEST))
    return st.one_of(
        st.builds(kind, types, st.binary(max_size=40), metadata=metadata(), **more),
        st.builds(kind, types, st.none(), stored, metadata=metadata(), **more),
    )


def images() -> st.SearchStrategy[Image]:
    """Pictures: any bytes under the name of a picture's type, or an address."""
    return _media(Image, ["image/png", "image/jpeg", "image/webp"])


def documents() -> st.SearchStrategy[Document]:
    """Documents, some with a name."""
    return _media(Document, ["application/pdf", "text/plain", "text/csv"], name=st.none() | texts())


def audio() -> st.SearchStrategy[Audio]:
    """Sound recordings."""
    return _media(Audio, ["audio/mpeg", "audio/wav"])


def videos() -> st.SearchStrategy[Video]:
    """Films."""
    return _media(Video, ["video/mp4", "video/webm"])


def citations() -> st.SearchStrategy[Citation]:
    """Citations, each member there or not."""
    optional = st.none() | texts()
    quotes = st.lists(texts(), max_size=2).map(tuple)
    return st.builds(Citation, optional, optional, quotes, metadata=metadata())


def text_parts() -> st.SearchStrategy[Text]:
    """Text, some of it with citations."""
    return st.builds(Text, texts(), st.lists(citations(), max_size=2).map(tuple), metadata=metadata())


def reasoning() -> st.SearchStrategy[Reasoning]:
    """Reasoning: plain, signed, redacted, or any mixture."""
    return st.builds(Reasoning, texts(), st.none() | texts(), st.none() | st.binary(max_size=40), metadata=metadata())


def tool_calls() -> st.SearchStrategy[ToolCall]:
    """Calls with arguments, and calls whose arguments are no JSON object."""
    executed_by = st.sampled_from(["client", "server"])
    return st.one_of(
        st.builds(ToolCall, texts(), texts(), json_objects(), executed_by=executed_by, metadata=metadata()),
        st.builds(ToolCall, texts(), texts(), st.just({}), texts(), executed_by, metadata=metadata()),
    )


def plain_parts() -> st.SearchStrategy[Part]:
    """Every part that holds no other parts."""
    return st.one_of(
        text_parts(),
        images(),
        documents(),
        audio(),
        videos(),
        reasoning(),
        tool_calls(),
        st.builds(Json, json_values(), metadata=metadata()),
        st.builds(CachePoint, st.none() | texts(), metadata=metadata()),
        st.builds(Opaque, _BACKENDS, json_values(), metadata=metadata()),
    )


def tool_results(content: st.SearchStrategy[Part] | None = None) -> st.SearchStrategy[ToolResult]:
    """Results of tools.

    Args:
        content: What they hold; by default any plain part.
    """
    rows = st.lists(plain_parts() if content is None else content, max_size=3).map(tuple)
    return st.builds(ToolResult, texts(), rows, st.booleans(), metadata=metadata())


def parts() -> st.SearchStrategy[Part]:
    """Every part, results within results included."""
    return st.recursive(plain_parts(), tool_results, max_leaves=6)


def messages() -> st.SearchStrategy[Message]:
    """Messages of every role with any parts: valid values, not always sensible conversations."""
    roles = st.sampled_from(["system", "user", "assistant", "tool"])
    return st.builds(Message, roles, st.lists(parts(), max_size=4).map(tuple), metadata=metadata())


@st.composite
def pieces_of(draw: st.DrawFn, text: str) -> list[str]:
    """A text in pieces that together are the text; some of them may be empty."""
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=5)))
    return [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
