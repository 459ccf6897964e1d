"""xllamacpp, which is llama.cpp in the process. Nothing else imports it.

Its releases have no promise of compatibility, so this file is short, the version is pinned exactly, and everything
that is known to bite is handled here:

- Its constructor opens an HTTP port that any process of the machine could use. Here it is a socket in a folder that
  nobody else may enter, and its name is removed at once; where there are no such sockets it is on loopback, behind a
  key that nobody has.
- What a callback raises is swallowed. Here it ends the generation and is raised.
- An error comes as an exception or as a chunk with the member `error`; both are raised.
- The callback is not called while a prompt is read, unless progress is asked for; without it nothing can be stopped
  there.
- A child that was forked off would wait for ever for the threads of its parent; see `_fork`.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import shutil
import socket
import tempfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from chatport.backend import ConfigurationError
from chatport_local._fork import remember
from chatport_local._models import ENGINE_PACKAGE, ModelFiles, check_weights
from chatport_local._slots import Slots

if TYPE_CHECKING:
    from types import ModuleType

    from chatport_local._options import LocalOptions

_RAISED: Final = (RuntimeError, TypeError, ValueError)
REFUSALS: Final = frozenset({"invalid_request_error", "not_supported_error", *(kind.__name__ for kind in _RAISED)})
"""The kinds of errors that are the request's: what comes as an exception is refused before anything runs."""
_SOCKET_NAME: Final = "engine.sock"
_LONGEST_ADDRESS: Final = 100
"""How many bytes the address of a socket may have: 108 and 104 are what systems have room for."""
_SHORT_PLACE: Final = "/tmp"  # noqa: S108 - a folder of its own is made in it
_REMEMBERED: Final = 512
"""Of how many grammars it is remembered whether they are kept: who makes them up as they go has ever new ones."""
_UNLIKELY: Final = "Q"
_FAVOUR: Final = 100

Chunk: TypeAlias = Mapping[str, Any]
"""A piece of an answer, as OpenAI's Chat Completions streams it; before the first one, progress of reading."""

OnChunk: TypeAlias = Callable[[Chunk], bool]
"""What gets the pieces, in the thread that asks; True ends the generation."""


class EngineError(Exception):
    """The engine refuses a request, or fails at it.

    Attributes:
        kind: The engine's word for it, or the name of the exception that it raised.
        details: The members of the engine's error, if it was one.
    """

    def __init__(self, message: str, kind: str, details: Mapping[str, Any] | None = None) -> None:
        """Keep what the engine says."""
        super().__init__(message)
        self.kind = kind
        self.details = details or {}


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """What an engine is made from; two that are equal share one."""

    files: ModelFiles
    context_size: int
    slots: int
    threads: int
    batch_size: int
    gpu_layers: int

    @classmethod
    def of(cls, files: ModelFiles, options: LocalOptions) -> EngineSettings:
        """Return the settings of a model under some options."""
        threads = options.threads or max(1, available_cores() - 1)
        return cls(files, options.context_size, options.slots, threads, options.batch_size, options.gpu_layers)


def available_cores() -> int:
    """Return how many cores this process may use."""
    # Where it is there, it knows of limits that a container has set.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def import_xllamacpp() -> ModuleType:
    """Return the package.

    Raises:
        ConfigurationError: It is not installed, or cannot be loaded on this machine.
    """
    try:
        import xllamacpp  # noqa: PLC0415 - a hundred megabytes of machine code, so only when a model is asked
    except ImportError as error:
        message = (
            f"the engine {ENGINE_PACKAGE} cannot be loaded ({error}): install chatport-local with its dependencies"
        )
        raise ConfigurationError(message) from error
    return xllamacpp  # type: ignore[no-any-return]  # it has no types


