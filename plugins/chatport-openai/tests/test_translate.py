"""Requests in the server's words: what goes where, and what is adjusted for whom."""

from __future__ import annotations

from typing import Any

import pytest

from chatport.backend import (
    Audio,
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
from chatport_openai._dialect_table import DIALECTS
from chatport_openai._translate import Translation, translate

PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)
ADD = Tool("add", "Add.", {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]})


def said(*messages: Message, dialect: str = "openai", model: str = "gpt-4.1", **members: Any) -> Translation:
    """Translate a conversation."""
    request = ChatRequest(model, messages or (Message.user("Hi"),), **members)
    return translate(request, dialect=DIALECTS[dialect])


def body_of(*messages: Message, **members: Any) -> dict[str, Any]:
    """The body as it goes over the wire."""
    return plain_json(said(*messages, **members).body)


def codes(translation: Translation, *kinds: str) -> list[str]:
    """The codes of the adjustments of these kinds; by default of those that are reported."""
    wanted = kinds or ("renamed", "changed", "dropped")
    return [item.code for item in translation.adjustments if item.kind in wanted]


def asked(*parts: Part | str, **members: Any) -> Any:
    """The content of one message of the user."""
    return body_of(Message.user(*parts), **members)["messages"][-1]["content"]


def answered(*parts: Part, **members: Any) -> dict[str, Any]:
    """A message of the model on its way back, with a result of each of its calls and a question behind it."""
    calls = [part for part in parts if isinstance(part, ToolCall)]
    results = [Message("tool", tuple(ToolResult(call.id, "done") for call in calls))] if calls else []
    messages = body_of(Message.user("Hi"), Message("assistant", parts), *results, Message.user("Go on"), **members)[
        "messages"
    ]
    return next(message for message in messages if message["role"] == "assistant")


# --- words and roles -------------------------------------------------------------------------------------------------


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


# --- media -----------------------------------------------------------------------------------------------------------


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


# --- answers on their way back ---------------------------------------------------------------------------------------


def thought(text: str = "I see", **mark: Any) -> Reasoning:
    """Reasoning with a mark of ours."""
    return Reasoning(
        text, metadata={"openai": {"server": "deepseek", "family": "deepseek", "member": "reasoning_content", **mark}}
    )


def test_reasoning_goes_back_to_its_own_server_and_family_only() -> None:
    """In the member in which it came."""
    message = answered(thought(), Text("a"), dialect="deepseek", model="deepseek-v4")
    assert message == {"role": "assistant", "content": "a", "reasoning_content": "I see"}
    for part, dialect, model, code in (
        (thought(server="groq"), "deepseek", "deepseek-v4", "foreign-reasoning"),
        (thought(family="qwen"), "deepseek", "deepseek-v4", "foreign-reasoning"),
        (Reasoning("x", "sig"), "deepseek", "deepseek-v4", "foreign-reasoning"),
        (Reasoning("x"), "deepseek", "deepseek-v4", "unsigned-reasoning"),
        (Reasoning("x", metadata={"bedrock": {}}), "deepseek", "deepseek-v4", "foreign-reasoning"),
    ):
        translation = said(
            Message.user("a"), Message.assistant(part, "b"), Message.user("c"), dialect=dialect, model=model
        )
        assert codes(translation) == [code]
        assert set(translation.body["messages"][1]) == {"role", "content"}
    forgetful = thought(server="openai", family="openai")
    translation = said(Message.user("a"), Message.assistant(forgetful, "b"), Message.user("c"))
    assert (codes(translation), codes(translation, "lossless")) == ([], ["reasoning-omitted"])


def test_details_go_back_whole_where_they_are_read() -> None:
    """Else the text does, in the member that it came in."""
    details = [{"type": "reasoning.text", "text": "I see", "signature": "s", "index": 0}]
    mark: dict[str, Any] = {"server": "openrouter", "family": "anthropic", "member": "reasoning", "details": details}
    message = answered(thought(**mark), Text("a"), dialect="openrouter", model="anthropic/claude-x")
    assert message["reasoning_details"] == details
    assert "reasoning" not in message
    message = answered(thought(**{**mark, "server": "doubleword"}), Text("a"), dialect="doubleword", model="claude-x")
    assert (message["reasoning"], "reasoning_details" in message) == ("I see", False)


def test_thoughts_inside_the_content() -> None:
    """Mistral's."""
    part = thought(server="mistral", family="mistral", member="content")
    message = answered(part, Text("a"), dialect="mistral", model="magistral-small")
    assert message["content"] == [
        {"type": "thinking", "thinking": [{"type": "text", "text": "I see"}]},
        {"type": "text", "text": "a"},
    ]


def test_reasoning_elsewhere_is_left_out() -> None:
    """A message of the user has none."""
    assert codes(said(Message.user("a", Reasoning("x")))) == ["misplaced-reasoning"]


