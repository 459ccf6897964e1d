"""What the brain says in words: always the same for the same request, and never more than it can know."""

import operator
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from chatport_bedrock.emulator._conversation import Conversation, Turn
from chatport_bedrock.emulator._media_speech import describe_media
from chatport_bedrock.emulator._results_speech import describe_results

_SELF: Final = "I am the Bedrock emulator of chatport: I understand the structure of a request, not the world."
_QUOTE_WORDS: Final = 40

_STORY: Final = re.compile(r"\b(?:story|stories|tale|essay|poem|fable|saga)\b", re.IGNORECASE)
_ABOUT: Final = re.compile(r"\babout\s+([^.?!\n]+)", re.IGNORECASE)
_REPEAT: Final = re.compile(
    r"(?:^|[.!?\n]\s*|\bplease\s+)(?:say|repeat|reply with|respond with|answer with)\b"
    r"(?: exactly| just| only| the words?)?:?\s+(?:[\"“']([^\"”']+)[\"”']|(?:exactly|just|only):?\s+(.+)|(\S+)\s*$)",
    re.IGNORECASE,
)
_COUNT: Final = re.compile(r"\bcount (?:from (\d+) )?(?:up )?to (\d+)\b", re.IGNORECASE)
_CALCULATION: Final = re.compile(r"\b(?:what(?:'s| is)|calculate|compute|how much)\b|=", re.IGNORECASE)
_ARITHMETIC: Final = re.compile(r"(?<![\d/-])(-?\d+)\s*([-+*x×÷/])\s*(-?\d+)(?![\d/-])")  # noqa: RUF001 - the signs that people type
_GREETING: Final = re.compile(r"\s*(?:hello|hi|hey|good (?:morning|evening|day))\b[^?]{0,20}$", re.IGNORECASE)
_OWN_NAME: Final = re.compile(r"\b(?:what(?:'s| is| are)|who are) (?:you\b|your name)", re.IGNORECASE)
_TOLD_NAME: Final = re.compile(r"\b[Mm]y name is ([A-Z][\w'-]*)")
_ASKED_NAME: Final = re.compile(r"\b(?:what(?:'s| is) my name|who am i)\b", re.IGNORECASE)
_INSTRUCTIONS: Final = re.compile(r"\b(?:your|system) (?:instructions?|prompt)\b", re.IGNORECASE)
_BRIEF: Final = re.compile(r"\b(?:brief|concise|short|terse)(?:ly)?\b", re.IGNORECASE)
_MAX_COUNT: Final = 1000

_OPERATORS: Final[Mapping[str, Callable[[int, int], float]]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "x": operator.mul,
    "×": operator.mul,  # noqa: RUF001 - as above
    "/": operator.truediv,
    "÷": operator.truediv,
}


def last_prompt(conversation: Conversation) -> str:
    """What the user said last, in words; empty if only media or tool results came."""
    turn = last_turn(conversation)
    return "\n".join(placed.block["text"] for placed in turn.of_kind("text")) if turn else ""


def last_turn(conversation: Conversation) -> Turn | None:
    """The last turn of the user, or None if a stored prompt is all there is."""
    return next((turn for turn in reversed(conversation.turns) if turn.role == "user"), None)


def compose(conversation: Conversation) -> str:
    """The answer to a request, in words."""
    prompt = last_prompt(conversation)
    turn = last_turn(conversation)
    results = describe_results(conversation, turn) if turn else []
    media = describe_media(conversation, prompt)
    if results:
        return " ".join([*results, *media])
    answers = [sentence for sentence in (_answer(conversation, prompt),) if sentence]
    if media:
        return " ".join([*media, *answers]) if answers else f"{' '.join(media)} I read what a file says of itself."
    return " ".join(answers) or _echo(conversation, prompt)


def _answer(conversation: Conversation, prompt: str) -> str | None:
    """The answer to the kinds of prompt that need no knowledge; None for all others."""
    for answer in (_repeat, _count, _calculate, _remember_name, _tell_story):
        text = answer(conversation, prompt)
        if text is not None:
            return text
    if _INSTRUCTIONS.search(prompt):
        known = conversation.system_text
        return f"My instructions are: “{quote(known)}”" if known else "I have been given no instructions."
    if _OWN_NAME.search(prompt):
        return _SELF
    if _GREETING.match(prompt):
        return f"Hello! {_SELF}"
    return None


