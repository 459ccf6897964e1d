import copy
import pickle
from collections import deque
from dataclasses import FrozenInstanceError
from typing import Any, get_args

import pytest
from hypothesis import given
from tests.strategies import json_objects, json_values, messages, parts, texts

from chatport._media import Document, Image
from chatport._messages import (
    CachePoint,
    Citation,
    Json,
    Message,
    Opaque,
    Part,
    Reasoning,
    Role,
    Text,
    ToolCall,
    ToolResult,
    as_parts,
    is_part,
    parts_of,
    tool_content,
)

_IMAGE = Image("image/png", b"x")

# --- content ---------------------------------------------------------------------------------------------------------


def test_text_is_a_part() -> None:
    """A str is the shortest way to say something."""
    assert as_parts("hi") == (Text("hi"),)
    assert as_parts("") == (Text(""),)


@given(parts())
def test_a_part_stays_what_it_is(part: Part) -> None:
    """Parts are taken as they are, alone or in any sequence, mixed with text."""
    assert is_part(part)
    assert as_parts(part) == (part,)
    assert as_parts([part, "hi"]) == as_parts(deque([part, "hi"])) == (part, Text("hi"))
    assert as_parts(part)[0] is part


def test_an_empty_sequence_has_no_parts() -> None:
    """Nothing said is nothing, not an empty text."""
    assert as_parts([]) == as_parts(()) == ()


def test_several_contents_are_one_row() -> None:
    """The arguments of a turn stand one after the other."""
    assert parts_of(["a", _IMAGE, ["b", _IMAGE], []]) == (Text("a"), _IMAGE, Text("b"), _IMAGE)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (1, "not int"),
        (None, "not NoneType"),
        (b"hi", "not bytes"),
        (bytearray(b"hi"), "not bytearray"),
        ({"text": "hi"}, "not dict"),
        ({"hi"}, "not set"),
        (Text, "not type"),
        (Citation(), "not Citation"),
        (Message.user("hi"), "not Message"),
        ([1], "it holds a int"),
        (["hi", b"hi"], "it holds a bytes"),
        ([["hi"]], "it holds a list"),
        ([Message.user("hi")], "it holds a Message"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_what_is_no_content_is_refused(content: Any, what: str) -> None:
    """A dict of another library, bytes or a whole message: the error says what came."""
    with pytest.raises(TypeError, match=f"content must be a str, a part or a sequence of them[,;] {what}$"):
        as_parts(content)


@pytest.mark.parametrize("value", [None, 1, "text", Text, Citation(), Message.user("hi")], ids=repr)
def test_what_is_no_part(value: object) -> None:
    """Only the eleven parts are parts."""
    assert not is_part(value)


# --- results of tools ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("sunny", (Text("sunny"),)),
        ("", (Text(""),)),
        (_IMAGE, (_IMAGE,)),
        ((), ()),
        ([], (Json([]),)),
        ({}, (Json({}),)),
        (None, (Json(None),)),
        (0, (Json(0),)),
        (False, (Json(False),)),
        (1.5, (Json(1.5),)),
        (["a", "b"], (Json(["a", "b"]),)),
        (("a", 1), (Json(["a", 1]),)),
        ({"a": (1, 2)}, (Json({"a": [1, 2]}),)),
        ({1: "a", None: "b"}, (Json({"1": "a", "null": "b"}),)),
        ([_IMAGE, "a"], (_IMAGE, Text("a"))),
        (("a", Json(1)), (Text("a"), Json(1))),
        (deque([Text("a")]), (Text("a"),)),
    ],
    ids=repr,
)
def test_a_result_becomes_parts(content: Any, expected: tuple[Part, ...]) -> None:
    """Text and parts are what they are; every other JSON value is one `Json`."""
    assert tool_content(content) == expected
    assert ToolResult("1", content).content == expected


@given(json_values())
def test_any_json_is_a_result(value: Any) -> None:
    """Whatever a tool returns as JSON reaches the model as that JSON."""
    expected = (Text(value),) if isinstance(value, str) else (Json(value),)
    assert tool_content(value) == expected


