"""Closes what httpx2 leaves open when a request is cancelled while it connects."""

from __future__ import annotations

from typing import Any

import anyio
import anyio.lowlevel


class ConnectTrace:
    """The extension `trace` of one request to httpx2, which is told of each of its steps.

    httpcore2 2.16 forgets two things where a request is cancelled: a connection in the middle of its TLS handshake
    stays open until it is collected, and one that came about just before the cancellation keeps its place in the pool
    for ever, with nobody to use it. So a handshake that fails closes the connection, and a cancellation is looked for
    once more as long as the new connection is not in the pool.
    """

    __slots__ = ("_stream",)

    def __init__(self) -> None:
        self._stream: Any = None

    async def __call__(self, name: str, info: dict[str, Any]) -> None:
        """Take note of a step; httpcore's documentation lists the names."""
        if name.endswith("connect_tcp.complete"):
            self._stream = info["return_value"]
        elif name.endswith("start_tls.failed"):
            await self._close()
            return
        elif not name.endswith("start_tls.complete"):
            return
        try:
            await anyio.lowlevel.checkpoint_if_cancelled()
        except BaseException:
            await self._close()
            raise

    async def _close(self) -> None:
        with anyio.CancelScope(shield=True):
            await self._stream.aclose()
