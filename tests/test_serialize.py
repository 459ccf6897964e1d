import json
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.strategies import messages

from chatport import _serialize
from chatport._media import Audio, Document, Image, Video
from chatport._messages import (
    CachePoint,
    Citation,
    Json,
    Message,
    Opaque,
    Part,
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
)
from chatport._serialize import dump_messages, load_messages

_FIXTURE = Path(__file__).parent / "fixtures" / "messages-v1.json"

# One of each part, and what it is stored as. This is the format: a change here is a change of every stored history.
_STORED: list[tuple[Part, dict[str, Any]]] = [
    (Text("hi"), {"type": "text", "text": "hi"}),
    (
        Text("hi", (Citation("T", "https://example.com", ("a", "b"), metadata={"echo": {"at": 1}}), Citation())),
        {
            "type": "text",
            "text": "hi",
            "citations": [
                {"title": "T", "source": "https://example.com", "quotes": ["a", "b"], "metadata": {"echo": {"at": 1}}},
                {},
            ],
        },
    ),
    (Image("image/png", b"\xfb\xff\x00"), {"type": "image", "media_type": "image/png", "data": "+/8A"}),
    (Image("image/png", b""), {"type": "image", "media_type": "image/png", "data": ""}),
    (
        Document("text/csv", b"a,b", name="table.csv"),
        {"type": "document", "media_type": "text/csv", "data": "YSxi", "name": "table.csv"},
    ),
    (
        Document("application/pdf", None, "s3://bucket/a.pdf"),
        {"type": "document", "media_type": "application/pdf", "uri": "s3://bucket/a.pdf"},
    ),
    (
        Document("text/plain", b"a", context="a draft", citations=True),
        {"type": "document", "media_type": "text/plain", "data": "YQ==", "context": "a draft", "citations": True},
    ),
    (
        Image.from_url("https://example.com/cat.png?size=1"),
        {"type": "image", "media_type": "image/*", "url": "https://example.com/cat.png?size=1"},
    ),
    (
        Document.from_url("http://example.com/a%20b.md", media_type="text/markdown"),
        {"type": "document", "media_type": "text/markdown", "url": "http://example.com/a%20b.md", "name": "a b.md"},
    ),
    (
        Audio("audio/wav", b"a", metadata={"echo": {"rate": 8000}}),
        {"type": "audio", "media_type": "audio/wav", "data": "YQ==", "metadata": {"echo": {"rate": 8000}}},
    ),
    (Video("video/mp4", b"ab"), {"type": "video", "media_type": "video/mp4", "data": "YWI="}),
    (Reasoning(), {"type": "reasoning"}),
    (
        Reasoning("why", "c2ln", b"\x00", metadata={"echo": {"family": "parrot"}}),
        {
            "type": "reasoning",
            "text": "why",
            "signature": "c2ln",
            "redacted": "AA==",
            "metadata": {"echo": {"family": "parrot"}},
        },
    ),
    (
        ToolCall("1", "add", {"b": 2, "a": [1.5, None, True]}),
        {"type": "tool_call", "id": "1", "name": "add", "arguments": {"b": 2, "a": [1.5, None, True]}},
    ),
    (
        ToolCall("1", "add", {}, '{"a":', "server"),
        {"type": "tool_call", "id": "1", "name": "add", "invalid_json": '{"a":', "executed_by": "server"},
    ),
    (ToolCall("1", "add", invalid_json=""), {"type": "tool_call", "id": "1", "name": "add", "invalid_json": ""}),
    (ToolResult("1"), {"type": "tool_result", "id": "1"}),
    (
        ToolResult("1", (Text("x"), Json([1]), ToolResult("2", is_error=True)), metadata={"echo": {}}),
        {
            "type": "tool_result",
            "id": "1",
            "content": [
                {"type": "text", "text": "x"},
                {"type": "json", "value": [1]},
                {"type": "tool_result", "id": "2", "is_error": True},
            ],
            "metadata": {"echo": {}},
        },
    ),
    (Json(None), {"type": "json", "value": None}),
    (Json(0), {"type": "json", "value": 0}),
    (CachePoint(), {"type": "cache_point"}),
    (CachePoint("1h"), {"type": "cache_point", "ttl": "1h"}),
    (
        Opaque("echo", {"type": "text", "x": []}),
        {"type": "opaque", "backend": "echo", "data": {"type": "text", "x": []}},
    ),
]