class Engine:
    """A model that is loaded. It may be asked from as many threads at a time as it has slots.

    Attributes:
        settings: What it was made from.
        slots: Who has to wait.
    """

    def __init__(self, settings: EngineSettings) -> None:
        """Load the model, which takes from half a second to minutes.

        Raises:
            ConfigurationError: It is no model, or not the right one, or the engine cannot load it.
        """
        self.settings = settings
        self.slots = Slots(settings.slots)
        self._held: dict[bytes, bool] = {}
        self._held_lock = threading.Lock()
        self._package = import_xllamacpp()
        check_weights(settings.files)
        folder = _socket_folder()
        try:
            self._server = self._package.Server(self._parameters(folder / _SOCKET_NAME))
        except Exception as error:
            message = (
                f"the engine cannot load {str(settings.files.path)!r} ({error}): the file may be damaged, cut short or "
                "of a kind that it does not know, or the memory too small for it"
            )
            raise ConfigurationError(message) from error
        finally:
            shutil.rmtree(folder)  # the socket lives on, and nobody can find it
        remember(self, self._server)

    def complete(self, body: Mapping[str, Any], on_chunk: OnChunk) -> None:
        """Ask, and pass on the pieces of the answer until it ends or `on_chunk` ends it. It blocks.

        Args:
            body: A request as OpenAI's Chat Completions has it, with llama.cpp's own members.
            on_chunk: What gets the pieces.

        Raises:
            EngineError: The engine refuses it, or fails.
        """
        failure: list[BaseException] = []

        def pass_on(chunk: Any) -> bool:
            if "error" in chunk:
                failure.append(_engine_error(chunk["error"]))
                return True
            try:
                return on_chunk(chunk)
            except BaseException as error:  # noqa: BLE001 - it is raised below: the engine would swallow it
                failure.append(error)
                return True

        asked = {**body, "stream": True, "return_progress": True, "stream_options": {"include_usage": True}}
        try:
            self._server.handle_chat_completions(asked, pass_on)
        except _RAISED as error:
            kind = next(kind for kind in _RAISED if isinstance(error, kind))
            raise EngineError(str(error), kind.__name__) from error
        if failure:
            raise failure[0]

    def holds_grammar(self, grammar: str) -> bool:
        """Return whether the engine keeps to a grammar; one that it cannot compile it leaves aside in silence.

        It is asked for one token, with a word favoured that no JSON begins with: only a grammar keeps that word away.
        It blocks, for the time that one token takes; what is known of a grammar is not asked for again.

        Raises:
            EngineError: The engine fails.
        """

        def ask() -> bool:
            written = self._first_words({"grammar": grammar, "logit_bias": [[_UNLIKELY, _FAVOUR]]})
            return written is not None and _UNLIKELY not in written

        return self._remembered(grammar, ask)

    def accepts_schema(self, schema: Mapping[str, Any]) -> bool:
        """Return whether the engine can hold an answer to a schema loosely, with its `response_format`.

        As `holds_grammar`, it blocks for the time of one token.

        Raises:
            EngineError: The engine fails.
        """
        return self._remembered(json.dumps(schema), lambda: self._first_words(loose_format(schema)) is not None)

    def _remembered(self, question: str, ask: Callable[[], bool]) -> bool:
        key = hashlib.sha256(question.encode(errors="surrogatepass")).digest()
        with self._held_lock:
            known = self._held.get(key)
        if known is None:
            known = ask()
            with self._held_lock:
                self._held[key] = known
                while len(self._held) > _REMEMBERED:
                    del self._held[next(iter(self._held))]
        return known

    def _first_words(self, members: Mapping[str, Any]) -> str | None:
        """Return what the engine writes first when it is asked nothing; None where it refuses these members."""
        written: list[str] = []

        def keep(chunk: Chunk) -> bool:
            for choice in chunk.get("choices") or ():
                # Templates that let a model think first have it begin with thoughts.
                written.extend(choice["delta"].get(name) or "" for name in ("content", "reasoning_content"))
            return False

        messages = [{"role": "user", "content": "?"}]
        try:
            self.complete({"messages": messages, "max_tokens": 1, "temperature": 0, **members}, keep)
        except EngineError as error:
            if error.kind not in REFUSALS:
                raise
            return None
        return "".join(written)

    def _parameters(self, address: Path) -> Any:
        """Return what the server is made from."""
        settings = self.settings
        parameters = self._package.CommonParams()
        parameters.model.path = str(settings.files.path)
        if settings.files.mmproj is not None:
            parameters.mmproj.path = str(settings.files.mmproj)
        parameters.n_parallel = settings.slots
        parameters.n_ctx = settings.context_size * settings.slots  # it is divided among the slots
        parameters.n_batch = parameters.n_ubatch = settings.batch_size
        parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = settings.threads
        parameters.n_gpu_layers = settings.gpu_layers
        parameters.fit_params = False  # what was asked for, or an error
        parameters.warmup = False
        parameters.cache_ram_mib = 0  # what slots hold is enough; by default it takes up to 8 GiB
        parameters.verbosity = -1  # it would write to standard error
        parameters.n_threads_http = 1
        parameters.api_keys = [secrets.token_urlsafe(32)]
        parameters.endpoint_slots = parameters.endpoint_props = parameters.endpoint_metrics = False
        parameters.ui = False
        parameters.offline = True
        # The engine takes what ends with .sock for a socket of the file system.
        parameters.hostnames = [str(address)] if hasattr(socket, "AF_UNIX") else ["127.0.0.1"]
        return parameters


