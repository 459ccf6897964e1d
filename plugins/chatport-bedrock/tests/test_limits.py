"""What the service refuses and botocore lets through: refused before anything is sent, with the caller's own place."""

import base64
from collections.abc import Iterator
from contextlib import aclosing
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from bedrock_support.emulation import CLAUDE, LLAMA, NOVA, OLD_CLAUDE, PROMPT_ARN, gif, jpeg, png, webp_lossy

from chatport.backend import (
    Audio,
    ChatRequest,
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
from chatport_bedrock._limits import Limits, limits_of
from chatport_bedrock._translate import translate
from chatport_bedrock.backend import BedrockBackend

HELLO = Message.user("Hello")
YES = Message.assistant("Yes.")
ELSEWHERE = Image("image/png", None, "s3://bucket/a")
OWN_MESSAGES = Settings(extra={"bedrock": {"messages": [1]}})
TOOL = Tool("weather")
HIDDEN = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abcdefghijkl"
PDF = b"%PDF-1.7\n"
NAN = float("nan")
HALF = "a\ud83d"
LOOP: list[Any] = []
LOOP.append(LOOP)


def said(*parts: Part, model: str = CLAUDE) -> ChatRequest:
    """A question of words and these parts: the first of them is `messages[0].parts[1]`."""
    return ChatRequest(model, (Message.user("Look:", *parts),))


def called(arguments: Any) -> ChatRequest:
    """A history with one call, `messages[1].parts[0]`, and its result."""
    call = Message.assistant(ToolCall("a", "weather", arguments))
    return ChatRequest(CLAUDE, (HELLO, call, Message("tool", (ToolResult("a", "x"),))), tools=(TOOL,))


def resulted(*content: Part, **marks: Any) -> ChatRequest:
    """A history with one result, `messages[2].parts[0]`."""
    result = ToolResult("a", content, metadata={"bedrock": marks} if marks else None)
    messages = (HELLO, Message.assistant(ToolCall("a", "weather")), Message("tool", (result,)))
    return ChatRequest(CLAUDE, messages, tools=(TOOL,))


def thought(reasoning: Reasoning) -> ChatRequest:
    """A history with reasoning, `messages[1].parts[0]`."""
    return ChatRequest(CLAUDE, (HELLO, Message.assistant(reasoning, "Hi."), HELLO))


def asked(*messages: Message, model: str = CLAUDE, **fields: Any) -> ChatRequest:
    """A request."""
    return ChatRequest(model, messages or (HELLO,), **fields)


def settled(**settings: Any) -> ChatRequest:
    """A request with settings."""
    return asked(settings=Settings(**settings))


def large(kind: type[Image | Document | Video], media_type: str, size: int) -> Any:
    """A medium of this size; of an image the header says that it is small."""
    return kind(media_type, (png() if kind is Image else b"x").ljust(size, b"\x00"))


def pictures(count: int, data: bytes | None = None) -> list[Image]:
    """Images that differ in nothing."""
    return [Image("image/png", png() if data is None else data)] * count


def papers(count: int) -> list[Document]:
    """Documents of one word."""
    return [Document("text/plain", b"word")] * count


# Every refusal: what breaks it, where the caller has it, and what is said.
REFUSED: list[tuple[ChatRequest, str, str]] = [
    # model
    (asked(model=""), "model", "1 to 2048 visible characters"),
    (asked(model="a." + "b" * 2047), "model", "1 to 2048"),
    (asked(model="anthropic.claude-3\n"), "model", "visible characters"),
    # settings
    (settled(max_tokens=0), "settings.max_tokens", "at least 1"),
    (settled(max_tokens=True), "settings.max_tokens", "whole number"),
    (settled(max_tokens=2**31), "settings.max_tokens", "above 2147483647"),
    (settled(top_k=2**31), "settings.top_k", "above 2147483647"),
    (settled(reasoning=10**5000), "settings.reasoning", "above 2147483647"),
    (settled(max_tokens=1.5), "settings.max_tokens", "whole number"),
    (settled(temperature=-0.1), "settings.temperature", "from 0 to 1"),
    (settled(temperature=1.01), "settings.temperature", "from 0 to 1"),
    (settled(temperature=NAN), "settings.temperature", "from 0 to 1, not nan"),
    (settled(temperature=Decimal("0.5")), "settings.temperature", "from 0 to 1"),
    (settled(temperature=False), "settings.temperature", "from 0 to 1"),
    (settled(top_p=2), "settings.top_p", "from 0 to 1"),
    (settled(top_p=float("inf")), "settings.top_p", "from 0 to 1, not inf"),
    (settled(top_k=0.5), "settings.top_k", "whole number"),
    (settled(stop_sequences=["a", ""]), "settings.stop_sequences[1]", "it is empty"),
    (settled(stop_sequences=["a", 1]), "settings.stop_sequences[1]", "it is a int, not a str"),
    (settled(stop_sequences=[HALF]), "settings.stop_sequences[0]", "half of a surrogate pair"),
    (settled(stop_sequences=["x"] * 2501), "settings.stop_sequences", "2501 are more than 2500"),
    (settled(extra={"bedrock": {"a": [1, NAN]}}), 'settings.extra["bedrock"].a[1]', "nan is no JSON number"),
    (settled(extra={"bedrock": {"a b": {1: 2}}}), 'settings.extra["bedrock"]["a b"]["1"]', "names of type str"),
    (settled(extra={"bedrock": {HALF: 1}}), 'settings.extra["bedrock"]["a\\ud83d"]', "half of a surrogate pair"),
    (
        settled(extra={"bedrock": {"x" * 50: {1}}}),
        f'settings.extra["bedrock"]["{"x" * 40}..."]',
        "set is no JSON value",
    ),
    # tools
    (asked(tools=(TOOL, Tool("other"), TOOL)), "tools[2].name", "'weather' is the name of tools[0] too"),
    (asked(tools=(Tool("t", HALF),)), "tools[0].description", "half of a surrogate pair"),
    (asked(tools=(Tool("t", "", {"type": "array"}),)), "tools[0].schema.type", "an object, not 'array'"),
    (asked(tools=(Tool("t", "", {"type": "object", "maximum": NAN}),)), "tools[0].schema.maximum", "nan is no"),
    (asked(tools=(Tool("t", "", {"properties": {"a": {"default": b"x"}}}),)), "tools[0].schema", "bytes is no JSON"),
    # messages
    (ChatRequest(CLAUDE, ()), "messages", "nothing is said"),
    (ChatRequest(CLAUDE, (Message.system("Be brief."),)), "messages", "nothing is said"),
    # words
    (asked(Message.user("a", HALF)), "messages[0].parts[1].text", "character 1 is half of a surrogate pair (U+D83D)"),
    (asked(system=(Text(HALF),)), "system[0].text", "half of a surrogate pair"),
    (thought(Reasoning(HALF, "signature")), "messages[1].parts[0].text", "half of a surrogate pair"),
    # JSON
    (called({"a": {"b": [1, NAN]}}), "messages[1].parts[0].arguments.a.b[1]", "nan is no JSON number"),
    (called({"a": b"x"}), "messages[1].parts[0].arguments.a", "a bytes is no JSON value"),
    (called({"a": (1,)}), "messages[1].parts[0].arguments.a", "a tuple is no JSON value: use a list"),
    (called({"a": Decimal(1)}), "messages[1].parts[0].arguments.a", "a Decimal is no JSON value"),
    (called({"a": datetime(2026, 1, 1, tzinfo=UTC)}), "messages[1].parts[0].arguments.a", "a datetime is no JSON"),
    (called({"a": HALF}), "messages[1].parts[0].arguments.a", "half of a surrogate pair"),
    (called({"a": 10**4300}), "messages[1].parts[0].arguments.a", "more than 4300 digits"),
    (called({"a": LOOP}), "messages[1].parts[0].arguments", "nested too deeply, or holds itself"),
    (called("a=1"), "messages[1].parts[0].arguments", "must be a dict, not str"),
    (resulted(Json({"a": -float("inf")})), "messages[2].parts[0].content[0].value.a", "-inf is no JSON number"),
    (resulted(Json([b"x"])), "messages[2].parts[0].content[0].value[0]", "a bytes is no JSON value"),
    (resulted(Text("x"), Text(HALF)), "messages[2].parts[0].content[1].text", "half of a surrogate pair"),
    (resulted(Text("x"), status="well"), "messages[2].parts[0].metadata", "'well' is no status"),
    (resulted(Text("x"), status=["error"]), "messages[2].parts[0].metadata", "is no status"),
    (said(Json({"a": NAN})), "messages[0].parts[1].value.a", "nan is no JSON number"),
    (said(Opaque("bedrock", {"text": {"a": NAN}})), "messages[0].parts[1].data.text.a", "nan is no JSON number"),
    # addresses
    (said(Image("image/png", None, "s3://B/a")), "messages[0].parts[1].uri", "no address in S3"),
    (said(Image("image/png", None, "s3://" + "b" * 64)), "messages[0].parts[1].uri", "no address in S3"),
    (said(Image("image/png", None, "s3://bucket/" + "a" * 1024)), "messages[0].parts[1].uri", "1024 characters"),
    (
        said(Image("image/png", None, "s3://bucket/a", metadata={"bedrock": {"bucketOwner": "me"}})),
        "messages[0].parts[1].metadata",
        "12 digits, not 'me'",
    ),
    # content
    (said(Image("image/png", b"")), "messages[0].parts[1]", "the image is empty"),
    (said(Image("image/png", base64.b64encode(png()))), "messages[0].parts[1].data", "base64 text of image/png"),
    (said(Document("application/pdf", base64.b64encode(PDF * 3))), "messages[0].parts[1].data", "application/pdf"),
    (
        resulted(Image("image/jpeg", b"data:image/jpeg;base64," + base64.b64encode(jpeg()))),
        "messages[2].parts[0].content[0].data",
        "base64 text of image/jpeg",
    ),
    # sizes
    (said(large(Image, "image/png", 3_932_161)), "messages[0].parts[1]", "3,932,161 bytes"),
    (said(large(Document, "text/csv", 4_500_001)), "messages[0].parts[1]", "4,500,001 bytes"),
    (said(large(Document, "application/pdf", 4_500_001), model=LLAMA), "messages[0].parts[1]", "4,500,000 at most"),
    (said(large(Document, "text/plain", 4_500_001), model=HIDDEN), "messages[0].parts[1]", "4,500,000 at most"),
    (said(large(Video, "video/mp4", 25_000_001), model=NOVA), "messages[0].parts[1]", "25,000,001 bytes"),
    (said(Image("image/png", png(8001, 1))), "messages[0].parts[1]", "8001 x 1 pixels, and this model takes 8000"),
    (said(Image("image/jpeg", jpeg(10, 9000)), model=NOVA), "messages[0].parts[1]", "10 x 9000 pixels"),
    (said(Image("image/gif", gif(9000, 1))), "messages[0].parts[1]", "9000 x 1 pixels"),
    (said(Image("image/webp", webp_lossy(9000, 1))), "messages[0].parts[1]", "9000 x 1 pixels"),
    # counts
    (said(*papers(6)), "messages[0].parts[6]", "more than 5 documents in one request, and this is number 6"),
    (said(*papers(6), model=HIDDEN), "messages[0].parts[6]", "more than 5 documents in one request"),
    (
        asked(*[Message.user("Read:", *papers(1)), Message.assistant("Yes.")] * 6),
        "messages[10].parts[1]",
        "more than 5 documents in one request",
    ),
    (resulted(*papers(6)), "messages[2].parts[0]", "more than 5 documents in one request"),
    (said(*pictures(21)), "messages[0].parts[21]", "more than 20 images in one message, and this is number 21"),
    (
        asked(Message.user(*pictures(15, png(2001, 1))), Message.assistant("Yes."), Message.user(*pictures(6))),
        "messages[0].parts[0]",
        "2001 x 1 pixels, and this model takes 2000 at most in a request with more than 20 images and documents",
    ),
]


def names() -> Iterator[str]:
    """A name for each row: its place."""
    for index, (_, place, _) in enumerate(REFUSED):
        yield f"{index}-{place}"


@pytest.mark.parametrize(("request_", "place", "words"), REFUSED, ids=list(names()))
def test_what_the_service_refuses_is_refused_with_its_place(request_: ChatRequest, place: str, words: str) -> None:
    """The message begins with the place in the caller's own terms, and says what is wrong with it."""
    with pytest.raises(UnsupportedError) as caught:
        translate(request_)
    assert str(caught.value).startswith(place)
    assert str(caught.value)[len(place)] in ":."
    assert words in str(caught.value)


@pytest.mark.anyio
async def test_preview_and_stream_refuse_alike_and_send_nothing() -> None:
    """A preview shows what a request would meet; neither needs a connection, and none is there."""
    backend = BedrockBackend(region="us-east-1", api_key="made-up", endpoint_url="http://127.0.0.1:1")
    for request, place, _ in REFUSED:
        with pytest.raises(UnsupportedError) as seen:
            await backend.preview(request)
        with pytest.raises(UnsupportedError) as met:
            async with aclosing(backend.stream(request)) as events:
                await anext(events)
        assert str(seen.value) == str(met.value)
        assert str(seen.value).startswith(place)
    await backend.aclose()


# What is at a limit, odd, or somebody else's business.
ACCEPTED: list[tuple[str, ChatRequest]] = [
    ("the ends of the ranges", settled(max_tokens=1, temperature=0, top_p=1.0, stop_sequences=["x"] * 2500)),
    ("a foreign extra", settled(extra={"openai": {"a": NAN}})),
    ("bytes and tuples in the service's own words", settled(extra={"bedrock": {"a": (b"x", None)}})),
    ("a tuple in a schema", asked(tools=(Tool("t", "", {"type": "object", "required": ("a",)}),))),
    ("a prompt says it all", ChatRequest(PROMPT_ARN, ())),
    ("messages in the service's own words", ChatRequest(CLAUDE, (), settings=OWN_MESSAGES)),
    ("an image of the largest size", said(large(Image, "image/png", 3_932_160))),
    ("a larger image for Nova", said(large(Image, "image/png", 9_000_000), model=NOVA)),
    ("a larger image for nobody knows whom", said(large(Image, "image/png", 9_000_000), model=HIDDEN)),
    ("a wide image for nobody knows whom", said(Image("image/png", png(9000, 1)), model=HIDDEN)),
    ("a PDF for Claude 4", said(large(Document, "application/pdf", 9_000_000))),
    ("a PDF for nobody knows whom", said(large(Document, "application/pdf", 9_000_000), model=HIDDEN)),
    ("sides of the largest size", said(Image("image/png", png(8000, 1)))),
    ("an image that says nothing of its size", said(Image("image/png", b"\x89PNG\r\n\x1a\n"))),
    ("twenty images and five documents", said(*pictures(20), *papers(5))),
    ("many images in many messages", asked(Message.user(*pictures(20)), YES, Message.user(*pictures(20)))),
    ("many images elsewhere", asked(Message.user(*[ELSEWHERE] * 20), YES, Message.user(*pictures(1)))),
    ("a text of base64", said(Document("text/plain", base64.b64encode(png())))),
    ("sound of any size", said(Audio("audio/wav", bytes(26_000_000)), model=HIDDEN)),
    ("halves in what nobody reads", asked(Message.assistant(Opaque("other", HALF), "Yes."), HELLO)),
]


# What is left out of them, for other reasons than a limit.
LEFT_OUT = {"the ends of the ranges": ["setting-dropped"], "halves in what nobody reads": ["foreign-opaque"]}


@pytest.mark.parametrize(("name", "request_"), ACCEPTED, ids=[each[0] for each in ACCEPTED])
def test_what_is_at_a_limit_is_sent(name: str, request_: ChatRequest) -> None:
    """A check refuses nothing that the service may take, and leaves nothing out."""
    dropped = [each.code for each in translate(request_).adjustments if each.kind == "dropped"]
    assert dropped == LEFT_OUT.get(name, [])


def test_limits_that_may_be_raised_can_be_left_to_the_service() -> None:
    """Without the check of limits, those rows pass that speak of sizes and counts; they name the option."""
    passed = 0
    for request, _, _ in REFUSED:
        with pytest.raises(UnsupportedError) as caught:
            translate(request)
        is_limit = "check_limits=False" in str(caught.value)
        try:
            translate(request, check_limits=False)
        except UnsupportedError:
            assert not is_limit
        else:
            assert is_limit
            passed += 1
    assert passed == 15


@pytest.mark.anyio
async def test_the_option_leaves_limits_to_the_service() -> None:
    """What is refused by default is shown as it would go out."""
    backend = BedrockBackend(region="us-east-1", api_key="made-up", check_limits=False)
    preview = await backend.preview(said(*papers(6)))
    assert len(preview.request["messages"][0]["content"]) == 7
    await backend.aclose()


def test_rule_06_a_conversation_without_a_message_is_refused() -> None:
    """Nothing is made up to have something to send; a stored prompt brings its own words."""
    with pytest.raises(UnsupportedError, match=r"^messages: nothing is said in them"):
        translate(ChatRequest(CLAUDE, ()))
    assert translate(ChatRequest(PROMPT_ARN, ())).body == {}


def test_a_schema_says_that_arguments_are_an_object() -> None:
    """Arguments always are; a schema that leaves it open says so on the wire, and the caller's own stays as it is."""
    given = {"properties": {"a": {"type": "string"}}}
    translation = translate(asked(tools=(Tool("t", "", given),)))
    (tool,) = translation.body["toolConfig"]["tools"]
    assert tool["toolSpec"]["inputSchema"]["json"] == {"type": "object", **given}
    assert [(item.kind, item.code, item.path) for item in translation.adjustments] == [
        ("lossless", "schema-type-added", "tools[0].schema")
    ]
    assert "type" not in given


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (HIDDEN, Limits()),
        ("nobody.knows-v1:0", Limits()),
        (
            CLAUDE,
            Limits(
                large_documents=frozenset({"pdf"}),
                images=20,
                image_bytes=3_932_160,
                image_pixels=8000,
                many_images=20,
                many_images_pixels=2000,
            ),
        ),
        (
            OLD_CLAUDE,
            Limits(
                large_documents=frozenset(),
                images=20,
                image_bytes=3_932_160,
                image_pixels=8000,
                many_images=20,
                many_images_pixels=2000,
            ),
        ),
        (NOVA, Limits(images=20, image_pixels=8000)),
        (LLAMA, Limits(large_documents=frozenset(), images=20, image_bytes=3_932_160, image_pixels=8000)),
    ],
    ids=["hidden", "unknown", "claude-4", "claude-3", "nova", "llama"],
)
def test_limits_are_data(model: str, expected: Limits) -> None:
    """Of a model that nobody has described only what the service enforces is known."""
    assert limits_of(model) == expected


def test_later_generations_of_claude_read_large_files() -> None:
    """A number in a name is a generation, a date is none, and ten is more than four."""
    for name in ("opus-4-20250514-v1:0", "sonnet-4-5-20250929-v1:0", "fable-5", "opus-10-v1:0"):
        assert limits_of(f"us.anthropic.claude-{name}").large_documents == {"pdf"}, name
    for name in ("3-haiku-20240307-v1:0", "3-7-sonnet-20250219-v1:0", "v2:1"):
        assert not limits_of(f"anthropic.claude-{name}").large_documents, name
