from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from typing import Any, NamedTuple
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from chatport._messages import Document, Image, Json, Text, ToolCall, ToolResult
from chatport._tool_errors import error_result
from chatport._tool_results import describe_exception, result_of

CALL = ToolCall("call-1", "get_weather")
PICTURE = Image("image/png", b"\x89PNG\r\n\x1a\n")
DOCUMENT = Document("text/plain", b"words", name="words.txt")


class Colour(Enum):
    RED = "red"


class Word(StrEnum):
    YES = "yes"


class Number(IntEnum):
    TWO = 2


class City(BaseModel):
    name: str
    founded: date | None = Field(default=None, serialization_alias="foundedOn")


@dataclass
class Point:
    x: float


class Pair(NamedTuple):
    left: int
    right: int


class OwnText(str):
    __slots__ = ()

    def __str__(self) -> str:
        return "something else"


def content_of(value: object) -> tuple[Any, ...]:
    """The parts that a tool's value becomes."""
    result = result_of(CALL, value)
    assert result.id == CALL.id
    assert not result.is_error
    return result.content


@pytest.mark.parametrize(
    ("value", "part"),
    [
        ("warm", Text("warm")),
        ("", Text("")),
        (OwnText("warm"), Text("warm")),
        (None, Json(None)),
        (True, Json(True)),
        (7, Json(7)),
        ({"a": [1, None, "x"]}, Json({"a": [1, None, "x"]})),
        ([], Json([])),
        ((), Json([])),
        (["a", "b"], Json(["a", "b"])),
        ({1: date(2024, 2, 29)}, Json({"1": "2024-02-29"})),
        (City(name="Rome", founded=date(2, 4, 21)), Json({"name": "Rome", "foundedOn": "0002-04-21"})),
        ([Point(1.5)], Json([{"x": 1.5}])),
        (Pair(1, 2), Json([1, 2])),
        (Colour.RED, Text("red")),
        (Word.YES, Text("yes")),
        (Number.TWO, Json(2)),
        (date(2024, 2, 29), Text("2024-02-29")),
        (timedelta(hours=1), Text("PT1H")),
        (Decimal("1.10"), Text("1.10")),
        (UUID(int=1), Text("00000000-0000-0000-0000-000000000001")),
        ({"one"}, Json(["one"])),
        (frozenset({1}), Json([1])),
        ((number for number in (1, 2)), Json([1, 2])),
        (PICTURE, PICTURE),
        (DOCUMENT, DOCUMENT),
        (Json({"a": Colour.RED}), Json({"a": "red"})),
    ],
)
def test_values(value: object, part: object) -> None:
    """Each kind of value becomes one part, plain enough to be stored and sent."""
    (found,) = content_of(value)
    assert found == part
    if isinstance(found, Text):
        assert type(found.text) is str


def test_sequences_of_parts() -> None:
    """Parts stay parts, texts among them become `Text`."""
    assert content_of([PICTURE, "a picture"]) == (PICTURE, Text("a picture"))
    assert content_of(("see", Json(1))) == (Text("see"), Json(1))


def test_a_result_keeps_what_it_says() -> None:
    """Only the id is put right, as a tool cannot know it."""
    given_by_tool = ToolResult("whatever", [Text("no"), PICTURE], is_error=True, metadata={"mine": {"a": 1}})
    assert result_of(CALL, given_by_tool) == ToolResult(
        CALL.id, [Text("no"), PICTURE], is_error=True, metadata={"mine": {"a": 1}}
    )
    assert result_of(CALL, ToolResult("x", ())).content == ()


def test_the_result_is_a_copy() -> None:
    """What the tool does to its value later does not change the history."""
    value = {"a": [1]}
    (part,) = content_of(value)
    value["a"].append(2)
    assert part == Json({"a": [1]})


@pytest.mark.parametrize("value", [b"x", bytearray(b"x"), memoryview(b"x")], ids=lambda value: type(value).__name__)
def test_bytes(value: object) -> None:
    """Bytes are no JSON, and text only by luck: the message says what to return."""
    with pytest.raises(TypeError, match="Image or a Document"):
        result_of(CALL, value)
    with pytest.raises(TypeError, match=r"inside a dict: JSON has no bytes"):
        result_of(CALL, {"deep": [{"er": value}]})


