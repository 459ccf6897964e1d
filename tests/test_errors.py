import builtins
import copy
import pickle
import re
import traceback
from typing import Any

import pytest

from chatport import _errors
from chatport._adjustments import Adjustment
from chatport._errors import (
    BackendError,
    BusyError,
    ChatError,
    RateLimitError,
    ServiceError,
    StreamClosedError,
    StreamInterruptedError,
    StreamTimeoutError,
    ToolLoopError,
    TransportError,
    UnsupportedError,
)
from chatport._events import Usage
from chatport._messages import Image, Message
from chatport._reply import Partial


def _classes() -> dict[str, type[Exception]]:
    return {
        name: value
        for name, value in vars(_errors).items()
        if isinstance(value, type) and issubclass(value, Exception) and value.__module__ == _errors.__name__
    }


each_error = pytest.mark.parametrize("error_class", _classes().values(), ids=lambda value: value.__name__)
each_backend_error = pytest.mark.parametrize(
    "error_class",
    [value for value in _classes().values() if issubclass(value, BackendError)],
    ids=lambda value: value.__name__,
)


def _pickled(error: Exception) -> Any:
    return pickle.loads(pickle.dumps(error))  # noqa: S301 - it was pickled here


each_clone = pytest.mark.parametrize("clone", [copy.copy, copy.deepcopy, _pickled])

_PARTIAL = Partial((Message.user("confidential", Image("image/png", b"confidential")),), Usage(1, 2), unfinished=True)
_FACTS: dict[str, Any] = {
    "backend": "echo",
    "model": "parrot-1",
    "status": 429,
    "code": "TooMany",
    "request_id": "r-1",
    "retry_after": 1.5,
    "retryable": True,
    "partial": _PARTIAL,
    "phase": "stream",
}


def _drawn_tree() -> dict[str, str]:
    """Each class in the module's drawing, and the class it hangs below."""
    parents: dict[str, str] = {}
    branch: dict[int, str] = {}
    for line in (_errors.__doc__ or "").splitlines():
        found = re.match(r"^    ([│├└─ ]*)([A-Z]\w+Error)(?:\((\w+)\))?(?:\s|$)", line)
        if found is None:
            continue
        depth = len(found[1]) // 4
        branch[depth] = found[2]
        parents[found[2]] = found[3] or (branch[depth - 1] if depth else "Exception")
    return parents


def test_the_tree_is_as_drawn() -> None:
    """Every class of the module stands in its drawing, below the class it is derived from, and no other does."""
    real = {name: value.__bases__[0].__name__ for name, value in _classes().items()}
    assert _drawn_tree() == real
    assert len(real) > 15


@each_error
def test_each_error_has_one_base_and_says_what_it_is(error_class: type[Exception]) -> None:
    """One tree: no second base to catch it by accident, and a docstring for the reference."""
    assert len(error_class.__bases__) == 1
    assert error_class.__doc__


@each_error
def test_no_error_shadows_a_builtin(error_class: type[Exception]) -> None:
    """`from chatport import *` takes no name away that Python has."""
    assert not hasattr(builtins, error_class.__name__)


def test_misuse_is_no_chat_error() -> None:
    """Who catches what went wrong in a conversation does not catch their own mistakes."""
    assert not issubclass(BusyError, ChatError)
    assert not issubclass(StreamClosedError, ChatError)
    assert all(issubclass(value, ChatError | RuntimeError) for value in _classes().values())


@each_backend_error
@each_clone
def test_a_copy_keeps_every_fact(error_class: type[BackendError], clone: Any) -> None:
    """An error that crosses a process or is copied says all that it said."""
    error = error_class("it broke", **_FACTS)
    copied = clone(error)
    assert type(copied) is error_class
    assert {name: getattr(copied, name) for name in _FACTS} == _FACTS
    assert str(copied) == str(error)
    assert copied.message == "it broke"


@each_clone
def test_a_copy_keeps_adjustments_and_what_had_happened(clone: Any) -> None:
    """The same for the two errors with an attribute of their own outside the exchange with a service."""
    loss = Adjustment("dropped", "setting-dropped", "settings.top_k", "it has no such setting")
    refused = clone(UnsupportedError("no", adjustments=[loss]))
    assert (str(refused), refused.adjustments) == ("no", (loss,))
    looped = clone(ToolLoopError("too long", partial=_PARTIAL))
    assert (str(looped), looped.partial) == ("too long", _PARTIAL)


@each_backend_error
def test_every_fact_may_be_unknown(error_class: type[BackendError]) -> None:
    """A backend that knows nothing but that it failed can say so."""
    error = error_class("it broke")
    assert {name: getattr(error, name) for name in _FACTS if name != "retryable"} == dict.fromkeys(
        _FACTS.keys() - {"retryable"}
    )
    assert str(error) == "it broke"


@each_backend_error
def test_what_is_worth_repeating_by_default(error_class: type[BackendError]) -> None:
    """Load, failures of the service and of the line pass; what was refused stays refused. A backend may know better."""
    passing = {RateLimitError, ServiceError, TransportError, StreamTimeoutError, StreamInterruptedError}
    assert error_class("x").retryable is (error_class in passing)
    assert error_class("x", retryable=False).retryable is False
    assert error_class("x", retryable=True).retryable is True


def test_the_text_has_what_support_asks_for() -> None:
    """The message first, then the facts that are known."""
    error = RateLimitError("slow down", backend="echo", status=429, request_id="r-1", retry_after=2)
    assert str(error) == "slow down (backend=echo, status=429, request_id=r-1)"
    assert error.message == "slow down"


def test_a_fact_of_zero_is_a_fact() -> None:
    """Only what is not known is left out."""
    assert str(ServiceError("x", status=0)) == "x (status=0)"


@each_backend_error
def test_no_content_in_what_is_logged(error_class: type[BackendError]) -> None:
    """The unfinished conversation hangs on the error for programs; no log shows it."""
    error = error_class("it broke", **_FACTS)
    logged = [str(error), repr(error), *traceback.format_exception(error)]
    assert "confidential" not in "".join(logged)
    looped = ToolLoopError("too long", partial=_PARTIAL)
    assert "confidential" not in "".join([str(looped), repr(looped), *traceback.format_exception(looped)])
