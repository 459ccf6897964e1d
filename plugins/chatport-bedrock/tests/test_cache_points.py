"""Cache points: where they may stand, how many, how long, and what happens to those that may not."""

from typing import Any

import pytest

from chatport.backend import (
    CachePoint,
    ChatRequest,
    Document,
    Message,
    Opaque,
    Part,
    Reasoning,
    Settings,
    Text,
    ToolCall,
    ToolResult,
    UnsupportedError,
)
from chatport_bedrock._translate import Translation, translate

CLAUDE = "anthropic.claude-sonnet-4-5-20250929-v1:0"
CLAUDE_3_7 = "anthropic.claude-3-7-sonnet-20250219-v1:0"
NOVA = "us.amazon.nova-lite-v1:0"
LLAMA = "us.meta.llama3-3-70b-instruct-v1:0"
NEWCOMER = "newcomer.model-1.5-v1:0"
POINT = CachePoint()
PDF = Document("application/pdf", b"%PDF-", name="d")
DOCUMENT = "document"
REFUSED = "cache-point-refused"


def translated(*messages: Message, model: str = CLAUDE, system: tuple[Part, ...] = (), **extra: Any) -> Translation:
    """Translate a conversation."""
    return translate(ChatRequest(model, messages, system, settings=Settings(extra={"bedrock": extra})))


def kept(translation: Translation) -> list[tuple[str, str | None]]:
    """Each cache point on the wire, by what stands before it, and how long it lasts."""
    lists = [translation.body.get("system", []), *(turn["content"] for turn in translation.body["messages"])]
    found: list[tuple[str, str | None]] = []
    for blocks in lists:
        for index, block in enumerate(blocks):
            if "cachePoint" in block:
                before = blocks[index - 1] if index else {"nothing": None}
                found.append((str(before.get("text", next(iter(before)))), block["cachePoint"].get("ttl")))
    return found


def found(translation: Translation) -> list[tuple[str, str, str]]:
    """Kind, code and path of what was adjusted about cache points."""
    return [(item.kind, item.code, item.path) for item in translation.adjustments if item.code.startswith("cache-")]


def asked(*parts: Any, model: str = CLAUDE) -> Translation:
    """Translate a message of the user."""
    return translated(Message.user(*parts), model=model)


def test_rule_49_four_points_at_most_and_the_newest_of_the_messages() -> None:
    """Those of the system prompt stay; of the messages the later ones cache more."""
    messages = [
        message
        for number in range(5)
        for message in (Message.user(f"q{number}", POINT), Message.assistant(f"a{number}"))
    ]
    translation = translated(*messages, Message.user("?"), system=(Text("s"), POINT))
    assert kept(translation) == [("s", None), ("q2", None), ("q3", None), ("q4", None)]
    assert found(translation) == [
        ("dropped", "cache-point-limit", "messages[0].parts[1]"),
        ("dropped", "cache-point-limit", "messages[2].parts[1]"),
    ]


def test_rule_49_points_among_the_callers_own_tools_count() -> None:
    """They come first, and are sent as they are."""
    tools = [{"toolSpec": {"name": "t", "inputSchema": {"json": {}}}}, {"cachePoint": {"type": "default"}}]
    parts = [part for number in range(4) for part in (Text(str(number)), POINT)]
    translation = translated(Message.user(*parts), toolConfig={"tools": tools})
    assert kept(translation) == [("1", None), ("2", None), ("3", None)]
    assert translation.body["toolConfig"]["tools"] == tools


def test_rule_50_no_point_right_behind_a_document() -> None:
    """Claude and Nova refuse it; behind the words after the document it may stand."""
    for model in (CLAUDE, NOVA):
        assert found(asked("Read.", PDF, POINT, model=model)) == [("dropped", REFUSED, "messages[0].parts[2]")]
        assert kept(asked("Read.", PDF, "Now!", POINT, model=model)) == [("Now!", None)]
    assert kept(asked("Read.", PDF, POINT, model=NEWCOMER)) == [(DOCUMENT, None)]


def test_rule_51_no_point_right_behind_reasoning() -> None:
    """The service says so itself."""
    answer = Message.assistant(Reasoning("Hm.", "sig"), POINT, "Yes.", POINT)
    translation = translated(Message.user("?"), answer, Message.user("!"))
    assert kept(translation) == [("Yes.", None)]
    assert found(translation) == [("dropped", REFUSED, "messages[1].parts[1]")]


def test_rule_52_no_point_first_and_no_two_in_a_row() -> None:
    """With any model: the first of a row is the one that stays."""
    for model in (CLAUDE, NEWCOMER):
        translation = translated(Message.user(POINT, "a", POINT, POINT), model=model, system=(POINT, Text("s")))
        assert kept(translation) == [("a", None)]
        paths = ["system[0]", "messages[0].parts[0]", "messages[0].parts[3]"]
        assert found(translation) == [("dropped", REFUSED, path) for path in paths]