def _numbered(rows: Sequence[object]) -> list[str]:
    return [f"row {number}" for number in range(len(rows))]


each_stored = pytest.mark.parametrize(("part", "stored"), _STORED, ids=_numbered(_STORED))


def _envelope(*stored: Any, **changes: Any) -> dict[str, Any]:
    return {"schema": "chatport.messages", "version": 1, "messages": list(stored), **changes}


def _user(*parts: Any) -> dict[str, Any]:
    return {"role": "user", "parts": list(parts)}


# --- there and back --------------------------------------------------------------------------------------------------


@given(st.lists(messages(), max_size=3).map(tuple))
def test_every_history_comes_back_equal(history: tuple[Message, ...]) -> None:
    """Whatever our types can express is stored and loaded without a difference, as the same text each time."""
    text = dump_messages(history)
    loaded = load_messages(text)
    assert loaded == history
    # `==` takes 1 for 1.0 and for True; the text does not.
    assert dump_messages(loaded) == text
    assert load_messages(text.encode()) == history


@given(messages())
def test_the_text_is_plain_ascii_json(message: Message) -> None:
    """The text survives any encoding on its way, has no spaces to spare, and other readers of JSON take it."""
    text = dump_messages([message])
    assert text.isascii()

    def refuse(word: str) -> None:
        pytest.fail(f"{word} is no JSON")

    document = json.loads(text, parse_constant=refuse)
    assert json.dumps(document, separators=(",", ":")) == text


@each_stored
def test_each_part_is_stored_as_said(part: Part, stored: dict[str, Any]) -> None:
    """The stored form of each part, member by member, in a fixed order and without its defaults."""
    text = dump_messages([Message("user", (part,))])
    assert text == json.dumps(_envelope(_user(stored)), separators=(",", ":"))
    [[loaded]] = [message.parts for message in load_messages(text)]
    assert loaded == part
    assert type(loaded) is type(part)


def test_every_part_has_a_stored_form() -> None:
    """A new part cannot be forgotten: the table has all of them, and the examples above too."""
    assert set(_serialize._KINDS.values()) == set(get_args(Part))
    assert {stored["type"] for _, stored in _STORED} == set(_serialize._KINDS)


def test_what_comes_back_is_frozen_and_made_of_tuples() -> None:
    """Loaded values are the values that everybody else makes, not look-alikes."""
    text = dump_messages([Message("tool", (ToolResult("1", (Text("x", (Citation(quotes=("q",)),)),)),))])
    [message] = load_messages(text)
    [result] = message.parts
    assert isinstance(result, ToolResult)
    assert type(message.parts) is tuple
    assert type(result.content) is tuple
    [words] = result.content
    assert isinstance(words, Text)
    assert type(words.citations) is tuple
    assert type(words.citations[0].quotes) is tuple
    with pytest.raises(FrozenInstanceError):
        words.text = "y"  # type: ignore[misc]


def test_no_messages_are_stored_as_no_messages() -> None:
    """An empty history is a history."""
    assert dump_messages(()) == '{"schema":"chatport.messages","version":1,"messages":[]}'
    assert load_messages(dump_messages([])) == ()


def test_half_a_character_survives() -> None:
    """A model may write half a character; a history with it can be stored, and comes back as it was."""
    history = (Message.user("\ud83d alone", Json({"\ude00": "a\ud83d"})),)
    assert load_messages(dump_messages(history)) == history


def test_a_byte_order_mark_is_no_content() -> None:
    """Some editors and tools put one in front of a file."""
    text = dump_messages([Message.user("hi")])
    assert load_messages(b"\xef\xbb\xbf" + text.encode()) == (Message.user("hi"),)


def test_the_order_of_arguments_is_kept() -> None:
    """The arguments of a call go back to the model as it wrote them; a cache of the service depends on it."""
    arguments = {"z": 1, "a": 2, "m": 3}
    [message] = load_messages(dump_messages([Message.assistant(ToolCall("1", "f", arguments))]))
    assert list(message.tool_calls[0].arguments) == ["z", "a", "m"]


