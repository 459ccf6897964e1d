"""chatport with the Bedrock backend, and its defaults."""

from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self

import chatport
from benchmarks.clients import KEYS, MODEL, REGION, Seen

if TYPE_CHECKING:
    from chatport.backend import BackendEvent


class EventsClient:
    """Typed events, of a session for each question."""

    model = MODEL

    def __init__(self, url: str) -> None:
        """Prepare the backend."""
        self._opening = chatport.open_backend(
            "bedrock",
            region=REGION,
            endpoint_url=url,
            access_key_id=KEYS["aws_access_key_id"],
            secret_access_key=KEYS["aws_secret_access_key"],
        )

    async def __aenter__(self) -> Self:
        """Open the backend."""
        self._backend = await self._opening.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        await self._opening.__aexit__(kind, error, trace)

    def session(self) -> chatport.Session:
        """A new conversation."""
        return chatport.Session(self._backend, self.model)

    async def count(self, prompt: str) -> int:
        """Count the events."""
        count = 0
        async with self.session().stream(prompt) as stream:
            async for _ in stream:
                count += 1
        return count

    async def watch(self, prompt: str, seen: Seen) -> None:
        """Tell the text of each delta."""
        async with self.session().stream(prompt) as stream:
            async for event in stream:
                if type(event) is chatport.TextDelta:
                    seen(event.text)

    async def ask(self, prompt: str) -> str:
        """Return the text."""
        return (await self.session().ask(prompt)).text

    async def show(self, prompt: str, image: bytes) -> str:
        """Ask about an image."""
        return (await self.session().ask(prompt, chatport.Image.from_bytes(image, media_type="image/png"))).text

    def decode(self, chunks: Sequence[bytes]) -> int:
        """Decode frames to typed events, as the backend does."""
        from chatport_bedrock._decode import StreamDecoder
        from chatport_bedrock._frames import FrameReader

        reader, decoder, count = FrameReader(), StreamDecoder(model=MODEL, request_id="1"), 0
        for data in chunks:
            events: list[BackendEvent] = []
            frames, failure = reader.read(data)
            assert failure is None
            decoder.feed_all(frames, events)
            count += len(events)
        return count


class TextClient(EventsClient):
    """The same, read as text."""

    async def count(self, prompt: str) -> int:
        """Count the texts."""
        count = 0
        async with self.session().stream(prompt) as stream:
            async for _ in stream.text:
                count += 1
        return count

    async def watch(self, prompt: str, seen: Seen) -> None:
        """Tell each text."""
        async with self.session().stream(prompt) as stream:
            async for text in stream.text:
                seen(text)


class HttpxClient(EventsClient):
    """Events over httpx2 on asyncio, where chatport itself always takes aiohttp."""

    def __init__(self, url: str) -> None:
        """Make the pool believe that it is on the one event loop where there is no choice."""
        from chatport_bedrock import _pool

        _pool._on_trio = lambda: True  # noqa: SLF001 - there is no option for it: nobody should want it
        super().__init__(url)
