"""Words, citations and reasoning as blocks, both ways."""

from typing import Any

import pytest
from bedrock_support.blocks import CLAUDE, answered, asked

from chatport.backend import Citation, Json, Reasoning, Text
from chatport_bedrock._models import model_family

PROFILE = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abcdefghijkl"


# --- words and citations ----------------------------------------------------------------------------------------------
RAW = {"title": "T", "sourceContent": [{"text": "q"}], "location": {"documentChar": {"start": 0, "end": 1}}}
OWN = Citation("T", None, ("q",), metadata={"bedrock": RAW})


def test_citations_go_back_as_the_service_gave_them() -> None:
    """The raw citation is sent again; where a block had citations only, it has citations only again."""
    assert answered(Text("word", (OWN,)))[0] == [
        {"citationsContent": {"content": [{"text": "word"}], "citations": [RAW]}}
    ]
    assert answered(Text("", (OWN,))) == ([{"citationsContent": {"citations": [RAW]}}], [])


def test_citations_of_others_are_left_out_and_the_words_stay() -> None:
    """The service takes back only what it knows; each loss is reported."""
    foreign = Citation("Elsewhere", "https://example.com", metadata={"openai": {}})
    assert answered(Text("word", (foreign,))) == (
        [{"text": "word"}],
        [("dropped", "foreign-citation", "messages[1].parts[1].citations[0]")],
    )
    blocks, found = answered(Text("word", (foreign, OWN)))
    assert blocks == [{"citationsContent": {"content": [{"text": "word"}], "citations": [RAW]}}]
    assert found == [("dropped", "foreign-citation", "messages[1].parts[1].citations[0]")]


def test_a_quotation_by_the_user_carries_no_citations() -> None:
    """Blocks with citations are the model's; in a question and in a result the words go alone."""
    assert asked(Text("word", (OWN,))) == (
        [{"text": "word"}],
        [("dropped", "foreign-citation", "messages[0].parts[1].citations[0]")],
    )


def test_a_raw_block_with_citations_goes_back_while_its_words_stand() -> None:
    """What the parts cannot say is kept beside them; words that the caller has edited are what is sent."""
    raw = {"content": [{"text": "two "}, {"text": "entries"}], "citations": []}
    metadata = {"bedrock": {"citationsContent": raw}}
    assert answered(Text("two entries", metadata=metadata)) == ([{"citationsContent": raw}], [])
    assert answered(Text("edited", metadata=metadata)) == ([{"text": "edited"}], [])


def test_json_among_words_goes_as_text() -> None:
    """Only results of tools have JSON on the wire; nothing is escaped that need not be."""
    assert asked(Json({"Ort": "Zürich"})) == (
        [{"text": '{"Ort": "Zürich"}'}],
        [("lossless", "json-as-text", "messages[0].parts[1]")],
    )


# --- reasoning --------------------------------------------------------------------------------------------------------


MARKED = {"bedrock": {"family": "anthropic"}}


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        (Reasoning("t", "s", metadata=MARKED), [{"reasoningText": {"text": "t", "signature": "s"}}]),
        (Reasoning("", "s", metadata=MARKED), [{"reasoningText": {"text": "", "signature": "s"}}]),
        (Reasoning(redacted=b"\xff\x00", metadata=MARKED), [{"redactedContent": b"\xff\x00"}]),
        (Reasoning("t", "s"), [{"reasoningText": {"text": "t", "signature": "s"}}]),
        (Reasoning(redacted=b"r"), [{"redactedContent": b"r"}]),
        (Reasoning("t", "s", b"r"), [{"reasoningText": {"text": "t", "signature": "s"}}, {"redactedContent": b"r"}]),
    ],
    ids=["signed", "signature-only", "redacted", "by-hand", "by-hand-redacted", "both"],
)
def test_rules_57_62_and_63_reasoning_goes_back_to_its_family_as_it_was(part: Reasoning, expected: list[Any]) -> None:
    """Text and signature unchanged, also when one of them is empty; bytes as bytes."""
    assert answered(part) == ([{"reasoningContent": content} for content in expected], [])


