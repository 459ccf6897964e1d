"""What tests share that serve recorded traffic, and ask as it was asked."""

from __future__ import annotations

from itertools import cycle
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chatport import Reply, Session


def pieces(body: bytes, sizes: Sequence[int]) -> tuple[bytes, ...]:
    """Cut a body into pieces of these sizes, which begin again where they end before it."""
    found: list[bytes] = []
    at = 0
    for size in cycle(sizes):
        if at >= len(body):
            break
        found.append(body[at : at + size])
        at += size
    return tuple(found)


async def converse(session: Session, *, streams: bool) -> tuple[Reply[None], str | None]:
    """Ask as a recording was asked: in one piece, or reading the text as it comes."""
    if not streams:
        return await session.ask("?"), None
    async with session.stream("?") as stream:
        text = "".join([piece async for piece in stream.text])
    return stream.reply, text
