"""Who runs the calls that wait at the end of a stored session: the claim, as far as this process has seen it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast, get_args

from chatport._content import pending_calls
from chatport._errors import ConflictError
from chatport._messages import ToolResult
from chatport._options import ClaimedCalls
from chatport._store import Claim
from chatport._tool_errors import abandoned_result

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from chatport._messages import Message, ToolCall

_WAYS: tuple[object, ...] = get_args(ClaimedCalls)


class CallClaims:
    """The claim on the calls of one stored session.

    A claim stands until its calls have results: a turn that breaks off leaves it, as what it has run has run. Only one
    under which nothing was begun is taken back.

    Attributes:
        stored: What stands in the store.
    """

    def __init__(self, worker: str | None) -> None:
        """Begin with none; `worker` is what claims say of who runs the calls."""
        self.stored: Claim | None = None
        self._worker = worker
        self._new: tuple[Claim, Claim | None] | None = None  # of the turn under way, and what it takes the place of
        self._void: list[tuple[Claim, Claim | None]] = []  # of turns before, under which nothing was begun

    @property
    def present(self) -> Claim | None:
        """What holds: the claim that is stored, or the one before where nothing was begun under it."""
        return next((before for void, before in self._void if void == self.stored), self.stored)

    @property
    def is_stale(self) -> bool:
        """Whether something else holds than what is stored."""
        return self.present != self.stored

    def made(self, calls: Sequence[ToolCall], before: Claim | None) -> Claim:
        """Return the claim of a turn that is about to run these calls; what others have begun stays in it."""
        ids = [*(() if before is None else before.calls), *(call.id for call in calls)]
        claim = Claim(self._worker or _this_worker(), datetime.now(UTC), tuple(dict.fromkeys(ids)))
        self._new = claim, before
        return claim

    def end_turn(self, *, has_begun: bool) -> None:
        """Note whether a turn that has ended had begun to run anything."""
        if self._new is not None and not has_begun:
            self._void.append(self._new)
        self._new = None

    def behind(self, before: Sequence[Message], after: Sequence[Message]) -> Claim | None:
        """Return the claim that holds on where a history is changed: on calls that wait at its end as they did."""
        claim = self.present
        if claim is None or not before or not after or (before[-1] is not after[-1] and before[-1] != after[-1]):
            return None
        waiting = {call.id for call in pending_calls(after)}
        calls = tuple(id_ for id_ in claim.calls if id_ in waiting)
        return replace(claim, calls=calls) if calls else None


def results_of_claimed(
    claim: Claim | None, history: Sequence[Message], given: Sequence[object], options: Mapping[str, object]
) -> tuple[ToolResult, ...]:
    """Return results for calls that were begun and are not to be run again.

    Args:
        claim: Who has begun to run calls, if somebody has.
        history: Where the calls wait.
        given: The results that the caller has.
        options: Of `ResumeOptions`: what is to become of calls that were begun.

    Raises:
        ConflictError: A call was begun that has no result.
        ValueError: An option says nothing that can become of calls.
    """
    way = _checked_way(options.get("claimed", "refuse"))
    if claim is None or way == "run":
        return ()
    known = {result.id for result in given if isinstance(result, ToolResult)}
    begun = [call for call in pending_calls(history) if call.id in claim.calls and call.id not in known]
    if way == "refuse" and begun:
        error = ConflictError(_begun_text(claim, begun))
        error.claim = claim
        raise error
    return tuple(abandoned_result(call) for call in begun)


def _begun_text(claim: Claim, begun: Sequence[ToolCall]) -> str:
    names = ", ".join(f"{call.name!r} (id {call.id!r})" for call in begun)
    return (
        f"{claim.worker!r} has begun to run {names} at {claim.claimed_at.isoformat(timespec='seconds')}, and "
        "no result is stored: nothing was run here. Wait for that worker; or, where it has ended, give the results, or "
        'say claimed="close" to answer the calls as interrupted, or claimed="run" to run them, perhaps a second time. '
        "Of a turn that broke off in this session `keep(session.partial)` has what it knows"
    )


def _this_worker() -> str:
    import os  # noqa: PLC0415 - for who runs tools
    import platform  # noqa: PLC0415 - as above

    return f"{platform.node()}:{os.getpid()}"


def _checked_way(way: object) -> ClaimedCalls:
    """Return what is to become of calls that were begun.

    Raises:
        ValueError: It is none of the words for it.
    """
    if way in _WAYS:
        return cast("ClaimedCalls", way)
    message = f'claimed must be "refuse", "close" or "run", not {way!r}'
    raise ValueError(message)