def _repeat(_conversation: Conversation, prompt: str) -> str | None:
    found = _REPEAT.search(prompt)
    if not found:
        return None
    return next(group for group in found.groups() if group).strip()


def _count(_conversation: Conversation, prompt: str) -> str | None:
    found = _COUNT.search(prompt)
    if not found:
        return None
    first, last = int(found[1] or 1), int(found[2])
    return ", ".join(str(number) for number in range(first, min(last, first + _MAX_COUNT) + 1)) + "."


def _calculate(_conversation: Conversation, prompt: str) -> str | None:
    found = _ARITHMETIC.search(prompt) if _CALCULATION.search(prompt) else None
    if not found:
        return None
    left, sign, right = int(found[1]), found[2], int(found[3])
    if sign in "/÷" and right == 0:
        return f"{left} cannot be divided by 0."
    return f"{left} {sign} {right} = {_OPERATORS[sign](left, right):g}."


def _remember_name(conversation: Conversation, prompt: str) -> str | None:
    if not _ASKED_NAME.search(prompt):
        return None
    said = [
        placed.block["text"] for turn in conversation.turns if turn.role == "user" for placed in turn.of_kind("text")
    ]
    told = [name for text in said for name in _TOLD_NAME.findall(text)]
    return f"Your name is {told[-1]}." if told else "You have not told me your name."


def _tell_story(_conversation: Conversation, prompt: str) -> str | None:
    if not _STORY.search(prompt):
        return None
    about = _ABOUT.search(prompt)
    hero = about[1].strip().rstrip(",;:") if about else "a lighthouse keeper"
    return (
        f"Once upon a time, this was to be a story about {hero}. "
        "It began, as most do, with a message that travelled a long way in a short time. "
        "It was signed, it was sent, and at the other end somebody took it out of its envelope and read it with care. "
        "The answer was too large to carry in one piece, so it was cut into words, and each got a frame of its own. "
        "Every frame had two seals, and whoever broke one of them was found out at once. "
        "One after the other they went through the gate: first the greeting, then the words, then the farewell. "
        "Some travelled together, some alone, and none overtook another. "
        "Last of all came the bill, which counted every word and forgot none. "
        f"And when the last frame had been opened, {hero} stood there complete, and that is where the story ends."
    )


def _echo(conversation: Conversation, prompt: str) -> str:
    """Show what was understood: the question, the turn, the instructions."""
    if not prompt.strip():
        return f"You have said nothing in words. {_SELF}"
    verb = "asked" if prompt.rstrip().endswith("?") else "said"
    first = f"You {verb}: “{quote(prompt)}”"
    system = conversation.system_text
    if _BRIEF.search(system):
        return first
    number = sum(1 for turn in conversation.turns if turn.role == "user")
    count = len(prompt.split())
    facts = f"That is turn {number} of our conversation, with {count} word{'' if count == 1 else 's'}."
    instructions = f" My instructions are: “{quote(system)}”" if system else ""
    return f"{first} {facts}{instructions} {_SELF}"


def quote(text: str, limit: int = _QUOTE_WORDS) -> str:
    """The first words of a text on one line."""
    words = text.split()
    return " ".join(words[:limit]) + (" …" if len(words) > limit else "")


def think(conversation: Conversation, calls: list[dict[str, Any]]) -> str:
    """What the brain says to itself before it answers, if it was asked to."""
    prompt = last_prompt(conversation)
    asked = f"The user says “{quote(prompt, 12)}”." if prompt.strip() else "The user says nothing in words."
    if calls:
        return f"{asked} That needs {', '.join(call['toolUse']['name'] for call in calls)}."
    if last_turn(conversation) and any(placed.kind == "toolResult" for placed in conversation.turns[-1].blocks):
        return f"{asked} The tools have answered, so I can say what they found."
    return f"{asked} I can answer that without a tool, from what is in the request."
