"""Calls and results in turns: each call is answered once in the turn behind it, and nothing else is."""

from typing import TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatport.backend.translation import CallPairs, SentCallIds, ToolNames, TranslationScope

# A block of this test is its kind and its id, or its words.
Block: TypeAlias = tuple[str, str]
Blocks: TypeAlias = list[tuple[str, Block]]


class Form:
    """Calls and results as pairs of words; a result of "?" does not say of which call it is one."""

    def call_id(self, block: Block) -> str | None:
        """Calls begin so."""
        return block[1] if block[0] == "call" else None

    def with_call_id(self, block: Block, call_id: str) -> Block:
        """The kind stays."""
        return (block[0], call_id)

    def is_result(self, block: Block) -> bool:
        """Also one that says nothing."""
        return block[0] in {"result", "failed"}

    def result_id(self, block: Block) -> str | None:
        """None for one that says nothing."""
        return block[1] if self.is_result(block) and block[1] != "?" else None

    def with_result_id(self, block: Block, call_id: str) -> Block:
        """The kind stays."""
        return (block[0], call_id)

    def failed_result(self, call_id: str, words: str) -> Block:
        """A kind of its own, for the tests to see."""
        assert words == "The call of this tool was interrupted: there is no result."
        return ("failed", call_id)


def blocks_of(path: str, *found: str) -> Blocks:
    """Blocks at places of their own, each said as "kind id"."""
    pairs = [each.split() for each in found]
    return [(f"{path}.{index}", (kind, name)) for index, (kind, name) in enumerate(pairs)]


def paired(calls: Blocks, answers: Blocks) -> tuple[list[str], list[tuple[str, str, str]]]:
    """What becomes of the second turn, as words, and what is noted."""
    scope = TranslationScope(tools=ToolNames(), ids=SentCallIds(is_plain=bool))
    pairs = CallPairs(Form(), scope)
    pairs.open_calls(calls)
    assert pairs.has_open_calls == any(block[0] == "call" for _, block in calls)
    pairs.answer_calls(answers)
    assert not pairs.has_open_calls
    return [" ".join(block) for _, block in answers], [(each.kind, each.code, each.path) for each in scope.adjustments]


def test_what_fits_is_left_as_it_is() -> None:
    """Nothing moves and nothing is said, words behind the results among it."""
    calls = blocks_of("a", "words hello", "call x", "call y")
    answers = blocks_of("b", "result x", "result y", "words bye")
    before = list(answers)
    assert paired(calls, answers) == (["result x", "result y", "words bye"], [])
    assert all(old is new for old, new in zip(before, answers, strict=True))


def test_results_come_first_in_the_order_of_the_calls() -> None:
    """Words keep their order behind them; the note stands at the first that is elsewhere now."""
    words, notes = paired(
        blocks_of("a", "call x", "call y"), blocks_of("b", "words one", "result y", "words two", "result x")
    )
    assert words == ["result x", "result y", "words one", "words two"]
    assert notes == [("lossless", "results-reordered", "b.3")]


def test_a_call_without_a_result_gets_one_at_its_place() -> None:
    """Among the others, in the order of the calls; the note stands at the call."""
    words, notes = paired(blocks_of("a", "call x", "call y", "call z"), blocks_of("b", "result y"))
    assert words == ["failed x", "result y", "failed z"]
    assert notes == [("changed", "call-unanswered", "a.0"), ("changed", "call-unanswered", "a.2")]


def test_a_turn_that_was_made_for_it_answers_calls() -> None:
    """An empty list is as good as any other."""
    assert paired(blocks_of("a", "call x"), [])[0] == ["failed x"]


def test_results_without_calls_are_left_out() -> None:
    """One of a call that stands nowhere, and a second one of a call; each is told."""
    words, notes = paired(blocks_of("a", "call x"), blocks_of("b", "result x", "result y", "result x"))
    assert words == ["result x"]
    assert notes == [("dropped", "orphan-result", "b.1"), ("dropped", "duplicate-result", "b.2")]
    assert paired([], blocks_of("b", "result y", "words hello"))[0] == ["words hello"]


def test_what_came_of_an_orphan_goes_with_it() -> None:
    """Blocks of the same part have the same place."""
    answers: Blocks = [("b.0", ("result", "y")), ("b.0", ("words", "beside")), ("b.1", ("words", "hello"))]
    assert paired(blocks_of("a", "call x"), answers)[0] == ["failed x", "words hello"]


def test_an_id_that_a_turn_has_twice_becomes_two() -> None:
    """Results are told apart by nothing else: the first goes to the first call, the second to the second."""
    calls = blocks_of("a", "call x", "call x")
    words, notes = paired(calls, blocks_of("b", "result x", "result x"))
    first, second = (block[1] for _, block in calls)
    assert first == "x" != second
    assert words == [f"result {first}", f"result {second}"]
    assert notes == [("renamed", "call-id-repeated", "a.1")]


def test_a_result_that_names_no_call_stands_among_the_results() -> None:
    """It is no orphan, as nobody can say; behind those that do and before the words."""
    words, notes = paired(blocks_of("a", "call x"), blocks_of("b", "words hello", "result ?", "result x"))
    assert words == ["result x", "result ?", "words hello"]
    assert [code for _, code, _ in notes] == ["results-reordered"]


def test_only_the_turn_before_counts() -> None:
    """Calls that are opened replace those before them, and answered ones are over."""
    scope = TranslationScope(tools=ToolNames(), ids=SentCallIds(is_plain=bool))
    pairs = CallPairs(Form(), scope, service="Example")
    pairs.open_calls(blocks_of("a", "call x"))
    pairs.open_calls(blocks_of("b", "call y"))
    answers = blocks_of("c", "result x")
    pairs.answer_calls(answers)
    assert [block for _, block in answers] == [("failed", "y")]
    again = blocks_of("d", "result y")
    pairs.answer_calls(again)
    assert again == []
    assert [each.message for each in scope.adjustments if each.code == "call-unanswered"] == [
        "nothing answers this call, which Example refuses; an error result says that it was interrupted"
    ]


names = st.sampled_from(["x", "y", "z"])


@given(st.lists(names, max_size=5), st.lists(st.tuples(st.sampled_from(["result", "words"]), names), max_size=8))
def test_every_call_is_answered_once_and_nothing_else_is(called: list[str], said: list[tuple[str, str]]) -> None:
    """Whatever stands in two turns: the results are those of the calls in their order, and no word is lost."""
    calls: Blocks = [(f"a.{index}", ("call", name)) for index, name in enumerate(called)]
    answers: Blocks = [(f"b.{index}", block) for index, block in enumerate(said)]
    words, _ = paired(calls, answers)
    sent = [block[1] for _, block in calls]
    assert len(set(sent)) == len(sent)
    assert [each.split()[1] for each in words[: len(sent)]] == sent
    assert [each.split()[0] in {"result", "failed"} for each in words[: len(sent)]] == [True] * len(sent)
    assert words[len(sent) :] == [f"words {name}" for kind, name in said if kind == "words"]
    kept = sum(each.startswith("result") for each in words)
    assert kept == sum(min(called.count(name), said.count(("result", name))) for name in set(called))


@pytest.mark.parametrize("found", [[], ["words hello"]])
def test_where_there_are_no_calls_and_no_results_nothing_is_touched(found: list[str]) -> None:
    """Most turns are words."""
    answers = blocks_of("b", *found)
    assert paired(blocks_of("a", "words hi"), answers) == (found, [])
