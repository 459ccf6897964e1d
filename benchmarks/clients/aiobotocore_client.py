"""aiobotocore's own client, on aiohttp: what every ratio is a ratio to."""

from collections.abc import Sequence
from types import TracebackType
from typing import Any, ClassVar, Self

from aiobotocore.config import AioConfig
from aiobotocore.session import get_session

from benchmarks.clients import KEYS, MODEL, REGION, Seen


class RawClient:
    """`converse` and `converse_stream`, read as its documentation reads them; one attempt, and a pool that is large."""

    settings: ClassVar[dict[str, Any]] = {"max_pool_connections": 1000, "read_timeout": 600}

    def __init__(self, url: str) -> None:
        """Prepare the client."""
        config = AioConfig(retries={"total_max_attempts": 1}, **self.settings)
        self._opening = get_session().create_client(
            "bedrock-runtime", region_name=REGION, endpoint_url=url, config=config, **KEYS
        )
        self._client: Any = None

    async def __aenter__(self) -> Self:
        """Open the client."""
        self._client = await self._opening.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        await self._opening.__aexit__(kind, error, trace)

    async def count(self, prompt: str) -> int:
        """Count the events."""
        answer = await self._client.converse_stream(modelId=MODEL, messages=_messages({"text": prompt}))
        count = 0
        async for _ in answer["stream"]:
            count += 1
        return count

    async def watch(self, prompt: str, seen: Seen) -> None:
        """Tell the text of each delta."""
        answer = await self._client.converse_stream(modelId=MODEL, messages=_messages({"text": prompt}))
        stream = answer["stream"]
        try:
            async for event in stream:
                if "contentBlockDelta" in event:
                    seen(event["contentBlockDelta"]["delta"]["text"])
        finally:
            # A stream that is left half read keeps its connection; a careful user closes it.
            stream.close()

    async def ask(self, prompt: str) -> str:
        """Return the text."""
        return self._text(await self._client.converse(modelId=MODEL, messages=_messages({"text": prompt})))

    async def show(self, prompt: str, image: bytes) -> str:
        """Ask about an image."""
        content = ({"text": prompt}, {"image": {"format": "png", "source": {"bytes": image}}})
        return self._text(await self._client.converse(modelId=MODEL, messages=_messages(*content)))

    def decode(self, chunks: Sequence[bytes]) -> int:
        """Decode with botocore's buffer and its parser of shapes, as its event stream does."""
        from botocore.eventstream import EventStreamBuffer
        from botocore.parsers import EventStreamJSONParser

        shape = self._client.meta.service_model.operation_model("ConverseStream").output_shape.members["stream"]
        parser, buffer, count = EventStreamJSONParser(), EventStreamBuffer(), 0
        for data in chunks:
            buffer.add_data(data)
            for event in buffer:
                parser.parse(event.to_response_dict(), shape)
                count += 1
        return count

    @staticmethod
    def _text(answer: dict[str, Any]) -> str:
        return str(answer["output"]["message"]["content"][0]["text"])


class DefaultPoolClient(RawClient):
    """The same with the pool that it has when nothing is said."""

    settings: ClassVar[dict[str, Any]] = {}


def _messages(*content: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"role": "user", "content": list(content)}]
