"""One walk over a history, which finds what is wrong with it and drafts the same history put right.

Finding and repairing are one, so that what validates is what repair leaves alone.
"""

from __future__ import annotations

import operator
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias

from chatport._adjustments import Adjustment, AdjustmentKind
from chatport._call_ids import CallIds
from chatport._messages import Message, Part, Reasoning, ToolCall, ToolResult
from chatport._revision import HistoryProblem, ProblemKind, is_blank, speaks
from chatport._tool_errors import error_result, interrupted_result

_NOT_JSON: Final = "Not run: the arguments of this call are no JSON object."
_LEFT_OUT: Final[tuple[AdjustmentKind, str]] = ("dropped", "it is left out")
_NOTHING_SAID: Final = "."  # a message needs a visible character, and this one says least


@dataclass(slots=True)
class _Call:
    """A call that the caller has to answer, and what answers it."""

    call: ToolCall
    asked: tuple[int, int]  # where the call stands: message and part
    result: ToolResult | None = None
    place: tuple[int, int] = (-1, -1)  # where the result stood


@dataclass(slots=True)
class _Draft:
    """A message on its way: its parts by their position, without those that were left out or lifted out."""

    message: Message
    parts: dict[int, Part]
    calls: list[_Call] = field(default_factory=list[_Call])
    answers: tuple[ToolResult, ...] = ()  # to stand first in it, or right behind it where it has calls


_Found: TypeAlias = tuple[tuple[int, ...], HistoryProblem | None, Adjustment]


