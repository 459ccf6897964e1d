"""Words, media and cache points in the server's words: what goes where, and what is adjusted for whom."""

from __future__ import annotations

import pytest
from openai_support.translating import PNG, asked, body_of, codes, said

from chatport.backend import (
    Audio,
    CachePoint,
    ChatRequest,
    Document,
    Image,
    Json,
    Message,
    Opaque,
    Settings,
    Text,
    Tool,
    UnsupportedError,
    Video,
)
from chatport.backend.http import plain_json
from chatport_openai._dialect_table import DIALECTS
from chatport_openai._translate import translate

ADD = Tool("add", "Add.", {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]})


# --- words and roles --------------------------------------------------------------------------------------------------


def test_the_least_request() -> None:
    """Nothing is said that nobody asked for."""
    assert body_of() == {"model": "gpt-4.1", "messages": [{"role": "user", "content": "Hi"}]}


def test_streaming_asks_for_the_usage_where_that_may_be() -> None:
    """Servers that send it unasked, and may refuse the member, are not asked."""
    request = ChatRequest("m", (Message.user("Hi"),))
    wanted = {"openai": {"include_usage": True}, "mistral": None, "perplexity": None}
    for name, options in wanted.items():
        body = translate(request, dialect=DIALECTS[name], streaming=True).body
        assert (body["stream"], body.get("stream_options")) == (True, options)


def test_system_prompts_and_system_messages() -> None:
    """Both keep their place; reasoning models of OpenAI take instructions of a developer."""
    messages = (Message.user("Hi"), Message.assistant("Ho"), Message.system("Now in French"), Message.user("Again"))
    body = body_of(*messages, system=(Text("Be brief."), Text("Be kind.")))
    assert [message["role"] for message in body["messages"]] == ["system", "user", "assistant", "system", "user"]
    assert body["messages"][0]["content"] == [
        {"type": "text", "text": "Be brief."},
        {"type": "text", "text": "Be kind."},
    ]
    for model, role in (("gpt-5-mini", "developer"), ("o3", "developer"), ("gpt-4o", "system")):
        assert body_of(model=model, system=(Text("x"),))["messages"][0] == {"role": role, "content": "x"}
    assert body_of(model="gpt-5", dialect="groq", system=(Text("x"),))["messages"][0]["role"] == "system"


def test_json_and_several_texts() -> None:
    """JSON goes as text; parts stay apart."""
    assert asked("a", Json({"b": "é"})) == [{"type": "text", "text": "a"}, {"type": "text", "text": '{"b":"é"}'}]
    with pytest.raises(UnsupportedError, match=r"messages\[0\]\.parts\[0\]: it is no JSON"):
        asked(Json(float("nan")))


def test_users_that_speak_twice_are_merged_where_turns_alternate() -> None:
    """Templates of chats refuse anything else; OpenAI does not."""
    twice = (Message.user("a"), Message.user("b", Text("c")))
    assert len(body_of(*twice)["messages"]) == 2
    translation = said(*twice, dialect="vllm")
    (message,) = translation.body["messages"]
    assert [item["text"] for item in message["content"]] == ["a", "b", "c"]
    assert codes(translation, "lossless") == ["turns-merged"]


def test_an_empty_newest_message_is_refused_and_older_ones_are_left_out() -> None:
    """Else another question would be answered than the one that was asked."""
    with pytest.raises(UnsupportedError, match="nothing in the newest message"):
        said(Message.user("a"), Message.user(""))
    with pytest.raises(UnsupportedError, match="nothing in the newest message"):
        said(Message.user(Opaque("other", 1)))
    translation = said(Message.user(""), Message.assistant(""), Message.user("a"))
    assert (len(translation.body["messages"]), codes(translation, "lossless")) == (1, ["empty-message-omitted"] * 2)
    with pytest.raises(UnsupportedError, match="model: there is none"):
        said(model="")


def test_the_beginning_of_an_answer() -> None:
    """Mistral wants it marked; elsewhere the last message of the model says it."""
    turns = (Message.user("a"), Message.assistant("Once"))
    assert body_of(*turns)["messages"][-1] == {"role": "assistant", "content": "Once"}
    assert body_of(*turns, dialect="mistral")["messages"][-1] == {
        "role": "assistant",
        "content": "Once",
        "prefix": True,
    }


# --- media ------------------------------------------------------------------------------------------------------------


