"""Requests as bodies: what stands where, what is adjusted, and what is refused."""

from typing import Any

import pytest

from chatport.backend import (
    CachePoint,
    ChatRequest,
    Citation,
    Document,
    Image,
    Json,
    Message,
    Opaque,
    Part,
    Reasoning,
    Settings,
    Text,
    Tool,
    ToolCall,
    ToolResult,
    UnsupportedError,
    Video,
)
from chatport.backend.http import plain_json
from chatport_anthropic import container_upload, search_result, text_document, tool_addition
from chatport_anthropic._translate import Translation, translate

SONNET = "claude-sonnet-4-5"
MARK = {"anthropic": {"family": "anthropic"}}
WEATHER = Tool("weather", "The weather.", {"type": "object", "properties": {"city": {"type": "string"}}})
CALL = ToolCall("toolu_1", "weather", {"city": "Bonn"})
PNG = b"\x89PNG\r\n\x1a\n"


def asked(*messages: Message | str, model: str = SONNET, **members: Any) -> Translation:
    """A request with these messages; a str is the user's."""
    said = tuple(Message.user(each) if isinstance(each, str) else each for each in messages)
    return translate(ChatRequest(model, said, **members))


def turns(translation: Translation) -> list[dict[str, Any]]:
    """The messages as they are sent."""
    messages: list[dict[str, Any]] = plain_json(translation.body)["messages"]
    return messages


def noted(translation: Translation) -> list[tuple[str, str, str]]:
    """What was adjusted, without what is no loss."""
    return [(each.kind, each.code, each.path) for each in translation.adjustments if each.kind != "lossless"]


def codes(translation: Translation) -> set[str]:
    """The codes of everything that was adjusted."""
    return {each.code for each in translation.adjustments}


def words(text: str) -> dict[str, Any]:
    """A block of words."""
    return {"type": "text", "text": text}


# --- messages --------------------------------------------------------------------------------------------------------


def test_a_plain_question() -> None:
    """Model, limit, system prompt and messages, and nothing else."""
    translation = asked("Hi", system=(Text("Be brief."),), settings=Settings(max_tokens=50))
    assert translation.body == {
        "model": SONNET,
        "max_tokens": 50,
        "system": [words("Be brief.")],
        "messages": [{"role": "user", "content": [words("Hi")]}],
    }
    assert (translation.adjustments, translation.betas) == ((), ())


