"""Docstrings as tools need them: the text before the sections, and what is said of each parameter.

Three styles are read, also mixed: Google (`Args:` and an indented block), NumPy (`Parameters` underlined with dashes)
and reST fields (`:param name: text`). What is in no section that names parameters is not looked into.
"""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_PARAMETER_TITLES = frozenset(
    {
        "args",
        "arguments",
        "keyword args",
        "keyword arguments",
        "other args",
        "other arguments",
        "other parameters",
        "parameters",
        "params",
    }
)
_OTHER_TITLES = frozenset(
    {
        "attributes",
        "caution",
        "danger",
        "error",
        "example",
        "examples",
        "hint",
        "important",
        "methods",
        "note",
        "notes",
        "raises",
        "receives",
        "references",
        "return",
        "returns",
        "see also",
        "tip",
        "todo",
        "warning",
        "warnings",
        "warns",
        "yield",
        "yields",
    }
)
_TITLES = _PARAMETER_TITLES | _OTHER_TITLES

_UNDERLINE = re.compile(r"[-=]{3,}")
_PARAMETER_FIELDS = frozenset({"arg", "argument", "key", "keyword", "kwarg", "kwparam", "param", "parameter"})
_OTHER_FIELDS = frozenset(
    {"cvar", "except", "exception", "ivar", "meta", "raise", "raises", "return", "returns", "rtype", "type", "var"}
    | {"vartype", "yield", "yields", "ytype"}
)
_FIELD = re.compile(r":(?P<name>[a-z]+)(?:[ \t]+(?P<argument>[^:]*))?:(?P<text>.*)")
# A name, perhaps with stars (which reST writers escape), perhaps with a type in parentheses.
_TITLED_ENTRY = re.compile(r"(?:\\?\*){0,2}(?P<name>\w+)[ \t]*(?:\(.*?\)[ \t]*)?:(?P<text>.*)")
_UNDERLINED_ENTRY = re.compile(r"(?P<names>(?:\\?\*){0,2}\w+(?:[ \t]*,[ \t]*(?:\\?\*){0,2}\w+)*)[ \t]*(?::.*)?")
_LIST_ITEM = re.compile(r"(?:[-*+•]|\d{1,3}[.)])[ \t]")

_Style = Literal["titled", "underlined", "field"]


@dataclass(frozen=True, slots=True)
class Docstring:
    """What a docstring says of a function.

    Attributes:
        description: The text before the first section, its lines as they are.
        parameters: What is said of each parameter, by its name. Wrapped lines are joined; paragraphs and list items
            stay apart.
    """

    description: str = ""
    parameters: dict[str, str] = field(default_factory=dict[str, str], hash=False)


@dataclass(frozen=True, slots=True)
class _Section:
    """A section: `start` is the line of its title or field, `body` the first line after it."""

    style: _Style
    names_parameters: bool
    start: int
    body: int


def parse_docstring(text: str | None) -> Docstring:
    """Read a docstring; none at all says nothing.

    Args:
        text: The docstring, indented as it stands in the source or not.
    """
    lines = inspect.cleandoc(text or "").splitlines()
    sections = tuple(_sections(lines))
    end_of_description = sections[0].start if sections else len(lines)
    parameters: dict[str, str] = {}
    for index, section in enumerate(sections):
        if not section.names_parameters:
            continue
        end = sections[index + 1].start if index + 1 < len(sections) else len(lines)
        for name, pieces in _entries(section, lines[section.start : end]):
            if said := _joined(pieces):
                parameters.setdefault(name, said)
    return Docstring("\n".join(lines[:end_of_description]).strip(), parameters)


def _sections(lines: Sequence[str]) -> Iterator[_Section]:
    for index, line in enumerate(lines):
        if not line or line[0].isspace():
            continue  # sections begin at the margin; the rest is somebody's body
        if (found := _FIELD.fullmatch(line)) is not None:
            name = found["name"]
            if name in _PARAMETER_FIELDS or name in _OTHER_FIELDS:
                yield _Section("field", name in _PARAMETER_FIELDS and bool(found["argument"]), index, index + 1)
            continue
        title = line.rstrip()
        colon = title.endswith(":")
        lowered = title.rstrip(":").rstrip().lower()
        if lowered not in _TITLES:
            continue
        if index + 1 < len(lines) and _UNDERLINE.fullmatch(lines[index + 1].rstrip()):
            yield _Section("underlined", lowered in _PARAMETER_TITLES, index, index + 2)
        elif colon and _is_followed_by_block(lines, index + 1):
            yield _Section("titled", lowered in _PARAMETER_TITLES, index, index + 1)


def _is_followed_by_block(lines: Sequence[str], start: int) -> bool:
    """Whether an indented line comes next, or nothing; a paragraph that merely begins with `Note:` has neither."""
    following = next((line for line in lines[start:] if line.strip()), "")
    return not following or following[0].isspace()


def _entries(section: _Section, lines: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """Yield each parameter's name and the lines about it, from the lines of one section, its title included."""
    body = lines[section.body - section.start :]
    match section.style:
        case "titled":
            yield from _titled_entries(body)
        case "underlined":
            yield from _underlined_entries(body)
        case "field":
            yield from _field_entries(lines[0], body)


def _titled_entries(body: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    margin: int | None = None
    name: str | None = None
    pieces: list[str] = []
    for line in body:
        indent = _indent(line)
        if line.strip() and indent == 0:
            break  # text at the margin is no part of the section any more
        if margin is None and line.strip():
            margin = indent
        found = _TITLED_ENTRY.fullmatch(line.strip()) if margin is not None and indent <= margin else None
        if found is None:
            pieces.append(line)
            continue
        if name is not None:
            yield name, pieces
        name, pieces = found["name"], [found["text"]]
    if name is not None:
        yield name, pieces


def _underlined_entries(body: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    names: tuple[str, ...] = ()
    pieces: list[str] = []
    for line in body:
        if not line.strip() or _indent(line):
            pieces.append(line)
            continue
        yield from ((name, pieces) for name in names)
        found = _UNDERLINED_ENTRY.fullmatch(line.rstrip())
        names = tuple(name.strip().lstrip("\\*") for name in found["names"].split(",")) if found is not None else ()
        pieces = []
    yield from ((name, pieces) for name in names)


def _field_entries(first: str, body: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    found = _FIELD.fullmatch(first)
    words = found["argument"].split() if found is not None and found["argument"] else []
    if found is None or not words:
        return
    pieces = [found["text"]]
    for line in body:
        if line.strip() and not _indent(line):
            break
        pieces.append(line)
    yield words[-1].lstrip("\\*"), pieces  # what stands before the name is its type


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _joined(lines: Sequence[str]) -> str:
    """Join wrapped lines into paragraphs; an empty line and a list item begin a new one."""
    paragraphs: list[list[str]] = []
    fresh = True
    for line in lines:
        words = line.strip()
        if not words:
            if paragraphs and not fresh:
                paragraphs.append([])  # stands for the empty line
            fresh = True
        elif fresh or _LIST_ITEM.match(words):
            paragraphs.append([words])
            fresh = False
        else:
            paragraphs[-1].append(words)
    return "\n".join(" ".join(paragraph) for paragraph in paragraphs).strip()