@pytest.mark.parametrize(
    "content",
    [
        b"bytes",
        object(),
        {"a": b"bytes"},
        {1, 2},
        float("nan"),
        {"a": [float("inf")]},
        {(1, 2): 3},
        {1: "a", "1": "b"},
        [Text("a"), 1],
        [Text("a"), {"b": 1}],
        range(3),
    ],
    ids=[
        "bytes",
        "object",
        "bytes in it",
        "set",
        "nan",
        "inf in it",
        "tuple as name",
        "one name twice",
        "number beside parts",
        "dict beside parts",
        "range",
    ],
)
def test_a_result_that_is_neither_parts_nor_json_is_refused(content: Any) -> None:
    """Nothing is sent as its Python repr, nothing lost because two names become one."""
    with pytest.raises(TypeError):
        ToolResult("1", content)


def test_a_result_that_holds_itself_is_refused() -> None:
    """A loop, or nesting without end, is an error about the result, not about the stack."""
    loop: list[Any] = []
    loop.append(loop)
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    for content in (loop, deep):
        with pytest.raises(TypeError, match="a tool's result must be text, parts or a JSON value"):
            ToolResult("1", content)


def test_a_result_does_not_change_with_what_it_was_made_from() -> None:
    """A tool that goes on working with the list it returned does not change the history."""
    rows = {"rows": [1]}
    result = ToolResult("1", rows)
    rows["rows"].append(2)
    assert result.content == (Json({"rows": [1]}),)


def test_the_fields_of_a_result() -> None:
    """By position, by name and by default."""
    assert ToolResult("1") == ToolResult(id="1", content=(), is_error=False, metadata={})
    result = ToolResult("1", "no", True, metadata={"echo": {}})
    assert (result.id, result.text, result.is_error, result.metadata) == ("1", "no", True, {"echo": {}})
    match result:
        case ToolResult(id_, content, is_error):
            assert (id_, content, is_error) == ("1", (Text("no"),), True)
        case _:
            pytest.fail("a result is matched by position")


def test_the_text_of_a_result_is_its_text_parts() -> None:
    """Pictures and JSON are not text."""
    assert ToolResult("1", ["a", _IMAGE, Json("x"), "b"]).text == "ab"


# --- messages --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", get_args(Role))
def test_every_role_may_speak(role: Role) -> None:
    """The four roles, and parts from a str, a list or a tuple."""
    expected = Message(role, (Text("hi"),))
    assert Message(role, [Text("hi")]) == Message(role, "hi") == expected  # type: ignore[arg-type]
    assert type(Message(role, [Text("hi")]).parts) is tuple  # type: ignore[arg-type]


@pytest.mark.parametrize("role", ["", "User", "function", None, 1, ["user"]], ids=repr)
def test_nobody_else_may(role: Any) -> None:
    """A role of another library is refused with the roles there are."""
    with pytest.raises(ValueError, match="role must be one of system, user, assistant, tool, not"):
        Message(role, ())


def test_a_message_is_made_of_parts_only() -> None:
    """What is no part is found when the message is made, not when it is sent."""
    with pytest.raises(TypeError, match="it holds a int"):
        Message("user", (1,))  # type: ignore[arg-type]


@pytest.mark.parametrize("role", ["user", "assistant", "system"])
def test_the_short_ways_to_make_a_message(role: Role) -> None:
    """One constructor for each role that people write by hand."""
    make = getattr(Message, role)
    assert make("a", [_IMAGE, "b"]) == Message(role, (Text("a"), _IMAGE, Text("b")))
    assert make() == Message(role, ())


def test_views_of_a_message() -> None:
    """Text, readable reasoning and the calls that the caller has to run; the rest stays among the parts."""
    mine = ToolCall("1", "f", {"a": 1})
    broken = ToolCall("2", "f", invalid_json="{")
    theirs = ToolCall("3", "search", executed_by="server")
    message = Message.assistant(
        Reasoning("why "), "a", Json("x"), mine, Reasoning(redacted=b"x"), theirs, Reasoning("not"), "b", broken
    )
    assert message.text == "ab"
    assert message.reasoning == "why not"
    assert message.tool_calls == (mine, broken)
    empty = Message.user()
    assert (empty.text, empty.reasoning, empty.tool_calls) == ("", "", ())


