"""The door for observers: who wants to log, trace or count what sessions do, without changing it.

    with observe(LoggingObserver()):
        ...

An observer is an object or a module with some of the hooks of `ObserverSpecs`, each marked with `hookimpl`. A package
offers one under the entry-point group `chatport.observers`: all that are installed are loaded with the first turn of a
process, and one that cannot be used is left out with an `ObserverWarning`. Observers look; what acts is a wrapper: a
`Backend` around a `Backend`, or a `ChatSession` around a `ChatSession`.
"""

from chatport._hook_specs import FailReason, ObserverSpecs, TurnInfo, hookimpl
from chatport._logging_observer import LoggingObserver
from chatport._observers import Observation, ObserverWarning, observe
from chatport._usage_observer import UsageObserver, UsageRow

__all__ = [
    "FailReason",
    "LoggingObserver",
    "Observation",
    "ObserverSpecs",
    "ObserverWarning",
    "TurnInfo",
    "UsageObserver",
    "UsageRow",
    "hookimpl",
    "observe",
]
