"""The words by which a model is asked for JSON, and the name of the tool whose call is the answer."""

from hypothesis import given
from hypothesis import strategies as st

from chatport.backend.translation import ANSWER_TOOL_DESCRIPTION, ToolNames, answer_instruction, answer_tool_name

SCHEMA = '{"type":"object"}'


def test_the_tool_has_the_same_name_each_time() -> None:
    """What a service keeps of the beginning of a conversation is found again: only a taken name leads to another."""
    assert answer_tool_name([]) == answer_tool_name(["weather"]) == "final_answer"
    assert answer_tool_name(["final_answer"]) == "final_answer_2"
    assert answer_tool_name(["final_answer_2", "final_answer"]) == "final_answer_3"


@given(st.lists(st.integers(1, 9).map(lambda n: "final_answer" if n == 1 else f"final_answer_{n}")))
def test_the_name_is_free_and_goes_as_it_is(taken: list[str]) -> None:
    """Whatever there is already, no tool has it, and every service takes it."""
    found = answer_tool_name(iter(taken))
    assert found not in taken
    assert ToolNames(max_length=64).sent(found) == found


def test_the_instruction_ends_with_the_schema() -> None:
    """The schema stands on a line of its own, as it was given, behind words that do not change."""
    words, _, schema = answer_instruction(SCHEMA).partition("\n")
    assert schema == SCHEMA
    assert "JSON schema below" in words
    assert answer_instruction("{}") == f"{words}\n{{}}"


def test_tools_are_called_first_where_there_are_any() -> None:
    """Only then there is a word of them."""
    assert "tools" not in answer_instruction(SCHEMA)
    words, _, schema = answer_instruction(SCHEMA, has_tools=True).partition("\n")
    assert schema == SCHEMA
    assert words.endswith("Call tools first where you need them.")


def test_the_description_says_what_calling_the_tool_means() -> None:
    """A model that reads nothing else knows when to call it and what becomes of its input."""
    assert "final answer" in ANSWER_TOOL_DESCRIPTION
    assert "the whole answer" in ANSWER_TOOL_DESCRIPTION