def test_citations_do_not_go_back() -> None:
    """Nothing is lost of our own, as the server does not read them; others are reported."""
    own, other = Citation("T", metadata={"openai": {}}), Citation("T")
    translation = said(Message.user("a"), Message.assistant(Text("b", (own, other))), Message.user("c"))
    assert (codes(translation), codes(translation, "lossless")) == (["foreign-citation"], ["citation-omitted"])


def test_opaque_parts() -> None:
    """Content parts and members of messages go back as they came; those of others are left out."""
    strange = {"type": "reference", "reference_ids": [1]}
    custom = {"id": "c9", "type": "custom", "custom": {"name": "m", "input": "4 + 4"}}
    assert answered(Text("a"), Opaque("openai", strange))["content"] == [{"type": "text", "text": "a"}, strange]
    turns = [
        Message.user("a"),
        Message.assistant(Opaque("openai", {"tool_calls": [custom]})),
        Message("tool", (ToolResult("c9", "8"),)),
    ]
    assert body_of(*turns)["messages"][1:] == [
        {"role": "assistant", "content": None, "tool_calls": [custom]},
        {"role": "tool", "tool_call_id": "c9", "content": "8"},
    ]
    message = answered(Opaque("openai", {"content": [strange], "name": "x"}))
    assert (message["content"], message["name"]) == ([strange], "x")
    assert asked("a", Opaque("openai", strange))[-1] == strange
    for messages in (
        (Message.user(Opaque("openai", {"x": 1})),),
        (Message.user("a"), Message.assistant(Opaque("openai", 1))),
    ):
        with pytest.raises(UnsupportedError, match=r"messages\[\d\]\.parts\[0\]"):
            said(*messages)
    assert codes(said(Message.user("a"), Message.assistant("b", Opaque("x", 1)), Message.user("c"))) == [
        "foreign-opaque"
    ]


def test_sound_of_the_model() -> None:
    """OpenAI remembers what it said by its id; others get the words."""
    mark = {"openai": {"server": "openai", "audio": {"id": "a1", "transcript": "Hi"}}}
    part = Audio("audio/wav", b"x", metadata=mark)
    assert answered(part)["audio"] == {"id": "a1"}
    translation = said(Message.user("a"), Message("assistant", (part,)), Message.user("b"), dialect="groq")
    assert (translation.body["messages"][1]["content"], codes(translation)) == ("Hi", ["audio-as-transcript"])
    silent = Audio("audio/wav", b"x", metadata={"openai": {"server": "x", "audio": {}}})
    assert codes(said(Message.user("a"), Message.assistant(silent, "b"), Message.user("c"))) == ["assistant-media"]


# --- calls and results -----------------------------------------------------------------------------------------------


def test_calls_and_results() -> None:
    """A result is a message of its own, right behind the calls, in their order, before what the user says."""
    turns = (
        Message.user("a"),
        Message.assistant("b", ToolCall("c1", "add", {"a": 1}), ToolCall("c2", "add", {})),
        Message("tool", (ToolResult("c2", {"sum": 2}), ToolResult("c1", [Text("x"), Text("y")]))),
        Message.user("c"),
    )
    translation = said(*turns)
    assert plain_json(translation.body)["messages"][1:] == [
        {
            "role": "assistant",
            "content": "b",
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"a":1}'}},
                {"id": "c2", "type": "function", "function": {"name": "add", "arguments": "{}"}},
            ],
        },
        {
            "role": "tool",
            "tool_call_id": "c1",
            "content": [{"type": "text", "text": "x"}, {"type": "text", "text": "y"}],
        },
        {"role": "tool", "tool_call_id": "c2", "content": '{"sum":2}'},
        {"role": "user", "content": "c"},
    ]
    assert (codes(translation), "results-reordered" in codes(translation, "lossless")) == ([], True)
    assert body_of(*turns, dialect="groq")["messages"][2]["content"] == "x\ny"


def test_results_without_calls_and_calls_without_results() -> None:
    """What has no call is left out, with all that came of it; what has no result gets one that says so."""
    image = Image("image/png", PNG)
    turns = (
        Message("tool", (ToolResult("c0", [image]),)),
        Message.user("a"),
        Message.assistant(ToolCall("c1", "add"), ToolCall("c2", "add")),
        Message("tool", (ToolResult("c1", "x"), ToolResult("c1", "again"))),
        Message.user("b"),
    )
    translation = said(*turns)
    assert [(each["role"], each["content"]) for each in translation.body["messages"]] == [
        ("user", "a"),
        ("assistant", None),
        ("tool", "x"),
        ("tool", "The call of this tool was interrupted: there is no result."),
        ("user", "b"),
    ]
    assert codes(translation) == ["result-media-moved", "orphan-result", "duplicate-result", "call-unanswered"]
    assert said(Message.user("a"), Message.assistant(ToolCall("c1", "add"))).body["messages"][-1]["role"] == "tool"


