"""The door for tests: conversations without a service, an account or a network, and what a backend has to pass."""

from typing import TYPE_CHECKING

from chatport.testing._http_replies import HttpReply, HttpStep, ReplySource, ServedConnection, ServedRequest
from chatport.testing._http_service import HttpService
from chatport.testing._memory_store import MemoryStore
from chatport.testing._scripted import Answer, Script, ScriptedBackend
from chatport.testing._service import (
    FEATURES,
    REFUSALS,
    Cut,
    Damage,
    Feature,
    Hold,
    RefusalKind,
    ScriptedAnswer,
    ServiceAnswer,
    ServiceEvent,
    ServiceFault,
    ServiceRefusal,
    ServiceScript,
    StreamFailure,
    UnknownEvent,
)

if TYPE_CHECKING:
    from chatport.testing._suite import BackendSuite

__all__ = [
    "FEATURES",
    "REFUSALS",
    "Answer",
    "BackendSuite",
    "Cut",
    "Damage",
    "Feature",
    "Hold",
    "HttpReply",
    "HttpService",
    "HttpStep",
    "MemoryStore",
    "RefusalKind",
    "ReplySource",
    "Script",
    "ScriptedAnswer",
    "ScriptedBackend",
    "ServedConnection",
    "ServedRequest",
    "ServiceAnswer",
    "ServiceEvent",
    "ServiceFault",
    "ServiceRefusal",
    "ServiceScript",
    "StreamFailure",
    "UnknownEvent",
]


if not TYPE_CHECKING:  # a checker would take every slip of the finger for a name that is there

    def __getattr__(name: str) -> object:
        """Load the suite when it is asked for: it needs pytest, which nothing else here does."""
        if name == "BackendSuite":
            import pytest  # noqa: PLC0415 - it is no dependency of the package

            # Before the modules are loaded: their asserts are to say what they saw, as those of a test module do.
            pytest.register_assert_rewrite("chatport.testing._suite")
            from chatport.testing._suite import BackendSuite  # noqa: PLC0415 - as above

            return BackendSuite
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
