"""Histories from elsewhere: what is wrong with one, and the same history put right.

A history is valid if a backend can say it as it stands, or with changes that lose nothing. Messages of one role in a
row, blank text beside other parts and an answer of no words are no problems therefore: a backend joins or omits them.
Nor is it one that the model spoke last; that is where a conversation rests. What a session's turns add is valid.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chatport._options import checked_messages
from chatport._revision import HistoryProblem, Revision

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chatport._history_walk import HistoryWalk
    from chatport._messages import Message


def validate_messages(messages: Sequence[Message], *, allow_pending: bool = False) -> tuple[HistoryProblem, ...]:
    """Return what is wrong with a history, in the order of the messages; nothing for a valid one.

    * `unanswered-call`: a call of the model has no result.
    * `truncated-call`: the same, and the arguments are no JSON object, as of a call that was cut short.
    * `orphan-result`: a result answers no call before it.
    * `duplicate-result`: a result answers a call that is answered already.
    * `misplaced-result`: a result does not stand where results belong: in a message of the role `tool` right behind the
      message with the call, in the order of the calls.
    * `duplicate-call-id`: two calls of one message have the same id.
    * `misplaced-part`: reasoning or a call stands in a message that is not the model's, or inside a result; or a result
      stands inside a result.
    * `empty-message`: nothing is said in a message that is not the model's.
    * `leading-assistant`: the model speaks before any user. There are services that refuse it.

    Args:
        messages: The history.
        allow_pending: Whether calls in the model's last message may wait for results that the caller is to give, as
            after a turn with `run_tools=False`.

    Raises:
        TypeError: Something is no message.
    """
    return _walk(messages, allow_pending=allow_pending).problems


def repair_messages(messages: Sequence[Message], *, allow_pending: bool = False) -> Revision:
    """Return a history with everything put right that `validate_messages` finds, and a note of each repair.

    What is repaired validates, and repairing it again changes nothing. A valid history comes back as it is, the same
    messages and parts. The code of a note is the kind of the problem.

    * Calls without a result get one with `is_error` that says so; always the same, so that what a service has cached of
      the conversation stays good.
    * Results are moved behind their calls. Those that answer no open call are left out.
    * Of two calls with one id the second gets another, and so does its result.
    * Parts where they cannot stand, and messages in which nothing is said, or left, are left out.
    * Before a model that speaks first, the user says `"."`.

    Args:
        messages: The history; it is not changed.
        allow_pending: As for `validate_messages`; such calls are left open.

    Raises:
        TypeError: Something is no message.
    """
    walk = _walk(messages, allow_pending=allow_pending)
    return Revision(walk.messages, walk.notes)


def _walk(messages: Sequence[Message], *, allow_pending: bool) -> HistoryWalk:
    from chatport._history_walk import HistoryWalk  # noqa: PLC0415 - for who has a history from elsewhere

    return HistoryWalk(checked_messages(messages), allow_pending=allow_pending)
