"""What translating a request remembers: adjustments with their places, and names that go as others."""

from dataclasses import dataclass, field
from typing import ClassVar, get_args

import pytest

from chatport.backend import Adjustment
from chatport.backend.translation import (
    PART_PLACES,
    PartPlace,
    SentCallIds,
    ToolNames,
    TranslationScope,
    check_tool_choice,
)


@dataclass(frozen=True, slots=True)
class Scope(TranslationScope):
    """One as a backend would have it."""

    name_rule: ClassVar[str] = "names are letters"
    id_rule: ClassVar[str] = "ids are letters"

    family: str
    capabilities: list[str] = field(default_factory=list[str])


def scope_of(*names: str) -> Scope:
    """A scope of a request with tools of these names."""
    return Scope("a", tools=ToolNames(names), ids=SentCallIds(is_plain=str.isalpha))


def test_a_scope_of_a_backend_has_what_it_knows_first() -> None:
    """What the backend adds stands before what every scope has, which goes by name; each has notes of its own."""
    scope = scope_of()
    scope.note("changed", "word", "messages[0]", "why")
    assert (scope.family, scope.capabilities) == ("a", [])
    assert scope.adjustments == [Adjustment("changed", "word", "messages[0]", "why")]
    assert scope_of().adjustments == []


def test_a_setting_that_is_left_out_is_told_by_its_name() -> None:
    """The place is the caller's own, and the loss is one."""
    scope = scope_of()
    scope.drop_setting("top_k", "there is none")
    assert scope.adjustments == [Adjustment("dropped", "setting-dropped", "settings.top_k", "left out: there is none")]


def test_a_tool_that_is_renamed_is_told_once() -> None:
    """Where it first stands, with the rule of the backend; a name that is taken as it is leaves no word."""
    scope = scope_of("a.b", "plain")
    sent = scope.tool_name("a.b", "tools[0]")
    assert scope.tool_name("a.b", "messages[0].parts[0]") == sent
    assert scope.tool_name("plain", "tools[1]") == "plain"
    assert scope.adjustments == [
        Adjustment("renamed", "tool-renamed", "tools[0]", f"the tool 'a.b' goes as {sent!r}: names are letters")
    ]


def test_an_id_that_goes_as_another_is_told_wherever_a_call_has_it() -> None:
    """Each call with it is told of; what is taken leaves no word."""
    scope = scope_of()
    sent = scope.call_id("1", "messages[1].parts[0]")
    assert scope.call_id("1", "messages[3].parts[0]") == sent
    assert scope.call_id("plain", "messages[5].parts[0]") == "plain"
    why = f"the id '1' goes as {sent!r}: ids are letters"
    assert scope.adjustments == [
        Adjustment("renamed", "call-id-renamed", f"messages[{index}].parts[0]", why) for index in (1, 3)
    ]


def test_a_scope_without_rules_of_its_own_says_that_the_service_refuses_it() -> None:
    """A backend need not say why."""
    scope = TranslationScope(tools=ToolNames(), ids=SentCallIds(is_plain=bool))
    sent = scope.tool_name("a b", "tools[0]")
    (told,) = scope.adjustments
    assert told.message == f"the tool 'a b' goes as {sent!r}: the service refuses it"


@pytest.mark.parametrize("choice", [None, "auto", "none", "any", "weather"])
def test_a_choice_that_can_be_met_passes(choice: str | None) -> None:
    """Words that say how to call, and the name of a tool on offer."""
    check_tool_choice(choice, ["weather", "clock"])


@pytest.mark.parametrize(
    ("choice", "names", "why"),
    [
        ("any", [], "tool_choice 'any' cannot be met: there are no tools"),
        ("weather", [], "tool_choice 'weather' cannot be met: there are no tools"),
        ("wether", ["weather", "clock"], "tool_choice 'wether' cannot be met: on offer: weather, clock"),
    ],
)
def test_a_choice_that_cannot_be_met_is_refused(choice: str, names: list[str], why: str) -> None:
    """The message says what is on offer; tools that nobody here knows may meet it."""
    with pytest.raises(ValueError, match="cannot be met") as caught:
        check_tool_choice(choice, names)
    assert str(caught.value) == why
    check_tool_choice(choice, names, more_tools=True)


@pytest.mark.parametrize("choice", [None, "auto", "none"])
def test_no_tools_meet_a_choice_that_wants_none(choice: str | None) -> None:
    """Nothing is wanted that is not there."""
    check_tool_choice(choice, [])


def test_every_place_of_a_part_has_words() -> None:
    """What is refused or left out says where it stood."""
    assert set(PART_PLACES) == set(get_args(PartPlace))
    assert len(set(PART_PLACES.values())) == len(PART_PLACES)
