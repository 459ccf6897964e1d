"""Calls of tools and their results brought together: for each call a result, in the turn behind it."""

from dataclasses import dataclass
from typing import Final, Generic, Protocol, TypeVar

from chatport._translation_scope import TranslationScope

_NO_RESULT: Final = "The call of this tool was interrupted: there is no result."

_BlockT = TypeVar("_BlockT")


class CallForm(Protocol[_BlockT]):
    """How calls and their results look among the blocks of a service's turns. Blocks are never changed in place."""

    def call_id(self, block: _BlockT, /) -> str | None:
        """Return the id of a call that the caller is to run; None for any other block."""
        ...

    def with_call_id(self, block: _BlockT, call_id: str, /) -> _BlockT:
        """Return a call with another id."""
        ...

    def is_result(self, block: _BlockT, /) -> bool:
        """Whether a block stands among the results, also where it does not say of which call it is one."""
        ...

    def result_id(self, block: _BlockT, /) -> str | None:
        """Return the id of the call whose result a block is; None for any other block."""
        ...

    def with_result_id(self, block: _BlockT, call_id: str, /) -> _BlockT:
        """Return a result with another id."""
        ...

    def failed_result(self, call_id: str, words: str, /) -> _BlockT:
        """Return a result that says in words that there is none."""
        ...


@dataclass(slots=True)
class _Call:
    """A call: its id as the conversation has it and as it is sent, and where it stands."""

    given_id: str
    sent_id: str
    path: str
    is_answered: bool = False


class CallPairs(Generic[_BlockT]):
    """Pairs calls with their results, turn by turn: every call is answered once, and nothing else is.

    For services that refuse a call without a result in the turn behind it, a result without a call in the turn before
    it, and one id twice in a turn. Which turns there are, and what becomes of an empty one, is the backend's business:
    it hands in the blocks of a turn of the model, and then those of the turn that answers it. They are lists of places
    in the caller's request and blocks, and changed as lists.
    """

    def __init__(self, form: CallForm[_BlockT], scope: TranslationScope, *, service: str = "the service") -> None:
        """Begin a conversation.

        Args:
            form: How calls and results look.
            scope: The request's scope; adjustments are noted there.
            service: What the service is called in them.
        """
        self._form = form
        self._scope = scope
        self._service = service
        self._calls: list[_Call] = []

    @property
    def has_open_calls(self) -> bool:
        """Whether calls wait for their results."""
        return bool(self._calls)

    def open_calls(self, blocks: list[tuple[str, _BlockT]]) -> None:
        """Take the calls of a turn of the model; those that were open before are forgotten.

        One that repeats an id gets another, because results are told apart by nothing else.
        """
        self._calls = []
        taken: set[str] = set()
        for index, (path, block) in enumerate(blocks):
            given = self._form.call_id(block)
            if given is None:
                continue
            sent = self._scope.ids.another(given) if given in taken else given
            if sent != given:
                why = f"the id {given!r} stands in this turn twice; here it goes as {sent!r}"
                self._scope.note("renamed", "call-id-repeated", path, why)
                blocks[index] = (path, self._form.with_call_id(block, sent))
            taken.add(sent)
            self._calls.append(_Call(given, sent, path))

    def answer_calls(self, blocks: list[tuple[str, _BlockT]]) -> None:
        """Make a turn answer the open calls, none of which is open then.

        Results come first, in the order of the calls. What has no call is left out, with all else that came of the
        same part; a call without a result gets one that says so, always the same, so that the beginning of the
        conversation stays the same when it goes on.
        """
        calls, self._calls = self._calls, []
        if not calls and not any(self._form.is_result(block) for _, block in blocks):
            return
        self._put_results_first(blocks, self._matched(blocks, calls))
        for rank, call in enumerate(calls):
            if call.is_answered:
                continue
            refused = f"nothing answers this call, which {self._service} refuses"
            why = f"{refused}; an error result says that it was interrupted"
            self._scope.note("changed", "call-unanswered", call.path, why)
            blocks.insert(rank, (call.path, self._form.failed_result(call.sent_id, _NO_RESULT)))

    def _matched(self, blocks: list[tuple[str, _BlockT]], calls: list[_Call]) -> list[int]:
        """Give each result to its call, and leave out those that have none, with all else that came of them.

        Returns:
            For each block that is left its rank: the results of the calls in their order, other results, all else.
        """
        ranks: list[int] = []
        orphans: set[str] = set()
        for index, (path, block) in enumerate(blocks):
            given = self._form.result_id(block)
            if given is None:
                ranks.append(len(calls) if self._form.is_result(block) else len(calls) + 1)
                continue
            same = [rank for rank, call in enumerate(calls) if call.given_id == given]
            rank = next((rank for rank in same if not calls[rank].is_answered), -1)
            ranks.append(rank)
            if rank < 0:
                orphans.add(path)
                code = "duplicate-result" if same else "orphan-result"
                which = "that was not answered yet " if same else ""
                why = f"the result is left out: no call {which}with the id {given!r} stands in the turn before it"
                self._scope.note("dropped", code, path, why)
                continue
            calls[rank].is_answered = True
            if calls[rank].sent_id != given:
                blocks[index] = (path, self._form.with_result_id(block, calls[rank].sent_id))
        if orphans:
            ranks = [rank for rank, (path, _) in zip(ranks, blocks, strict=True) if path not in orphans]
            blocks[:] = [(path, block) for path, block in blocks if path not in orphans]
        return ranks

    def _put_results_first(self, blocks: list[tuple[str, _BlockT]], ranks: list[int]) -> None:
        """Move results to the front; what has one rank keeps its order."""
        order = sorted(range(len(ranks)), key=ranks.__getitem__)
        moved = next((old for new, old in enumerate(order) if old != new), None)
        if moved is not None:
            why = "results of tools come first in their turn, in the order of the calls"
            self._scope.note("lossless", "results-reordered", blocks[moved][0], why)
            blocks[:] = [blocks[index] for index in order]
