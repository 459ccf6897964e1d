from dataclasses import fields
from types import MappingProxyType
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.strategies import json_objects

from chatport._adjustments import Adjustment
from chatport._messages import Message
from chatport._request import CacheChoice, ChatRequest, Preview, ReasoningLevel, Settings, Tool, deep_merge

# --- settings --------------------------------------------------------------------------------------------------------


def _settings() -> st.SearchStrategy[Settings]:
    numbers = st.none() | st.integers(0, 5)
    stops = st.none() | st.lists(st.sampled_from("abc"), max_size=2).map(tuple)
    extra = st.dictionaries(st.sampled_from(["echo", "other"]), json_objects(), max_size=2)
    reasoning = st.none() | st.integers(1, 5) | st.sampled_from(get_args(ReasoningLevel))
    cache = st.none() | st.sampled_from(get_args(CacheChoice))
    return st.builds(Settings, numbers, numbers, numbers, numbers, stops, reasoning, cache, extra)


def test_nothing_is_set_by_default() -> None:
    """Only what the caller set is sent, so by default there is nothing."""
    settings = Settings()
    assert {item.name: getattr(settings, item.name) for item in fields(settings)} == {
        "max_tokens": None,
        "temperature": None,
        "top_p": None,
        "top_k": None,
        "stop_sequences": None,
        "reasoning": None,
        "cache": None,
        "extra": {},
    }


def test_what_is_set_later_wins() -> None:
    """Field by field: a turn's settings over the session's, what the turn leaves open stays."""
    base = Settings(max_tokens=10, temperature=0.5, stop_sequences=("a",))
    assert base.merged(Settings(max_tokens=20, top_k=3)) == Settings(20, 0.5, None, 3, ("a",))
    assert base.merged(Settings(stop_sequences=())) == Settings(10, 0.5, stop_sequences=())


def test_zero_is_a_value() -> None:
    """A temperature of 0 is asked for, not left out."""
    assert Settings(temperature=0.7, top_p=0.5).merged(Settings(temperature=0, top_p=0)) == Settings(
        temperature=0, top_p=0
    )


@given(_settings(), _settings())
def test_merging_is_field_by_field(base: Settings, over: Settings) -> None:
    """Each field is the upper one's if set, else the lower one's; neither of the two changes."""
    before = (repr(base), repr(over))
    merged = base.merged(over)
    for item in fields(Settings):
        if item.name != "extra":
            upper = getattr(over, item.name)
            assert getattr(merged, item.name) == (getattr(base, item.name) if upper is None else upper)
    assert merged.extra == deep_merge(base.extra, over.extra)
    assert (repr(base), repr(over)) == before


@given(_settings())
def test_nothing_merged_is_nothing_changed(settings: Settings) -> None:
    """None and empty settings are neutral."""
    assert settings.merged(None) is settings
    assert settings.merged(Settings()) == settings
    assert Settings().merged(settings) == settings


def test_any_mapping_may_be_extra() -> None:
    """A backend's typed form of it is one; in the settings it is a dict, so that it merges. What is none stays."""
    typed = MappingProxyType({"a": {"b": 1}})
    settings = Settings(extra=MappingProxyType({"echo": typed}))
    assert type(settings.extra) is dict
    assert type(settings.extra["echo"]) is dict
    assert settings.merged(Settings(extra={"echo": {"a": {"c": 2}}})).extra == {"echo": {"a": {"b": 1, "c": 2}}}
    wrong: Any = {"echo": ["a"]}
    assert Settings(extra=wrong).extra == wrong


def test_stop_sequences_become_a_tuple() -> None:
    """A list is what people write; a value has tuples."""
    assert Settings(stop_sequences=["a", "b"]) == Settings(stop_sequences=("a", "b"))


def test_one_string_is_not_a_sequence_of_stops() -> None:
    """`stop_sequences="END"` would stop at E, N and D."""
    with pytest.raises(TypeError, match="stop_sequences is a sequence of str"):
        Settings(stop_sequences="END")


@pytest.mark.parametrize("reasoning", [*get_args(ReasoningLevel), 1, 100_000])
def test_reasoning_is_a_level_or_a_budget(reasoning: Any) -> None:
    """Every level, and every number of tokens from 1; equal settings have equal hashes."""
    settings = Settings(reasoning=reasoning)
    assert settings.reasoning == reasoning
    assert settings == Settings(reasoning=reasoning)
    assert hash(settings) == hash(Settings(reasoning=reasoning))
    assert Settings(reasoning="low").merged(settings) == settings


