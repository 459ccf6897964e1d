"""The local backend: translate → engine → decode."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Any

import anyio.to_thread

from chatport.backend import (
    ChatRequest,
    EventStream,
    Load,
    ModelInfo,
    Preview,
    refuse_losses,
)
from chatport_local._decode import ChunkDecoder, whole_call
from chatport_local._description import describe
from chatport_local._engine import ENGINES, Engine, EngineSettings
from chatport_local._generation import Generation, Held
from chatport_local._models import ALIASES, BACKEND, SMOLLM2, ModelFiles, find_model, find_weights
from chatport_local._options import check_options
from chatport_local._patience import Patience
from chatport_local._run import call_in_thread
from chatport_local._translate import Translation, translate

if TYPE_CHECKING:
    from chatport.backend import BackendEvent, Usage


class LocalBackend:
    """A model in the process.

    Attributes:
        name: `"local"`.
    """

    name = BACKEND

    def __init__(self, **options: Any) -> None:
        """Make a backend; nothing is loaded or looked for before the first request.

        Args:
            **options: See `LocalOptions`.

        Raises:
            ConfigurationError: An option is unknown or out of range.
        """
        self._options = check_options(options)
        self._engines = ENGINES

    def stream(self, request: ChatRequest) -> AsyncGenerator[BackendEvent, None]:
        """Answer one request. Use it in `contextlib.aclosing`, which ends the generation.

        Raises:
            UnsupportedError: The model cannot be told the request, or not without loss and the request is strict.
            ModelNotFoundError: There is no such file, or the weights are not installed.
            ConfigurationError: The engine is not installed, or cannot load the file.
            ContextWindowError: The conversation is longer than the context.
            BackendError: The engine refuses the request, or fails.
        """
        ready: deque[BackendEvent] = deque()
        return EventStream(self._events(request), ready, backend=self.name)

    async def _events(self, request: ChatRequest) -> AsyncGenerator[BackendEvent, None]:
        translation = await self._translate(request)
        patience = Patience(self._options.timeouts.merged(request.timeouts), request.model)
        generation = Generation(await self._ready_engine(request.model, patience), translation, patience)
        try:
            spent: Usage | None = None
            if translation.speculation is not None:
                call, spent = await generation.speculate(translation.speculation, request.tools)
                if call is not None:
                    for event in whole_call(translation, call, spent):
                        yield event
                    return
            form = translation.form
            held = Held(translation.body) if form is None else await generation.hold(translation.body, form)
            if request.strict:
                refuse_losses(held.adjustments)
            decoder = ChunkDecoder(
                request.model,
                adjustments=translation.adjustments + held.adjustments,
                form=form,
                is_loose=held.is_loose,
                context_size=generation.engine.settings.context_size,
                spent=spent,
                has_stops="stop" in held.body,
            )
            async with generation.run(held.body) as run:
                while (chunk := await run.read()) is not None:
                    for event in decoder.feed(chunk):
                        yield event
                        run.expect_more()
                for event in decoder.finish():
                    yield event
        finally:
            generation.engine.slots.release()

    async def preview(self, request: ChatRequest) -> Preview:
        """Return what the engine would be asked, with the grammar that it would be held to first.

        Raises:
            UnsupportedError: As for `stream`.
            ModelNotFoundError: There is no such file.
        """
        translation = await self._translate(request)
        held = {} if translation.form is None else {"grammar": translation.form.grammar}
        reported = tuple(item for item in translation.adjustments if item.kind != "lossless")
        return Preview({**translation.body, **held}, reported)

    async def models(
        self,
        *,
        output: str | None = None,
        input: str | None = None,  # noqa: A002 - the name of `ModelInfo`'s member
        status: str | None = None,
        provider: str | None = None,
    ) -> tuple[ModelInfo, ...]:
        """Return the model that needs no path, where its weights are there.

        Args:
            output: `"text"`.
            input: `"text"`.
            status: `"active"`.
            provider: `"Hugging Face"`.
        """
        if await anyio.to_thread.run_sync(find_weights) is None:
            return ()
        known = ModelInfo(
            id=SMOLLM2,
            name="SmolLM2 135M Instruct",
            provider="Hugging Face",
            input=("text",),
            output=("text",),
            streaming=True,
            status="active",
        )
        wanted = {"output": output, "input": input, "status": status, "provider": provider}
        return (known,) if known.matches(**wanted) else ()

    async def count_tokens(self, request: ChatRequest) -> int:
        """Return how many input tokens a request has, by the model's own tokenizer. Nothing is generated.

        A speculative call, which comes before an answer where the model may call a tool, is not counted.

        Raises:
            UnsupportedError: As for `stream`.
            ConfigurationError: As for `stream`.
            BackendError: As for `stream`.
        """
        translation = await self._translate(request)
        patience = Patience(self._options.timeouts.merged(request.timeouts), request.model)
        generation = Generation(await self._ready_engine(request.model, patience), translation, patience)
        try:
            return await generation.count_tokens(translation.body)
        finally:
            generation.engine.slots.release()

    async def describe(self) -> dict[str, str]:
        """Return engine, weights, threads and what is loaded, in words."""
        return await anyio.to_thread.run_sync(describe, self._options, self._engines)

    def load(self) -> Load:
        """Return how many requests are answered and how many wait, over the engines of this process."""
        loads = [engine.slots.load() for engine in self._engines.loaded()]
        return Load(
            sum(load.in_flight for load in loads),
            sum(load.waiting for load in loads),
            self._options.slots,
        )

    async def aclose(self) -> None:
        """Do nothing: engines stay loaded for the next backend, as loading takes longer than most answers."""

    async def _translate(self, request: ChatRequest) -> Translation:
        # What the request says wrong comes before weights that are not there.
        is_ours = request.model.casefold() in ALIASES and not self._options.mmproj
        sees_images = not is_ours and (await self._files(request.model)).mmproj is not None
        return translate(request, sees_images=sees_images, bounded_schemas=self._options.bounded_schemas)

    async def _ready_engine(self, model: str, patience: Patience) -> Engine:
        """Return the engine of a model, loaded, with one of its slots taken: give it back."""
        engine = await patience.wait(lambda: self._engine(model))
        patience.enter("acquire")
        await patience.wait(engine.slots.acquire)
        patience.enter("first_event")
        return engine

    async def _engine(self, model: str) -> Engine:
        """Return the engine of a model, loaded. Who gives up waiting leaves the loading to the next one."""
        settings = EngineSettings.of(await self._files(model), self._options)
        found = self._engines.find(settings)
        if found is None:
            found = await call_in_thread(lambda: self._engines.get(settings), may_be_left=True)
        return found

    async def _files(self, model: str) -> ModelFiles:
        """Return the files of a model; disks may be slow."""
        return await anyio.to_thread.run_sync(find_model, model, self._options.mmproj, abandon_on_cancel=True)
