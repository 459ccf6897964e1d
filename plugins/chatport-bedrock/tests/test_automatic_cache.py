"""`Settings.cache`: where points go by themselves, that the caller's own win, and that nothing else ever moves."""

import copy
from typing import Any

import pytest
from bedrock_support.models import SAMPLES
from hypothesis import assume, given
from hypothesis import strategies as st

from chatport.backend import CachePoint, ChatRequest, Document, Image, Message, Part, Settings, Text, Tool, ToolCall
from chatport.backend import ToolResult as Result
from chatport_bedrock._body import encode_body, plain_body
from chatport_bedrock._models import capabilities
from chatport_bedrock._translate import Translation, translate
from chatport_bedrock.emulator._conversation import Conversation
from chatport_bedrock.emulator._rules import check_rules

CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
CLAUDE_3_7 = "us.anthropic.claude-3-7-sonnet-20250219-v1:0"
NOVA = "us.amazon.nova-lite-v1:0"
LLAMA = "us.meta.llama3-3-70b-instruct-v1:0"
NEWCOMER = "newcomer.model-1.5-v1:0"
POINT = {"cachePoint": {"type": "default"}}
LONG = {"cachePoint": {"type": "default", "ttl": "1h"}}
PATH = "settings.cache"
SYSTEM = (Text("Be kind."),)
TOOL = Tool("clock")
SPEC = {"toolSpec": {"name": "clock", "inputSchema": {"json": {"type": "object", "properties": {}}}}}
PDF = Document("application/pdf", b"%PDF-", name="d")
TALK = [
    Message.user("one"),
    Message.assistant("1"),
    Message.user("two"),
    Message.assistant("2"),
    Message.user("three"),
]
CALLED = [
    Message.user("What time is it?"),
    Message.assistant(ToolCall("a", "clock")),
    Message("tool", (Result("a", "noon"),)),
]


def translated(
    *messages: Message,
    model: str = CLAUDE,
    system: tuple[Part, ...] = SYSTEM,
    tools: tuple[Tool, ...] = (TOOL,),
    cache: Any = "auto",
    extra: dict[str, Any] | None = None,
) -> Translation:
    """Translate a conversation with automatic cache points."""
    settings = Settings(cache=cache, extra={} if extra is None else {"bedrock": extra})
    return translate(ChatRequest(model, messages, system, tools, settings=settings))


def points(translation: Translation) -> list[tuple[str, str | None]]:
    """Each cache point, by what stands before it, and the life that it names."""
    body = translation.body
    lists = [body.get("toolConfig", {}).get("tools", []), body.get("system", [])]
    found: list[tuple[str, str | None]] = []
    for blocks in [*lists, *(turn["content"] for turn in body["messages"])]:
        for index, block in enumerate(blocks):
            if "cachePoint" in block:
                before = blocks[index - 1]
                found.append((str(before.get("text", next(iter(before)))), block["cachePoint"].get("ttl")))
    return found


def codes(translation: Translation) -> list[tuple[str, str, str]]:
    """Kind, code and path of what was adjusted."""
    return [(item.kind, item.code, item.path) for item in translation.adjustments]


def test_nothing_is_cached_unasked() -> None:
    """Writing a cache costs: without the setting no point is added."""
    assert points(translated(*TALK, cache=None)) == []


def test_points_stand_behind_tools_system_prompt_and_the_two_newest_turns_of_the_user() -> None:
    """What stays, and what the next request begins with; nothing is reported, for nothing is lost."""
    translation = translated(*TALK)
    assert translation.body["toolConfig"]["tools"] == [SPEC, POINT]
    assert translation.body["system"] == [{"text": "Be kind."}, POINT]
    assert points(translation) == [("toolSpec", None), ("Be kind.", None), ("two", None), ("three", None)]
    assert codes(translation) == []


def test_where_there_is_little_there_are_few_points() -> None:
    """No tools, no system prompt, one turn: one point."""
    assert points(translated(Message.user("one"), system=(), tools=())) == [("one", None)]


