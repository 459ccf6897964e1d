"""Stored sessions as JSON Lines, which lose nothing, and as Markdown, which is for people."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.strategies import messages

from chatport import (
    CachePoint,
    Citation,
    Document,
    Image,
    Json,
    Message,
    Opaque,
    Reasoning,
    StoredSession,
    StoredTurn,
    Text,
    ToolCall,
    ToolResult,
    Usage,
    export_json_lines,
    export_markdown,
    import_json_lines,
    load_messages,
)

MOMENT = datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)


def stored(*turns: StoredTurn) -> StoredSession:
    """A session of these turns."""
    return StoredSession("a", "1", turns, Usage(3, 2, complete=False), MOMENT, MOMENT)


@given(st.lists(st.lists(messages(), max_size=2).map(tuple), max_size=3))
def test_json_lines_lose_nothing(turns: list[Any]) -> None:
    """Each line is an object; the messages of all turns are the history again."""
    session = stored(*(StoredTurn(part, Usage(1), "echo:any", MOMENT) for part in turns))
    text = export_json_lines(session)
    assert text.isascii()
    head, *records = (json.loads(line) for line in text.splitlines())
    assert (head["schema"], head["version"], head["id"], head["usage"]) == (
        "chatport.session",
        1,
        "a",
        {"input_tokens": 3, "output_tokens": 2, "complete": False},
    )
    assert [record["turn"] for record in records] == list(range(len(turns)))
    back = [load_messages(json.dumps(record["messages"])) for record in records]
    assert [message for part in back for message in part] == list(session.messages)
    assert all(record["created_at"] == "2026-01-02T03:04:05.000006+00:00" for record in records)


@given(st.lists(st.lists(messages(), max_size=2).map(tuple), max_size=3), st.booleans())
def test_what_was_exported_is_imported(turns: list[Any], as_bytes: bool) -> None:
    """The same session, but for the version, which is the store's."""
    session = stored(*(StoredTurn(part, Usage(1), "echo:any", MOMENT) for part in turns))
    text = export_json_lines(session)
    assert import_json_lines(text.encode() if as_bytes else text) == replace(session, version="")
    assert import_json_lines(text + "\n \n") == replace(session, version="")
    marked = "\ufeff" + text.replace("\n", "\r\n")  # as other systems write it
    assert import_json_lines(marked.encode() if as_bytes else marked) == replace(session, version="")


def _exported() -> list[str]:
    turns = [StoredTurn((Message.user(text),), Usage(1), "echo:any", MOMENT) for text in ("Hi", "And?")]
    return export_json_lines(stored(*turns)).splitlines()


@pytest.mark.parametrize(
    ("line", "change", "said"),
    [
        (0, {"schema": "chatport.messages"}, "line 1: schema: must be 'chatport.session'"),
        (0, {"schema": None}, "line 1: schema: must be a JSON value of the kind str"),
        (0, {"version": 2}, "line 1: version 2 was written by a newer chatport"),
        (0, {"version": True}, "line 1: version: must be a JSON value of the kind int"),
        (0, {"id": "a\nb"}, "line 1: id: the id of a session has"),
        (0, {"id": None}, "line 1: id: the id of a session is a str"),
        (0, {"usage": {"tokens": 1}}, "line 1: usage: usage: must be numbers"),
        (0, {"usage": {"input_tokens": -1}}, "line 1: usage: must not be negative"),
        (0, {"turns": 1}, "line 1: turns: it says 1, and there are 2: the text is cut short"),
        (0, {"turns": None}, "line 1: turns: must be a JSON value of the kind int"),
        (0, {"created_at": "yesterday"}, "line 1: created_at: "),
        (0, {"updated_at": "2026-01-02T03:04:05"}, "line 1: updated_at: must have a time zone"),
        (1, {"turn": 1}, "line 2: turn: must be 0: a line is missing"),
        (2, {"turn": False}, "line 3: turn: must be a JSON value of the kind int"),
        (2, {"model": 1}, "line 3: model: must be"),
        (2, {"messages": []}, "line 3: messages: "),
        (2, {"created_at": None}, "line 3: created_at: "),
    ],
)
def test_what_is_damaged_is_refused_with_its_line(line: int, change: dict[str, Any], said: str) -> None:
    """Nothing is guessed, and nothing left out."""
    lines = _exported()
    lines[line] = json.dumps({**json.loads(lines[line]), **change})
    with pytest.raises(ValueError, match=re.escape(said)):
        import_json_lines("\n".join(lines))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the text is empty"),
        (" \n", "the text is empty"),
        ("{", "line 1: "),
        ("[1]", "line 1: must be a JSON object"),
        ("[" * 1000, "line 1: "),
        (b"\xff", "^line 1: must be UTF-8; byte 0 of the text is not$"),
        (b"{\n\n\xff", "^line 3: must be UTF-8; byte 3 of the text is not$"),
    ],
)
def test_what_is_no_export_is_refused(text: str | bytes, said: str) -> None:
    """It need not be trusted."""
    with pytest.raises(ValueError, match=said):
        import_json_lines(text)


