"""The neutral settings as members of the body.

How freely to choose is not for every model to be told, and not while it thinks; a budget for thinking is a part of
what a model may write. What cannot be sent is left out and told.
"""

from typing import Any, Final

from chatport.backend import Settings, UnsupportedError
from chatport_anthropic._capabilities import Sampling
from chatport_anthropic._json_values import check_text
from chatport_anthropic._scope import Scope
from chatport_anthropic._thinking import AskedThinking

__all__ = ["MAX_WHOLE_TOKENS", "check_settings", "settings_members"]

MAX_WHOLE_TOKENS: Final = 21_333
"""The most tokens of an answer that comes as a whole.

More may take over ten minutes, for which the service wants a stream. Source: its pages on long requests, and the
vendor's own client, which reckons with an hour for 128,000 tokens.
"""

_SAMPLING: Final[tuple[Sampling, ...]] = ("temperature", "top_p", "top_k")


def check_settings(settings: Settings) -> None:
    """Refuse settings that every model refuses.

    Raises:
        UnsupportedError: A number is out of range or none, or a stop sequence is blank.
    """
    for name in ("max_tokens", "top_k"):
        number: object = getattr(settings, name)
        if number is not None and (type(number) is not int or number < (1 if name == "max_tokens" else 0)):
            raise UnsupportedError(f"settings.{name}: it must be a whole number, not {number!r}")
    for name in ("temperature", "top_p"):
        share: object = getattr(settings, name)
        if share is None:
            continue
        # NaN is not between any two numbers.
        if isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 <= share <= 1:
            raise UnsupportedError(f"settings.{name}: the service takes a number from 0 to 1, not {share!r}")
    for index, sequence in enumerate(settings.stop_sequences or ()):
        check_text(sequence, f"settings.stop_sequences[{index}]")
        if not sequence.strip():
            raise UnsupportedError(f"settings.stop_sequences[{index}]: the service wants a visible character in each")


def settings_members(
    settings: Settings, thinking: AskedThinking, scope: Scope, *, whole: bool = False
) -> dict[str, Any]:
    """Return `max_tokens`, which is always sent, and what the caller has set besides.

    Args:
        settings: The settings of the request.
        thinking: How the request asks its model to think.
        scope: The request's scope; adjustments are noted there.
        whole: Whether the answer is to come as a whole.
    """
    members: dict[str, Any] = {"max_tokens": _max_tokens(settings, thinking, scope, whole=whole)}
    members |= _taken_sampling(settings, thinking, scope)
    if settings.stop_sequences:
        members["stop_sequences"] = list(settings.stop_sequences)
    return members


def _max_tokens(settings: Settings, thinking: AskedThinking, scope: Scope, *, whole: bool) -> int:
    most = scope.capabilities.max_tokens
    limit = settings.max_tokens
    if limit is None:
        # What comes whole is asked for by this much at most; a budget leaves as much for the answer, where it can be.
        asked = min(most, MAX_WHOLE_TOKENS) if whole else most
        return asked if thinking.budget is None else max(min(most, asked + thinking.budget), thinking.budget + 1)
    if thinking.budget is None or settings.reasoning is None:
        return limit
    sum_of_both = limit + thinking.budget
    if scope.capabilities.known and sum_of_both > most > thinking.budget:
        why = f"with {thinking.budget} tokens of thinking this model writes {most - thinking.budget} more, not {limit}"
        scope.note("changed", "max-tokens-lowered", "settings.max_tokens", why)
        return most
    why = (
        f"the service counts thinking too: the model may write {sum_of_both} tokens, so that {limit} are left to answer"
    )
    scope.note("lossless", "budget-added", "settings.max_tokens", why)
    return sum_of_both


def _taken_sampling(settings: Settings, thinking: AskedThinking, scope: Scope) -> dict[str, Any]:
    """The settings that say how freely to choose, without those that the model refuses here."""
    can = scope.capabilities
    kept: dict[str, Any] = {}
    for name in _SAMPLING:
        value = getattr(settings, name)
        if value is None:
            continue
        rival = next((other for other in kept if {name, other} <= can.exclusive_settings), None)
        if name in can.refused_settings:
            scope.drop_setting(name, "this model refuses it")
        elif thinking.kind is not None and not (name == "temperature" and value == 1):
            scope.drop_setting(name, "this model refuses it while it thinks")
        elif rival is not None:
            scope.drop_setting(name, f"this model takes it or settings.{rival}, not both")
        else:
            kept[name] = value
    return kept
