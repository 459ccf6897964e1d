"""Arguments for a tool, picked from a prompt by the tool's JSON schema."""

import re
from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from chatport_bedrock.emulator import _mentions as mentions
from chatport_bedrock.emulator._json import as_list, as_object

Schema: TypeAlias = Mapping[str, Any]

# Words in the name of a property that tell what is meant.
_PLACE_WORDS: Final = frozenset(
    {"address", "area", "city", "country", "destination", "location", "origin", "place", "region", "state", "town"}
)
_TEXT_WORDS: Final = frozenset(
    {"content", "input", "message", "prompt", "query", "question", "sentence", "string", "text", "topic"}
)
_FORMATS: Final[Mapping[str, re.Pattern[str]]] = {
    "date": re.compile(r"\b\d{4}-\d{2}-\d{2}\b"),
    "time": re.compile(r"\b\d{1,2}:\d{2}(?::\d{2})?\b"),
    "email": re.compile(r"\b[\w.+-]+@[\w-]+\.[\w.-]*\w"),
    "uri": re.compile(r"\bhttps?://\S*[\w/]"),
    "url": re.compile(r"\bhttps?://\S*[\w/]"),
    "expression": re.compile(r"[\d(][\d\s.()+*/^×÷-]*[\d)]"),  # noqa: RUF001 - the signs that people type
}
# What stands for a format of which the prompt holds nothing.
_PLACEHOLDERS: Final[Mapping[str, str]] = {
    "date": "2000-01-01",
    "date-time": "2000-01-01T12:00:00Z",
    "duration": "P1D",
    "email": "somebody@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "time": "12:00:00Z",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
}
_ALTERNATIVES: Final = ("anyOf", "oneOf", "allOf")

# A schema may refer to itself, and asks for what it likes: how deep it is followed, how many values it gets, and how
# many items a list.
_MAX_DEPTH: Final = 8
_MAX_VALUES: Final = 500
_MAX_ITEMS: Final = 50
_MAX_PADDING: Final = 1000


def is_place(name: str) -> bool:
    """Whether a property's name asks for a place."""
    return not _PLACE_WORDS.isdisjoint(_name_words(name))


def fill_arguments(schema: Schema, prompt: str, *, place: str | None = None) -> dict[str, Any]:
    """Pick the arguments of one call.

    Required properties are always filled; others where the prompt mentions one of the values that they can have.

    Args:
        schema: The tool's input schema.
        prompt: What the user said.
        place: The place that this call is about, where the prompt names several.
    """
    return as_object(_Filler(schema, prompt, place).fill(schema, name="", depth=0)) or {}


def fill_value(schema: Schema, prompt: str) -> Any:
    """Pick a value of any type, for an answer that has to fit a schema."""
    return _Filler(schema, prompt, None).fill(schema, name="", depth=0)


