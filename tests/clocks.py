"""A clock that tests move on."""

from dataclasses import dataclass, field
from typing import Any

import anyio

SESSIONS = 100


@dataclass
class Clock:
    """A clock that stands until it is moved, and a sleep that ends when it has been moved far enough."""

    now: float = 1000.0
    sleepers: list[tuple[float, anyio.Event]] = field(default_factory=list)

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        woken = anyio.Event()
        self.sleepers.append((self.now + seconds, woken))
        await woken.wait()

    async def run(self, tasks: int, done: list[Any]) -> None:
        """Move on from one sleeper to the next, whenever all tasks that are not done sleep."""
        with anyio.fail_after(20):
            while len(done) < tasks:
                if len(self.sleepers) + len(done) == tasks:
                    self.now = max(self.now, min(moment for moment, _ in self.sleepers))
                    for due, woken in self.sleepers:
                        if due <= self.now:
                            woken.set()
                    self.sleepers = [(due, woken) for due, woken in self.sleepers if due > self.now]
                await anyio.lowlevel.checkpoint()