def test_images() -> None:
    """As data, at an address that the server fetches, and with how closely to look."""
    image = Image("image/png", PNG, metadata={"openai": {"detail": "low"}})
    (sent,) = asked(image)
    assert sent["image_url"]["detail"] == "low"
    assert sent["image_url"]["url"].startswith("data:image/png;base64,iVBOR")
    assert asked(Image.from_url("https://a/b.png")) == [{"type": "image_url", "image_url": {"url": "https://a/b.png"}}]
    for part, dialect, why in (
        (Image("image/tiff", PNG), "openai", "no image of type image/tiff"),
        (Image("image/png", PNG), "deepseek", "takes no images"),
        (Image.from_url("https://a/b.png"), "ollama", "fetches no image"),
        (Image("image/png", b""), "openai", "is empty"),
        (Image("image/png", "text"), "openai", "not bytes"),  # type: ignore[arg-type]  # what a caller may do
    ):
        with pytest.raises(UnsupportedError, match=why):
            asked(part, dialect=dialect)
    translation = said(Message.user("a", Image("image/png", uri="s3://b/c.png")))
    assert codes(translation) == ["foreign-uri"]


def test_sound_and_films() -> None:
    """Sound as the two formats of the API, films where a server takes them."""
    assert asked(Audio("audio/wav", b"RIFF")) == [
        {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}}
    ]
    (film,) = asked(Video("video/mp4", b"abc"), dialect="openrouter")
    assert film == {"type": "video_url", "video_url": {"url": "data:video/mp4;base64,YWJj"}}
    for part, why in (
        (Audio("audio/flac", b"f"), "no audio of type audio/flac; it takes mp3, wav"),
        (Audio("audio/wav", url="https://a/b"), "fetches no audio"),
        (Video("video/mp4", b"abc"), "takes no video"),
    ):
        with pytest.raises(UnsupportedError, match=why):
            asked(part)
    with pytest.raises(UnsupportedError, match="no audio at all"):
        asked(Audio("audio/wav", b"RIFF"), dialect="groq")


def test_documents() -> None:
    """A PDF in the form of the server; text as text, with its name; anything else is refused by name."""
    pdf = Document("application/pdf", b"%PDF", name="a.pdf", context="Mind page 2", citations=True)
    translation = said(Message.user(pdf))
    words, file = plain_json(translation.body)["messages"][0]["content"]
    assert words == {"type": "text", "text": "Mind page 2"}
    assert file == {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERg=="}}
    assert codes(translation) == ["citations-dropped"]
    plain = Document("application/pdf", b"%PDF")
    assert asked(plain)[0]["file"]["filename"] == "document.pdf"
    assert asked(plain, dialect="mistral") == [
        {"type": "document_url", "document_url": "data:application/pdf;base64,JVBERg=="}
    ]
    address = Document("*/*", url="https://a/b.pdf", name="b.pdf")
    assert asked(address, dialect="mistral")[0] == {
        "type": "document_url",
        "document_url": "https://a/b.pdf",
        "document_name": "b.pdf",
    }
    assert asked(address, dialect="perplexity")[0] == {"type": "file_url", "file_url": {"url": "https://a/b.pdf"}}
    assert asked(Document("text/csv", "\ufeffa,é".encode(), name="t.csv")) == "[t.csv]\na,é"
    assert asked(Document("application/json", b"{}")) == "[document]\n{}"
    for part, dialect, why in (
        (Document("text/plain", b"\xff"), "openai", "no UTF-8"),
        (Document("application/msword", b"x"), "openai", "no document of type application/msword"),
        (plain, "groq", "takes no documents but text"),
        (address, "openai", "fetches no document"),
    ):
        with pytest.raises(UnsupportedError, match=why):
            asked(part, dialect=dialect)


def test_media_at_places_that_have_none() -> None:
    """Instructions hold words only; the model's own media are left out."""
    with pytest.raises(UnsupportedError, match="no image in instructions"):
        said(system=(Image("image/png", PNG),))
    for part in (
        Image("image/png", PNG),
        Audio("audio/wav", b"x"),
        Video("video/mp4", b"x"),
        Document("text/plain", b"x"),
    ):
        translation = said(Message.user("a"), Message.assistant("b", part), Message.user("c"))
        assert codes(translation) == ["assistant-media"]


# --- the cache --------------------------------------------------------------------------------------------------------


def test_cache_points() -> None:
    """A mark on what stands before them where the server reads marks."""
    turn = Message.user("long", CachePoint("1h"), "short")
    content = body_of(turn, dialect="openrouter")["messages"][0]["content"]
    assert content[0] == {"type": "text", "text": "long", "cache_control": {"type": "ephemeral", "ttl": "1h"}}
    assert codes(said(turn)) == []
    assert codes(said(turn, dialect="groq")) == []
    assert codes(said(turn, dialect="vllm")) == ["cache-point-dropped"]
    assert codes(said(Message.user(CachePoint(), "a"), dialect="openrouter")) == ["misplaced-cache-point"]
    assert codes(said(settings=Settings(cache="1h"))) == ["setting-dropped"]
    assert codes(said(settings=Settings(cache="auto"))) == []
