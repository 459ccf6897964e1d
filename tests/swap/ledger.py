"""Is all of a conversation found in what was sent for it, or named by an adjustment? A check that knows no backend.

It looks for words, bytes and JSON values anywhere in a body, so it does not depend on what a service calls its members,
nor on the code that wrote them.
"""

import json
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from tests.swap.facts import Fact, Form, facts_of
from tests.swap.speech import Body

from chatport import Message
from chatport.backend import Adjustment

Fate: TypeAlias = Literal["kept", "unneeded", "renamed", "changed", "dropped", "refused"]
"""What becomes of a part."""
FATES: Final[tuple[Fate, ...]] = ("kept", "unneeded", "renamed", "changed", "dropped", "refused")
# What a service may do without at no loss: it caches by itself, or would not read it.
_UNNEEDED: Final = frozenset({"reasoning", "signed reasoning", "citation", "cache point"})

# What is not found where its part goes under another name or id.
_NAMED: Final = frozenset({"id", "name", "server", "title"})
_POINTS: Final = ("cachePoint", "cache_control", "cache_point")
_SPEAKERS: Final = {
    "assistant": {"assistant"},
    "user": {"user"},
    "tool": {"user", "tool"},
    "system": {"", "system", "user"},
}
_IDS: Final = ("toolUseId", "tool_call_id", "tool_use_id", "id", "call_id")
_SERVER_WORDS: Final = ("server_tool_use", "server")


@dataclass(frozen=True)
class Entry:
    """What became of one part.

    Attributes:
        kind: The row of the table.
        path: Where it stands.
        fate: What became of it.
        codes: The adjustments that say so.
    """

    kind: str
    path: str
    fate: Fate
    codes: frozenset[str]


@dataclass(frozen=True)
class Account:
    """The whole conversation.

    Attributes:
        entries: What became of each part.
        faults: What was lost in silence, invented or said wrongly; nothing, if all is well.
    """

    entries: tuple[Entry, ...]
    faults: tuple[str, ...]


@dataclass(frozen=True)
class Leaf:
    """A JSON value in a body that holds no other.

    Attributes:
        value: The value.
        speaker: The role of the turn that it stands in; empty before the conversation.
        turn: The number of the turn; -1 before the conversation.
        members: The names of the members on the way to it, from the outside.
    """

    value: Any
    speaker: str
    turn: int
    members: tuple[str, ...]


class Reading:
    """A body, read for what can be found in it."""

    def __init__(self, body: Body, turns: Sequence[Any], *, in_words: bool = False) -> None:
        """Read it.

        Args:
            body: What was sent.
            turns: Its turns.
            in_words: Whether names stand among words.
        """
        self.in_words = in_words
        self.leaves: list[Leaf] = []
        self.objects: list[dict[str, Any]] = []
        self._values: set[str] = set()
        for name, member in body.items():
            if member is not turns:
                self._read(member, "", -1, (name,))
        for number, turn in enumerate(turns):
            self._read(turn, str(turn.get("role", "")), number, ())
        self.texts = [leaf for leaf in self.leaves if isinstance(leaf.value, str)]

    def _read(self, value: Any, speaker: str, turn: int, members: tuple[str, ...]) -> None:
        self._values.add(canonical(value))
        match value:
            case dict():
                self.objects.append(value)
                for name, member in value.items():
                    self._read(member, speaker, turn, (*members, name))
            case list():
                for item in value:
                    self._read(item, speaker, turn, members)
            case _:
                self.leaves.append(Leaf(value, speaker, turn, members))
                if isinstance(value, str) and value[:1] in {"{", "["}:
                    self._read_text(value, speaker, turn, members)

    def _read_text(self, text: str, speaker: str, turn: int, members: tuple[str, ...]) -> None:
        """Read JSON that is written as text, as the arguments of calls are."""
        try:
            value = json.loads(text)
        except ValueError:
            return
        self._read(value, speaker, turn, members)

    def where(self, text: str) -> list[Leaf]:
        """Return where words stand, alone or among others."""
        return [leaf for leaf in self.texts if text in leaf.value]

    def named(self, text: str) -> list[Leaf]:
        """Return where a text stands alone."""
        if self.in_words:
            return self.where(text)
        return [leaf for leaf in self.texts if leaf.value == text]

    def where_bytes(self, data: bytes) -> list[Leaf]:
        """Return where bytes stand: as base64, perhaps behind the beginning of a data URL, or as the text they are."""
        encoded = b64encode(data).decode("ascii")
        found = [leaf for leaf in self.texts if leaf.value == encoded or leaf.value.endswith(f";base64,{encoded}")]
        try:
            return found or self.where(data.decode())
        except UnicodeDecodeError:
            return found

    def has_value(self, value: Any) -> bool:
        """Whether a JSON value stands in it, as a value or as text."""
        wanted = canonical(value)
        return wanted in self._values or any(text in leaf.value for text in _spellings(value) for leaf in self.texts)


