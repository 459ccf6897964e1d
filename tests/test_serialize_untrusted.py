"""Loading what is not trusted: broken, hostile, foreign or newer texts."""

import json
import re
from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.strategies import json_values

from chatport import _serialize
from chatport._media import Audio, Document, Image, Video
from chatport._messages import Message, Opaque, Text, ToolResult
from chatport._serialize import dump_messages, load_messages

_FIXTURE = Path(__file__).parent / "fixtures" / "messages-v1.json"


def _numbered(rows: Sequence[object]) -> list[str]:
    return [f"row {number}" for number in range(len(rows))]


def _envelope(*stored: Any, **changes: Any) -> dict[str, Any]:
    return {"schema": "chatport.messages", "version": 1, "messages": list(stored), **changes}


def _user(*parts: Any) -> dict[str, Any]:
    return {"role": "user", "parts": list(parts)}


_SECRET = "confidential-content"


_BROKEN: list[tuple[Any, str]] = [
    (_user({"type": _SECRET}), r"messages\[0\]\.parts\[0\]: a type of part that this chatport does not know"),
    (_user({"type": 1}), r"messages\[0\]\.parts\[0\]: a type of part that this chatport does not know"),
    (_user({"text": _SECRET}), r"messages\[0\]\.parts\[0\]: its type is missing"),
    (_user({"type": "text"}), r"messages\[0\]\.parts\[0\]\.text: missing"),
    (_user({"type": "text", "text": [_SECRET]}), r"messages\[0\]\.parts\[0\]\.text: must be a string"),
    (_user({"type": "text", "text": _SECRET, "wrong": 1}), r"messages\[0\]\.parts\[0\]\.wrong: unknown field"),
    (_user({"type": "text", "text": "", "metadata": _SECRET}), r"parts\[0\]\.metadata: must be an object"),
    (_user({"type": "text", "text": "", "citations": {}}), r"parts\[0\]\.citations: must be an array"),
    (_user({"type": "text", "text": "", "citations": [_SECRET]}), r"citations\[0\]: must be an object"),
    (_user({"type": "text", "text": "", "citations": [{"quotes": [1]}]}), r"citations\[0\]\.quotes\[0\]: must be"),
    (_user(_SECRET), r"messages\[0\]\.parts\[0\]: must be an object"),
    (_user([]), r"messages\[0\]\.parts\[0\]: must be an object"),
    (_user(None), r"messages\[0\]\.parts\[0\]: must be an object"),
    (_user({"type": "image", "media_type": "image/png", "data": "_-8="}), r"data: must be standard base64"),
    (_user({"type": "image", "media_type": "image/png", "data": "AAA"}), r"data: must be standard base64"),
    (_user({"type": "image", "media_type": "image/png", "data": "AA==\n"}), r"data: must be standard base64"),
    (_user({"type": "image", "media_type": "image/png", "data": "ÄÄÄ="}), r"data: must be standard base64"),
    (_user({"type": "image", "media_type": "image/png", "data": 1}), r"data: must be a string"),
    (
        _user({"type": "image", "media_type": "image/png", "url": "file:///etc/passwd"}),
        r"parts\[0\]: a URL begins with",
    ),
    (
        _user({"type": "image", "media_type": "image/png", "url": "http://u:p@h.example/"}),
        r"parts\[0\]: a URL with a user",
    ),
    (_user({"type": "image", "media_type": "image/png", "url": 7}), r"parts\[0\]\.url: must be a string"),
    (_user({"type": "image", "media_type": "image/png"}), r"parts\[0\]: Image needs either data or uri"),
    (
        _user({"type": "image", "media_type": "image/png", "data": "", "uri": "s3://b/k"}),
        r"parts\[0\]: Image needs either data or uri",
    ),
    (_user({"type": "image", "media_type": "image/png", "uri": "file:///k"}), r"parts\[0\]: .* object-store"),
    (_user({"type": "tool_call", "id": "1", "name": "f", "executed_by": "me"}), r"executed_by: .*'client'"),
    (_user({"type": "tool_call", "id": "1", "name": "f", "arguments": "{}"}), r"arguments: must be an object"),
    (_user({"type": "tool_result", "id": 1}), r"messages\[0\]\.parts\[0\]\.id: must be a string"),
    (_user({"type": "tool_result", "id": "1", "is_error": "yes"}), r"is_error: must be true or false"),
    (_user({"type": "tool_result", "id": "1", "is_error": 1}), r"is_error: must be true or false"),
    (_user({"type": "tool_result", "id": "1", "content": "x"}), r"parts\[0\]\.content: must be an array"),
    (
        _user({"type": "text", "text": ""}, {"type": "tool_result", "id": "1", "content": [{"type": "text"}]}),
        r"^messages\[0\]\.parts\[1\]\.content\[0\]\.text: missing$",
    ),
    ({"role": "robot", "parts": []}, r"messages\[0\]\.role: .*'assistant'"),
    ({"role": ["user"], "parts": []}, r"messages\[0\]\.role: "),
    ({"parts": []}, r"messages\[0\]\.role: missing"),
    ({"role": "user"}, r"messages\[0\]\.parts: missing"),
    ({"role": "user", "parts": "x"}, r"messages\[0\]\.parts: must be an array"),
    ({"role": "user", "parts": [], "type": "message"}, r"messages\[0\]\.type: unknown field"),
    (_SECRET, r"messages\[0\]: must be an object"),
]


