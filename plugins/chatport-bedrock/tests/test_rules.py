"""Each rule about the service has a test with its number in the name.

The rules are 81 numbered facts about requests that fail and answers that mislead. The names are `test_rule_27_…`,
`test_rules_57_and_62_…` and `test_rules_32_to_34_…`; what a rule is about, the test's own docstring says. A test that
only reads the table of models does not count here: knowing a rule is not keeping it.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
RULES = frozenset(range(1, 82))
MOST_EXCUSED = 8
TABLE_OF_MODELS = "test_models_rules.py"

# Rules without a test, and why.
EXCUSED: dict[int, str] = {}

_NUMBERED = re.compile(r"test_rules?_?\d")
_ONE = re.compile(r"test_rule_(\d+)_")
_SEVERAL = re.compile(r"test_rules_(\d+)((?:_\d+)*)_(and|to)_(\d+)_")


def numbers_in(name: str) -> frozenset[int]:
    """The rules that a test is named by."""
    if one := _ONE.match(name):
        return frozenset({int(one[1])})
    if several := _SEVERAL.match(name):
        first, between, word, last = several.groups()
        if word == "to":
            assert not between, name
            return frozenset(range(int(first), int(last) + 1))
        return frozenset({int(first), int(last), *map(int, between.split("_")[1:])})
    return frozenset()


def names_of_tests() -> Iterator[str]:
    """The names of all functions that pytest collects: of modules, and of classes of tests."""
    for folder in (ROOT / "tests", *sorted(ROOT.glob("plugins/*/tests"))):
        for path in sorted(folder.rglob("test_*.py")):
            if path.name == TABLE_OF_MODELS:
                continue
            for node in ast.parse(path.read_text(encoding="utf-8")).body:
                is_group = isinstance(node, ast.ClassDef) and node.name.startswith("Test")
                for item in ast.iter_child_nodes(node) if is_group else [node]:
                    if isinstance(item, (ast.FunctionDef, ast.AsyncFunctionDef)):
                        yield item.name


def test_every_rule_has_a_test() -> None:
    """All rules but the excused are named by a test, no excused one is, and no test names a rule that there is not."""
    found = {number for name in names_of_tests() for number in numbers_in(name)}
    assert found == RULES - EXCUSED.keys()


def test_few_rules_are_excused() -> None:
    """The excused rules are few, and each says why."""
    assert len(EXCUSED) <= MOST_EXCUSED
    assert all(EXCUSED.values())


def test_every_name_with_a_number_is_understood() -> None:
    """No number is lost to a slip in a name."""
    assert [name for name in names_of_tests() if _NUMBERED.match(name) and not numbers_in(name)] == []


def test_names_with_numbers() -> None:
    """One rule, several, and a range; a number elsewhere in a name is none."""
    assert numbers_in("test_rule_07_calls_stand_alone") == {7}
    assert numbers_in("test_rules_57_and_62_reasoning_goes_back") == {57, 62}
    assert numbers_in("test_rules_1_2_and_3_of_turns") == {1, 2, 3}
    assert numbers_in("test_rules_32_to_34_ids") == {32, 33, 34}
    assert numbers_in("test_frames_of_rule_7_") == set()