@pytest.mark.parametrize(
    "value",
    [{"picture": PICTURE}, {"deep": [(PICTURE,)]}, [[PICTURE]], {"text": Text("x")}],
    ids=["member", "deep", "list in list", "text"],
)
def test_parts_inside_json(value: object) -> None:
    """An image inside a JSON value would be spelled out as text."""
    with pytest.raises(TypeError, match=r"return the part itself"):
        result_of(CALL, value)


def test_parts_among_other_values() -> None:
    """A list of parts holds parts and texts."""
    with pytest.raises(TypeError, match="it holds a dict"):
        result_of(CALL, [PICTURE, {"a": 1}])


def _cycle() -> list[Any]:
    value: list[Any] = []
    value.append(value)
    return value


def _nested() -> list[Any]:
    value: list[Any] = []
    for _ in range(100_000):
        value = [value]
    return value


async def _items() -> Any:
    yield 1


@pytest.mark.parametrize(
    "value",
    [
        object(),
        lambda: None,
        City,
        ValueError("x"),
        float("nan"),
        {"a": [float("inf")]},
        [10**5000],
        pytest.param("half \ud800", id="half a character"),
        {"half": "\ud800"},
        {"\udc00": 1},
        Text("half \ud800"),
        Json("half \ud800"),
        Json(object()),
        Json(float("nan")),
        ToolResult("x", [Json(object())]),
        _cycle(),
        {"a": _cycle()},
        _nested(),
        _items(),
    ],
)
def test_what_json_cannot_say(value: object) -> None:
    """It is refused where the tool's author can be told, not when the request is written."""
    with pytest.raises((TypeError, ValueError, RecursionError)):
        result_of(CALL, value)


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text()
        | st.dates()
        | st.decimals()
        | st.sampled_from([*Colour, PICTURE, b"x", Text("x")]),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(st.text() | st.integers(), inner)
            | st.tuples(inner)
            | st.builds(Json, inner)
        ),
    )
)
def test_any_value_becomes_json_or_is_refused(value: object) -> None:
    """What passes can be written as JSON in UTF-8 and read back equal."""
    try:
        parts = content_of(value)
    except (TypeError, ValueError):
        return
    for part in parts:
        if isinstance(part, Json):
            assert json.loads(json.dumps(part.value, ensure_ascii=False, allow_nan=False).encode()) == part.value
        elif isinstance(part, Text):
            part.text.encode()


class TestExceptions:
    def test_type_and_message(self) -> None:
        """That is what a model needs to know."""
        assert describe_exception(ValueError("no such city")) == "ValueError: no such city"
        assert describe_exception(KeyError("rome")) == "KeyError: 'rome'"
        assert describe_exception(RuntimeError()) == "RuntimeError"

    def test_groups(self) -> None:
        """A group says what its members say, however deep."""
        group = ExceptionGroup("two", [ValueError("a"), ExceptionGroup("inner", [KeyError("b")])])
        assert describe_exception(group) == "ExceptionGroup: two: ValueError: a; ExceptionGroup: inner: KeyError: 'b'"

    def test_a_broken_message(self) -> None:
        """An exception that cannot say what it is does not become another one."""

        class BrokenError(Exception):
            def __str__(self) -> str:
                raise RuntimeError("broken")

        assert describe_exception(BrokenError()) == "BrokenError: (its message cannot be shown: RuntimeError)"

    def test_error_results(self) -> None:
        """They are marked, and can always be sent."""
        result = error_result(CALL, "no: \udc80", "exception")
        assert (result.id, result.text, result.is_error) == (CALL.id, "no: \\udc80", True)
        assert result.error_kind == "exception"

    @pytest.mark.parametrize("own", [None, [], {}, {"error": "no such kind"}, {"error": ["timeout"]}])
    def test_kinds_that_somebody_made_up(self, own: Any) -> None:
        """Metadata may come from anywhere: a kind that there is not is none."""
        assert ToolResult("1", "no", is_error=True, metadata={"chatport": own}).error_kind is None
        assert ToolResult("1", "no", is_error=True).error_kind is None