@pytest.mark.parametrize(("stored", "message"), _BROKEN, ids=_numbered(_BROKEN))
def test_a_broken_history_is_refused_with_its_place(stored: Any, message: str) -> None:
    """Each way to break the stored form is one ValueError that says where, without the content and without noise."""
    with pytest.raises(ValueError, match=message) as caught:
        load_messages(json.dumps(_envelope(stored)))
    assert type(caught.value) is ValueError
    assert _SECRET not in str(caught.value)
    assert "pydantic" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_many_faults_make_one_short_message() -> None:
    """A file that is wrong everywhere does not fill the log."""
    with pytest.raises(ValueError, match=r"and 97 more$") as caught:
        load_messages(json.dumps(_envelope(*[_user({"type": "text"})] * 100)))
    assert str(caught.value).count(": missing") == 3


_FOREIGN: list[tuple[str | bytes, str]] = [
    ("", "Expecting value"),
    ("{", "Expecting property name"),
    (b"\xff\xfe{}", "UTF-8; byte 0"),
    ("[]", "no history of chatport"),
    ("null", "no history of chatport"),
    ('"x"', "no history of chatport"),
    ("{}", "no history of chatport"),
    ('{"schema": "other.messages", "version": 1, "messages": []}', "no history of chatport"),
    ('{"schema": ["chatport.messages"], "version": 1, "messages": []}', "no history of chatport"),
    (json.dumps(_envelope(version=2)), "written by a newer chatport: version 2, and this one reads up to 1"),
    (json.dumps(_envelope(version=0)), "version: must be a whole number"),
    (json.dumps(_envelope(version=True)), "version: must be a whole number"),
    (json.dumps(_envelope(version="1")), "version: must be a whole number"),
    ('{"schema": "chatport.messages", "messages": []}', "version: must be a whole number"),
    ('{"schema": "chatport.messages", "version": 1}', "messages: missing"),
    (json.dumps(_envelope(messages={})), "messages: must be an array"),
    (json.dumps(_envelope(extra=1)), "extra: unknown field"),
    ('{"schema": "chatport.messages", "version": 1, "messages": NaN}', "NaN is no JSON number"),
    ('{"schema": "chatport.messages", "version": 1, "version": 1, "messages": []}', "names version twice"),
]


@pytest.mark.parametrize(("text", "message"), _FOREIGN, ids=_numbered(_FOREIGN))
def test_what_is_no_history_of_ours_is_refused(text: str | bytes, message: str) -> None:
    """Another file, another program's, a newer release's, or a broken one: each is told apart."""
    with pytest.raises(ValueError, match=message):
        load_messages(text)


@given(st.text(max_size=20) | st.binary(max_size=20))
def test_noise_is_refused(noise: str | bytes) -> None:
    """Any text or bytes at all: a ValueError, and nothing else."""
    with pytest.raises(ValueError, match=r"\w"):
        load_messages(noise)


