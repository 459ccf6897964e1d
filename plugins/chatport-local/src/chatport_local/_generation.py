"""What is asked of an engine for one request: whether it keeps to a grammar, a speculative call, the answer."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from chatport.backend import Adjustment, BackendError, ProtocolError, UnsupportedError, Usage
from chatport_local._decode import ChunkDecoder
from chatport_local._engine import REFUSALS, EngineError, loose_format
from chatport_local._errors import error_of
from chatport_local._grammar import parse_call
from chatport_local._grounding import is_grounded
from chatport_local._models import BACKEND
from chatport_local._run import Run, call_in_thread

if TYPE_CHECKING:
    from chatport.backend import Tool
    from chatport_local._engine import Chunk, Engine
    from chatport_local._grammar import Form
    from chatport_local._patience import Patience
    from chatport_local._translate import Speculation, Translation

_LOOSE: Final = (
    "the engine's strict grammar cannot hold this schema, so that a looser one does: limits of numbers and some "
    "patterns may not be kept, and an answer that does not fit is an error"
)


@dataclass(frozen=True, slots=True)
class Held:
    """A body that holds the answer to a form.

    Attributes:
        body: The body.
        adjustments: What it does not hold.
        is_loose: Whether blanks may stand between what the answer consists of.
    """

    body: Mapping[str, Any] = field(hash=False)
    adjustments: tuple[Adjustment, ...] = ()
    is_loose: bool = False


class Reader:
    """A run of the engine, with limits of time, whose errors are chatport's."""

    def __init__(self, run: Run, model: str, patience: Patience) -> None:
        """Read a run."""
        self._run = run
        self._model = model
        self._patience = patience
        self._has_begun = False

    def expect_more(self) -> None:
        """Begin to wait for the next words: a reader has taken those that came."""
        self._has_begun = True
        self._patience.enter("idle")

    async def read(self) -> Chunk | None:
        """Return the next piece of the answer, or None at its end.

        Raises:
            BackendError: The engine refuses the request or fails, or takes too long.
        """
        try:
            return await self._patience.wait(self._run.read)
        except EngineError as error:
            raise backend_error(error, self._model, has_begun=self._has_begun) from error


class Generation:
    """The work of an engine for one request, in a slot that the caller has taken.

    Attributes:
        engine: The engine.
    """

    def __init__(self, engine: Engine, translation: Translation, patience: Patience) -> None:
        """Begin; nothing is asked yet."""
        self.engine = engine
        self._model = translation.model
        self._patience = patience

    @asynccontextmanager
    async def run(self, body: Mapping[str, Any]) -> AsyncGenerator[Reader]:
        """Ask the engine, and end the generation however the block is left."""
        run = Run(self.engine, body)
        try:
            yield Reader(run, self._model, self._patience)
        finally:
            await run.aclose()

    async def hold(self, body: Mapping[str, Any], form: Form) -> Held:
        """Return a body that holds the answer to a form.

        Raises:
            UnsupportedError: The engine cannot hold an answer to it.
            BackendError: The engine fails.
        """
        if await self._in_worker(lambda: self.engine.holds_grammar(form.grammar)):
            return Held({**body, "grammar": form.grammar})
        loose = form.loose_schema
        if loose is None or not await self._in_worker(lambda: self.engine.accepts_schema(loose)):
            raise UnsupportedError(f"{form.path}: the engine cannot hold an answer to this schema")
        told = Adjustment("changed", "schema-loosely-held", form.path, _LOOSE)
        return Held({**body, **loose_format(loose)}, (told,), is_loose=True)

    async def speculate(
        self, speculation: Speculation, tools: Sequence[Tool]
    ) -> tuple[tuple[str, dict[str, Any]] | None, Usage]:
        """Let the model write a call; return it if it rests on what the user said, and what it cost.

        Raises:
            UnsupportedError: The engine has no grammar for these tools.
            BackendError: The engine refuses the request or fails, or takes too long.
        """
        by_name = {tool.name: tool for tool in tools}
        spent: list[Usage] = []
        for form in speculation.forms:
            held = await self.hold(speculation.body, form)
            decoder = ChunkDecoder(self._model)
            async with self.run(held.body) as run:
                while (chunk := await run.read()) is not None:
                    for _ in decoder.feed(chunk):
                        pass  # its text is all that is wanted
            spent.append(decoder.usage)
            call = parse_call(decoder.text)  # None where it was cut short
            is_fit = call is not None and form.find_misfit(decoder.text) is None  # a loose grammar holds less
            if call is not None and is_fit and is_grounded(by_name[call[0]], call[1], speculation.said):
                return call, Usage.sum(spent)
        return None, Usage.sum(spent)

    async def count_tokens(self, body: Mapping[str, Any]) -> int:
        """Return how many tokens a prompt has: the engine says so before it reads it.

        Raises:
            BackendError: The engine refuses the request or fails, or takes too long.
        """
        async with self.run(body) as run:
            try:
                while (chunk := await run.read()) is not None:
                    if "prompt_progress" in chunk:
                        return int(chunk["prompt_progress"]["total"])
            except BackendError as error:
                cause = error.__cause__
                if isinstance(cause, EngineError) and "n_prompt_tokens" in cause.details:
                    return int(cause.details["n_prompt_tokens"])  # too many for the context, but it has counted them
                raise
        message = "the engine has not said how long the prompt is"
        raise ProtocolError(message, backend=BACKEND, model=self._model, phase="request")

    async def _in_worker(self, question: Callable[[], bool]) -> bool:
        """Ask the engine something in a thread, for the time of one token."""
        try:
            return await self._patience.wait(lambda: call_in_thread(question, may_be_left=False))
        except EngineError as error:
            raise backend_error(error, self._model, has_begun=False) from error


def backend_error(error: EngineError, model: str, *, has_begun: bool) -> BackendError:
    """Return what went wrong in chatport's words."""
    phase: Final = "stream" if has_begun else "request"
    return error_of(str(error), error.kind, error.details, model=model, phase=phase, is_refusal=error.kind in REFUSALS)
