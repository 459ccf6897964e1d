"""Threads, signals and slots: who waits for whom, over any number of loops."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest
from hypothesis import given
from hypothesis import strategies as st
from local_support.fake_engine import FakeSetUp, words

from chatport.backend import ChatRequest, Message, Tool
from chatport_local._grounding import is_grounded, told_numbers
from chatport_local._run import Run
from chatport_local._schemas import bounded, find_misfit, find_mistake, moved
from chatport_local._slots import Signal, Slots

if TYPE_CHECKING:
    from chatport_local._engine import Chunk, EngineError


@pytest.mark.anyio
async def test_slots_go_to_who_has_waited_longest() -> None:
    """One who gives up is left out; a slot that comes at the same moment is passed on."""
    slots = Slots(1)
    await slots.acquire()
    order: list[int] = []

    async def take(number: int) -> None:
        await slots.acquire()
        order.append(number)

    async with anyio.create_task_group() as group:
        for number in range(3):
            group.start_soon(take, number)
            await anyio.wait_all_tasks_blocked()
        with anyio.move_on_after(0.01):
            await slots.acquire()
        assert slots.load().waiting == 3
        for _ in range(3):
            slots.release()
            await anyio.wait_all_tasks_blocked()
    assert order == [0, 1, 2]
    slots.release()
    assert (slots.load().in_flight, slots.load().waiting) == (0, 0)


@pytest.mark.anyio
async def test_a_slot_that_nobody_wants_any_more_is_passed_on() -> None:
    """Given and given up at once: it is not lost."""
    slots = Slots(1)
    await slots.acquire()
    async with anyio.create_task_group() as group:
        group.start_soon(slots.acquire)
        await anyio.wait_all_tasks_blocked()
        slots.release()
        group.cancel_scope.cancel()
    with anyio.fail_after(5):
        if slots.load().in_flight:  # it had come before the cancellation did
            slots.release()
        await slots.acquire()


def test_one_that_waits_is_collected_while_the_lock_is_held() -> None:
    """As garbage is collected anywhere: its place in the queue is free, and nobody waits for the lock for ever."""
    import asyncio

    slots = Slots(1)
    waited: list[int] = []

    async def main() -> None:
        await slots.acquire()
        waiting = slots.acquire()
        waiting.send(None)
        with slots._lock:
            waiting.close()
        waited.append(slots.load().waiting)

    # In a thread of its own, which a test may leave: it would wait for itself.
    thread = threading.Thread(target=lambda: asyncio.run(main()), daemon=True)
    thread.start()
    thread.join(10)
    assert waited == [0]


@pytest.mark.anyio
async def test_a_signal_comes_from_any_thread() -> None:
    """Those that nobody waits for are kept as one; given behind the end it does nothing."""
    signal = Signal()

    def give_often() -> None:
        for _ in range(100_000):
            signal.give()

    giving = threading.Thread(target=give_often)
    giving.start()
    with anyio.fail_after(10):
        await signal.wait()
    await anyio.to_thread.run_sync(giving.join)
    signal.close()
    signal.give()


@pytest.mark.anyio
async def test_a_run_that_nobody_closes_ends(tmp_path: Path) -> None:
    """Its reader is collected, and the engine is told to stop."""
    fake = FakeSetUp(tmp_path)

    def silent(_: Mapping[str, Any]) -> Iterator[Chunk | EngineError]:
        yield from fake.engine.silence()

    fake.say(silent)
    run = Run(fake.engine, {"messages": [{}]})  # type: ignore[arg-type]  # behind the same interface
    await run.read()
    del run
    gc.collect()
    await anyio.to_thread.run_sync(fake.engine.wait_for, lambda: bool(fake.engine.left_at))
    assert len(fake.engine.left_at) == 1


@pytest.mark.anyio
async def test_what_the_engine_raises_comes_behind_the_pieces(tmp_path: Path) -> None:
    """Whatever it is."""
    fake = FakeSetUp(tmp_path)

    def breaks(_: Mapping[str, Any]) -> Iterator[Chunk | EngineError]:
        yield {"a": 1}
        raise MemoryError("of this test")

    fake.say(breaks)
    run = Run(fake.engine, {"messages": [{}]})  # type: ignore[arg-type]  # behind the same interface
    assert await run.read() == {"a": 1}
    with pytest.raises(MemoryError, match="of this test"):
        await run.read()
    await run.aclose()


def test_asyncio_cancels_twice(tmp_path: Path) -> None:
    """Its own cancellation, which no shield holds off, waits for the thread as well, and is raised then."""
    import asyncio

    fake = FakeSetUp(tmp_path)

    def silent(_: Mapping[str, Any]) -> Iterator[Chunk | EngineError]:
        yield from fake.engine.silence()

    async def main() -> None:
        fake.say(silent)
        events = fake.backend.stream(ChatRequest(fake.model, (Message.user("Hi"),)))
        reading = asyncio.ensure_future(anext(events))
        await anyio.to_thread.run_sync(fake.engine.wait_for, lambda: fake.engine.held > 0)
        reading.cancel()
        await anyio.lowlevel.checkpoint()
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        assert not [thread for thread in threading.enumerate() if thread.name == "chatport-local"]

    asyncio.run(main())


def test_engines_are_loaded_once_for_all_threads(tmp_path: Path) -> None:
    """The first loads, the others wait for it; one that answers is not unloaded."""
    fake = FakeSetUp(tmp_path)
    fake.say(words("Hi."))
    threads = [threading.Thread(target=fake.engines.get, args=(fake.settings,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(fake.loaded) == 1
    anyio.run(fake.engine.slots.acquire)
    assert fake.engines.unload() == 0
    fake.engine.slots.release()
    assert fake.engines.unload() == 1


# --- schemas and grounds ---------------------------------------------------------------------------------------------

_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text("ab", max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
    max_leaves=5,
)
_SCHEMAS = st.recursive(
    st.sampled_from([{"type": "string"}, {"type": "integer", "maximum": -7}, {"type": "integer"}, {"enum": [1]}, {}]),
    lambda inner: (
        st.builds(lambda items: {"type": "array", "items": items}, inner)
        | st.builds(lambda a: {"type": "object", "properties": {"a": a}, "required": ["a"]}, inner)
        | st.builds(lambda a, b: {"anyOf": [a, b]}, inner, inner)
    ),
    max_leaves=4,
)


@given(_SCHEMAS, _VALUES)
def test_what_fits_a_bounded_schema_fits_the_open_one(schema: dict[str, Any], value: Any) -> None:
    """Bounds only take away, and a bounded schema is one."""
    import json

    held = bounded(schema, least_length=1)
    assert find_mistake(held) is None
    if find_misfit(json.dumps(value), held) is None:
        assert find_misfit(json.dumps(value), schema) is None


def test_references_lead_where_they_did() -> None:
    """A schema that is put into another keeps its own definitions."""
    schema = {"$ref": "#/$defs/a", "$defs": {"a": {"type": "object", "properties": {"b": {"$ref": "#/$defs/a"}}}}}
    assert moved(schema, "/properties/arguments") == {
        "$ref": "#/properties/arguments/$defs/a",
        "$defs": {"a": {"type": "object", "properties": {"b": {"$ref": "#/properties/arguments/$defs/a"}}}},
    }
    assert moved({"properties": {"$ref": {"type": "string"}}, "items": True}, "/x")["items"] is True


_SEND = Tool(
    "send_mail",
    "Send it.",
    {
        "type": "object",
        "properties": {
            "to": {"type": "string"},
            "tags": {"type": "array", "items": {"type": "string"}},
            "urgent": {"type": "boolean"},
            "count": {"type": "number"},
        },
    },
)


@pytest.mark.parametrize(
    ("arguments", "said", "expected"),
    [
        ({"to": "Bob Smith"}, "Write to bob smith, please", True),
        ({"to": "bob"}, "Write to Bobby", False),
        ({"to": ""}, "Write", False),
        ({"to": "bob", "urgent": True, "tags": ["lunch"]}, "bob: lunch!", True),
        ({"to": "bob", "tags": ["dinner"]}, "bob: lunch!", False),
        ({"count": 2}, "12 of them", False),
        ({"count": 2.5}, "2.5 of them", True),
        ({}, "Send it now", True),
        ({"urgent": True}, "What is new?", False),
    ],
)
def test_what_a_call_rests_on(arguments: dict[str, Any], said: str, *, expected: bool) -> None:
    """Texts and numbers have to have been said; without any, the tool has to have been named."""
    assert is_grounded(_SEND, arguments, said) is expected


def test_numbers_to_choose_from() -> None:
    """Only where there are some, for a tool that was named and takes some."""
    assert told_numbers((_SEND,), "Send some mail") == ()
    assert told_numbers((_SEND,), "What is 7?") == ()
    (narrowed,) = told_numbers((_SEND,), "Send 7 or 2.5, not a1 or 1.2.3")
    assert narrowed.schema["properties"]["count"] == {"enum": [7, 2.5]}
