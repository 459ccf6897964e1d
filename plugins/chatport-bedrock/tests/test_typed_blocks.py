"""Content that only Bedrock has: what each function makes, what it refuses, and that the service takes it."""

import itertools
import re
from base64 import b64encode
from typing import Any

import pytest
from bedrock_support.emulation import png

from chatport.backend import (
    Audio,
    ChatRequest,
    Document,
    Image,
    Message,
    Opaque,
    Text,
    Tool,
    ToolCall,
    ToolResult,
    UnsupportedError,
    Video,
)
from chatport_bedrock import (
    guard_content,
    search_result,
    text_document,
    tool_addition,
    tool_removal,
    with_bucket_owner,
)
from chatport_bedrock._translate import translate
from chatport_bedrock._whole_parts import whole_part

NOVA = "us.amazon.nova-2-lite-v1:0"
PNG = Image("image/png", png())
ENCODED = b64encode(png()).decode()


@pytest.mark.parametrize(
    ("part", "block"),
    [
        (guard_content("a"), {"guardContent": {"text": {"text": "a"}}}),
        (
            guard_content("a", qualifiers=["query", "guard_content"]),
            {"guardContent": {"text": {"text": "a", "qualifiers": ["query", "guard_content"]}}},
        ),
        (guard_content(PNG), {"guardContent": {"image": {"format": "png", "source": {"bytes": ENCODED}}}}),
        (
            search_result("https://a", "A", "words"),
            {"searchResult": {"source": "https://a", "title": "A", "content": [{"text": "words"}]}},
        ),
        (
            search_result("a", "A", ["x", "y"], citations=True),
            {
                "searchResult": {
                    "source": "a",
                    "title": "A",
                    "content": [{"text": "x"}, {"text": "y"}],
                    "citations": {"enabled": True},
                }
            },
        ),
        (text_document("a", "words"), {"document": {"format": "txt", "name": "a", "source": {"text": "words"}}}),
        (
            text_document("a", ["x", "y"], context="c", citations=True),
            {
                "document": {
                    "name": "a",
                    "source": {"content": [{"text": "x"}, {"text": "y"}]},
                    "context": "c",
                    "citations": {"enabled": True},
                }
            },
        ),
        (tool_addition("a"), {"toolAddition": {"tool": {"name": "a"}}}),
        (
            tool_removal("a", type="mcp", server_name="s"),
            {"toolRemoval": {"tool": {"type": "mcp", "name": "a", "serverName": "s"}}},
        ),
    ],
)
def test_what_is_made(part: Opaque, block: dict[str, Any]) -> None:
    """A block of the service's, which an answer that holds it decodes to as well."""
    assert part == Opaque("bedrock", block)
    assert whole_part(block) == part


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: guard_content(" "), "nothing to guard"),
        (lambda: guard_content("a", qualifiers=["answer"]), "a qualifier is one of grounding_source"),  # type: ignore[list-item]
        (lambda: guard_content(PNG, qualifiers=["query"]), "qualifiers are for words"),
        (lambda: guard_content(Image("image/gif", b"GIF89a")), "a PNG or a JPEG"),
        (lambda: guard_content(Image.from_uri("s3://bucket/a.png")), "the bytes of a PNG"),
        (lambda: search_result("", "A", "x"), "a search result has"),
        (lambda: search_result("a", "", "x"), "a search result has"),
        (lambda: search_result("a", "A", []), "a search result has"),
        (lambda: search_result("a", "A", ["x", " "]), "a search result has"),
        (lambda: text_document("a.b", "x"), "it would take 'a-b'"),
        (lambda: text_document("", "x"), "no document called ''"),
        (lambda: text_document("a", ""), "a document has words"),
        (lambda: text_document("a", []), "a document has words"),
        (lambda: tool_addition(""), "name has 1 to 128 characters"),
        (lambda: tool_addition("a", type="t" * 65), "type has 1 to 64 characters"),
        (lambda: tool_removal("a", server_name="s" * 129), "serverName has 1 to 128"),
        (lambda: with_bucket_owner(PNG, "123456789012"), "only what is in S3"),
        (lambda: with_bucket_owner(Image.from_uri("gs://b/a.png"), "123456789012"), "only what is in S3"),
        (lambda: with_bucket_owner(Image.from_uri("s3://b/a.png"), "12345"), "an account has 12 digits"),
    ],
    ids=itertools.count(),
)
def test_what_is_refused(make: Any, message: str) -> None:
    """At once, where it is written."""
    with pytest.raises(ValueError, match=re.escape(message)):
        make()