@pytest.mark.parametrize("part", [Reasoning("t", "s"), Reasoning(redacted=b"r")], ids=["signed", "redacted"])
def test_rule_57_reasoning_made_by_hand_goes_to_models_that_sign(part: Reasoning) -> None:
    """A signature is Claude's: other families refuse the member. Of a model that nobody described nothing is known."""
    assert len(answered(part)[0]) == len(answered(part, model="newcomer.model-1.5-v1:0")[0]) == 1
    for model in ("us.amazon.nova-2-lite-v1:0", "us.meta.llama3-3-70b-instruct-v1:0", "openai.gpt-oss-120b-1:0"):
        assert answered(part, model=model) == ([], [("dropped", "foreign-reasoning", "messages[1].parts[1]")])


@pytest.mark.parametrize(
    ("part", "code"),
    [
        (Reasoning("t", "s", metadata={"bedrock": {"family": "deepseek"}}), "foreign-reasoning"),
        (Reasoning("t", "s", metadata={"anthropic": {}}), "foreign-reasoning"),
        (Reasoning(redacted=b"r", metadata={"openai": {"id": 1}}), "foreign-reasoning"),
        (Reasoning("t"), "unsigned-reasoning"),
        (Reasoning("t", metadata={"bedrock": {}}), "unsigned-reasoning"),
    ],
    ids=["other-family", "other-backend", "redacted-elsewhere", "unsigned", "without-family"],
)
def test_rules_58_and_59_foreign_and_unsigned_reasoning_stays_out(part: Reasoning, code: str) -> None:
    """A foreign signature is refused by the service, and thoughts of another must not become words of this model."""
    assert answered(part) == ([], [("dropped", code, "messages[1].parts[1]")])


@pytest.mark.parametrize(
    ("model", "family", "kind"),
    [
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "anthropic", "dropped"),
        ("openai.gpt-oss-120b-1:0", "openai", "lossless"),
        ("us.deepseek.r1-v1:0", "deepseek", "lossless"),
        ("deepseek.v3.2", "deepseek", "lossless"),
        ("qwen.qwen3-32b-v1:0", "qwen", None),
        ("us.amazon.nova-2-lite-v1:0", "amazon", None),
        ("minimax.minimax-m2", "minimax", None),
        ("newcomer.model-1.5-v1:0", "newcomer", None),
    ],
)
def test_rules_58_and_60_unsigned_reasoning_stays_out_where_it_is_refused_or_leaks(
    model: str, family: str, kind: str | None
) -> None:
    """Claude and DeepSeek R1 refuse it, gpt-oss says it aloud; but for Claude they would not read it anyway."""
    part = Reasoning("t", metadata={"bedrock": {"family": family}})
    sent = {"reasoningContent": {"reasoningText": {"text": "t"}}}
    expected = ([sent], []) if kind is None else ([], [(kind, "unsigned-reasoning", "messages[1].parts[1]")])
    assert answered(part, model=model) == expected


def test_rule_58_of_half_redacted_reasoning_the_sealed_half_goes_back() -> None:
    """It is as good as signed; the readable half is left out, unless there is nothing in it."""
    sealed = [{"reasoningContent": {"redactedContent": b"r"}}]
    dropped = [("dropped", "unsigned-reasoning", "messages[1].parts[1].text")]
    assert answered(Reasoning("t", None, b"r", metadata=MARKED)) == (sealed, dropped)
    assert answered(Reasoning("t", "", b"r", metadata=MARKED)) == (sealed, dropped)
    assert answered(Reasoning("", "", metadata=MARKED)) == (
        [],
        [("lossless", "unsigned-reasoning", "messages[1].parts[1]")],
    )


def test_reasoning_of_a_hidden_model_goes_back_to_that_id_only() -> None:
    """An id that hides its model is its own family."""
    part = Reasoning("t", "s", metadata={"bedrock": {"family": model_family(PROFILE)}})
    assert len(answered(part, model=PROFILE)[0]) == 1
    assert answered(part, model=CLAUDE)[1] == [("dropped", "foreign-reasoning", "messages[1].parts[1]")]


def test_reasoning_in_a_question_is_left_out() -> None:
    """Only a model reasons on the wire."""
    assert asked(Reasoning("t", "s")) == ([], [("dropped", "misplaced-reasoning", "messages[0].parts[1]")])