def test_a_line_that_is_missing_is_noticed() -> None:
    """Turns are counted; a line that was cut off at the end is no JSON."""
    first, _, last = _exported()
    with pytest.raises(ValueError, match="line 2: turn: must be 0"):
        import_json_lines(f"{first}\n{last}")
    with pytest.raises(ValueError, match="line 2: "):
        import_json_lines(f"{first}\n\n{last}")
    with pytest.raises(ValueError, match="line 2: "):
        import_json_lines(f"{first}\n{last[:-5]}")
    with pytest.raises(ValueError, match="line 1: turns: it says 2, and there are 0"):
        import_json_lines(first)


def test_addresses_can_be_refused() -> None:
    """As of a history that comes from a client."""
    picture = Message.user(Image.from_uri("s3://bucket/a.png"))
    text = export_json_lines(stored(StoredTurn((picture,), Usage(), "", MOMENT)))
    assert import_json_lines(text).messages == (picture,)
    with pytest.raises(ValueError, match=r"line 2: messages: messages\[0\].parts\[0\].uri"):
        import_json_lines(text, allow_uris=False)


@given(st.lists(messages(), max_size=3).map(tuple))
def test_any_history_is_some_markdown(history: Any) -> None:
    """Whatever was said, there is a title and a heading for each message."""
    text = export_markdown(stored(StoredTurn(history, created_at=MOMENT)))
    assert text.startswith("# ")
    assert text.endswith("\n")
    assert text.count("## ") >= len(history)


def test_markdown_shows_who_said_what() -> None:
    """Words as they are, calls and results fenced, of media type and size, of what nobody can read its place."""
    turn = StoredTurn(
        (
            Message.user("What is in\nthese?", Image("image/png", b"1234"), CachePoint()),
            Message.user(Document("text/csv", b"a,b", name="table.csv"), Image("image/png", None, "s3://bucket/a.png")),
            Message.assistant(
                Reasoning("One.\nTwo."),
                Reasoning("", "c2ln"),
                ToolCall("1", "look", {"where": "Köln"}),
                ToolCall("2", "look", invalid_json='{"wh'),
            ),
            Message("tool", (ToolResult("1", ["```", Json([1])]), ToolResult("2", "no", is_error=True))),
            Message.assistant(Text("A cat.", (Citation("Cats", "https://example.com"),)), Opaque("echo", {"a": 1})),
        ),
        model="echo:any",
        created_at=MOMENT,
    )
    assert export_markdown(stored(turn)) == (
        "# What is in these?\n\n*2026-01-02 03:04 UTC, echo:any*\n\n## User\n\nWhat is in\nthese?\n\n"
        "*[image: image/png, 4 bytes]*\n\n## User\n\n*[document: table.csv, text/csv, 3 bytes]*\n\n"
        "*[image: image/png, s3://bucket/a.png]*\n\n## Assistant\n\n> *Reasoning*\n>\n> One.\n> Two.\n\n"
        'Calls `look`:\n\n```\n{\n  "where": "Köln"\n}\n```\n\nCalls `look`:\n\n```\n{"wh\n```\n\n'
        "## Results of tools\n\nThe tool says:\n\n````\n```\n````\n\n```\n[\n  1\n]\n```\n\n"
        "The tool failed:\n\n```\nno\n```\n\n## Assistant\n\nA cat.\n\n> Cats\n\n*[a part in the words of echo]*\n"
    )
    assert export_markdown(stored()) == "# a\n"