def test_the_end_of_what_the_model_says_gets_no_point() -> None:
    """A beginning that the model goes on writing is not there in the next request as it is."""
    translation = translated(*TALK, Message.assistant("So"), system=(), tools=())
    assert points(translation) == [("two", None), ("three", None)]
    assert translation.body["messages"][-1] == {"role": "assistant", "content": [{"text": "So"}]}


def test_rule_49_points_of_the_caller_count_and_come_first() -> None:
    """Four in all: automatic ones fill what is left, the newest turn first and the tools last."""
    own = [Message.user("a", CachePoint(), "b"), Message.assistant("c", CachePoint(), "d"), Message.user("three")]
    system, ends = ("Be kind.", None), ("three", None)
    assert points(translated(*own)) == [system, ("a", None), ("c", None), ends]
    more = [Message.user("a", CachePoint(), "b", CachePoint(), "c", CachePoint()), *TALK[1:2], Message.user("three")]
    assert points(translated(*more)) == [("a", None), ("b", None), ("c", None), ends]
    full = [Message.user("a", CachePoint(), "b", CachePoint(), "c", CachePoint(), "d", CachePoint(), "e")]
    assert points(translated(*full)) == [("a", None), ("b", None), ("c", None), ("d", None)]
    assert codes(translated(*full)) == []


@pytest.mark.parametrize(("cache", "codes"), [("auto", []), ("1h", ["cache-omitted"])])
def test_rule_49_where_the_caller_has_taken_all_points_an_explicit_wish_is_told(cache: str, codes: list[str]) -> None:
    """Nothing is left to set; a life that was asked for is then not what is sent."""
    own = [Message.user("a", CachePoint(), "b", CachePoint()), Message.assistant("1", CachePoint(), "2")]
    translation = translated(*own, Message.user("c"), system=(Text("s"), CachePoint()), cache=cache)
    assert len(points(translation)) == 4
    assert [item.code for item in translation.adjustments] == codes
    assert all((item.kind, item.path) == ("changed", PATH) for item in translation.adjustments)


def test_rule_49_points_among_the_callers_own_tools_count() -> None:
    """A point that the caller set behind the tools is the one there; tools of the service's own are cached too."""
    own = {"systemTool": {"name": "nova_grounding"}}
    translation = translated(*TALK, extra={"toolConfig": {"tools": [own, LONG]}})
    assert translation.body["toolConfig"]["tools"] == [SPEC, own, LONG]
    assert points(translation)[1:] == [("Be kind.", None), ("two", None), ("three", None)]
    given_tools = [own]
    translation = translated(*TALK, extra={"toolConfig": {"tools": given_tools}})
    assert translation.body["toolConfig"]["tools"] == [SPEC, own, POINT]
    assert given_tools == [own]


def test_what_a_caller_says_in_the_services_words_gets_points_and_is_not_changed() -> None:
    """The service cares for what is sent, whoever wrote it; the caller's own lists stay as they are."""
    extra: dict[str, Any] = {"system": [{"text": "Be brief."}]}
    translation = translated(*TALK, extra=extra)
    assert translation.body["system"] == [{"text": "Be brief."}, POINT]
    assert extra == {"system": [{"text": "Be brief."}]}
    strange: dict[str, Any] = {"system": ["Be brief."], "messages": [{"role": "user", "content": "Hello"}]}
    body = translated(*TALK, tools=(), extra=strange).body
    assert {name: body[name] for name in strange} == strange


def test_rules_50_and_51_a_point_stands_before_what_it_may_not_follow() -> None:
    """Documents at the end of a turn are left behind it; an image may stand before it."""
    assert points(translated(Message.user("Read.", PDF, PDF), system=(), tools=())) == [("Read.", None)]
    assert points(translated(Message.user("Read.", PDF, "Now!"), system=(), tools=())) == [("Now!", None)]
    translation = translated(*TALK, Message.assistant("3"), Message.user(PDF, Text("!")), system=(), tools=())
    assert points(translation) == [("three", None), ("!", None)]
    image = Image("image/png", b"x")
    assert points(translated(Message.user("See.", image), system=(), tools=())) == [("image", None)]