def canonical(value: Any) -> str:
    """Return a JSON value as a text that equal values share."""
    return json.dumps(value, sort_keys=True)


def _spellings(value: Any) -> set[str]:
    return {
        json.dumps(value, ensure_ascii=ensure_ascii, separators=separators)
        for ensure_ascii in (True, False)
        for separators in ((", ", ": "), (",", ":"))
    }


# --- one fact --------------------------------------------------------------------------------------------------------


def _is_found(fact: Fact, reading: Reading) -> bool:
    return _LOOKING[fact.form](fact.value, reading)


def _has_role(text: str, reading: Reading) -> bool:
    return any(leaf.speaker in {"", "system", "developer"} for leaf in reading.where(text))


def _is_served(call_id: str, reading: Reading) -> bool:
    """Whether it is said of a call that the service ran it; in words all calls look alike."""
    if reading.in_words:
        return True
    calls = [item for item in reading.objects if call_id in [item.get(name) for name in _IDS]]
    return any(item.get("type") in _SERVER_WORDS for item in calls)


def _asks_for_citations(data: bytes, reading: Reading) -> bool:
    asking = [item for item in reading.objects if item.get("citations") == {"enabled": True}]
    return any(Reading({"item": item}, []).where_bytes(data) for item in asking)


def _are_arguments(text: str, reading: Reading) -> bool:
    return any(reading.in_words or leaf.members[-1:] == ("arguments",) for leaf in reading.named(text))


_LOOKING: Final[Mapping[Form, Callable[[Any, Reading], bool]]] = {
    "text": lambda text, reading: bool(reading.where(text)),
    "title": lambda text, reading: bool(reading.where(text)),
    "id": lambda text, reading: reading.in_words or bool(reading.named(text)),
    "name": lambda text, reading: bool(reading.named(text)),
    "bytes": lambda data, reading: bool(reading.where_bytes(data)),
    "value": lambda value, reading: reading.has_value(value),
    "role": _has_role,
    "server": _is_served,
    "flag": _asks_for_citations,
    "arguments": _are_arguments,
}
"""How each form of fact is looked for; cache points are counted."""


# --- the account -----------------------------------------------------------------------------------------------------


def account_for(
    messages: Sequence[Message],
    body: Body,
    turns: Sequence[Any],
    adjustments: Iterable[Adjustment],
    *,
    refused: Iterable[str] = (),
    only: int | None = None,
    in_words: bool = False,
) -> Account:
    """Hold a conversation against what was sent for it.

    Args:
        messages: The conversation.
        body: What was sent.
        turns: The turns of the body.
        adjustments: What was reported.
        refused: Paths of what was refused by name.
        only: The one message that is looked at; None for all of them.
        in_words: Whether calls are told in words, among which names stand.
    """
    reading = Reading(body, turns, in_words=in_words)
    reports = tuple(adjustments)
    gone = frozenset(refused)
    facts = [fact for fact in facts_of(messages) if only in {None, fact.message}]
    faults = [*_lone_reports(reports, messages), *_order_faults(facts, reading, gone)]
    entries: list[Entry] = []
    for (kind, path), of_part in _grouped(facts):
        if _part_path(path) in gone or path in gone:
            entries.append(Entry(kind, path, "refused", frozenset()))
            continue
        named = [report for report in reports if _names(report, path)]
        if kind == "cache point":
            continue
        missing = [fact for fact in of_part if not _is_found(fact, reading)]
        faults += [fault for fact in missing if (fault := _silent(fact, named)) is not None]
        faults += _untrue(of_part, missing, named)
        entries.append(_entry(kind, path, named, is_missing=bool(missing)))
    points, point_faults = _points([fact for fact in facts if fact.form == "point"], reading, reports)
    return Account((*entries, *points), (*faults, *point_faults))


def _grouped(facts: Iterable[Fact]) -> list[tuple[tuple[str, str], list[Fact]]]:
    groups: dict[tuple[str, str], list[Fact]] = {}
    for fact in facts:
        groups.setdefault((fact.kind, fact.path), []).append(fact)
    return list(groups.items())


def _part_path(path: str) -> str:
    return path.partition(".citations")[0]


def _names(report: Adjustment, path: str) -> bool:
    """Whether an adjustment speaks of what stands at a path: of it, of what it stands in, or of a member of it."""
    member = report.path.removeprefix(f"{path}.")
    return _speaks_of(report, path) or (member != report.path and not member.startswith(("citations[", "content[")))


def _speaks_of(report: Adjustment, path: str) -> bool:
    return path == report.path or path.startswith(f"{report.path}.")


