"""Turns as families of models take them: who begins, who ends, what stands beside calls and results."""

from typing import Any

import pytest
from bedrock_support.models import SAMPLES

from chatport.backend import (
    ChatRequest,
    Document,
    Image,
    Message,
    Opaque,
    Reasoning,
    Settings,
    Text,
    ToolCall,
    ToolResult,
)
from chatport_bedrock._models import capabilities
from chatport_bedrock._translate import Translation, translate

CLAUDE = "anthropic.claude-sonnet-4-5-20250929-v1:0"
NEW_CLAUDE = "us.anthropic.claude-sonnet-4-6"
NOVA = "us.amazon.nova-lite-v1:0"
LLAMA = "us.meta.llama3-3-70b-instruct-v1:0"
NEWCOMER = "newcomer.model-1.5-v1:0"
HELLO = Message.user("Hello")
DOT = {"text": "."}
CALL = {"toolUse": {"toolUseId": "a", "name": "t", "input": {}}}
RESULT = {"toolResult": {"toolUseId": "a", "content": [{"text": "done"}]}}
CALLED = Message.assistant(ToolCall("a", "t"))
DONE = ToolResult("a", "done")
IMAGE = Image("image/png", b"x")


def translated(model: str, *messages: Message) -> Translation:
    """Translate a conversation."""
    return translate(ChatRequest(model, messages))


def turns(model: str, *messages: Message) -> list[tuple[str, list[Any]]]:
    """Roles and blocks of a translated conversation."""
    return [(turn["role"], turn["content"]) for turn in translated(model, *messages).body["messages"]]


def codes(model: str, *messages: Message) -> list[tuple[str, str, str]]:
    """Kind, code and path of what was adjusted, but that no tools are on offer."""
    adjustments = translated(model, *messages).adjustments
    return [(item.kind, item.code, item.path) for item in adjustments if item.code != "tools-from-history"]


def test_rule_03_the_user_begins_where_the_model_wants_it() -> None:
    """Nova refuses a conversation that the model begins; Claude takes it, and of an unknown model we know nothing."""
    messages = (Message.assistant("Welcome!"), HELLO)
    as_given = [("assistant", [{"text": "Welcome!"}]), ("user", [{"text": "Hello"}])]
    assert turns(NOVA, *messages) == [("user", [DOT]), *as_given]
    assert codes(NOVA, *messages) == [("changed", "leading-turn-added", "messages[0].parts[0]")]
    for model in (CLAUDE, NEWCOMER, "qwen.qwen3-32b-v1:0", "zai.glm-4.7", "moonshotai.kimi-k2.5"):
        assert (turns(model, *messages), codes(model, *messages)) == (as_given, [])
    for model in ("us.deepseek.r1-v1:0", "openai.gpt-oss-120b-1:0", "minimax.minimax-m2"):
        assert turns(model, *messages) == [("user", [DOT]), *as_given]


def test_rule_04_the_user_ends_where_the_model_does_not_go_on_writing() -> None:
    """Newer models of Claude refuse a conversation that ends with their own words."""
    messages = (HELLO, Message.assistant("Once upon"))
    as_given = [("user", [{"text": "Hello"}]), ("assistant", [{"text": "Once upon"}])]
    assert turns(NEW_CLAUDE, *messages) == [*as_given, ("user", [{"text": "Continue."}])]
    assert codes(NEW_CLAUDE, *messages) == [("changed", "prefill-refused", "messages[1].parts[0]")]
    for model in (CLAUDE, NOVA, NEWCOMER):
        assert (turns(model, *messages), codes(model, *messages)) == (as_given, [])


def test_rule_05_white_space_at_the_end_of_a_prefill_is_taken_off() -> None:
    """Only there, and only where the model refuses it: what stands before the words stays."""
    messages = (HELLO, Message.assistant("one ", " \n{ \n"))
    assert turns(CLAUDE, *messages)[1] == ("assistant", [{"text": "one "}, {"text": " \n{"}])
    assert codes(CLAUDE, *messages) == [("changed", "prefill-trimmed", "messages[1].parts[1]")]
    assert turns(CLAUDE, *messages, HELLO)[1][1][1] == {"text": " \n{ \n"}
    for model in (NOVA, NEWCOMER):
        assert turns(model, *messages)[1][1][1] == {"text": " \n{ \n"}


