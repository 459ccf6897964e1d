"""Several backends as one backend: what is left behind, and what else it may do."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any

import anyio
import pytest
from tests.fallbacks import BUSY, REQUEST, Busy, Watched, ask, two

import chatport
from chatport import FallbackBackend, Image, MessageStart, ModelInfo, TextDelta, UnsupportedError
from chatport.backend import Backend, BackendEvent, ChatRequest, CountsTokens, ListsModels, Load, ReportsLoad
from chatport.testing import ScriptedBackend

pytestmark = pytest.mark.anyio


# --- what is left behind ----------------------------------------------------------------------------------------------


def _endless() -> Watched:
    return Watched(MessageStart("m"), *[TextDelta(0, "word ")] * 1000)


async def test_leaving_early_closes_the_one_that_answers() -> None:
    """At once, not when the garbage is collected; the one that failed was closed before it was asked."""
    near, far = Watched(error=BUSY), _endless()
    async with ask(FallbackBackend([(near, None), (far, None)])).stream("Hi") as stream:
        async for event in stream:
            if isinstance(event, TextDelta):
                assert (near.log, far.log) == (["open model-1", "close"], ["open model-1"])
                break
    assert far.log == ["open model-1", "close"]


@pytest.mark.parametrize("cut", [0, 1, 2], ids=["at once", "after the start", "after a word"])
async def test_closing_the_bare_generator_closes_the_one_inside(cut: int) -> None:
    """Wherever it stands."""
    inner = _endless()
    backend = FallbackBackend([(inner, None)])
    async with aclosing(backend.stream(REQUEST)) as events:
        for _ in range(cut):
            await anext(events)
    assert inner.log == (["open model-1", "close"] if cut else [])


async def test_whoever_is_cancelled_while_a_target_is_silent_closes_it() -> None:
    """And asks nobody else."""
    asked, log = anyio.Event(), list[str]()

    class Silent(Watched):
        async def stream(self, request: ChatRequest) -> AsyncGenerator[BackendEvent, None]:
            try:
                asked.set()
                await anyio.sleep_forever()
                yield MessageStart(request.model)
            finally:
                log.append("close")

    far = ScriptedBackend("Hello.")
    backend = FallbackBackend([(Silent(), None), (far, None)], when=lambda _: True)
    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask(backend).ask, "Hi")
            await asked.wait()
            tasks.cancel_scope.cancel()
    assert (log, far.requests) == (["close"], [])


async def test_closing_closes_every_target_once() -> None:
    """Also when one of them cannot be closed: that is raised in the end."""

    class Stuck(Watched):
        async def aclose(self) -> None:
            await super().aclose()
            raise OSError("stuck")

    near, far = Stuck(), Watched()
    backend = FallbackBackend([(near, None), (near, "other"), (far, None)])
    with pytest.raises(OSError, match="stuck"):
        await backend.aclose()
    assert (near.log, far.log) == (["aclose"], ["aclose"])


async def test_a_registered_fallback_is_closed_with_its_targets() -> None:
    """Opened by name it is as any other backend."""
    backend, near, far = two([BUSY], ["Hello."])
    with chatport.register_backend("both", lambda: backend):
        async with chatport.open_session("both:model-1") as session:
            assert (await session.ask("Hi")).text == "Hello."
    assert near.closed
    assert far.closed


# --- the rest of a backend --------------------------------------------------------------------------------------------


class Able(ScriptedBackend):
    """A backend with everything that a backend may have."""

    async def count_tokens(self, request: ChatRequest) -> int:
        return len(request.model)

    async def models(self, **filters: str | None) -> tuple[ModelInfo, ...]:
        return (ModelInfo(id=str(filters["output"]), name="Model"),)


async def test_what_else_a_backend_may_do_the_first_does() -> None:
    """For the model that is asked there."""
    backend = FallbackBackend([(Able(), "model-22"), (ScriptedBackend(), None)])
    assert isinstance(backend, Backend)
    assert isinstance(backend, CountsTokens)
    assert isinstance(backend, ListsModels)
    assert (await ask(backend).preview("Hi")).request["model"] == "model-22"
    assert await backend.count_tokens(REQUEST) == len("model-22")
    assert [model.id for model in await backend.models(output="text")] == ["text"]


def test_a_load_is_that_of_all_targets() -> None:
    """Each backend counts once, and those that do not say it are left out; two limits are no limit of the whole."""
    busy, other, silent = Busy(), Busy(), ScriptedBackend()
    backend = FallbackBackend([(busy, None), (silent, None), (busy, "another-model")])
    assert isinstance(backend, ReportsLoad)
    assert backend.load() == Load(3, 1, 10)
    assert FallbackBackend([(busy, None), (other, None)]).load() == Load(6, 2, None)
    assert FallbackBackend([(backend, None), (other, None)]).load() == Load(6, 2, None)
    with pytest.raises(UnsupportedError, match="none of the targets of 'mine' says how busy it is"):
        FallbackBackend([(silent, None)], name="mine").load()


@pytest.mark.parametrize(
    ("action", "words"),
    [
        (lambda backend: backend.preview(REQUEST), "has no preview"),
        (lambda backend: backend.count_tokens(REQUEST), "counts no tokens"),
        (lambda backend: backend.models(), "lists no models"),
    ],
    ids=["preview", "count_tokens", "models"],
)
async def test_what_the_first_cannot_do_is_refused(action: Callable[[FallbackBackend], Any], words: str) -> None:
    """Another target's word would be about something else."""
    backend = FallbackBackend([(Watched(), None), (Able(), None)])
    with pytest.raises(UnsupportedError, match=f"the backend 'watched' {words}"):
        await action(backend)


