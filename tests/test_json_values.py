"""What a JSON value is, as the readers of services' answers ask it, and metadata that nothing can be relied on of."""

import json
from typing import Any

import pytest

from chatport.backend.translation import is_array, is_object, own_metadata


@pytest.mark.parametrize("text", ["{}", '{"a": 1}', "[]", "[1]", '"{}"', "1", "1.5", "true", "null"])
def test_a_value_from_json_is_told_by_its_text(text: str) -> None:
    """What the decoder makes of an object is one, of an array one, and of everything else neither."""
    value: object = json.loads(text)
    assert is_object(value) == text.startswith("{")
    assert is_array(value) == text.startswith("[")


def test_a_tuple_stands_for_an_array() -> None:
    """Python's own encoder writes it as one; text and bytes are sequences too, and none."""
    assert is_array((1, 2))
    assert not any(map(is_array, ["ab", b"ab", {1, 2}, range(2), {"a": 1}]))


@pytest.mark.parametrize("found", [None, "words", 3, ["a"], True])
def test_metadata_of_any_kind_are_read_as_nothing(found: object) -> None:
    """What stands under the backend's name and is no object counts as absent: histories come from anywhere."""
    assert own_metadata({"example": found}, "example") == {}


def test_metadata_are_told_by_the_backends_name() -> None:
    """A backend reads its own, as the same object, and nobody else's."""
    own: dict[str, Any] = {"id": "a"}
    metadata = {"other": {"id": "b"}, "example": own}
    assert own_metadata(metadata, "example") is own
    assert own_metadata(metadata, "third") == {}
    assert own_metadata({}, "example") == {}
