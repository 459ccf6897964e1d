"""A session that was written out as JSON Lines, read again."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar, cast

from chatport._export import SCHEMA, VERSION
from chatport._json import parse_json
from chatport._serialize import load_messages
from chatport._store import StoredSession, StoredTurn, checked_id

if TYPE_CHECKING:
    from chatport._events import Usage

_T = TypeVar("_T")

_MAX_DEPTH = 200  # more than any text from `dump_messages` has, which stands inside


def import_json_lines(text: str | bytes, *, allow_uris: bool = True) -> StoredSession:
    """Return the session that a text from `export_json_lines` holds.

    It is in no store yet, and its `version` is empty. To put it into one, also under another name:

        await store.append(session.id, session.turns, version=None, usage=session.usage)

    To go on with it without a store, give `session.messages` to a session. Who was running the calls at its end is not
    in it: they wait.

    Args:
        text: The text, which need not be trusted; bytes are UTF-8.
        allow_uris: As for `load_messages`.

    Raises:
        ValueError: The text is none of ours, was written by a newer chatport, or is damaged; the message says in which
            line.
    """
    lines = (_decoded(text) if isinstance(text, bytes) else text).removeprefix("\ufeff").split("\n")
    while lines and not lines[-1].strip():
        lines.pop()
    if not lines:
        raise ValueError("the text is empty: an exported session begins with a line about it")
    head = _Line(lines[0], 1)
    if head.said("schema", str) != SCHEMA:
        raise ValueError(f"line 1: schema: must be {SCHEMA!r}")
    if head.said("version", int) > VERSION:
        raise ValueError(f"line 1: version {head.said('version', int)} was written by a newer chatport")
    turns = [_turn(_Line(line, number), number, allow_uris=allow_uris) for number, line in enumerate(lines[1:], 2)]
    if (number := head.said("turns", int)) != len(turns):
        raise ValueError(
            f"line 1: turns: it says {number}, and there are {len(turns)}: the text is cut short, or changed"
        )
    return StoredSession(
        head.read("id", checked_id),
        "",
        tuple(turns),
        head.read("usage", _usage),
        head.read("created_at", _moment),
        head.read("updated_at", _moment),
    )


def _decoded(text: bytes) -> str:
    try:
        return text.decode()
    except UnicodeDecodeError as error:
        # The decoder's error carries the whole text along; where it stands is all that is needed.
        number = text.count(b"\n", 0, error.start) + 1
        raise ValueError(f"line {number}: must be UTF-8; byte {error.start} of the text is not") from None


def _turn(line: _Line, number: int, *, allow_uris: bool) -> StoredTurn:
    if line.said("turn", int) != number - 2:
        raise ValueError(f"line {number}: turn: must be {number - 2}: a line is missing, or stands in another place")
    return StoredTurn(
        line.read("messages", lambda stored: load_messages(json.dumps(stored), allow_uris=allow_uris)),
        line.read("usage", _usage),
        line.said("model", str),
        line.read("created_at", _moment),
    )


class _Line:
    """A line: an object, and where it stands."""

    def __init__(self, text: str, number: int) -> None:
        self._number = number
        self._record: dict[str, Any] = self._checked("", _object, text)

    def said(self, name: str, kind: type[_T]) -> _T:
        """Return a value of a type."""
        value = self._record.get(name)
        if type(value) is not kind:
            raise ValueError(f"line {self._number}: {name}: must be a JSON value of the kind {kind.__name__}")
        return value

    def read(self, name: str, reader: Callable[[Any], _T]) -> _T:
        """Return what a value says."""
        return self._checked(f"{name}: ", reader, self._record.get(name))

    def _checked(self, name: str, reader: Callable[[Any], _T], value: object) -> _T:
        try:
            return reader(value)
        except (TypeError, ValueError) as error:
            raise ValueError(f"line {self._number}: {name}{error}") from error


def _object(text: Any) -> dict[str, Any]:
    stored = parse_json(text, max_depth=_MAX_DEPTH)
    if not isinstance(stored, dict):
        raise ValueError("must be a JSON object")  # noqa: TRY004 - it is the text that is wrong
    return cast("dict[str, Any]", stored)


def _moment(text: Any) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("must have a time zone")
    return moment


def _usage(stored: Any) -> Usage:
    # Loaded by who imports something: it brings what the stores need.
    from chatport._stored_form import usage_from_text  # noqa: PLC0415

    usage = usage_from_text(json.dumps(stored))
    if any(count < 0 for count in cast("dict[str, int]", stored).values()):
        raise ValueError("must not be negative: limits are kept by it")
    return usage