def test_rules_50_and_52_a_turn_that_begins_with_a_document_may_have_no_place() -> None:
    """What is first in a turn has nothing before it; words that are put before a lone document make a place."""
    translation = translated(Message.user(PDF), system=(), tools=())
    assert points(translation) == [("See the attached document.", None)]
    translation = translated(*TALK, Message.assistant("3"), Message.user(PDF), system=(), tools=())
    assert points(translation) == [("three", None), ("See the attached document.", None)]


def test_rule_52_where_the_caller_has_a_point_no_other_stands_beside_it() -> None:
    """The end of a turn is the caller's already; the turn counts as one of the two."""
    own = [*TALK[:4], Message.user("three", CachePoint())]
    assert points(translated(*own, system=(), tools=())) == [("two", None), ("three", None)]


def test_rule_53_before_a_longer_life_of_the_callers_nothing_shorter_is_added() -> None:
    """The caller's point would be refused behind it."""
    own = [*TALK[:2], Message.user("two", CachePoint("1h")), *TALK[3:]]
    translation = translated(*own)
    assert points(translation) == [("two", "1h"), ("three", None)]
    assert codes(translation) == []
    assert points(translated(*own, cache="1h")) == [
        ("toolSpec", "1h"),
        ("Be kind.", "1h"),
        ("two", "1h"),
        ("three", "1h"),
    ]


def test_rule_53_behind_a_shorter_life_of_the_callers_none_is_longer() -> None:
    """The points are still added, and what they are not is told once."""
    translation = translated(*TALK, system=(Text("Be kind."), CachePoint()), cache="1h")
    assert points(translation) == [("toolSpec", "1h"), ("Be kind.", None), ("two", None), ("three", None)]
    assert codes(translation) == [("changed", "cache-life-omitted", PATH)]


@pytest.mark.parametrize(
    ("model", "cache", "life", "adjusted"),
    [
        (CLAUDE, "auto", None, []),
        (CLAUDE, "5m", None, []),
        (CLAUDE, "1h", "1h", []),
        (CLAUDE_3_7, "1h", None, [("changed", "cache-life-omitted", PATH)]),
        (NOVA, "5m", None, []),
        (NOVA, "1h", None, [("changed", "cache-life-omitted", PATH)]),
    ],
)
def test_rule_54_an_hour_is_said_where_the_model_takes_it(
    model: str, cache: str, life: str | None, adjusted: list[Any]
) -> None:
    """Five minutes is what the service does by itself, and is never said."""
    translation = translated(*TALK, model=model, cache=cache)
    assert {found for _, found in points(translation)} == {life}
    assert codes(translation) == adjusted


def test_rule_54_nova_takes_no_points_in_tools_and_beside_calls() -> None:
    """The turn before the call has the point that the turn with the result cannot have."""
    assert points(translated(*CALLED, model=NOVA)) == [("Be kind.", None), ("What time is it?", None)]
    assert points(translated(*CALLED)) == [
        ("toolSpec", None),
        ("Be kind.", None),
        ("What time is it?", None),
        ("toolResult", None),
    ]


def test_rule_55_the_caller_says_where_the_lasting_part_of_the_system_prompt_ends() -> None:
    """Behind what changes with every request a point would be written each time and never read."""
    system = (Text("Be kind."), CachePoint(), Text("Today is Monday."))
    assert points(translated(*TALK, system=system)) == [
        ("toolSpec", None),
        ("Be kind.", None),
        ("two", None),
        ("three", None),
    ]
    twice = (Text("Be kind."), Text("Be brief."))
    assert points(translated(*TALK, system=twice, tools=()))[0] == ("Be brief.", None)


@pytest.mark.parametrize(("model", "known"), [(LLAMA, True), (NEWCOMER, False)])
def test_models_that_are_not_known_to_cache_get_no_point(model: str, known: bool) -> None:
    """A wish is let go; who asked for a life is told that there is none. Strict requests refuse that."""
    assert capabilities(model).known is known
    for cache, adjusted in (
        ("auto", ("lossless", "cache-omitted", PATH)),
        ("5m", ("dropped", "setting-dropped", PATH)),
        ("1h", ("dropped", "setting-dropped", PATH)),
    ):
        translation = translated(*TALK, model=model, cache=cache)
        assert (points(translation), codes(translation)) == ([], [adjusted])