def test_turns_of_one_role_are_joined() -> None:
    """Results of tools and the words behind them are one turn; nothing is lost by that."""
    messages = (Message.assistant(CALL), Message("tool", (ToolResult("toolu_1", "rain"),)), Message.user("And now?"))
    translation = asked("?", *messages, tools=(WEATHER,))
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": [words("rain")]}
    call = {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Bonn"}}
    assert turns(translation)[1:] == [
        {"role": "assistant", "content": [call]},
        {"role": "user", "content": [result, words("And now?")]},
    ]
    assert noted(translation) == []


def test_system_messages_stay_where_the_model_takes_them() -> None:
    """Behind the user with the model or nobody behind them; elsewhere as marked words, which is told."""
    history = ("Hi", Message.system("Be kind."), Message.assistant("Hello"), "Bye", Message.system("Be short."))
    taken = asked(*history, model="claude-opus-4-8")
    assert [turn["role"] for turn in turns(taken)] == ["user", "system", "assistant", "user", "system"]
    assert turns(taken)[1]["content"] == [words("Be kind.")]
    assert noted(taken) == []
    wrapped = asked(*history)
    assert [turn["role"] for turn in turns(wrapped)] == ["user", "assistant", "user"]
    assert turns(wrapped)[0]["content"] == [words("Hi"), words("<system>\nBe kind.\n</system>")]
    assert noted(wrapped) == [
        ("changed", "system-message-wrapped", "messages[1]"),
        ("changed", "system-message-wrapped", "messages[4]"),
    ]
    misplaced = asked("Hi", Message.assistant("Hello"), Message.system("Be kind."), "Bye", model="claude-opus-4-8")
    assert noted(misplaced) == [("changed", "system-message-wrapped", "messages[2]")]
    several = asked("Hi", Message.system("a"), Message.system("b"), model="claude-opus-4-8")
    assert turns(several)[1] == {"role": "system", "content": [words("a"), words("b")]}


def test_system_messages_that_begin_belong_to_the_prompt() -> None:
    """With their cache points."""
    translation = asked(Message.system("a", CachePoint()), Message.system("b"), "Hi", system=(Text("0"),))
    assert translation.body["system"] == [
        words("0"),
        {**words("a"), "cache_control": {"type": "ephemeral"}},
        words("b"),
    ]
    assert "system-message-moved" in codes(translation)


def test_a_change_of_the_tools_is_the_systems() -> None:
    """With any model, wherever it stands; nobody else may make one."""
    change = tool_addition("weather")
    translation = asked("Hi", Message("system", (change,)), model="claude-fable-5")
    assert turns(translation)[1] == {"role": "system", "content": [change.data]}
    first = asked(Message("system", (change,)), "Hi")
    assert [turn["role"] for turn in turns(first)] == ["system", "user"]
    with pytest.raises(UnsupportedError, match="only a message of the system"):
        asked(Message.user(change))


@pytest.mark.parametrize("part", [Text(""), Text(" \n"), Opaque("bedrock", {}), Reasoning("Hm")])
def test_nothing_left_of_the_newest_message(part: Part) -> None:
    """Another question would be answered than the one that was asked."""
    with pytest.raises(UnsupportedError, match=r"messages\[1\]: there is nothing"):
        asked("Hi", Message("user", (part,)))


def test_empty_messages_are_left_out() -> None:
    """Of the model and of the past; a conversation of nothing is refused."""
    translation = asked(Message.assistant(""), "Hi", Message.assistant(""), "Ho")
    assert turns(translation) == [{"role": "user", "content": [words("Hi"), words("Ho")]}]
    assert noted(translation) == []
    with pytest.raises(UnsupportedError, match="nothing is said"):
        asked(Message.assistant(""))


def test_blank_words_of_the_model_stay() -> None:
    """Recorded between two cited sentences."""
    assert turns(asked("Hi", Message.assistant("a", " ", ""), "Ho"))[1]["content"] == [words("a"), words(" ")]


def test_the_model_goes_on_writing_where_it_can() -> None:
    """Without a blank at the end; newer models are asked to continue instead, which is told."""
    older = asked("Hi", Message.assistant("Well, "))
    assert turns(older)[-1] == {"role": "assistant", "content": [words("Well,")]}
    assert noted(older) == []
    newer = asked("Hi", Message.assistant("Well,"), model="claude-opus-4-6")
    assert turns(newer)[-1] == {"role": "user", "content": [words("Continue.")]}
    assert noted(newer) == [("changed", "prefill-refused", "messages[1].parts[0]")]
    assert len(turns(asked("Hi", Message.assistant("  ")))) == 1


def test_the_service_goes_on_where_it_has_paused() -> None:
    """Its own unfinished turn goes back as it came; where the user speaks instead, the open call is left out."""
    mark = {"anthropic": {"type": "server_tool_use"}}
    call = ToolCall("srvtoolu_1", "web_search", {"query": "x"}, executed_by="server", metadata=mark)
    paused = Message.assistant("Searching", call)
    sent = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "x"}}
    translation = asked("Hi", paused, model="claude-opus-4-6")
    assert turns(translation)[-1] == {"role": "assistant", "content": [words("Searching"), sent]}
    assert noted(translation) == []
    interrupted = asked("Hi", paused, "Stop.")
    assert turns(interrupted)[1]["content"] == [words("Searching")]
    assert noted(interrupted) == [("dropped", "server-call-unanswered", "messages[1].parts[1]")]
    waiting = Message.assistant(call, CALL)
    answered = asked("Hi", waiting, Message("tool", (ToolResult("toolu_1", "rain"),)))
    assert turns(answered)[1]["content"][0] == sent
    assert noted(answered) == []


# --- parts -----------------------------------------------------------------------------------------------------------