# --- for ever --------------------------------------------------------------------------------------------------------


def test_the_first_version_is_read_for_ever() -> None:
    """A file written by the first release means the same to every later one. Never edit the file to fit the code."""
    system, user, answer, results, empty = load_messages(_FIXTURE.read_bytes())
    assert system == Message("system", (Text("Be brief."), CachePoint("5m")))
    assert user == Message(
        "user",
        (
            Text("What is this? 😀"),
            Image("image/png", b"\x89PNG\r\n\x1a\n"),
            Document("text/csv", b"a,b\n1,2\n", name="table.csv"),
            Document("application/pdf", None, "s3://bucket/report.pdf", name="report.pdf"),
            Audio("audio/wav", b"RIFF", metadata={"echo": {"rate": 16000}}),
            Video("video/mp4", None, "s3://bucket/film.mp4"),
            CachePoint(),
        ),
        metadata={"echo": {"turn": 1}},
    )
    citation = Citation("Report", "https://example.com/report", ("It rains.",), metadata={"echo": {"page": 3}})
    assert answer == Message(
        "assistant",
        (
            Reasoning("They want the weather.", "c2lnbmVk", metadata={"echo": {"family": "parrot"}}),
            Reasoning(redacted=b"\x00\xff"),
            Text("It says so here.", (citation, Citation())),
            ToolCall("call-1", "get_weather", {"location": "Paris", "days": [1, 2.5, None, True]}),
            ToolCall("call-2", "get_weather", invalid_json='{"location": "Par'),
            ToolCall("call-3", "search", executed_by="server"),
            ToolResult("call-3", (Json({"hits": 0}),)),
            Opaque("echo", {"newBlock": {"deep": [{}]}}),
        ),
    )
    assert results == Message(
        "tool",
        (
            ToolResult("call-1", (Text("rain"), Image("image/jpeg", b"\xff\xd8\xff"), Json(None))),
            ToolResult("call-2", is_error=True),
        ),
    )
    assert empty == Message("assistant", ())


def test_the_first_version_names_every_part() -> None:
    """The file has every part of the first release, so that none can be lost."""
    kinds = {type(part) for message in load_messages(_FIXTURE.read_bytes()) for part in message.parts}
    kinds |= {
        type(inner)
        for message in load_messages(_FIXTURE.read_bytes())
        for part in message.parts
        if isinstance(part, ToolResult)
        for inner in part.content
    }
    assert kinds >= {Text, Image, Document, Audio, Video, Reasoning, ToolCall, ToolResult, Json, CachePoint, Opaque}


# --- what cannot be stored -------------------------------------------------------------------------------------------


class _Shout(Text):
    """A part of somebody's own."""


_UNSTORABLE: list[tuple[Part, type[Exception], str]] = [
    (Text("x", metadata={"echo": {"at": b"x"}}), TypeError, r"metadata\.echo\.at: bytes is no JSON value"),
    (Text("x", metadata={"echo": {1}}), TypeError, r"metadata\.echo: set is no JSON value"),
    (Text("x", metadata={"echo": [float("nan")]}), ValueError, r"metadata\.echo\[0\]: nan is no JSON number"),
    (Text("x", metadata={"echo": (1,)}), TypeError, r"metadata\.echo: a tuple is no JSON value"),
    (Text("x", metadata={"echo": {1: 2}}), TypeError, r"metadata\.echo: a JSON object has names of type str"),
    (Text("x", metadata=[]), TypeError, r"metadata: must be dict.*, not list$"),  # type: ignore[arg-type]
    (Text("\ud83d\ude00"), ValueError, r"text: it holds a character as two surrogates"),
    (Text(b"x"), TypeError, r"text: must be str.*, not bytes$"),  # type: ignore[arg-type]
    (Text("x", [Citation()]), TypeError, r"citations: must be tuple.*, not list$"),  # type: ignore[arg-type]
    (Text("x", ("y",)), TypeError, r"citations\[0\]: must be Citation.*, not str$"),  # type: ignore[arg-type]
    (Image("image/png", "AAAA"), TypeError, r"data: must be bytes.*, not str$"),  # type: ignore[arg-type]
    (Image("image/png", bytearray(b"x")), TypeError, r"data: must be bytes.*, not bytearray$"),  # type: ignore[arg-type]
    (Reasoning("x", b"sig"), TypeError, r"signature: must be str.*, not bytes$"),  # type: ignore[arg-type]
    (ToolCall("1", "f", {"a": object()}), TypeError, r"arguments\.a: object is no JSON value"),
    (ToolCall("1", "f", executed_by="me"), TypeError, r"executed_by: must be 'client' or 'server', not 'me'$"),  # type: ignore[arg-type]
    (ToolResult("1", "x", is_error=1), TypeError, r"is_error: must be bool.*, not int$"),  # type: ignore[arg-type]
    (Json(float("inf")), ValueError, r"value: inf is no JSON number"),
    (Json(10**4300), ValueError, r"value: an integer of more than 4300 digits"),
    (Opaque("echo", {"a b": {b""}}), TypeError, r'data\["a b"\]: set is no JSON value'),
    (_Shout("x"), TypeError, r": must be one of chatport's parts, not _Shout$"),
]


