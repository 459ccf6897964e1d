"""What a prompt mentions: names, places, numbers, quotations. Plain pattern matching, in English."""

import re
from typing import Final

_QUOTED: Final = re.compile(r"[\"“«]([^\"”»]+)[\"”»]|(?<!\w)['\u2018]([^'\u2019]+)['\u2019](?!\w)")
_NUMBER: Final = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?![\w])")
# Capitalised words side by side, and what may stand between the parts of a name; a region such as ", CA" belongs to it
_NAME: Final = r"[A-Z][\w'\u2019-]*(?: (?:de |da |del |la |le |of |upon )?[A-Z][\w'\u2019-]*)*(?:, [A-Z]{2}\b)?"
_NAMES: Final = re.compile(_NAME)
_PREPOSITION: Final = r"\b(?:in|at|for|near|from|to|of|around|about)\s+"
_LISTED: Final = re.compile(rf"{_PREPOSITION}({_NAME}(?:(?:,? and |,? or | & |, )(?:in |for |at )?{_NAME})*)")
# A region such as the one in "San Francisco, CA" is not taken off.
_SEPARATOR: Final = re.compile(r",? (?:and|or|&) |, (?![A-Z]{2}\b)")
_LOWER_PLACE: Final = re.compile(
    r"\b(?:in|at|for|near)\s+((?!the\b|a\b|an\b|my\b|your\b|this\b|that\b|it\b)[a-z][\w'-]*)"
)
_WORD: Final = re.compile(r"[A-Za-z][a-z]*|\d+")

STOP_WORDS: Final = frozenset(
    """a about all an and any are as at be by call can check could current data do does find for from get give given
    have how i if in info information into is it its list look make me my need now of on or our please return returns
    run say search see set should show some tell than that the their them then there these this to today tool up us use
    used using user want was we what when where which who will with would you your""".split()  # noqa: SIM905 - easier to extend than a list
)
_NO_NAMES: Final = frozenset(
    """a an and are ask call can could do does find for get give how i is it let list look my now of on or please say
    search show tell that the then there this use was we what when where which who whose why will with would you your
    celsius fahrenheit""".split()  # noqa: SIM905 - as above
)


def words(text: str) -> list[str]:
    """The words of a text or an identifier, lower case and singular, without those that say nothing about a topic."""
    found = (match.group().lower() for match in _WORD.finditer(text))
    return [_singular(word) for word in found if word not in STOP_WORDS]


def _singular(word: str) -> str:
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word  # noqa: PLR2004


def quotations(text: str) -> list[str]:
    """What stands in quotation marks."""
    return [double or single for double, single in _QUOTED.findall(text)]


def numbers(text: str) -> list[float]:
    """The numbers, in order; whole ones as whole numbers."""
    return [float(number) if "." in number else int(number) for number in _NUMBER.findall(text)]


def places(text: str) -> list[str]:
    """Names behind a preposition, lists taken apart: "in Paris and New York" gives both."""
    found: list[str] = []
    for match in _LISTED.finditer(text):
        for part in _SEPARATOR.split(match.group(1)):
            name = re.sub(r"^(?:in|for|at) ", "", part)
            if name.lower() not in _NO_NAMES and name not in found:
                found.append(name)
    if found:
        return found
    lower = _LOWER_PLACE.search(text)
    return [lower.group(1)] if lower and not names(text) else []


def names(text: str) -> list[str]:
    """Capitalised names anywhere; a word that only begins a sentence is none."""
    found: list[str] = []
    for match in _NAMES.finditer(text):
        name = match.group()
        first, _, rest = name.partition(" ")
        if first.lower() in _NO_NAMES:
            name = rest
        elif _begins_sentence(text, match.start()) and not rest:
            continue
        if name and name[0].isupper() and name.lower() not in _NO_NAMES and name not in found:
            found.append(name)
    return found


def _begins_sentence(text: str, position: int) -> bool:
    before = text[:position].rstrip()
    return not before or before[-1] in ".!?:\n"
