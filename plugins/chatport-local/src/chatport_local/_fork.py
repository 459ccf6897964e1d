"""What a child that was forked off may not do with the engines of its parent: end them.

The threads that they would be ended with are not there, so that a child that ends as programs do would wait for them
for ever: once where the engines are taken apart, and once where the engine's library is. So the engines stay, and the
child leaves behind Python's own end at once, where the system has a way for that.
"""

from __future__ import annotations

import ctypes
import os
import weakref
from typing import Any, Final

_SERVERS: Final[weakref.WeakKeyDictionary[Any, Any]] = weakref.WeakKeyDictionary()
_STATE: Final = {"is_forked": False}


def remember(engine: object, server: object) -> None:
    """Keep in mind, for forks to come, what the engine's library has made for an engine."""
    if _STATE["is_forked"]:
        _keep(server)  # the library's own thread is the parent's, and this would wait for it as well
    _SERVERS[engine] = server


def _keep(server: object) -> None:
    """Never let go of something, not at the end either."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(server))


def _after_fork() -> None:
    servers = list(_SERVERS.values())
    if not servers or _STATE["is_forked"]:
        return
    _STATE["is_forked"] = True
    for server in servers:
        _keep(server)
    library = ctypes.CDLL(None)
    if hasattr(library, "on_exit"):  # glibc; it hands the exit code on
        library.on_exit(library._exit, None)  # noqa: SLF001 - the name that C has for it


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