@pytest.mark.parametrize(
    ("reasoning", "error", "message"),
    [
        (True, TypeError, "a number of tokens, not True"),
        (1.5, TypeError, "a number of tokens, not 1.5"),
        (["low"], TypeError, "not \\['low'\\]"),
        ("none", ValueError, "one of off, minimal, low, medium, high, xhigh, max or a number of tokens, not 'none'"),
        ("", ValueError, "not ''"),
        (0, ValueError, "at least 1 token, not 0; to ask for none say 'off'"),
        (-1, ValueError, "not -1"),
    ],
)
def test_other_reasoning_is_refused(reasoning: Any, error: type[Exception], message: str) -> None:
    """Where it is said, not where it is sent; a bool is no number of tokens, and 0 is no budget."""
    with pytest.raises(error, match=message):
        Settings(reasoning=reasoning)


@pytest.mark.parametrize("cache", ["2d", "", True, 5])
def test_caches_have_known_lives(cache: Any) -> None:
    """Anything but the three words is refused at once."""
    with pytest.raises(ValueError, match="cache is one of auto, 5m, 1h, not"):
        Settings(cache=cache)


# --- deep merge ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("base", "over", "merged"),
    [
        ({}, {}, {}),
        ({"a": 1}, {"b": 2}, {"a": 1, "b": 2}),
        ({"a": {"x": 1, "y": {"z": 1}}}, {"a": {"y": {"w": 2}}}, {"a": {"x": 1, "y": {"z": 1, "w": 2}}}),
        ({"a": [1, 2]}, {"a": [3]}, {"a": [3]}),
        ({"a": {"x": 1}}, {"a": [1]}, {"a": [1]}),
        ({"a": [1]}, {"a": {"x": 1}}, {"a": {"x": 1}}),
        ({"a": {"x": 1}}, {"a": None}, {"a": None}),
        ({"a": {"x": 1}}, {"a": {}}, {"a": {"x": 1}}),
        ({"Key": 1}, {"key": 2}, {"Key": 1, "key": 2}),
    ],
    ids=repr,
)
def test_objects_are_merged_and_the_rest_is_replaced(
    base: dict[str, Any], over: dict[str, Any], merged: dict[str, Any]
) -> None:
    """Members are merged at every depth with their case kept; lists and values are replaced whole."""
    assert deep_merge(base, over) == merged


@given(json_objects(), json_objects())
def test_merging_keeps_its_arguments(a: dict[str, Any], b: dict[str, Any]) -> None:
    """Neither argument changes; merging again changes nothing; what comes last is found again."""
    before = (repr(a), repr(b))
    merged = deep_merge(a, b)
    assert (repr(a), repr(b)) == before
    assert deep_merge(merged, b) == merged
    assert deep_merge(a, {}) == deep_merge({}, a) == a
    assert merged.keys() == a.keys() | b.keys()
    for name, value in b.items():
        if not isinstance(value, dict):
            assert merged[name] == value


# --- tools, requests -------------------------------------------------------------------------------------------------


def test_a_tool_without_a_schema_takes_no_arguments() -> None:
    """The shortest tool is a name; its schema is an object without members, a new one for each tool."""
    one, other = Tool("stop"), Tool("stop")
    assert one.schema == {"type": "object", "properties": {}}
    assert one.schema is not other.schema
    assert (one.description, one.function) == ("", None)


def test_a_tool_needs_a_name() -> None:
    """A model cannot call what has no name."""
    with pytest.raises(ValueError, match="a tool needs a name"):
        Tool("")


@pytest.mark.parametrize("schema", [None, "{}", [], 1], ids=repr)
def test_a_schema_is_a_dict(schema: Any) -> None:
    """JSON text is not parsed in passing; the tool is named."""
    with pytest.raises(TypeError, match="the schema of the tool 'add' must be a dict"):
        Tool("add", schema=schema)


def test_the_repr_of_a_tool_shows_no_function() -> None:
    """Functions may be bound to objects with secrets."""
    assert "function" not in repr(Tool("add", function=print))


def test_a_request_asks_for_one_whole_answer_by_default() -> None:
    """What a caller does not say: no system prompt, no tools, not streamed, losses reported."""
    request = ChatRequest("parrot-1", (Message.user("hi"),))
    assert request == ChatRequest(
        model="parrot-1",
        messages=(Message.user("hi"),),
        system=(),
        tools=(),
        tool_choice=None,
        settings=Settings(),
        streaming=False,
        strict=False,
    )


def test_a_preview_is_what_would_be_sent_and_what_would_be_lost() -> None:
    """Both parts by name and by position."""
    loss = Adjustment("dropped", "x", "settings.top_k", "no")
    preview = Preview({"a": 1}, (loss,))
    assert (preview.request, preview.adjustments) == ({"a": 1}, (loss,))
    assert Preview({}).adjustments == ()