def test_rule_52_a_turn_of_points_vanishes() -> None:
    """Alone they make no message; behind words of the same role they stand."""
    hello, answer = Message.user("Hello"), Message.assistant("Yes?")
    translation = translated(hello, Message.assistant(POINT), Message.user("So?", POINT))
    assert [turn["role"] for turn in translation.body["messages"]] == ["user"]
    assert found(translation) == [("dropped", REFUSED, "messages[1].parts[0]")]
    assert kept(translated(hello, Message.user(POINT), answer, Message.user("So?"))) == [("Hello", None)]
    with pytest.raises(UnsupportedError, match=r"messages\[2\]: there is nothing in the newest message"):
        translated(hello, answer, Message.user(POINT))


def test_rule_52_a_point_behind_an_orphan_goes_with_it() -> None:
    """The result is left out, and then the point has nothing before it."""
    orphan = Message("tool", (ToolResult("x", "done"), POINT))
    translation = translated(
        Message.user("?"), Message.assistant("a"), orphan, Message.assistant("b"), Message.user("!")
    )
    assert [turn["role"] for turn in translation.body["messages"]] == ["user", "assistant", "user"]
    assert found(translation) == [("dropped", REFUSED, "messages[2].parts[1]")]


def test_rule_53_no_point_lasts_longer_than_one_before_it() -> None:
    """In the order in which the service reads: tools, system prompt, messages."""
    system = (Text("s"), CachePoint("1h"), Text("t"), POINT)
    translation = translated(Message.user("a", CachePoint("1h")), system=system)
    assert kept(translation) == [("s", "1h"), ("t", None), ("a", None)]
    assert found(translation) == [("changed", "cache-life-omitted", "messages[0].parts[1]")]
    tools = [{"cachePoint": {"type": "default"}}]
    assert kept(translated(Message.user("a", CachePoint("1h")), toolConfig={"tools": tools})) == [("a", None)]


def test_rule_53_lives_that_the_service_does_not_know_are_refused() -> None:
    """Before anything is sent, with the place."""
    with pytest.raises(
        UnsupportedError, match=r"^messages\[0\]\.parts\[1\]: Bedrock caches for 5m or 1h, not for '2d'"
    ):
        asked("a", CachePoint("2d"))


@pytest.mark.parametrize(
    ("model", "life", "sent", "kind"),
    [
        (CLAUDE, "1h", "1h", None),
        (CLAUDE, "5m", "5m", None),
        (CLAUDE_3_7, "1h", None, "changed"),
        (NOVA, "1h", None, "changed"),
        (NOVA, "5m", None, "lossless"),
        (NEWCOMER, "1h", "1h", None),
    ],
)
def test_rule_54_a_life_is_named_where_the_model_takes_it(
    model: str, life: str, sent: str | None, kind: str | None
) -> None:
    """Five minutes is what the service does by itself: leaving them unsaid loses nothing."""
    translation = asked("a", CachePoint(life), model=model)
    assert kept(translation) == [("a", sent)]
    assert found(translation) == ([(kind, "cache-life-omitted", "messages[0].parts[1]")] if kind else [])


def test_rule_54_nova_takes_no_point_beside_calls_and_results() -> None:
    """In other turns it does; Claude takes it there too."""
    messages = (
        Message.user("?", POINT),
        Message.assistant("Let me see.", POINT, ToolCall("a", "t")),
        Message("tool", (ToolResult("a", "done"), POINT)),
    )
    assert kept(translated(*messages, model=NOVA)) == [("?", None)]
    assert kept(translated(*messages)) == [("?", None), ("Let me see.", None), ("toolResult", None)]


def test_families_that_do_not_cache_get_no_point() -> None:
    """The service would refuse access; of an unknown model we know nothing."""
    translation = translated(Message.user("a", POINT), model=LLAMA, system=(Text("s"), POINT))
    assert kept(translation) == []
    assert found(translation) == [("dropped", REFUSED, path) for path in ("system[1]", "messages[0].parts[1]")]
    assert kept(asked("a", POINT, model=NEWCOMER)) == [("a", None)]


def test_rule_50_a_point_behind_a_change_of_tools_has_nothing_before_it() -> None:
    """Such a change is a message of its own: what stands behind it begins the next one."""
    change = Opaque("bedrock", {"toolRemoval": {"tool": {"name": "t"}}})
    translation = translated(Message.user("a"), Message("system", (change, POINT, Text("now"))))
    assert kept(translation) == []
    assert ("dropped", REFUSED, "messages[1].parts[1]") in found(translation)