def _socket_folder() -> Path:
    """Return a new folder for a socket, which nobody else may enter.

    Raises:
        ConfigurationError: There is no place for one.
    """
    problems: list[str] = []
    for place in (None, _SHORT_PLACE):
        try:
            folder = Path(tempfile.mkdtemp(prefix="chatport-local-", dir=place))
        except OSError as error:
            problems.append(str(error))
            continue
        if not hasattr(socket, "AF_UNIX") or len(os.fsencode(folder / _SOCKET_NAME)) <= _LONGEST_ADDRESS:
            return folder
        folder.rmdir()
        problems.append(f"{str(folder.parent)!r} is too long for the address of a socket")
    raise ConfigurationError(f"the engine needs a folder for its socket: {'; '.join(problems)}")


def loose_format(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the member of a request that holds an answer to a schema by llama.cpp's own grammar."""
    return {"response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}}


def _engine_error(error: Any) -> EngineError:
    details = error if isinstance(error, dict) else {"message": str(error)}
    return EngineError(str(details.get("message", "no reason given")), str(details.get("type", "error")), details)


class Engines:
    """The engines of a process, each loaded once.

    They stay until the process ends or `unload` is called: loading takes longer than most answers. After a fork the
    child has none, as the threads of the parent's are not there.
    """

    def __init__(self, load: Callable[[EngineSettings], Engine] = Engine) -> None:
        """Begin with none.

        Args:
            load: What loads one; it blocks.
        """
        self._load = load
        self._loaded: dict[tuple[int, EngineSettings], Engine] = {}
        self._locks: dict[tuple[int, EngineSettings], threading.Lock] = {}
        self._lock = threading.Lock()

    def get(self, settings: EngineSettings) -> Engine:
        """Return the engine, loaded by whoever asks first; the others wait for it. It blocks.

        Raises:
            ConfigurationError: It cannot be loaded.
        """
        key = (os.getpid(), settings)
        with self._lock:
            loading = self._locks.setdefault(key, threading.Lock())
        with loading:
            found = self.find(settings)
            if found is None:
                found = self._loaded[key] = self._load(settings)
            return found

    def find(self, settings: EngineSettings) -> Engine | None:
        """Return the engine, if it is loaded."""
        return self._loaded.get((os.getpid(), settings))

    def unload(self) -> int:
        """Forget the engines that nobody uses, which frees their memory; return how many. It blocks."""
        idle = [
            key
            for key, engine in list(self._loaded.items())
            if key[0] == os.getpid() and not engine.slots.load().in_flight
        ]
        for key in idle:
            with contextlib.suppress(KeyError):
                del self._loaded[key]
        return len(idle)

    def loaded(self) -> tuple[Engine, ...]:
        """Return the engines that are loaded in this process."""
        return tuple(engine for (process, _), engine in list(self._loaded.items()) if process == os.getpid())


ENGINES: Final = Engines()
"""Those of this process."""