# --- nothing else moves ----------------------------------------------------------------------------------------------

_some: list[Part] = [Text("x"), Text(" "), PDF, CachePoint(), CachePoint("1h"), Image("image/png", b"x")]
_parts = st.sampled_from(_some)
_turns = st.lists(
    st.lists(_parts, min_size=1, max_size=4).map(lambda parts: Message("user", (*parts, Text("?"))))
    | st.just(Message.assistant("Well.")),
    min_size=1,
    max_size=8,
)


def without_points(value: Any) -> Any:
    """A body without its cache points."""
    if isinstance(value, dict):
        return {name: without_points(item) for name, item in value.items()}
    if isinstance(value, list):
        return [without_points(item) for item in value if not (isinstance(item, dict) and "cachePoint" in item)]
    return value


@pytest.mark.parametrize("model", SAMPLES)
@pytest.mark.parametrize("cache", ["auto", "1h"])
def test_what_is_cached_is_accepted_by_every_family(model: str, cache: str) -> None:
    """Tools, system prompt, calls, documents: the emulator's rules, which know nothing of ours, have no complaint."""
    can = capabilities(model)
    spoken = [Message.user("Read.", PDF), Message.assistant("Yes."), Message.user("And?")]
    for messages in ([*CALLED, Message.assistant("Noon."), *spoken] if can.tools else spoken, spoken, TALK):
        tools = (TOOL,) if can.tools else ()
        translation = translated(*messages, model=model, tools=tools, system=SYSTEM if can.system else (), cache=cache)
        check_rules(Conversation(f"us.{model}", plain_body(translation.body)))
        assert bool(points(translation)) is (can.known and can.cache.supported)


@given(_turns, st.sampled_from([CLAUDE, CLAUDE_3_7, NOVA]), st.sampled_from(["auto", "5m", "1h"]))
def test_rule_49_any_conversation_with_points_is_accepted(history: list[Message], model: str, cache: str) -> None:
    """Whatever points a caller has set and wherever documents stand: never more than four, nor one out of place."""
    messages = (*history, Message.user("And now?"))
    assume(sum(isinstance(part, Document) for message in messages for part in message.parts) <= 5)
    before = copy.deepcopy(messages)
    translation = translated(*messages, model=model, cache=cache)
    body = plain_body(translation.body)
    check_rules(Conversation(model, without_images(body)))
    assert messages == before
    assert encode_body(translated(*messages, model=model, cache=cache).body) == encode_body(translation.body)


def without_images(body: dict[str, Any]) -> dict[str, Any]:
    """A body whose images, which are none, are words."""
    for turn in body["messages"]:
        turn["content"] = [{"text": "(image)"} if "image" in block else block for block in turn["content"]]
    return body


@given(st.lists(st.lists(_parts, min_size=1, max_size=4), min_size=2, max_size=5), st.sampled_from([CLAUDE, NOVA]))
def test_rule_20_what_a_conversation_begins_with_stays_the_same(asked: list[list[Part]], model: str) -> None:
    """Turn after turn, each request begins with the last one: names of documents, system prompt, tools and all.

    Only points move on, and what the service compares is what stands before them.
    """
    assume(sum(isinstance(part, Document) for parts in asked for part in parts) <= 5)
    messages: list[Message] = []
    last: list[Any] = []
    beginning: Any = None
    for parts in asked:
        messages.append(Message("user", (*parts, Text("?"))))
        body = translated(*messages, model=model).body
        turns = without_points(body["messages"])
        assert len(turns) == len(messages)
        assert turns[: len(last)] == last
        if all(not isinstance(part, CachePoint) for message in messages for part in message.parts):
            # Without points of the caller's, those behind tools and system prompt are always there.
            assert beginning in {None, encode_body({"a": body["toolConfig"], "b": body["system"]})}
            beginning = encode_body({"a": body["toolConfig"], "b": body["system"]})
        last = turns
        messages.append(Message.assistant("Well."))