# --- values ----------------------------------------------------------------------------------------------------------


@given(messages())
def test_messages_are_values(message: Message) -> None:
    """Equal after a copy and after pickling, usable as a key."""
    pickled = pickle.loads(pickle.dumps(message))  # noqa: S301 - it was pickled here
    assert copy.copy(message) == copy.deepcopy(message) == pickled == message
    assert hash(pickled) == hash(message)


@pytest.mark.parametrize("part_class", get_args(Part), ids=lambda value: value.__name__)
def test_parts_are_frozen_and_slotted(part_class: type) -> None:
    """No part grows attributes of its own or changes within a history."""
    made: dict[type, Any] = {
        Text: Text("x"),
        ToolCall: ToolCall("1", "f"),
        ToolResult: ToolResult("1"),
        Json: Json(1),
        Opaque: Opaque("echo", {}),
        Reasoning: Reasoning(),
        CachePoint: CachePoint(),
    }
    part = made[part_class] if part_class in made else part_class("a/b", b"x")
    with pytest.raises(FrozenInstanceError):
        part.metadata = {"echo": {}}
    assert not hasattr(part, "__dict__")
    assert part.metadata == {}


@given(texts(), json_objects())
def test_metadata_is_part_of_the_value(text: str, metadata: dict[str, Any]) -> None:
    """Two parts that a backend marked differently are different, though either may be a key."""
    plain, marked = Text(text), Text(text, metadata=metadata)
    assert (plain == marked) is (metadata == {})
    assert hash(plain) == hash(marked)


def test_no_two_parts_share_a_default() -> None:
    """What somebody puts into one part's metadata or arguments stands in that part only."""
    first, second = ToolCall("1", "f"), ToolCall("1", "f")
    first.arguments["a"] = 1
    first.metadata["echo"] = {}
    assert (second.arguments, second.metadata) == ({}, {})
    one, other = ToolResult("1"), ToolResult("1")
    one.metadata["echo"] = {}
    assert other.metadata == {}


def test_signatures_stay_out_of_logs() -> None:
    """A repr shows the thoughts, and of what proves them only that it is there."""
    assert repr(Reasoning("why")) == "Reasoning('why')"
    assert repr(Reasoning("why", "confidential", b"confidential")) == "Reasoning('why', signed, 12 redacted bytes)"
    assert "confidential" not in repr(
        Message.assistant(Reasoning("", "confidential"), Document("a/b", b"confidential"))
    )


def test_parts_match_by_position() -> None:
    """Parts can be taken apart in a `match` as they are written."""
    matched: list[object] = []
    for part in (
        Text("t", (Citation(),)),
        Reasoning("r", "s", b"b"),
        ToolCall("1", "f", {"a": 1}, None, "server"),
        Json([1]),
        CachePoint("5m"),
        Opaque("echo", {"x": 1}),
    ):
        match part:
            case Text(text, citations):
                matched.append((text, citations))
            case Reasoning(text, signature, redacted):
                matched.append((text, signature, redacted))
            case ToolCall(id_, name, arguments, invalid_json, executed_by):
                matched.append((id_, name, arguments, invalid_json, executed_by))
            case Json(value):
                matched.append(value)
            case CachePoint(ttl):
                matched.append(ttl)
            case Opaque(backend, data):
                matched.append((backend, data))
    assert matched == [
        ("t", (Citation(),)),
        ("r", "s", b"b"),
        ("1", "f", {"a": 1}, None, "server"),
        [1],
        "5m",
        ("echo", {"x": 1}),
    ]


def test_content_of_a_tool_is_not_compared() -> None:
    """Arrays answer a comparison with an array; what they are is said all the same."""

    class Array:
        def __eq__(self, other: object) -> bool:
            message = "the truth of an array is ambiguous"
            raise ValueError(message)

        __hash__ = None  # type: ignore[assignment]  # as in numpy

    with pytest.raises(TypeError, match="Array"):
        ToolResult("1", Array())  # type: ignore[arg-type]  # the mistake itself