async def test_urls_stay_only_where_every_target_takes_them() -> None:
    """What is asked has to suit whoever answers; each is asked for its own model."""

    class Takes(ScriptedBackend):
        def native_urls(self, medium: Any, model: str) -> bool:
            return model == "model-2"

    class TakesAll(ScriptedBackend):
        native_urls = True

    picture = Image.from_url("https://example.com/a.png")

    def taken(*targets: tuple[Backend, str | None]) -> bool:
        return FallbackBackend(targets).native_urls(picture, "model-1")

    assert taken((Takes(), "model-2"), (TakesAll(), None))
    assert not taken((Takes(), None), (TakesAll(), None))
    assert not taken((TakesAll(), None), (ScriptedBackend(), None))
    assert Takes().native_urls(picture, "model-2")


@pytest.mark.parametrize(
    "target",
    [ScriptedBackend(), (ScriptedBackend(),), (ScriptedBackend(), 1), ("echo", "any"), "ab"],
    ids=["a backend", "one", "no model", "a name", "a str"],
)
def test_what_is_no_target_is_refused(target: Any) -> None:
    """At once, and not when it is its turn."""
    with pytest.raises(TypeError, match=r"a target is a pair \(backend, model\)"):
        FallbackBackend([target])


def test_there_is_a_target() -> None:
    """Nobody to ask is a mistake, and who is to be asked can be seen."""
    with pytest.raises(ValueError, match="at least one target"):
        FallbackBackend([])
    assert repr(two([], [])[0]) == "<FallbackBackend near:*, far:model-2>"


@pytest.mark.parametrize("broken", ["coroutine", "order"])
async def test_a_broken_target_is_a_protocol_error(broken: str) -> None:
    """As it is without a wrapper."""

    class Broken(Watched):
        def stream(self, request: ChatRequest) -> Any:
            if broken == "order":
                return Watched(TextDelta(0, "early"), TextDelta(0, "too")).stream(request)
            return super().aclose()

    with pytest.raises(chatport.ProtocolError):
        await ask(FallbackBackend([(Broken(), None), (ScriptedBackend("Hello."), None)])).ask("Hi")