def test_images_and_documents() -> None:
    """Bytes, addresses and uploaded files; titles, contexts and citations."""
    pdf = Document("application/pdf", b"%PDF-1.7", name="a.pdf", context="old", citations=True)
    text = Document("text/markdown", "# ü".encode(), name="b.md")
    translation = asked(
        Message.user(
            Image("image/png", PNG),
            Image.from_url("https://a.b/c.png"),
            Image.from_uri("anthropic://file_1", media_type="image/png"),
            pdf,
            text,
            Document.from_url("https://a.b/c.pdf"),
            "?",
        )
    )
    assert turns(translation)[0]["content"] == [
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}},
        {"type": "image", "source": {"type": "url", "url": "https://a.b/c.png"}},
        {"type": "image", "source": {"type": "file", "file_id": "file_1"}},
        {
            "type": "document",
            "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0xLjc="},
            "title": "a.pdf",
            "context": "old",
            "citations": {"enabled": True},
        },
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "# ü"}, "title": "b.md"},
        {"type": "document", "source": {"type": "url", "url": "https://a.b/c.pdf"}, "title": "c.pdf"},
        words("?"),
    ]
    assert translation.betas == ("files-api-2025-04-14",)
    assert noted(translation) == []
    assert "document-as-text" in codes(translation)


@pytest.mark.parametrize(
    ("part", "reason"),
    [
        (Video("video/mp4", b"x"), "takes no video"),
        (Image("image/tiff", b"x"), "reads no image of type image/tiff"),
        (Image("image/png", b""), "the image is empty"),
        (Image("image/png", "text"), "is str, not bytes"),  # type: ignore[arg-type]  # what a caller may do
        (Document("application/msword", b"x"), "PDF documents and text"),
        (Document("text/plain", b"\xff\xfe\x00"), "no text in UTF-8"),
        (Document.from_url("https://a.b/c.docx"), None),
        (Image.from_url("http://a.b/c.png"), "does not fetch this image"),
        (Document("text/csv", url="https://a.b/c.csv"), "does not fetch this document"),
        (ToolCall("1", "x"), "takes no ToolCall in a message to the model"),
        (Text("\ud800"), "half of a surrogate pair"),
        (Text(5), "it is a int, not a str"),  # type: ignore[arg-type]  # what a caller may do
        (Json({"a": float("nan")}), r"parts\[0\].value.a: JSON has no nan"),
        (Json([b"x"]), "JSON has no bytes"),
        (Json({1: 2}), "a name of a member"),
        (Opaque("anthropic", "x"), "a JSON object with a type"),
        (CachePoint("2h"), "the service caches for 5m or 1h"),
    ],
)
def test_parts_that_cannot_be_sent(part: Part, reason: str | None) -> None:
    """Refused by name before anything is sent; an unseen document may still be a PDF."""
    if reason is None:
        assert turns(asked(Message.user(part)))[0]["content"][0]["type"] == "document"
        return
    with pytest.raises(UnsupportedError, match=reason):
        asked(Message.user(part, "?"))


def test_a_json_value_without_end_is_refused() -> None:
    """As nothing could write it."""
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(UnsupportedError, match="nested too deeply"):
        asked(Message.user(Json(endless)))


def test_what_only_others_understand_is_left_out() -> None:
    """Addresses of other stores, blocks of other services, media in an answer: each is told."""
    stored = Image.from_uri("s3://a/b.png")
    answer = Message.assistant("So", Image("image/png", PNG))
    translation = asked(Message.user(stored, Opaque("bedrock", {"x": 1}), "Hi"), answer, "Ho")
    assert noted(translation) == [
        ("dropped", "foreign-uri", "messages[0].parts[0]"),
        ("dropped", "foreign-opaque", "messages[0].parts[1]"),
        ("dropped", "assistant-media", "messages[1].parts[1]"),
    ]
    with pytest.raises(UnsupportedError, match="takes no image in the system prompt"):
        asked("Hi", system=(Image("image/png", PNG),))
    with pytest.raises(UnsupportedError, match="takes no image in the system prompt"):
        asked("Hi", system=(Opaque("anthropic", {"type": "image"}),))