class _Filler:
    """One prompt being made into one value; numbers are used up one after the other.

    A schema is what a caller sends, so nothing in it is taken for granted but that it is JSON.
    """

    def __init__(self, root: Schema, prompt: str, place: str | None) -> None:
        self._root = root
        self._prompt = prompt
        self._places = [place] if place is not None else mentions.places(prompt)
        self._numbers = mentions.numbers(prompt)
        self._names = mentions.names(prompt)
        self._quotations = mentions.quotations(prompt)
        self._values = 0

    def fill(self, schema: Any, *, name: str, depth: int) -> Any:
        self._values += 1
        if depth > _MAX_DEPTH or self._values > _MAX_VALUES:
            return None
        described = self._resolve(schema)
        if "const" in described:
            return described["const"]
        choices = as_list(described.get("enum"))
        if choices:
            mentioned = self._mentioned(choices)
            return choices[0] if mentioned is None else mentioned
        return self._fill_type(described, name, depth)

    def _fill_type(self, schema: Schema, name: str, depth: int) -> Any:
        value: Any = None
        match _type_of(schema):
            case "object":
                value = self._object(schema, depth)
            case "array":
                value = self._array(schema, name, depth)
            case "string":
                value = self._string(schema, name)
            case "integer":
                value = int(self._number(schema))
            case "number":
                value = self._number(schema)
            case "boolean":
                value = self._boolean(schema)
            case _:
                pass  # null, or a type that JSON schemas do not have
        return value

    def _resolve(self, schema: Any) -> Schema:
        """Follow references inside the schema, and take the first way that is not null where there are several."""
        described: Schema = as_object(schema) or {}
        for _ in range(_MAX_DEPTH):
            reference = described.get("$ref")
            ways = next((found for key in _ALTERNATIVES if (found := as_list(described.get(key)))), [])
            if isinstance(reference, str) and reference.startswith("#/"):
                described = self._root
                for step in reference[2:].split("/"):
                    described = as_object(described.get(step)) or {}
            elif ways:
                possible = [as_object(way) or {} for way in ways]
                described = next((way for way in possible if way.get("type") != "null"), possible[0])
            else:
                break
        return described

    def _object(self, schema: Schema, depth: int) -> dict[str, Any]:
        required = as_list(schema.get("required")) or []
        filled: dict[str, Any] = {}
        for name, described in (as_object(schema.get("properties")) or {}).items():
            if name in required:
                filled[name] = self.fill(described, name=name, depth=depth + 1)
            else:
                value = self._mentioned(as_list(self._resolve(described).get("enum")) or [])
                if value is not None:
                    filled[name] = value
        return filled

    def _array(self, schema: Schema, name: str, depth: int) -> list[Any]:
        places = as_list(schema.get("prefixItems"))
        if places:
            return [self.fill(described, name=name, depth=depth + 1) for described in places[:_MAX_ITEMS]]
        items = self._resolve(schema.get("items"))
        kind = _type_of(items)
        found: list[Any] = []
        if kind in {"integer", "number"}:
            found = [int(number) if kind == "integer" else number for number in self._numbers]
        elif kind == "string" and not items.get("enum"):
            found = list(self._places if is_place(name) else self._quotations or self._names)
        fewest = min(max(1, int(_limit(schema, "minItems") or 1)), _MAX_ITEMS)
        while len(found) < fewest:
            found.append(self.fill(items, name=name, depth=depth + 1))
        most = _limit(schema, "maxItems")
        return found[: _MAX_ITEMS if most is None else max(0, int(most))]

    def _string(self, schema: Schema, name: str) -> str:
        text = self._text(name, str(schema.get("format", "")))
        least, most = _limit(schema, "minLength"), _limit(schema, "maxLength")
        text = text if least is None else text.ljust(min(int(least), _MAX_PADDING), ".")
        return text if most is None else text[: max(0, int(most))]

    def _text(self, name: str, wanted_format: str) -> str:
        hints = {*_name_words(name), wanted_format}
        for hint, pattern in _FORMATS.items():
            found = pattern.search(self._prompt) if hint in hints else None
            if found:
                return found.group()
        return _PLACEHOLDERS.get(wanted_format) or self._words(name, hints)

    def _words(self, name: str, hints: set[str]) -> str:
        if is_place(name) and self._places:
            return self._places[0]
        if self._quotations:
            return self._quotations[0]
        if hints & _TEXT_WORDS:
            return self._prompt.strip().rstrip("?!. ")
        candidates = [*self._places, *self._names]
        if candidates:
            return candidates[0]
        topics = mentions.words(self._prompt)
        return topics[-1] if topics else self._prompt.strip() or name

    def _number(self, schema: Schema) -> float:
        preset = _limit(schema, "default")
        number = self._numbers.pop(0) if self._numbers else 1 if preset is None else preset
        above, below = _limit(schema, "exclusiveMinimum"), _limit(schema, "exclusiveMaximum")
        low = _limit(schema, "minimum") if above is None else above + 1
        high = _limit(schema, "maximum") if below is None else below - 1
        number = max(number, low) if low is not None else number
        return min(number, high) if high is not None else number

    def _boolean(self, schema: Schema) -> bool:
        if re.search(r"\b(?:no|not|off|without|false|disable)\b", self._prompt.lower()):
            return False
        return bool(schema.get("default", True))

    def _mentioned(self, values: list[Any]) -> Any:
        """The first of these values that the prompt names; None if it names none."""
        text = self._prompt.lower()
        return next((value for value in values if re.search(rf"\b{re.escape(str(value).lower())}\b", text)), None)


def _limit(schema: Schema, key: str) -> float | None:
    """A number in a schema; None if it is none."""
    value = schema.get(key)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _type_of(schema: Schema) -> str:
    kind = schema.get("type")
    if isinstance(kind, str):
        return kind
    default = "object" if "properties" in schema else "string"
    return next((str(other) for other in as_list(kind) or () if other != "null"), default)


def _name_words(name: str) -> set[str]:
    return {word.lower() for word in re.findall(r"[A-Z]?[a-z]+", name)}
