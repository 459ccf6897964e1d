"""Does a JSON value fit a shape of the service's own model? Botocore ships that model; this walks it.

Botocore itself checks only a part of it before it sends: no lengths, no patterns, no enums. The wordings are those of
the service as far as they are known from public reports: one list for all constraints ("1 validation error
detected: …"), other sentences for unknown keys, types and unions.
"""

import base64
import binascii
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, Literal, TypeAlias

from botocore.loaders import Loader
from botocore.model import OperationModel, ServiceModel

from chatport_bedrock.emulator._json import as_list, as_object
from chatport_bedrock.emulator._operations import CATALOG_OPERATIONS, Operation

Path: TypeAlias = tuple[str | int, ...]

_JSON_TYPES: Final[Mapping[type, str]] = {
    dict: "JSONObject",
    list: "JSONArray",
    str: "String",
    bool: "Boolean",
    int: "Integer",
    float: "Double",
}
_TIMESTAMP: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z")
_ECHO_LIMIT: Final = 64
"""How long a wrong value may be to be repeated in the message, in characters."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing that is wrong with a value.

    Attributes:
        kind: `"malformed"` breaks the structure (unknown key, wrong type), `"union"` sets none or several members of
            which exactly one must be set, `"constraint"` breaks a limit.
        path: Where, from the top of the value.
        text: What, in the service's words; for constraints without the place.
        subject: How a constraint's message begins: the value is repeated only where it is short and no content.
    """

    kind: Literal["malformed", "union", "constraint"]
    path: Path
    text: str
    subject: str = "Value"


@cache
def service_model(name: Literal["bedrock", "bedrock-runtime"] = "bedrock-runtime") -> ServiceModel:
    """A service model that botocore ships, read from its data files once: the runtime's, or the control plane's."""
    return ServiceModel(Loader().load_service_model(name, "service-2"))


def input_shape(operation: Operation) -> Any:
    """The shape of an operation's request."""
    return _operation_model(operation).input_shape


def output_shape(operation: Operation) -> Any:
    """The shape of an operation's answer; for a stream its events are members of `stream`."""
    return _operation_model(operation).output_shape


def _operation_model(operation: Operation) -> OperationModel:
    name = "bedrock" if operation in CATALOG_OPERATIONS else "bedrock-runtime"
    return service_model(name).operation_model(operation)


def find_violations(value: Any, shape: Any, path: Path = ()) -> Iterator[Violation]:
    """Walk a JSON value along a shape, and yield what does not fit, in the order of the value.

    Args:
        value: The parsed JSON; null counts as absent.
        shape: A shape of botocore's model. Members that travel in the address or in headers are left out.
        path: Where the value stands, for the messages.
    """
    if value is None:
        yield _missing(path)
        return
    if getattr(shape, "is_document_type", False):
        return  # any JSON value
    check = _CHECKS.get(shape.type_name)
    if check is None:  # a kind of shape that the model did not have when this was written
        raise TypeError(f"no check for shapes of type {shape.type_name!r}")
    yield from check(value, shape, path)


def describe(violations: list[Violation]) -> str:
    """One message for all violations, as the service words it: broken structure first, then unions, then limits."""
    for kind in ("malformed", "union"):
        found = next((violation for violation in violations if violation.kind == kind), None)
        if found is not None:
            return found.text
    count = len(violations)
    details = "; ".join(
        f"{violation.subject} at '{member_path(violation.path)}' failed to satisfy constraint: {violation.text}"
        for violation in violations
    )
    return f"{count} validation error{'s' if count > 1 else ''} detected: {details}"


def member_path(path: Path) -> str:
    """A place as constraints name it: `messages.1.member.role`, counted from 1."""
    return ".".join(f"{step + 1}.member" if isinstance(step, int) else step for step in path)


def dotted_path(path: Path) -> str:
    """A place as most messages name it: `messages.0.content.1`, counted from 0."""
    return ".".join(str(step) for step in path)


def _pointer(path: Path) -> str:
    return "".join(f"/{step}" for step in path)


def _missing(path: Path) -> Violation:
    return Violation("constraint", path, "Member must not be null", "Value null")


def _malformed(path: Path, text: str) -> Violation:
    return Violation(
        "malformed",
        path,
        f"Malformed input request: #{_pointer(path)}: {text}, please reformat your input and try again.",
    )


def _wrong_type(value: Any, expected: str, path: Path) -> Violation:
    return _malformed(path, f"expected type: {expected}, found: {_JSON_TYPES[type(value)]}")