def test_words_of_the_service_go_as_they_are() -> None:
    """Search results, documents of passages, uploads: typed, and blocks that nobody knows."""
    found = search_result("https://a.b", "T", ["p", "q"], citations=True)
    document = text_document(["p", "q"], title="T", context="c", citations=True)
    upload, later = container_upload("file_1"), Opaque("anthropic", {"type": "hologram", "of": [1]})
    content = turns(asked(Message.user(found, document, upload, later)))[0]["content"]
    assert content == [found.data, document.data, upload.data, later.data]
    assert found.data == {
        "type": "search_result",
        "source": "https://a.b",
        "title": "T",
        "content": [words("p"), words("q")],
        "citations": {"enabled": True},
    }
    assert document.data["source"] == {"type": "content", "content": [words("p"), words("q")]}


@pytest.mark.parametrize(
    "make",
    [
        lambda: search_result("", "T", "x"),
        lambda: search_result("s", "T", " "),
        lambda: text_document([]),
        lambda: text_document(["a", " "]),
        lambda: container_upload(""),
        lambda: tool_addition(""),
    ],
    ids=["no source", "no words", "no passages", "a blank passage", "no file", "no tool"],
)
def test_typed_blocks_are_checked(make: Any) -> None:
    """What the service would refuse is refused where it is made."""
    with pytest.raises(ValueError, match=r"has|have"):
        make()


def test_a_document_of_passages_is_no_str() -> None:
    """One text would be a row of letters."""
    with pytest.raises(TypeError, match="sequence of str"):
        text_document("one text")


# --- reasoning -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("part", "block"),
    [
        (Reasoning("Hm", "sig", metadata=MARK), {"type": "thinking", "thinking": "Hm", "signature": "sig"}),
        (Reasoning("", "sig", metadata=MARK), {"type": "thinking", "thinking": "", "signature": "sig"}),
        (Reasoning("Hm", "sig"), {"type": "thinking", "thinking": "Hm", "signature": "sig"}),
        (Reasoning(redacted=b"abc", metadata=MARK), {"type": "redacted_thinking", "data": "abc"}),
    ],
)
def test_signed_thoughts_go_back_to_who_signed_them(part: Reasoning, block: dict[str, Any]) -> None:
    """Byte for byte, also without a word; also where the caller made them by hand."""
    translation = asked("Hi", Message.assistant(part, "Hello"), "Ho")
    assert turns(translation)[1]["content"] == [block, words("Hello")]
    assert noted(translation) == []


@pytest.mark.parametrize(
    ("part", "code"),
    [
        (Reasoning("Hm", "sig", metadata={"bedrock": {"family": "anthropic"}}), "foreign-reasoning"),
        (Reasoning("Hm", "sig", metadata={"anthropic": {"family": "gpt-oss:20b"}}), "foreign-reasoning"),
        (Reasoning("Hm", metadata=MARK), "unsigned-reasoning"),
        (Reasoning("Hm", "", metadata=MARK), "unsigned-reasoning"),
        (Reasoning("Hm"), "unsigned-reasoning"),
    ],
)
def test_other_thoughts_are_left_out_and_told(part: Reasoning, code: str) -> None:
    """Signed by Claude on Bedrock, written by another family, or by nobody knows whom."""
    translation = asked("Hi", Message.assistant(part, "Hello"), "Ho")
    assert turns(translation)[1]["content"] == [words("Hello")]
    assert noted(translation) == [("dropped", code, "messages[1].parts[0]")]


def test_thoughts_of_other_models_that_speak_this_protocol() -> None:
    """They sign nothing, and get back what they wrote."""
    part = Reasoning("Hm", metadata={"anthropic": {"family": "gpt-oss:20b"}})
    translation = asked("Hi", Message.assistant(part, "Hello"), "Ho", model="gpt-oss:20b")
    assert turns(translation)[1]["content"][0] == {"type": "thinking", "thinking": "Hm"}


def test_thoughts_are_the_models() -> None:
    """In a message of the user they are nothing, and redacted bytes that are no text are another service's."""
    assert noted(asked(Message.user(Reasoning("Hm", "sig"), "Hi"))) == [
        ("dropped", "misplaced-reasoning", "messages[0].parts[0]")
    ]
    assert noted(asked("Hi", Message.assistant(Reasoning(redacted=b"\xff"), "Hello"), "Ho")) == [
        ("dropped", "foreign-reasoning", "messages[1].parts[0]")
    ]
    assert noted(asked("Hi", Message.assistant(Reasoning("Hm", "sig", b"\xff")), "Ho")) == [
        ("dropped", "foreign-reasoning", "messages[1].parts[0].redacted")
    ]


