"""What a refusal teaches, as a function of its words; and the memory of it."""

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatport_bedrock._capabilities import Capabilities, ToolChoiceKind
from chatport_bedrock._learned import LESSONS, ModelMemory, learned
from chatport_bedrock._models import capabilities

_REMOVE = "Remove {0} and try again."
_EXTRANEOUS = "Malformed input request: #/{0}: extraneous key [{1}] is not permitted, please reformat your input."
_SAME_TURN = "Conversation blocks and tool {0} blocks cannot be provided in the same turn."

# What the service says, the field of `Capabilities` that it is about, and what is in it then.
_TAUGHT = [
    ("This model doesn't support tool use in streaming mode.", "streaming_tools", False),
    ("This model doesn\N{RIGHT SINGLE QUOTATION MARK}t support tool use in streaming mode.", "streaming_tools", False),
    ("The model is unsupported for streaming.", "streaming", False),
    ("This model does not support streaming.", "streaming", False),
    ("This model doesn't support response streaming.", "streaming", False),
    *(
        (
            f"This model doesn't support the toolConfig.toolChoice.{kind} field. "
            + _REMOVE.format(f"toolConfig.toolChoice.{kind}"),
            "tool_choices",
            {"auto", "any", "tool"} - {kind},
        )
        for kind in ("auto", "any", "tool")
    ),
    ("This model doesn't support the status field. " + _REMOVE.format("status"), "result_status", False),
    ("tools.3.custom.strict: Extra inputs are not permitted", "strict_tools", False),
    ("This model doesn't support the strict field. " + _REMOVE.format("strict"), "strict_tools", False),
    ("This model doesn't support the outputConfig.textFormat field.", "json_schema_output", False),
    ("output_config.format: Extra inputs are not permitted", "json_schema_output", False),
    ("You invoked an unsupported model or your request did not allow prompt caching.", "cache.supported", False),
    (_EXTRANEOUS.format("messages/0/content/1", "cachePoint"), "cache.supported", False),
    (_EXTRANEOUS.format("toolConfig/tools/1", "cachePoint"), "cache.in_tools", False),
    (_EXTRANEOUS.format("system/1", "ttl"), "cache.ttls", set[str]()),
    ("messages.0.content.1: Cache point cannot be inserted after document block.", "cache.never_after", {"document"}),
    ("Cache point cannot be inserted after reasoning block.", "cache.never_after", {"reasoningContent"}),
    ("This model doesn't support the image content block that you provided.", "result_media",
     {"audio", "document", "video"}),
    ("This model doesn't support system messages. Try again without a system message.", "system", False),
    ("A conversation must start with a user message. Try again.", "leading_assistant", False),
    ("This model does not support assistant message prefill.", "prefill", False),
    ("messages: final assistant content cannot end with trailing whitespace", "prefill_trailing_space", False),
    (_SAME_TURN.format("result"), "beside_results", set[str]()),
    (_SAME_TURN.format("use"), "text_beside_calls", False),
    ("`top_p` is deprecated for this model.", "refused_settings", {"top_p"}),
]  # fmt: skip


@pytest.mark.parametrize(("words", "field", "value"), _TAUGHT, ids=[row[0] for row in _TAUGHT])
def test_a_wording_teaches_one_thing(words: str, field: str, value: object) -> None:
    """The field that it is about, and no other."""
    before = Capabilities()
    after = learned(words, before)
    name, _, inner = field.partition(".")
    found = getattr(after, name)
    assert (getattr(found, inner) if inner else found) == value
    assert replace(after, **{name: getattr(before, name)}) == before
    assert learned(words, after) == after


def test_every_lesson_is_tested() -> None:
    """No row of the table is dead."""
    for lesson in LESSONS:
        assert any(re.search(lesson.pattern, words.lower()) for words, _, _ in _TAUGHT), lesson.pattern


@pytest.mark.parametrize(
    "words",
    [
        "This model doesn't support tool use.",
        "The provided model doesn't support counting tokens.",
        "This model doesn't support the s3Uri field. Remove s3Uri and try again.",
        "This model doesn't support the toolConfig.toolChoice.none field.",
        "Malformed input request: #/system: extraneous key [other] is not permitted.",
        "The provided model identifier is invalid.",
        "",
    ],
)
def test_other_words_teach_nothing(words: str) -> None:
    """What could not be said in another way, and what nobody has heard of."""
    assert learned(words, Capabilities()) == Capabilities()


def test_a_memory_is_of_the_model_and_not_of_its_places() -> None:
    """A profile of another geography leads to the same model; another model is another."""
    memory = ModelMemory()
    can = replace(capabilities("us.maker.model-1-v1:0"), streaming_tools=False)
    memory.remember("us.maker.model-1-v1:0", can)
    for same in (
        "maker.model-1-v1:0",
        "eu.maker.model-1-v1:0",
        "arn:aws:bedrock:us-east-1::foundation-model/maker.model-1-v1:0",
    ):
        assert memory.capabilities(same) is can
    assert memory.capabilities("maker.model-2-v1:0") == capabilities("maker.model-2-v1:0")
    hidden = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abcdefghijkl"
    memory.remember(hidden, can)
    assert memory.capabilities(hidden) is can
    assert memory.capabilities(hidden[:-1] + "m") != can


def test_what_is_learned_later_stands() -> None:
    """In the place of what was known before."""
    memory = ModelMemory()
    lessons: tuple[frozenset[ToolChoiceKind], ...] = (frozenset({"auto", "any"}), frozenset({"auto"}))
    for choices in lessons:
        memory.remember("maker.model", replace(memory.capabilities("maker.model"), tool_choices=choices))
    assert memory.capabilities("maker.model").tool_choices == {"auto"}


@given(st.lists(st.integers(0, 400), max_size=700))
def test_a_memory_is_bounded(models: list[int]) -> None:
    """Ids may come from anywhere: however many are taught, a limited number is kept, the newest among them."""
    memory = ModelMemory()
    can = Capabilities(streaming=False)
    for number in models:
        memory.remember(f"maker.model-{number}", can)
    kept = [number for number in set(models) if memory.capabilities(f"maker.model-{number}") is can]
    assert len(kept) == min(256, len(set(models)))
    newest = list(dict.fromkeys(reversed(models)))[:256]
    assert set(kept) == set(newest)