def test_one_qualifier_is_no_sequence() -> None:
    """It would be taken for its letters."""
    qualifiers: Any = "query"
    with pytest.raises(TypeError, match="sequence of str"):
        guard_content("a", qualifiers=qualifiers)


@pytest.mark.parametrize(
    ("medium", "member"),
    [
        (Image.from_uri("s3://bucket/a.png"), "image"),
        (Video.from_uri("s3://bucket/a.mp4"), "video"),
        (Audio.from_uri("s3://bucket/a.mp3"), "audio"),
        (Document.from_uri("s3://bucket/a.pdf", name="a", context="c", citations=True), "document"),
    ],
)
def test_the_owner_of_a_bucket_goes_there_and_back(medium: Any, member: str) -> None:
    """In the service's words, for every kind of medium; and a document's context and citations with it."""
    owned = with_bucket_owner(medium, "123456789012")
    newcomer = "newcomer.model-v1:0"
    block = translate(ChatRequest(newcomer, (Message.user("See:", owned),))).body["messages"][0]["content"][1]
    assert block[member]["source"] == {"s3Location": {"uri": medium.uri, "bucketOwner": "123456789012"}}
    assert whole_part(block) == owned
    assert medium.metadata == {}
    if member == "document":
        assert (block[member]["context"], block[member]["citations"]) == ("c", {"enabled": True})


def test_changes_of_the_tools_are_messages_of_the_system() -> None:
    """They stand where they were said, between what the user said before and after."""
    conversation = (
        Message.user("Hello"),
        Message.assistant(ToolCall("1", "clock")),
        Message("tool", (ToolResult("1", "noon"),)),
        Message.system(tool_addition("weather"), tool_removal("clock")),
        Message.user("And the weather?"),
    )
    translation = translate(ChatRequest("newcomer.model-v1:0", conversation, tools=(Tool("clock"),)))
    sent = translation.body["messages"]
    assert {item.kind for item in translation.adjustments} == {"lossless"}
    kinds = [(message["role"], [next(iter(block)) for block in message["content"]]) for message in sent]
    assert kinds == [
        ("user", ["text"]),
        ("assistant", ["toolUse"]),
        ("user", ["toolResult"]),
        ("system", ["toolAddition", "toolRemoval"]),
        ("user", ["text"]),
    ]


def test_guarded_content_in_the_system_prompt() -> None:
    """It stands there as it was given."""
    system = (Text("Be brief."), guard_content("Never say when."))
    body = translate(ChatRequest(NOVA, (Message.user("Hi"),), system=system)).body
    assert body["system"] == [{"text": "Be brief."}, {"guardContent": {"text": {"text": "Never say when."}}}]


def test_rule_19_two_documents_of_one_name_are_refused() -> None:
    """Blocks in the service's own words keep their names, so that the second one is named, wherever it stands."""
    first, second = text_document("a", "x"), text_document("a", "y")
    result = Message("tool", (ToolResult("tooluse_1", ("b", second)),))
    messages = (Message.user("Hi", first), Message.assistant(ToolCall("tooluse_1", "t")), result)
    with pytest.raises(UnsupportedError, match=r"^messages\[2\]\.parts\[0\]: another document is called 'a'"):
        translate(ChatRequest(NOVA, messages, tools=(Tool("t"),)), check_limits=False)
    translate(ChatRequest(NOVA, (Message.user("Hi", first, text_document("b", "y")),)))