# --- calls and results -----------------------------------------------------------------------------------------------


def test_results_hold_what_the_service_takes() -> None:
    """Words, JSON as words, images, documents, search results; nothing at all."""
    found = search_result("s", "T", "x")
    result = ToolResult("toolu_1", (Text("a"), Text(" "), Json({"b": 1}), Image("image/png", PNG), found, CachePoint()))
    translation = asked("?", Message.assistant(CALL), Message("tool", (result,)), tools=(WEATHER,))
    (block,) = turns(translation)[2]["content"]
    assert [each["type"] for each in block["content"]] == ["text", "text", "image", "search_result"]
    assert block["content"][1] == words('{"b": 1}')
    assert noted(translation) == [("dropped", "misplaced-cache-point", "messages[2].parts[0].content[5]")]
    empty = asked("?", Message.assistant(CALL), Message("tool", (ToolResult("toolu_1"),)), tools=(WEATHER,))
    assert turns(empty)[2]["content"] == [{"type": "tool_result", "tool_use_id": "toolu_1"}]
    hidden = ToolResult("toolu_1", (Opaque("bedrock", {}),))
    lost = asked("?", Message.assistant(CALL), Message("tool", (hidden,)), tools=(WEATHER,))
    assert turns(lost)[2]["content"][0]["content"] == [words("(the result cannot be shown)")]


def test_a_failed_result_takes_words_only() -> None:
    """What else it holds follows behind the results."""
    second = ToolCall("toolu_2", "weather", {})
    results = (ToolResult("toolu_1", ("No", Image("image/png", PNG)), is_error=True), ToolResult("toolu_2", "rain"))
    translation = asked("?", Message.assistant(CALL, second), Message("tool", results), tools=(WEATHER,))
    first, other, image = turns(translation)[2]["content"]
    assert first == {"type": "tool_result", "tool_use_id": "toolu_1", "content": [words("No")], "is_error": True}
    assert (other["tool_use_id"], image["type"]) == ("toolu_2", "image")
    assert noted(translation) == [("changed", "result-media-moved", "messages[2].parts[0].content[1]")]


def test_calls_and_results_are_paired() -> None:
    """Results in the order of the calls, before all else; what has no partner is closed or left out, and told."""
    calls = Message.assistant(CALL, ToolCall("toolu_2", "weather", {}))
    mixed = Message("user", (Text("And?"), ToolResult("toolu_2", "b"), ToolResult("toolu_1", "a")))
    ordered = asked("?", calls, mixed, tools=(WEATHER,))
    assert [each.get("tool_use_id") for each in turns(ordered)[2]["content"]] == ["toolu_1", "toolu_2", None]
    assert noted(ordered) == []
    lonely = asked("?", calls, Message("tool", (ToolResult("toolu_1", "a"), ToolResult("x", "y"))), tools=(WEATHER,))
    assert turns(lonely)[2]["content"][1]["is_error"] is True
    assert noted(lonely) == [
        ("dropped", "orphan-result", "messages[2].parts[1]"),
        ("changed", "call-unanswered", "messages[1].parts[1]"),
    ]
    last = asked("?", Message.assistant(CALL), tools=(WEATHER,))
    assert turns(last)[-1]["content"][0]["tool_use_id"] == "toolu_1"
    twice = Message("tool", (ToolResult("toolu_1", "a"), ToolResult("toolu_1", "b")))
    assert noted(asked("?", Message.assistant(CALL), twice, tools=(WEATHER,))) == [
        ("dropped", "duplicate-result", "messages[2].parts[1]")
    ]
    between = asked("?", calls, Message.system("Be kind."), "Go on", model="claude-opus-4-8", tools=(WEATHER,))
    assert [turn["role"] for turn in turns(between)] == ["user", "assistant", "user"]