def test_media_in_results() -> None:
    """Where the server takes none in a result, they follow behind all results, and the result says so."""
    turns = (
        Message.user("a"),
        Message.assistant(ToolCall("c1", "look"), ToolCall("c2", "look")),
        Message(
            "tool",
            (
                ToolResult("c1", ["see", Image("image/png", PNG)]),
                ToolResult("c2", [Document("application/pdf", b"%PDF", name="a.pdf")]),
            ),
        ),
    )
    translation = said(*turns)
    first, second, beside = plain_json(translation.body)["messages"][2:]
    assert first["content"][-1]["text"] == "(see 'image 1', which follows)"
    assert second["content"] == "(see 'a.pdf', which follows)"
    assert [item["type"] for item in beside["content"]] == ["text", "image_url", "text", "file"]
    assert codes(translation) == ["result-media-moved"] * 2
    inside = said(
        *turns[:2],
        Message("tool", (ToolResult("c1", [Image("image/png", PNG)]), ToolResult("c2", "x"))),
        dialect="openrouter",
    )
    assert inside.body["messages"][2]["content"][0]["type"] == "image_url"
    assert codes(inside) == []


def test_failed_and_empty_results() -> None:
    """The wire has no place for a failure but the words."""
    turns = (Message.user("a"), Message.assistant(ToolCall("c1", "add"), ToolCall("c2", "add"), ToolCall("c3", "add")))
    results = (ToolResult("c1", "boom", is_error=True), ToolResult("c2", ()), ToolResult("c3", [Opaque("x", 1)]))
    contents = [each["content"] for each in body_of(*turns, Message("tool", results), dialect="groq")["messages"][2:]]
    assert contents == ["The tool failed:\nboom", "(no output)", "(the result cannot be shown)"]


def test_arguments_that_are_no_json() -> None:
    """They go back as the model wrote them where that is taken, else inside an object."""
    bad = ToolCall("c1", "add", invalid_json='{"a')
    assert answered(bad)["tool_calls"][0]["function"]["arguments"] == '{"a'
    assert answered(bad, dialect="vllm")["tool_calls"][0]["function"]["arguments"] == '{"invalid_json":"{\\"a"}'


def test_calls_that_a_service_ran_itself_are_left_out() -> None:
    """There is no place for them."""
    parts = (Text("b"), ToolCall("c1", "search", executed_by="server"), ToolResult("c1", "found"))
    assert codes(said(Message.user("a"), Message("assistant", parts), Message.user("c"))) == ["foreign-server-tool"] * 2


def test_names_and_ids_that_a_server_refuses() -> None:
    """They go as others, made from them alone; the caller's names are known on the way back."""
    call = ToolCall("functions.x:0", "math.add")
    turns = (Message.user("a"), Message.assistant(call), Message("tool", (ToolResult(call.id, "1"),)))
    translation = said(*turns, dialect="mistral", tools=(Tool("math.add"),), tool_choice="math.add")
    body = translation.body
    sent = body["messages"][1]["tool_calls"][0]
    assert (len(sent["id"]), body["messages"][2]["tool_call_id"]) == (9, sent["id"])
    name = sent["function"]["name"]
    assert body["tools"][0]["function"]["name"] == body["tool_choice"]["function"]["name"] == name
    assert translation.tool_names == {name: "math.add"}
    assert codes(translation) == ["tool-renamed", "call-id-renamed"]
    assert said(*turns, dialect="mistral", tools=(Tool("math.add"),)).body["messages"] == body["messages"]
    own = ToolCall("odd", "add", metadata={"openai": {"server": "mistral", "call": {"extra": 1}}})
    assert answered(own, dialect="mistral")["tool_calls"][0] == {
        "id": "odd",
        "type": "function",
        "function": {"name": "add", "arguments": "{}"},
        "extra": 1,
    }
    assert "extra" not in answered(own, dialect="openai")["tool_calls"][0]


def test_one_id_twice_in_a_message() -> None:
    """The second call gets another, and so does its result."""
    turns = (
        Message.user("a"),
        Message.assistant(ToolCall("c", "add"), ToolCall("c", "add")),
        Message("tool", (ToolResult("c", "1"), ToolResult("c", "2"))),
    )
    translation = said(*turns)
    first, second = (call["id"] for call in translation.body["messages"][1]["tool_calls"])
    assert first != second
    assert [(each["tool_call_id"], each["content"]) for each in translation.body["messages"][2:]] == [
        (first, "1"),
        (second, "2"),
    ]
    assert codes(translation) == ["call-id-repeated"]


# --- the cache -------------------------------------------------------------------------------------------------------


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