def test_rule_05_nothing_but_white_space_beside_signed_reasoning() -> None:
    """Where such a turn stands last, the blank text goes; the reasoning stays as it is."""
    answer = Message.assistant(Reasoning("Hm.", "sig"), " ")
    reasoning = {"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "sig"}}}
    assert turns(CLAUDE, HELLO, answer)[1][1] == [reasoning]
    assert turns(CLAUDE, HELLO, answer, HELLO)[1][1] == [reasoning, {"text": " "}]


def test_rule_07_results_stand_alone_where_the_model_wants_it() -> None:
    """Llama sees either words or results in a turn: the model says next to nothing between them."""
    messages = (HELLO, CALLED, Message("tool", (DONE,)), Message.user("And?", IMAGE))
    picture = {"image": {"format": "png", "source": {"bytes": b"x"}}}
    assert turns(LLAMA, *messages)[2:] == [
        ("user", [RESULT]),
        ("assistant", [DOT]),
        ("user", [{"text": "And?"}, picture]),
    ]
    assert ("changed", "turn-separated", "messages[3].parts[0]") in codes(LLAMA, *messages)
    for model in (CLAUDE, NOVA, NEWCOMER):
        assert turns(model, *messages)[2:] == [("user", [RESULT, {"text": "And?"}, picture])]


def test_rule_07_results_that_stand_alone_are_left_alone() -> None:
    """Nothing is added where nothing stands beside them."""
    messages = (HELLO, CALLED, Message("tool", (DONE,)))
    assert turns(LLAMA, *messages)[2:] == [("user", [RESULT])]
    assert codes(LLAMA, *messages) == []


def test_rule_07_calls_stand_alone_where_the_model_wants_it() -> None:
    """What the model said beside its calls becomes a turn before them."""
    messages = (HELLO, Message.assistant("Let me see.", ToolCall("a", "t")), Message("tool", (DONE,)))
    assert turns(LLAMA, *messages)[1:] == [
        ("assistant", [{"text": "Let me see."}]),
        ("user", [DOT]),
        ("assistant", [CALL]),
        ("user", [RESULT]),
    ]
    assert codes(LLAMA, *messages) == [("changed", "turn-separated", "messages[1].parts[1]")]
    assert turns(CLAUDE, *messages)[1] == ("assistant", [{"text": "Let me see."}, CALL])


def test_rule_07_a_document_keeps_words_beside_it_in_its_new_turn() -> None:
    """It leaves the results, and words are put before it."""
    message = Message("tool", (DONE, Document("text/plain", b"x", name="d")))
    newest = turns(LLAMA, HELLO, CALLED, message)[-1][1]
    assert [next(iter(block)) for block in newest] == ["text", "document"]


@pytest.mark.parametrize("model", SAMPLES)
def test_top_k_stands_where_the_table_says(model: str) -> None:
    """Every known place is used; where none is known, or the model refuses it, leaving it out is reported."""
    translation = translate(ChatRequest(model, (HELLO,), settings=Settings(top_k=7)))
    sent: Any = translation.body.get("additionalModelRequestFields")
    can = capabilities(model)
    path = () if "top_k" in can.refused_settings else can.top_k
    for name in path:
        sent = sent[name]
    assert sent == (7 if path else None)
    assert [item.code for item in translation.adjustments] == ([] if path else ["setting-dropped"])


def test_what_is_not_known_is_not_rewritten() -> None:
    """Of a model that the table does not know, any order of things is sent as it is."""
    answer = Message.assistant("Let me see.", ToolCall("a", "t"))
    messages = (
        Message.assistant("Hi."),
        HELLO,
        answer,
        Message("tool", (DONE, Text("So?"))),
        Message.assistant("Yes "),
    )
    assert codes(NEWCOMER, *messages) == []


def test_rule_03_a_change_of_tools_does_not_begin_for_the_user() -> None:
    """It is a message of the system's: behind it the user still has to begin."""
    change = Opaque("bedrock", {"toolAddition": {"tool": {"name": "t"}}})
    messages = (Message("system", (change,)), Message.assistant("Welcome!"), HELLO)
    assert turns(NOVA, *messages)[:3] == [
        ("system", [change.data]),
        ("user", [DOT]),
        ("assistant", [{"text": "Welcome!"}]),
    ]


def test_rule_07_words_with_citations_are_words() -> None:
    """Llama takes no words beside calls, whoever is cited in them."""
    raw = {"content": [{"text": "It rains."}], "citations": [{"title": "A"}]}
    said = Text("It rains.", metadata={"bedrock": {"citationsContent": raw}})
    found = turns(LLAMA, HELLO, Message.assistant(said, ToolCall("a", "t")), Message("tool", (DONE,)))
    assert found[1:4] == [("assistant", [{"citationsContent": raw}]), ("user", [DOT]), ("assistant", [CALL])]


def test_rule_07_what_a_guardrail_looks_at_does_not_stand_beside_results() -> None:
    """Where nothing stands beside results, that holds for blocks of the service's own as well; marks may stay."""
    guarded = Opaque("bedrock", {"guardContent": {"text": {"text": "careful"}}})
    found = turns(LLAMA, HELLO, CALLED, Message.user(DONE, guarded))
    assert found[2:] == [("user", [RESULT]), ("assistant", [DOT]), ("user", [guarded.data])]


def test_what_the_service_ran_is_left_out_where_a_model_takes_no_calls_beside_anything() -> None:
    """A conversation with Nova that goes on with Llama: it takes no calls inside answers."""
    grounded = Message.assistant(
        ToolCall("s", "nova_grounding", executed_by="server"), ToolResult("s", "found"), Text("It is sunny.")
    )
    assert turns(LLAMA, HELLO, grounded, HELLO)[1] == ("assistant", [{"text": "It is sunny."}])
    dropped = [("dropped", "foreign-server-tool", f"messages[1].parts[{index}]") for index in (0, 1)]
    assert codes(LLAMA, HELLO, grounded, HELLO) == dropped
    assert len(turns(NOVA, HELLO, grounded, HELLO)[1][1]) == 3


def test_what_another_service_ran_is_left_out() -> None:
    """A call that a service ran itself is of no use to one that has no such tool, and would be refused by it."""
    mark = {"another-one": {"id": 1}}
    searched = Message.assistant(
        ToolCall("s", "web_search", executed_by="server", metadata=mark),
        ToolResult("s", "found", metadata=mark),
        Text("It is sunny."),
    )
    assert turns(NOVA, HELLO, searched, HELLO)[1] == ("assistant", [{"text": "It is sunny."}])
    dropped = [("dropped", "foreign-server-tool", f"messages[1].parts[{index}]") for index in (0, 1)]
    assert codes(NOVA, HELLO, searched, HELLO) == dropped
