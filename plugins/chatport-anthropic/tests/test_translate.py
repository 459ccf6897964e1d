"""Messages, media and reasoning in requests: what stands where, what is adjusted, and what is refused."""

from typing import Any

import pytest
from anthropic_support.translating import CALL, PNG, SONNET, WEATHER, asked, noted, turns, words

from chatport.backend import (
    CachePoint,
    Document,
    Image,
    Json,
    Message,
    Opaque,
    Part,
    Reasoning,
    Settings,
    Text,
    ToolCall,
    ToolResult,
    UnsupportedError,
    Video,
)
from chatport_anthropic import container_upload, search_result, text_document, tool_addition
from chatport_anthropic._translate import Translation

MARK = {"anthropic": {"family": "anthropic"}}


def codes(translation: Translation) -> set[str]:
    """The codes of everything that was adjusted."""
    return {each.code for each in translation.adjustments}


# --- messages ---------------------------------------------------------------------------------------------------------


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


# --- parts ------------------------------------------------------------------------------------------------------------


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


# --- reasoning --------------------------------------------------------------------------------------------------------


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