def _silent(fact: Fact, named: Sequence[Adjustment]) -> str | None:
    """What is wrong with a fact that is missing: nothing, where an adjustment says so."""
    enough = {"dropped"}
    if fact.is_detail:
        enough |= {"changed", "renamed"} if fact.form in _NAMED else {"changed"}
    if fact.kind in _UNNEEDED:
        enough.add("lossless")
    if any(report.kind in enough for report in named):
        return None
    said = ", ".join(f"{report.kind} {report.code}" for report in named) or "nothing is said of it"
    return f"lost in silence: {fact.kind} at {fact.path}: {fact.form} {str(fact.value)[:80]!r} ({said})"


def _untrue(facts: Sequence[Fact], missing: Sequence[Fact], named: Sequence[Adjustment]) -> Iterator[str]:
    """What is said to be dropped and was sent all the same."""
    said = [report for report in named if report.kind == "dropped" and report.path == facts[0].path]
    if said and not any(fact in missing for fact in facts):
        yield f"said to be dropped, and sent: {facts[0].kind} at {facts[0].path} ({said[0].code})"


def _entry(kind: str, path: str, named: Sequence[Adjustment], *, is_missing: bool) -> Entry:
    own = [report for report in named if _is_about(report, kind, path)]
    told = [report for report in own if report.kind != "lossless"] or (own if is_missing else [])
    ranks = [FATES.index(_fate(report, path)) for report in told]
    return Entry(kind, path, FATES[max(ranks, default=0)], frozenset(report.code for report in told))


def _fate(report: Adjustment, path: str) -> Fate:
    """What an adjustment makes of a part: one that has lost a member is changed."""
    if report.kind == "lossless":
        return "unneeded"
    return "changed" if report.kind == "dropped" and report.path.startswith(f"{path}.") else report.kind


def _is_about(report: Adjustment, kind: str, path: str) -> bool:
    """Whether an adjustment is about a row of the table: what is said of a citation is not said of its text."""
    if report.path.startswith(f"{path}.citations[") and kind != "citation":
        return False
    # What is said of an entry of a result is a row of its own where the entry is a medium.
    return not report.path.startswith(f"{path}.content")


def _lone_reports(reports: Iterable[Adjustment], messages: Sequence[Message]) -> Iterator[str]:
    """Adjustments that nobody can follow: without a reason, or of a place that there is not."""
    for report in reports:
        if not report.message or not report.code:
            yield f"an adjustment without a reason: {report}"
        if report.path.startswith("messages["):
            index = int(report.path[len("messages[") : report.path.index("]")])
            if index >= len(messages):
                yield f"an adjustment of a message that there is not: {report}"


def _order_faults(facts: Iterable[Fact], reading: Reading, gone: frozenset[str]) -> Iterator[str]:
    """Words of a turn that stand in another's mouth, more often than they were said, or before what was said before."""
    spoken = [fact for fact in facts if fact.form == "text" and fact.kind == "text" and fact.path not in gone]
    last = -1
    for fact in spoken:
        found = reading.where(fact.value)
        said = sum(fact.value in other.value for other in spoken)
        if len(found) > said:
            yield f"said {len(found)} times, and not {said}: {fact.path} {fact.value!r}"
        if not found:
            continue
        own = [leaf.turn for leaf in found if leaf.speaker in _SPEAKERS[fact.speaker]]
        if not own:
            yield f"said by {found[0].speaker!r}, not by {fact.speaker}: {fact.path} {fact.value!r}"
        elif max(own) < last:
            yield f"said too early: {fact.path} {fact.value!r}"
        last = max(last, min([turn for turn in own if turn >= last], default=last))


def _points(facts: Sequence[Fact], reading: Reading, reports: Sequence[Adjustment]) -> tuple[list[Entry], list[str]]:
    """Cache points say nothing that could be found again: they are counted, and so are those that are named."""
    entries: list[Entry] = []
    named = 0
    for fact in facts:
        own = [
            note
            for note in reports
            if _speaks_of(note, fact.path) and (note.kind != "lossless" or note.path == fact.path)
        ]
        gone = any(report.kind in {"dropped", "lossless"} for report in own)
        entries.append(_entry(fact.kind, fact.path, own, is_missing=gone))
        named += gone
    sent = [item for item in reading.objects if any(name in item for name in _POINTS)]
    faults = []
    if len(sent) + named != len(facts):
        faults.append(f"{len(facts)} cache points: {len(sent)} sent, {named} named as dropped")
    sent_lives = [life for item in sent for name in _POINTS if (life := _life(item.get(name))) is not None]
    living = [fact for fact in facts if fact.value is not None]
    changed = sum(report.path == fact.path and report.kind != "renamed" for fact in living for report in reports)
    if len(sent_lives) + changed < len(living):
        faults.append(
            f"cache points live {[fact.value for fact in living]}: sent {sent_lives}, and {changed} are named"
        )
    return entries, faults


def _life(point: object) -> object:
    return point.get("ttl") if isinstance(point, dict) else None