@pytest.mark.parametrize(("part", "kind", "message"), _UNSTORABLE, ids=_numbered(_UNSTORABLE))
def test_what_cannot_be_stored_is_refused_with_its_place(part: Part, kind: type[Exception], message: str) -> None:
    """Nothing is left out, bent or written as something else: the error names the place."""
    history = [Message.user("fine"), Message("user", (Text("fine"), part))]
    with pytest.raises(kind, match=r"^messages\[1\]\.parts\[1\]\.?" + message.removeprefix(".")):
        dump_messages(history)


@pytest.mark.parametrize("history", ["text", [Text("x")], [None], [_user()]], ids=["text", "parts", "nothing", "dicts"])
def test_only_messages_are_a_history(history: Any) -> None:
    """A sequence of something else says what it was instead of a message."""
    with pytest.raises(TypeError, match=r"^messages\[0\]: must be Message, not"):
        dump_messages(history)


def _nested_results(levels: int) -> tuple[Message, ...]:
    result = ToolResult("1", "end")
    for _ in range(levels - 1):
        result = ToolResult("1", (result,))
    return (Message("tool", (result,)),)


@pytest.mark.parametrize("levels", [1, 10, 60])
def test_results_within_results(levels: int) -> None:
    """Results may hold results, more deeply than anybody needs."""
    history = _nested_results(levels)
    assert load_messages(dump_messages(history)) == history


@pytest.mark.parametrize("levels", [65, 500, 5000])
def test_results_nested_too_deeply_are_refused(levels: int) -> None:
    """Beyond the limit there is an error that says so, and no exhausted stack."""
    with pytest.raises(ValueError, match="nested too deeply"):
        dump_messages(_nested_results(levels))


def test_what_a_model_can_write_can_be_stored() -> None:
    """The deepest arguments that a stream lets through fit into a stored history, even inside a result."""
    deep: Any = {}
    for _ in range(99):
        deep = {"a": deep}
    history = (Message.assistant(ToolCall("1", "f", deep)), Message("tool", (ToolResult("1", (Json(deep),)),)))
    assert load_messages(dump_messages(history)) == history


# --- when it is built ------------------------------------------------------------------------------------------------


def test_importing_builds_nothing() -> None:
    """What checks stored messages is built when the first history is loaded, not when chatport is imported."""
    program = "import chatport._serialize as s; print(s._build_adapter.cache_info().currsize)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "0"


@pytest.fixture
def _switching() -> Iterator[None]:
    """Put back how often the interpreter goes from thread to thread."""
    before = sys.getswitchinterval()
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("_switching")
def test_threads_build_it_once() -> None:
    """Threads that load their first history at the same moment share one adapter."""
    _serialize._build_adapter.cache_clear()
    text = _FIXTURE.read_bytes()
    # As often as it can, once all have started: to install a tracer in two at once is an error of Python's.
    together = threading.Barrier(8, action=lambda: sys.setswitchinterval(1e-6))
    loaded: list[tuple[Message, ...]] = []

    def load() -> None:
        together.wait()
        loaded.append(load_messages(text))

    threads = [threading.Thread(target=load) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert loaded == [load_messages(text)] * 8
    assert _serialize._build_adapter.cache_info().misses == 1