def test_only_text_is_loaded() -> None:
    """The parsed document, or a path, is a mistake of the caller."""
    with pytest.raises(TypeError, match=r"str or bytes, not dict$"):
        load_messages({})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", ""),
        ('{"schema":"chatport.messages","version":1,"messages":', "}"),
        ('{"schema":"chatport.messages","version":1,"messages":[{"role":"user","parts":', "}]}"),
        (
            '{"schema":"chatport.messages","version":1,"messages":[{"role":"user","parts":[{"type":"json","value":',
            "}]}]}",
        ),
    ],
    ids=["root", "messages", "parts", "value"],
)
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")], ids=["arrays", "objects"])
@pytest.mark.parametrize("depth", [130, 900, 100_000])
def test_deep_nesting_is_refused(before: str, after: str, opening: str, closing: str, depth: int) -> None:
    """However deep, and wherever in the file: an error, not a crash of the interpreter."""
    with pytest.raises(ValueError, match="nested"):
        load_messages(before + opening * depth + "0" + closing * depth + after)


def test_deep_results_are_refused() -> None:
    """The same through the one form that nests of its own."""
    opening = '{"type":"tool_result","id":"1","content":['
    deep = opening * 100 + "]}" * 100
    with pytest.raises(ValueError, match="nested"):
        load_messages(f'{{"schema":"chatport.messages","version":1,"messages":[{{"role":"tool","parts":[{deep}]}}]}}')


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path]
    if isinstance(value, dict):
        for name, item in value.items():
            found += _places(item, (*path, name))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            found += _places(item, (*path, index))
    return found


@given(st.data())
def test_a_history_that_somebody_touched_loads_or_is_refused(data: st.DataObject) -> None:
    """Whatever value stands wherever: messages that can be stored again, or a ValueError, and nothing else."""
    document = json.loads(_FIXTURE.read_bytes())
    path = data.draw(st.sampled_from(_places(document)))
    strange = data.draw(json_values() | st.sampled_from([{"type": name} for name in _serialize._KINDS]))
    if path:
        *way, last = path
        holder = document
        for step in way:
            holder = holder[step]
        holder[last] = deepcopy(strange)
    else:
        document = strange
    try:
        loaded = load_messages(json.dumps(document))
    except ValueError:
        return
    assert load_messages(dump_messages(loaded)) == loaded


_REMOTE = [
    ((Image("image/png", None, "s3://bucket/a"),), "parts[0].uri: an address in an object store"),
    (("See:", Document("text/plain", None, "s3://bucket/a")), "parts[1].uri: an address in an object store"),
    ((Audio("audio/wav", None, "gs://bucket/a"),), "parts[0].uri: an address in an object store"),
    ((Video("video/mp4", None, "s3://bucket/a"),), "parts[0].uri: an address in an object store"),
    ((ToolResult("a", ["x", Image("image/png", None, "s3://bucket/a")]),), "parts[0].content[1].uri: an address"),
    ((Opaque("echo", {"source": "s3://bucket/a"}),), "parts[0]: a part in the words of echo"),
]


@pytest.mark.parametrize(("content", "words"), _REMOTE, ids=_numbered(_REMOTE))
def test_rule_26_a_history_of_a_stranger_points_to_nothing_in_a_store(content: Any, words: str) -> None:
    """A service would read it with the rights of the account; who stored the history himself may load it."""
    text = dump_messages([Message.user("Hello"), Message.user(*content)])
    with pytest.raises(ValueError, match=f"^{re.escape(f'messages[1].{words}')}.*not allowed here$"):
        load_messages(text, allow_uris=False)
    assert load_messages(text)[1].parts == Message.user(*content).parts


def test_what_points_to_no_store_loads_without_addresses() -> None:
    """Content, text and results of tools are what they are; so is a URL, which is fetched under guard."""
    parts = (Text("a"), Image("image/png", b"x"), Image.from_url("https://example.com/a"), ToolResult("a", "b"))
    messages = (Message("user", parts),)
    assert load_messages(dump_messages(messages), allow_uris=False) == messages