def test_a_system_message_behind_results() -> None:
    """Recorded so: calls, results, then the system; without results the calls are closed before it."""
    calls, results = Message.assistant(CALL), Message("tool", (ToolResult("toolu_1", "a"),))
    change = Message("system", (tool_addition("weather"),))
    roles = ["user", "assistant", "user", "system"]
    whole = asked("?", calls, results, change, model="claude-fable-5", tools=(WEATHER,))
    assert [turn["role"] for turn in turns(whole)] == roles
    open_call = asked("?", calls, change, model="claude-fable-5", tools=(WEATHER,))
    assert [turn["role"] for turn in turns(open_call)] == roles
    assert noted(open_call) == [("changed", "call-unanswered", "messages[1].parts[0]")]


def test_calls_of_two_answers_in_a_row() -> None:
    """What was left of the turn between them is nothing; calls of one id are told apart."""
    calls = (Message.assistant(CALL), Message.user(""), Message.assistant(CALL))
    results = Message("tool", (ToolResult("toolu_1", "a"), ToolResult("toolu_1", "b")))
    translation = asked("?", *calls, results, tools=(WEATHER,))
    first, second = turns(translation)[1]["content"]
    assert (first["id"], second["id"].startswith("toolu_")) == ("toolu_1", True)
    assert first["id"] != second["id"]
    assert [each["tool_use_id"] for each in turns(translation)[2]["content"]] == [first["id"], second["id"]]
    assert noted(translation) == [("renamed", "call-id-repeated", "messages[3].parts[0]")]
    orphan = Message("tool", (ToolResult("gone", "a"),))
    joined = asked("?", Message.assistant("a"), orphan, Message.assistant("b"), "!")
    assert turns(joined)[1]["content"] == [words("a"), words("b")]


def test_ids_and_names_that_the_service_refuses() -> None:
    """They get others, the same in every request; results follow, and the way back is kept."""
    foreign = ToolCall("functions.get:0", "get.weather", {})
    tool = Tool("get.weather", "W", {"type": "object"})
    translation = asked(
        "?", Message.assistant(foreign), Message("tool", (ToolResult("functions.get:0", "x"),)), tools=(tool,)
    )
    (call,), (result,) = (turn["content"] for turn in turns(translation)[1:])
    assert call["id"] == result["tool_use_id"] != "functions.get:0"
    assert call["name"] == translation.body["tools"][0]["name"]
    assert translation.tool_names == {call["name"]: "get.weather"}
    assert {code for _, code, _ in noted(translation)} == {"call-id-renamed", "tool-renamed"}
    own = ToolCall("functions.get:0", "weather", {}, metadata={"anthropic": {}})
    kept = asked("?", Message.assistant(own), tools=(WEATHER,))
    assert turns(kept)[1]["content"][0]["id"] == "functions.get:0"


def test_arguments_that_are_no_object() -> None:
    """They go in one, under the name that the service's pages use."""
    broken = ToolCall("toolu_1", "weather", {}, '{"a": ')
    translation = asked("?", Message.assistant(broken), tools=(WEATHER,))
    assert turns(translation)[1]["content"][0]["input"] == {"INVALID_JSON": '{"a": '}
    assert ("changed", "invalid-arguments", "messages[1].parts[0]") in noted(translation)
    with pytest.raises(UnsupportedError, match="must be a dict"):
        asked("?", Message.assistant(ToolCall("1", "x", [])), "!")  # type: ignore[arg-type]  # what a caller may do


def test_tools_that_another_service_has_run() -> None:
    """Calls and results inside an answer are that service's own: left out, and told."""
    call = ToolCall("s1", "nova_grounding", {}, executed_by="server", metadata={"bedrock": {}})
    translation = asked("?", Message.assistant(call, ToolResult("s1", "x"), "So"), "!")
    assert turns(translation)[1]["content"] == [words("So")]
    assert [code for _, code, _ in noted(translation)] == ["foreign-server-tool", "foreign-server-tool"]
    changed = ToolResult("s1", "changed", metadata={"anthropic": {"type": "web_search_tool_result"}})
    with pytest.raises(UnsupportedError, match="cannot be changed"):
        asked("?", Message.assistant(changed), "!")


