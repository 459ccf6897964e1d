"""One call for all who want its result, whoever is cancelled meanwhile."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

from chatport.backend import AuthenticationError
from chatport_bedrock._single_flight import SingleFlight

pytestmark = pytest.mark.anyio

PATIENCE = 10


async def test_fifty_tasks_make_one_call() -> None:
    """All get what it gave; the next to ask makes another."""
    flight: SingleFlight[int] = SingleFlight("test")
    release = anyio.Event()
    calls = 0
    found: list[int] = []

    async def call() -> int:
        nonlocal calls
        calls += 1
        await release.wait()
        return calls

    async def ask() -> None:
        found.append(await flight.do(call))

    async with anyio.create_task_group() as group:
        for _ in range(50):
            group.start_soon(ask)
        await anyio.wait_all_tasks_blocked()
        assert flight.is_under_way
        release.set()
    assert (calls, found) == (1, [1] * 50)
    assert not flight.is_under_way
    assert await flight.do(call) == 2


async def test_an_error_is_for_all_who_waited() -> None:
    """Each gets one of its own, with the cause: nobody tries again what has just failed."""
    flight: SingleFlight[int] = SingleFlight("test")
    release = anyio.Event()
    cause = ValueError("why")
    calls = 0
    errors: list[AuthenticationError] = []

    async def call() -> int:
        nonlocal calls
        calls += 1
        await release.wait()
        raise AuthenticationError("no", backend="bedrock", code="c") from cause

    async def ask() -> None:
        try:
            await flight.do(call)
        except AuthenticationError as error:
            errors.append(error)

    async with anyio.create_task_group() as group:
        for _ in range(10):
            group.start_soon(ask)
        await anyio.wait_all_tasks_blocked()
        release.set()
    assert calls == 1
    assert len({id(error) for error in errors}) == 10
    assert {(error.message, error.backend, error.code) for error in errors} == {("no", "bedrock", "c")}
    assert all(error.__cause__ is cause for error in errors)


async def test_a_cancelled_first_fails_nobody() -> None:
    """The call ends with the one who made it; the next in line makes it again, and the others get that."""
    flight: SingleFlight[int] = SingleFlight("test")
    release = anyio.Event()
    calls = 0
    ended: list[str] = []
    found: list[int] = []

    async def call() -> int:
        nonlocal calls
        calls += 1
        number = calls
        try:
            await release.wait()
        finally:
            ended.append(f"{number}")
        return number

    async def ask() -> None:
        found.append(await flight.do(call))

    async with anyio.create_task_group() as others:
        async with anyio.create_task_group() as first:
            first.start_soon(ask)
            await anyio.wait_all_tasks_blocked()
            for _ in range(5):
                others.start_soon(ask)
            await anyio.wait_all_tasks_blocked()
            first.cancel_scope.cancel()
        assert ended == ["1"]
        await anyio.wait_all_tasks_blocked()
        assert calls == 2
        release.set()
    assert found == [2] * 5


async def test_a_cancelled_waiter_leaves_the_call_alone() -> None:
    """It goes at once, and the others get their result."""
    flight: SingleFlight[int] = SingleFlight("test")
    release = anyio.Event()
    found: list[int] = []

    async def call() -> int:
        await release.wait()
        return 1

    async def ask() -> None:
        found.append(await flight.do(call))

    async with anyio.create_task_group() as group:
        group.start_soon(ask)
        await anyio.wait_all_tasks_blocked()
        with anyio.move_on_after(0.01) as scope:
            await flight.do(call)
        assert scope.cancelled_caught
        assert found == []
        release.set()
    assert found == [1]


async def test_what_is_no_error_of_ours_reaches_the_one_who_made_the_call() -> None:
    """A mistake in the program is not handed round, and the others are not left waiting."""
    flight: SingleFlight[int] = SingleFlight("test")
    release = anyio.Event()
    outcomes: list[object] = []
    calls = 0

    async def call() -> int:
        nonlocal calls
        calls += 1
        if calls == 1:
            await release.wait()
            raise ZeroDivisionError
        await anyio.wait_all_tasks_blocked()
        return calls

    async def ask() -> None:
        try:
            outcomes.append(await flight.do(call))
        except ZeroDivisionError as error:
            outcomes.append(type(error))

    async with anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(ask)
        await anyio.wait_all_tasks_blocked()
        release.set()
    assert outcomes.count(ZeroDivisionError) == 1
    assert outcomes.count(2) == 2


@pytest.mark.parametrize("loops", [("asyncio", "trio"), ("trio", "asyncio"), ("trio", "trio")])
def test_two_loops_make_one_call(loops: tuple[str, str]) -> None:
    """The second loop waits for the first one's call, and goes on running meanwhile."""
    flight: SingleFlight[str] = SingleFlight("test")
    begun, ticking, release = threading.Event(), threading.Event(), threading.Event()
    calls: list[str] = []

    async def call(loop: str) -> str:
        calls.append(loop)
        begun.set()
        await anyio.to_thread.run_sync(release.wait, PATIENCE)
        return loop

    async def lead() -> str:
        return await flight.do(lambda: call("first"))

    async def follow() -> list[str]:
        found: list[str] = []

        async def ask() -> None:
            found.append(await flight.do(lambda: call("second")))

        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(ask)
            for _ in range(100):
                await anyio.lowlevel.checkpoint()
            ticking.set()
        return found

    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(lambda: anyio.run(lead, backend=loops[0]))
        assert begun.wait(PATIENCE)
        second = threads.submit(lambda: anyio.run(follow, backend=loops[1]))
        assert ticking.wait(PATIENCE)
        release.set()
        assert first.result(PATIENCE) == "first"
        assert second.result(PATIENCE) == ["first"] * 3
    assert calls == ["first"]


@pytest.mark.parametrize("loops", [("asyncio", "trio"), ("trio", "asyncio")])
def test_a_loop_that_ends_leaves_the_call_to_the_other(loops: tuple[str, str]) -> None:
    """Its tasks are cancelled with it; who waits on the other loop makes the call, and nobody waits for ever."""
    flight: SingleFlight[str] = SingleFlight("test")
    begun, waiting = threading.Event(), threading.Event()

    async def hang() -> str:
        begun.set()
        await anyio.sleep_forever()
        raise AssertionError

    async def lead() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(flight.do, hang)
            await anyio.to_thread.run_sync(waiting.wait, PATIENCE)
            group.cancel_scope.cancel()

    async def give() -> str:
        return "given"

    async def follow() -> str:
        found: list[str] = []

        async def ask() -> None:
            found.append(await flight.do(give))

        with anyio.fail_after(PATIENCE):
            async with anyio.create_task_group() as group:
                group.start_soon(ask)
                for _ in range(100):
                    await anyio.lowlevel.checkpoint()
                waiting.set()
        return found[0]

    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(lambda: anyio.run(lead, backend=loops[0]))
        assert begun.wait(PATIENCE)
        assert threads.submit(lambda: anyio.run(follow, backend=loops[1])).result(PATIENCE) == "given"
        first.result(PATIENCE)