def _check_structure(value: Any, shape: Any, path: Path) -> Iterator[Violation]:
    given = as_object(value)
    if given is None:
        yield _wrong_type(value, "JSONObject", path)
        return
    members = {
        member.serialization.get("name", name): (name, member)
        for name, member in shape.members.items()
        if "location" not in member.serialization
    }
    unknown = [key for key in given if key not in members]
    for key in unknown:
        yield _malformed(path, f"extraneous key [{key}] is not permitted")
    present = {key: item for key, item in given.items() if item is not None and key in members}
    if getattr(shape, "is_tagged_union", False):
        yield from _check_union(shape, list(members), list(present), unknown=unknown, path=path)
    required = set(shape.required_members)
    for key, (name, _) in members.items():
        if name in required and key not in present:
            yield _missing((*path, key))
    for key, item in present.items():
        yield from find_violations(item, members[key][1], (*path, key))


def _check_union(
    shape: Any, names: list[str], present: list[str], *, unknown: list[str], path: Path
) -> Iterator[Violation]:
    if len(present) == 1 or (not present and unknown):
        return  # an unknown key is reported as such
    number = "one" if not present else "only one"
    yield Violation(
        "union",
        path,
        f"The {shape.name} object at {dotted_path(path)} must set {number} of the following keys: {', '.join(names)}.",
    )


def _check_list(value: Any, shape: Any, path: Path) -> Iterator[Violation]:
    items = as_list(value)
    if items is None:
        yield _wrong_type(value, "JSONArray", path)
        return
    yield from _check_length(len(items), shape, path)
    for index, item in enumerate(items):
        yield from find_violations(item, shape.member, (*path, index))


def _check_map(value: Any, shape: Any, path: Path) -> Iterator[Violation]:
    entries = as_object(value)
    if entries is None:
        yield _wrong_type(value, "JSONObject", path)
        return
    yield from _check_length(len(entries), shape, path)
    for key, item in entries.items():
        yield from find_violations(key, shape.key, (*path, key))
        yield from find_violations(item, shape.value, (*path, key))


def _check_string(value: Any, shape: Any, path: Path) -> Iterator[Violation]:
    if not isinstance(value, str):
        yield _wrong_type(value, "String", path)
        return
    if shape.enum:
        if value not in shape.enum:
            subject = f"Value '{value}'" if len(value) <= _ECHO_LIMIT else "Value"
            text = f"Member must satisfy enum value set: [{', '.join(shape.enum)}]"
            yield Violation("constraint", path, text, subject)
        return
    too_long = list(_check_length(len(value), shape, path))
    yield from too_long
    pattern = shape.metadata.get("pattern")
    # A value of the wrong length is not matched: patterns repeat the limits, and long values can take long.
    if pattern and not too_long and not re.fullmatch(pattern, value):
        yield Violation("constraint", path, f"Member must satisfy regular expression pattern: {pattern}")


def _check_blob(value: Any, shape: Any, path: Path) -> Iterator[Violation]:
    if not isinstance(value, str):
        yield _wrong_type(value, "String", path)
        return
    try:
        data = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        yield _malformed(path, "the value is not valid base64")
        return
    yield from _check_length(len(data), shape, path)


def _check_integer(value: Any, shape: Any, path: Path) -> Iterator[Violation]:
    if isinstance(value, bool) or not isinstance(value, int):
        yield _wrong_type(value, "Integer", path)
        return
    yield from _check_range(value, shape, path)


def _check_number(value: Any, shape: Any, path: Path) -> Iterator[Violation]:
    if isinstance(value, bool) or not isinstance(value, int | float):
        yield _wrong_type(value, "Number", path)
        return
    yield from _check_range(value, shape, path)


def _check_timestamp(value: Any, _shape: Any, path: Path) -> Iterator[Violation]:
    """Times in bodies are text, as RFC 3339 has it."""
    if not isinstance(value, str) or not _TIMESTAMP.fullmatch(value):
        yield _wrong_type(value, "Timestamp", path)


def _check_boolean(value: Any, _shape: Any, path: Path) -> Iterator[Violation]:
    if not isinstance(value, bool):
        yield _wrong_type(value, "Boolean", path)


def _check_length(length: int, shape: Any, path: Path) -> Iterator[Violation]:
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if low is not None and length < low:
        yield Violation("constraint", path, f"Member must have length greater than or equal to {low}")
    if high is not None and length > high:
        yield Violation("constraint", path, f"Member must have length less than or equal to {high}")


def _check_range(value: float, shape: Any, path: Path) -> Iterator[Violation]:
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if low is not None and value < low:
        yield Violation("constraint", path, f"Member must have value greater than or equal to {low}")
    if high is not None and value > high:
        yield Violation("constraint", path, f"Member must have value less than or equal to {high}")


_Check: TypeAlias = Callable[[Any, Any, Path], Iterator[Violation]]

_CHECKS: Final[Mapping[str, _Check]] = {
    "structure": _check_structure,
    "list": _check_list,
    "map": _check_map,
    "string": _check_string,
    "blob": _check_blob,
    "integer": _check_integer,
    "long": _check_integer,
    "float": _check_number,
    "double": _check_number,
    "boolean": _check_boolean,
    "timestamp": _check_timestamp,
}