def test_citations_go_back_to_who_gave_them() -> None:
    """Others, and those in words of the user, are left out."""
    own = Citation("T", metadata={"anthropic": {"type": "page_location"}})
    cited = Text("So.", (own, Citation("B", metadata={"bedrock": {}})))
    translation = asked(Message.user(Text("Hi", (own,))), Message.assistant(cited), "!")
    assert turns(translation)[1]["content"] == [{**words("So."), "citations": [{"type": "page_location"}]}]
    assert [path for _, code, path in noted(translation) if code == "foreign-citation"] == [
        "messages[0].parts[0].citations[0]",
        "messages[1].parts[0].citations[1]",
    ]


# --- cache -----------------------------------------------------------------------------------------------------------

SHORT = {"type": "ephemeral"}
LONG = {"type": "ephemeral", "ttl": "1h"}


def marks(translation: Translation) -> list[Any]:
    """The marks of tools, system prompt and messages, in order."""
    body = translation.body
    blocks = [*body.get("tools", ()), *body.get("system", ())]
    blocks += (block for turn in body["messages"] for block in turn["content"])
    return [block.get("cache_control") for block in blocks]


def test_a_cache_point_is_a_mark_on_the_block_before_it() -> None:
    """Behind reasoning, at the beginning and with old models there is none."""
    translation = asked(Message.user("a", CachePoint("1h"), "b", CachePoint()), system=(Text("s"), CachePoint("1h")))
    assert marks(translation) == [LONG, LONG, SHORT]
    signed = Reasoning("Hm", "sig")
    refused = asked(Message.user(CachePoint(), "a"), Message.assistant(signed, CachePoint()), "b")
    assert [code for _, code, _ in noted(refused)] == ["cache-point-refused"] * 2
    assert noted(asked(Message.user("a", CachePoint()), model="claude-2.1")) == [
        ("dropped", "cache-point-refused", "messages[0].parts[1]")
    ]


def test_at_most_four_marks_and_no_long_life_behind_a_short_one() -> None:
    """The newest stay; what is shortened is told."""
    many = Message.user(*(part for word in "abcde" for part in (word, CachePoint())))
    translation = asked(many, system=(Text("s"), CachePoint()))
    assert marks(translation) == [SHORT, None, None, SHORT, SHORT, SHORT]
    assert [code for _, code, _ in noted(translation)] == ["cache-point-limit", "cache-point-limit"]
    late = asked(Message.user("a", CachePoint(), "b", CachePoint("1h")))
    assert marks(late) == [SHORT, SHORT]
    assert [code for _, code, _ in noted(late)] == ["cache-life-omitted"]


def test_the_cache_setting_marks_what_lasts() -> None:
    """The newest turn of the user, the one before, the system prompt and the last tool; the caller's marks stay."""
    history = ("a", Message.assistant("b"), "c", Message.assistant("d"), "e")
    given: dict[str, Any] = {"system": (Text("s"),), "tools": (WEATHER, Tool("other"))}
    auto = asked(*history, **given, settings=Settings(cache="auto"))
    assert marks(auto) == [None, SHORT, SHORT, None, None, SHORT, None, SHORT]
    long = asked(*history, **given, settings=Settings(cache="1h"))
    assert marks(long) == [None, LONG, LONG, None, None, LONG, None, LONG]
    own = asked(Message.user("a", CachePoint("1h"), "b"), system=(Text("s"),), settings=Settings(cache="auto"))
    assert marks(own) == [None, LONG, SHORT]
    top = asked("a", **given, settings=Settings(cache="auto", extra={"anthropic": {"cache_control": SHORT}}))
    assert marks(top) == [None, SHORT, SHORT, SHORT]
    assert noted(auto) == noted(long) == noted(own) == noted(top) == []


def test_the_cache_setting_where_it_cannot_be_had() -> None:
    """A wish is no loss, a demand is one."""
    assert noted(asked("a", model="gpt-oss:20b", settings=Settings(cache="auto"))) == []
    assert noted(asked("a", model="gpt-oss:20b", settings=Settings(cache="5m"))) == [
        ("dropped", "setting-dropped", "settings.cache")
    ]
    assert [code for _, code, _ in noted(asked("a", model="claude-2.1", settings=Settings(cache="1h")))] == [
        "setting-dropped"
    ]
    full = Message.user(*(part for word in "abcd" for part in (word, CachePoint())))
    assert [code for _, code, _ in noted(asked(full, settings=Settings(cache="1h")))] == ["cache-omitted"]
