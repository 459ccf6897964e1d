"""Messages as turns: alternation, results first, blanks, documents with words beside them, late system messages."""

from collections.abc import Sequence
from typing import Any

import pytest

from chatport.backend import (
    CachePoint,
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
    ToolCall,
    ToolResult,
    UnsupportedError,
)
from chatport_bedrock._capabilities import Capabilities
from chatport_bedrock._translate import Translation, translate
from chatport_bedrock.emulator._conversation import Conversation
from chatport_bedrock.emulator._rules import check_rules

CLAUDE = "anthropic.claude-sonnet-4-5-20250929-v1:0"
HELLO = Message.user("Hello")
PDF = Document("application/pdf", b"%PDF-", name="report")
PDF_BLOCK = {"document": {"format": "pdf", "name": "report", "source": {"bytes": b"%PDF-"}}}
SIGNED = Reasoning("Hm.", "sig", metadata={"bedrock": {"family": "anthropic"}})
SIGNED_BLOCK = {"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "sig"}}}


def translated(*messages: Message, model: str = CLAUDE) -> Translation:
    """Translate a conversation."""
    return translate(ChatRequest(model, messages))


def turns(*messages: Message) -> list[tuple[str, list[Any]]]:
    """Roles and blocks of a translated conversation."""
    return [(turn["role"], turn["content"]) for turn in translated(*messages).body["messages"]]


def codes(*messages: Message) -> list[tuple[str, str, str]]:
    """Kind, code and path of each adjustment but those of tools."""
    adjustments = translated(*messages).adjustments
    return [(item.kind, item.code, item.path) for item in adjustments if item.code != "tools-from-history"]


def result(call_id: str, content: Any = "done") -> dict[str, Any]:
    """A result as it stands on the wire."""
    return {"toolResult": {"toolUseId": call_id, "content": [{"text": content}]}}


def tool(*results: Part) -> Message:
    """A message with results."""
    return Message("tool", results)


def test_rule_1_user_side_messages_become_one_turn() -> None:
    """User after user and user after results are one turn on the wire."""
    messages = (
        HELLO,
        Message.user("again"),
        Message.assistant(ToolCall("c1", "t")),
        tool(ToolResult("c1", "done")),
        Message.user("and now?"),
    )
    assert turns(*messages) == [
        ("user", [{"text": "Hello"}, {"text": "again"}]),
        ("assistant", [{"toolUse": {"toolUseId": "c1", "name": "t", "input": {}}}]),
        ("user", [result("c1"), {"text": "and now?"}]),
    ]
    assert codes(*messages) == [
        ("lossless", "turns-merged", "messages[1]"),
        ("lossless", "turns-merged", "messages[4]"),
    ]


def test_rule_2_model_side_messages_become_one_turn() -> None:
    """Two answers in a row, as in a repaired history, are one turn."""
    messages = (HELLO, Message.assistant("One."), Message.assistant("Two."), HELLO)
    assert turns(*messages)[1] == ("assistant", [{"text": "One."}, {"text": "Two."}])
    assert codes(*messages) == [("lossless", "turns-merged", "messages[2]")]


@pytest.mark.parametrize("spread", [False, True], ids=["one-message", "message-each"])
def test_rule_8_results_come_first_and_in_the_order_of_the_calls(*, spread: bool) -> None:
    """All results of one answer stand at the beginning of the next turn, however the history has them."""
    parts = (ToolResult("b", "done"), ToolResult("c", "done"), ToolResult("a", "done"))
    results = [tool(part) for part in parts] if spread else [tool(*parts)]
    calls = Message.assistant(*(ToolCall(call_id, "t") for call_id in "abc"))
    messages = (HELLO, calls, Message.user("first!"), *results)
    assert turns(*messages)[2] == ("user", [*(result(call_id) for call_id in "abc"), {"text": "first!"}])
    first = "messages[5].parts[0]" if spread else "messages[3].parts[2]"
    assert codes(*messages)[-1] == ("lossless", "results-reordered", first)


def test_rule_8_a_turn_in_order_is_left_alone() -> None:
    """Nothing is reported where nothing moved; a cache point between results and words stays there."""
    calls = Message.assistant(ToolCall("a", "t"), ToolCall("b", "t"))
    messages = (HELLO, calls, tool(ToolResult("a", "done"), ToolResult("b", "done"), CachePoint()), Message.user("?"))
    assert turns(*messages)[2][1] == [result("a"), result("b"), {"cachePoint": {"type": "default"}}, {"text": "?"}]
    assert codes(*messages) == [("lossless", "turns-merged", "messages[3]")]


def test_rule_8_only_calls_for_the_caller_set_the_order() -> None:
    """Calls that the service ran stand in the answer with their results; they order nothing in the next turn."""
    server = ToolCall("s", "search", executed_by="server")
    answer = Message.assistant(server, ToolResult("s", "found"), ToolCall("b", "t"), ToolCall("a", "t"))
    messages = (HELLO, answer, tool(ToolResult("a", "done"), ToolResult("b", "done")))
    assistant, user = turns(*messages)[1:]
    assert [next(iter(block)) for block in assistant[1]] == ["toolUse", "toolResult", "toolUse", "toolUse"]
    assert user[1] == [result("b"), result("a")]


def test_rule_8_verbatim_results_are_moved_too() -> None:
    """A result kept word for word is a result as well; a malformed one goes last and is left to the service."""
    raw = {
        "toolResult": {"toolUseId": "a", "content": [{"searchResult": {"source": "s", "title": "t", "content": []}}]}
    }
    broken = {"toolResult": None}
    calls = Message.assistant(ToolCall("a", "t"), ToolCall("b", "t"))
    messages = (HELLO, calls, tool(Opaque("bedrock", broken), ToolResult("b", "done"), Opaque("bedrock", raw)))
    assert turns(*messages)[2][1] == [raw, result("b"), broken]


@pytest.mark.parametrize("blank", ["", " ", "\n\t", "\u3000"], ids=["empty", "space", "control", "ideographic"])
def test_rule_13_blank_text_is_left_out(blank: str) -> None:
    """The service refuses text blocks without a visible character; they say nothing."""
    messages = (Message.user(blank, "Hello", blank), Message.assistant(blank, "Hi."), HELLO)
    assert turns(*messages) == [
        ("user", [{"text": "Hello"}]),
        ("assistant", [{"text": "Hi."}]),
        ("user", [{"text": "Hello"}]),
    ]
    assert codes(*messages) == [
        ("lossless", "blank-text-omitted", f"messages[{message}].parts[{part}]")
        for message, part in [(0, 0), (0, 2), (1, 0)]
    ]


def test_rule_13_text_is_never_trimmed() -> None:
    """Only whole blocks without a visible character go; spaces around words are the words' own."""
    assert turns(Message.user("  x \n"))[0][1] == [{"text": "  x \n"}]


@pytest.mark.parametrize(
    "reasoning",
    [SIGNED, Reasoning(redacted=b"secret", metadata={"bedrock": {"family": "anthropic"}})],
    ids=["signed", "redacted"],
)
def test_rule_14_blank_text_beside_signed_reasoning_stays(reasoning: Reasoning) -> None:
    """The service checks such a message in its original shape."""
    content = turns(HELLO, Message.assistant(reasoning, " ", "Hi.", ""), HELLO)[1][1]
    assert content[1:] == [{"text": " "}, {"text": "Hi."}, {"text": ""}]


def test_rule_14_reasoning_that_is_left_out_keeps_no_blanks() -> None:
    """What counts is what is sent: another family's reasoning goes, and the blank text beside it too."""
    foreign = Reasoning("Hm.", "sig", metadata={"bedrock": {"family": "deepseek"}})
    messages = (HELLO, Message.assistant(foreign, " ", "Hi."), HELLO)
    assert turns(*messages)[1] == ("assistant", [{"text": "Hi."}])
    assert codes(*messages) == [
        ("dropped", "foreign-reasoning", "messages[1].parts[0]"),
        ("lossless", "blank-text-omitted", "messages[1].parts[1]"),
    ]


def test_rule_15_the_empty_block_of_open_weight_models_goes() -> None:
    """gpt-oss streams an empty text beside unsigned reasoning; stored and sent back it would break the next turn."""
    thought = Reasoning("Hm.", metadata={"bedrock": {"family": "openai"}})
    request = ChatRequest("openai.gpt-oss-120b-1:0", (HELLO, Message.assistant("", thought, "Hi."), HELLO))
    assert translate(request).body["messages"][1]["content"] == [{"text": "Hi."}]


@pytest.mark.parametrize(
    "parts",
    [(), ("",), (Opaque("other", {}),), (Reasoning("unsigned"),)],
    ids=["no-parts", "blank", "foreign", "unsigned"],
)
def test_rule_18_a_message_with_nothing_left_vanishes(parts: Sequence[Any]) -> None:
    """The service refuses empty messages; the turns around it then join."""
    messages = (HELLO, Message.assistant(*parts), Message.user("Still there?"))
    assert turns(*messages) == [("user", [{"text": "Hello"}, {"text": "Still there?"}])]
    assert codes(*messages)[-2:] == [
        ("lossless", "empty-message-omitted", "messages[1]"),
        ("lossless", "turns-merged", "messages[2]"),
    ]


@pytest.mark.parametrize(
    "message",
    [Message.user(""), Message.user(Opaque("other", {})), Message("tool", ())],
    ids=["blank", "foreign", "tool"],
)
def test_a_newest_message_with_nothing_left_is_refused(message: Message) -> None:
    """Without it the model would answer another question than the one that was asked."""
    with pytest.raises(UnsupportedError, match=r"^messages\[2\]: there is nothing in the newest message"):
        translated(HELLO, Message.assistant("Hi."), message)


def test_a_newest_answer_with_nothing_left_is_left_out() -> None:
    """An empty beginning of an answer is no beginning."""
    assert turns(HELLO, Message.assistant("")) == [("user", [{"text": "Hello"}])]


@pytest.mark.parametrize(
    ("parts", "words"),
    [((PDF,), "See the attached document."), ((PDF, PDF), "See the attached documents.")],
    ids=["one", "two"],
)
def test_rule_21_documents_do_not_stand_alone(parts: tuple[Part, ...], words: str) -> None:
    """The service wants text beside a document: words are added before it, and that is reported."""
    content = turns(Message.user(*parts))[0][1]
    assert content[:2] == [{"text": words}, PDF_BLOCK]
    assert ("changed", "document-text-added", "messages[0].parts[0]") in codes(Message.user(*parts))


def test_rule_21_words_anywhere_in_the_turn_are_enough() -> None:
    """Words in another message of the same turn count, blank ones do not."""
    assert turns(Message.user("Look:"), Message.user(PDF)) == [("user", [{"text": "Look:"}, PDF_BLOCK])]
    assert turns(Message.user(PDF, " "))[0][1][0] == {"text": "See the attached document."}


def test_rule_21_the_added_words_stand_behind_results() -> None:
    """Results stay first in their turn; a document inside a result needs no words."""
    messages = (HELLO, Message.assistant(ToolCall("a", "t")), tool(ToolResult("a", PDF)), Message.user(PDF))
    content = turns(*messages)[2][1]
    assert [next(iter(block)) for block in content] == ["toolResult", "text", "document"]
    assert turns(*messages[:-1])[2][1] == [{"toolResult": {"toolUseId": "a", "content": [PDF_BLOCK]}}]


def test_a_late_system_message_stays_at_its_place() -> None:
    """Converse has system prompts before the conversation only: inside it they go as marked text of the user."""
    messages = (HELLO, Message.assistant("Hi."), Message.system("Speak German.", Image("image/png", b"x")), HELLO)
    assert turns(*messages)[2] == (
        "user",
        [
            {"text": "<system>\nSpeak German.\n</system>"},
            {"image": {"format": "png", "source": {"bytes": b"x"}}},
            {"text": "Hello"},
        ],
    )
    assert codes(*messages)[0] == ("changed", "system-message-wrapped", "messages[2]")


def test_whatever_words_a_late_system_message_has_are_marked() -> None:
    """JSON goes as text, and that text is no more the user's than any other."""
    messages = (HELLO, Message.assistant("Hi."), Message.system(Json({"a": 1}), Text(" ")), HELLO)
    assert turns(*messages)[2] == ("user", [{"text": '<system>\n{"a": 1}\n</system>'}, {"text": "Hello"}])


def test_a_late_system_message_lets_results_pass() -> None:
    """Between calls and results it goes behind the results, which must come first."""
    messages = (HELLO, Message.assistant(ToolCall("a", "t")), Message.system("Now."), tool(ToolResult("a", "done")))
    assert turns(*messages)[2] == ("user", [result("a"), {"text": "<system>\nNow.\n</system>"}])


def test_a_blank_late_system_message_is_no_change() -> None:
    """Nothing was said, so nothing is marked or reported as changed."""
    messages = (HELLO, Message.assistant("Hi."), Message.system(" "), HELLO)
    assert "system-message-wrapped" not in [code for _, code, _ in codes(*messages)]
    assert len(turns(*messages)) == 3


def test_a_message_keeps_the_order_of_its_parts() -> None:
    """Some models write text before their reasoning; an answer goes back in the order in which it came."""
    thought = Reasoning("Hm.", metadata={"bedrock": {"family": "qwen"}})
    request = ChatRequest("qwen.qwen3-32b-v1:0", (HELLO, Message.assistant(Text("\n\nHi."), thought)))
    assert translate(request).body["messages"][1]["content"] == [
        {"text": "\n\nHi."},
        {"reasoningContent": {"reasoningText": {"text": "Hm."}}},
    ]


def test_rule_21_documents_in_answers_do_not_stand_alone_either() -> None:
    """A history made by hand may have the model show a document; what is refused of a user is not hoped to be taken."""
    translation = translated(HELLO, Message.assistant(PDF), HELLO, model="newcomer.model-1.5-v1:0")
    assert translation.body["messages"][1]["content"] == [{"text": "See the attached document."}, PDF_BLOCK]
    (added,) = translation.adjustments
    assert (added.kind, added.code, added.path) == ("changed", "document-text-added", "messages[1].parts[0]")


def test_rule_21_words_behind_a_change_of_tools_are_not_beside_the_document() -> None:
    """Such a change is a message of its own, so the words that follow it are in another message."""
    change = Opaque("bedrock", {"toolRemoval": {"tool": {"name": "t"}}})
    assert turns(Message.user(PDF), Message("system", (change,)), HELLO) == [
        ("user", [{"text": "See the attached document."}, PDF_BLOCK]),
        ("system", [change.data]),
        ("user", [{"text": "Hello"}]),
    ]


def test_a_change_of_tools_that_begins_the_conversation_stays_in_it() -> None:
    """The system prompt has no place for one; other system messages at the beginning go there."""
    change = Opaque("bedrock", {"toolAddition": {"tool": {"name": "t"}}})
    translation = translated(Message("system", (Text("Be brief."),)), Message("system", (change,)), HELLO)
    assert translation.body["system"] == [{"text": "Be brief."}]
    assert translation.body["messages"] == [
        {"role": "system", "content": [change.data]},
        {"role": "user", "content": [{"text": "Hello"}]},
    ]


TITAN = "amazon.titan-text-express-v1"


def test_a_model_without_a_system_prompt_is_told_by_the_user() -> None:
    """Marked, before what the user says first; the emulator takes that, and refuses the system prompt."""
    request = ChatRequest(TITAN, (Message.system("German."), HELLO), system=(Text("Brief."), CachePoint()))
    translation = translate(request)
    words = ["<system>\nBrief.\n</system>", "<system>\nGerman.\n</system>", "Hello"]
    assert translation.body == {"messages": [{"role": "user", "content": [{"text": each} for each in words]}]}
    check_rules(Conversation(TITAN, translation.body))
    moved = [(item.kind, item.path) for item in translation.adjustments if item.code == "system-prompt-moved"]
    assert moved == [("changed", "system[0]")]
    assert request.messages == (Message.system("German."), HELLO)


def test_what_the_model_said_first_comes_behind_a_moved_system_prompt() -> None:
    """Of a model that is learned to take no system prompt: nothing else is known of it."""
    request = ChatRequest("newcomer.model-v1:0", (Message.assistant("Hi."), HELLO), system=(Text("Brief."),))
    body = translate(request, can=Capabilities(system=False)).body
    assert [turn["role"] for turn in body["messages"]] == ["user", "assistant", "user"]
    assert body["messages"][0]["content"] == [{"text": "<system>\nBrief.\n</system>"}]


def test_the_callers_own_messages_leave_the_system_prompt_where_it_is() -> None:
    """They replace ours, and the system prompt would go with them: the service says what it makes of it."""
    own = {"messages": [{"role": "user", "content": [{"text": "Hi"}]}]}
    body = translate(ChatRequest(TITAN, (HELLO,), system=(Text("a"),), settings=Settings(extra={"bedrock": own}))).body
    assert body == {**own, "system": [{"text": "a"}]}