class HistoryWalk:
    """One walk over a history: problems, and drafts of the repaired messages.

    Attributes:
        messages: The history, repaired.
    """

    def __init__(self, history: tuple[Message, ...], *, allow_pending: bool) -> None:
        """Walk."""
        self._history = history
        self._found: list[_Found] = []
        self._drafts: list[_Draft] = []
        self._served: set[str] = set()  # ids of calls that the service ran itself
        self._answered: set[str] = set()
        self._now: dict[str, deque[_Call]] = {}  # the calls of the model's last message, by id
        self._before: defaultdict[str, list[_Call]] = defaultdict(list)  # those open of its messages before that
        self._ids = CallIds(
            part.id for each in history for part in each.parts if isinstance(part, (ToolCall, ToolResult))
        )
        for index in range(len(history)):
            self._walk(index)
        last = max((index for index, draft in enumerate(self._drafts) if draft.message.role == "assistant"), default=-1)
        for index, draft in enumerate(self._drafts):
            if draft.calls:
                may_wait = allow_pending and index == last and self._run_end(index) == len(history)
                self._settle(index, draft, may_wait=may_wait)
        self._check_beginning()
        self.messages = tuple(self._written()) if self._found else history
        self._found.sort(key=lambda found: found[0])

    @property
    def problems(self) -> tuple[HistoryProblem, ...]:
        """What is wrong, in the order of the messages."""
        return tuple(problem for _, problem, _ in self._found if problem is not None)

    @property
    def notes(self) -> tuple[Adjustment, ...]:
        """What was done about it."""
        return tuple(note for _, _, note in self._found)

    # --- the walk ----------------------------------------------------------------------------------------------------

    def _walk(self, index: int) -> None:
        message = self._history[index]
        draft = _Draft(message, dict(enumerate(message.parts)))
        self._drafts.append(draft)
        if message.role == "assistant":
            for id_, calls in self._now.items():
                self._before[id_].extend(calls)
            self._now = {}
            self._served.update(
                part.id for part in message.parts if isinstance(part, ToolCall) and part.executed_by == "server"
            )
        elif _say_nothing(message.parts):
            self._find("empty-message", (index,), "nothing is said in it", _LEFT_OUT)
            draft.parts.clear()
            return
        for position, part in enumerate(message.parts):
            self._walk_part(draft, (index, position), part)

    def _walk_part(self, draft: _Draft, place: tuple[int, int], part: Part) -> None:
        role = draft.message.role
        match part:
            case ToolCall() | Reasoning() if role != "assistant":
                what = f"{type(part).__name__} is the model's, and stands in a message of the role {role!r}"
                self._find("misplaced-part", place, what, _LEFT_OUT)
                del draft.parts[place[1]]
            case ToolCall(executed_by="client"):
                draft.parts[place[1]] = self._take_call(draft, part, place)
            case ToolResult():
                kept = self._without_nested(part, place)
                if role == "assistant" and part.id in self._served:
                    draft.parts[place[1]] = kept
                else:
                    del draft.parts[place[1]]
                    self._take_result(kept, place)
            case _:
                pass

    def _take_call(self, draft: _Draft, call: ToolCall, place: tuple[int, int]) -> ToolCall:
        id_ = call.id
        if id_ in self._now:
            call = replace(call, id=self._ids.another(id_))
            what = f"the id {id_!r} stands twice in this message"
            self._find("duplicate-call-id", place, what, ("renamed", f"this call and its result are {call.id!r} now"))
        taken = _Call(call, place)
        draft.calls.append(taken)
        self._now.setdefault(id_, deque()).append(taken)
        return call

    def _without_nested(self, result: ToolResult, place: tuple[int, int]) -> ToolResult:
        """Return a result without what cannot stand inside one."""
        kept: list[Part] = []
        for position, part in enumerate(result.content):
            if isinstance(part, (Reasoning, ToolCall, ToolResult)):
                what = f"{type(part).__name__} cannot stand inside a result"
                self._find("misplaced-part", (*place, position), what, _LEFT_OUT)
            else:
                kept.append(part)
        return result if len(kept) == len(result.content) else replace(result, content=tuple(kept))

    def _take_result(self, result: ToolResult, place: tuple[int, int]) -> None:
        """Give a result to the call that it answers, the nearest one before it."""
        now, before = self._now.get(result.id), self._before.get(result.id)
        if not now and not before:
            if result.id in self._answered:
                what = f"the call {result.id!r} is answered already"
                self._find("duplicate-result", place, what, _LEFT_OUT)
            else:
                what = f"no call before it has the id {result.id!r}"
                self._find("orphan-result", place, what, _LEFT_OUT)
            return
        call = now.popleft() if now else before.pop()  # type: ignore[union-attr]  # one of them has a call
        self._answered.add(result.id)
        call.result = result if call.call.id == result.id else replace(result, id=call.call.id)
        call.place = place

    # --- results behind their calls ----------------------------------------------------------------------------------

    def _run_end(self, index: int) -> int:
        """Return where the messages of the role `tool` end that stand right behind a message."""
        end = index + 1
        while end < len(self._history) and self._history[end].role == "tool":
            end += 1
        return end

    def _settle(self, index: int, draft: _Draft, *, may_wait: bool) -> None:
        """Put the results of a message's calls right behind it, and one for each call that has none."""
        is_moved = self._find_misplaced(index, draft.calls)
        for call in draft.calls:
            if call.result is None and not may_wait:
                call.result = self._closed(call)
                is_moved = True
        if not is_moved:
            for call in draft.calls:
                if call.result is not None:
                    self._drafts[call.place[0]].parts[call.place[1]] = call.result
            return
        answers = tuple(call.result for call in draft.calls if call.result is not None)
        host = self._drafts[index + 1] if self._run_end(index) > index + 1 else draft
        host.answers = answers

    def _closed(self, call: _Call) -> ToolResult:
        """Return a result for a call that has none."""
        named = f"nothing answers the call of {call.call.name!r} (id {call.call.id!r})"
        if call.call.invalid_json is not None:
            what = f"{named}, whose arguments are no JSON object"
            self._find("truncated-call", call.asked, what, ("changed", "an error result says that it was not run"))
            return error_result(call.call, _NOT_JSON, "invalid-arguments")
        self._find("unanswered-call", call.asked, named, ("changed", "an error result says that it was interrupted"))
        return interrupted_result(call.call)

    def _find_misplaced(self, index: int, calls: Sequence[_Call]) -> bool:
        """Find results that do not stand right behind their calls, or in another order; return whether there are."""
        end = self._run_end(index)
        latest = (index, -1)
        is_found = False
        for call in calls:
            if call.result is None:
                continue
            if not index < call.place[0] < end:
                what = "it does not stand right behind the call that it answers, in a message of the role 'tool'"
            elif call.place < latest:
                what = "it does not stand in the order of the calls"
            else:
                latest = call.place
                continue
            is_found = True
            self._find("misplaced-result", call.place, what, ("changed", "it is moved there"))
        return is_found

    # --- the repaired history ----------------------------------------------------------------------------------------

    def _check_beginning(self) -> None:
        """Find a model that speaks before any user."""
        for index, draft in enumerate(self._drafts):
            if draft.message.role == "assistant" and _is_left(draft):
                what = "the model speaks first"
                does = f"the user says {_NOTHING_SAID!r} before it"
                self._find("leading-assistant", (index,), what, ("changed", does))
                return
            if _begins(draft):
                return

    def _written(self) -> Iterator[Message]:
        has_begun = False
        for index, draft in enumerate(self._drafts):
            message = draft.message
            is_assistant = message.role == "assistant"
            ordered = tuple(part for _, part in sorted(draft.parts.items(), key=lambda item: item[0]))
            parts = ordered if is_assistant else (*draft.answers, *ordered)
            if not _is_left(draft):
                if is_assistant or not _say_nothing(message.parts):
                    self._found.append(((index,), None, _emptied(message, index)))
                continue
            if is_assistant and not has_begun:
                yield Message.user(_NOTHING_SAID)
            has_begun = has_begun or is_assistant or _begins(draft)
            same = len(parts) == len(message.parts) and all(map(operator.is_, parts, message.parts))
            yield message if same else replace(message, parts=parts)
            if is_assistant and draft.answers:
                yield Message("tool", draft.answers)

    def _find(self, kind: ProblemKind, place: tuple[int, ...], what: str, remedy: tuple[AdjustmentKind, str]) -> None:
        cost, done = remedy
        path = _path(place)
        self._found.append((place, HistoryProblem(kind, path, what), Adjustment(cost, kind, path, f"{what}: {done}")))


def _begins(draft: _Draft) -> bool:
    """Whether somebody says something before the model does."""
    return draft.message.role not in {"assistant", "system"} and speaks(draft.parts.values())


def _is_left(draft: _Draft) -> bool:
    """Whether something is left of a message, or nothing was said in it and that is an answer."""
    if draft.message.role == "assistant":
        return bool(draft.parts or draft.answers or not draft.message.parts)
    return bool(draft.answers) or not _say_nothing(draft.parts.values())


def _say_nothing(parts: Iterable[Part]) -> bool:
    return all(map(is_blank, parts))


def _emptied(message: Message, index: int) -> Adjustment:
    """Return the note of a message of which nothing is left: what became of its parts is told of each of them."""
    what = "nothing is left of it: it is left out"
    if message.metadata:
        return Adjustment("dropped", "empty-message", _path((index,)), f"{what}, and its metadata with it")
    return Adjustment("lossless", "empty-message", _path((index,)), what)


def _path(place: tuple[int, ...]) -> str:
    names = ("messages", ".parts", ".content")
    return "".join(f"{name}[{number}]" for name, number in zip(names, place, strict=False))
