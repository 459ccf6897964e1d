"""A backend that speaks HTTP, and its test against a service on loopback."""

import json
from collections.abc import AsyncGenerator
from http import HTTPStatus
from typing import Any

import anyio

import chatport
from chatport.backend import (
    BackendEvent,
    ChatRequest,
    MessageEnd,
    MessageStart,
    ProtocolError,
    ServiceError,
    StreamInterruptedError,
    Text,
    TextDelta,
)
from chatport.backend.http import EventReader, HttpOptions, HttpRequest, HttpWire, check_base_url, encode_json
from chatport.testing import HttpReply, HttpService


# --8<-- [start:backend]
class WordsBackend:
    """Asks a service that answers with one word an event."""

    name = "words"

    def __init__(self, *, base_url: str, **options: object) -> None:
        http, unknown = HttpOptions.split(options)
        if unknown:
            raise chatport.ConfigurationError(f"there is no option {next(iter(unknown))!r}")
        self._url = check_base_url(base_url)
        self._wire = HttpWire(http, backend=self.name)

    async def stream(self, request: ChatRequest) -> AsyncGenerator[BackendEvent, None]:
        words = [part.text for message in request.messages for part in message.parts if isinstance(part, Text)]
        body = await encode_json({"model": request.model, "words": words})
        call = HttpRequest("POST", f"{self._url}/words", (("Content-Type", "application/json"),), body)
        async with await self._wire.send(call, request.timeouts, model=request.model) as response:
            facts: dict[str, Any] = {"backend": self.name, "model": request.model, "request_id": response.request_id}
            if response.status != HTTPStatus.OK:
                words_of_error = (await response.read_error()).decode(errors="replace")
                raise ServiceError(words_of_error, status=response.status, phase="request", **facts)
            yield MessageStart(request.model, response.request_id)
            reader, has_begun = EventReader(), False
            while chunk := await response.read(has_begun=has_begun):
                for event in reader.feed(chunk):
                    has_begun = True
                    if event.data == "[DONE]":
                        await response.read_end()  # so that the connection can have another request
                        yield MessageEnd("stop")
                        return
                    try:
                        word: str = json.loads(event.data)["word"]
                    except (ValueError, TypeError, KeyError) as error:
                        raise ProtocolError("an event that cannot be read", phase="stream", **facts) from error
                    yield TextDelta(0, word)
            raise StreamInterruptedError("the answer ends in the middle", phase="stream", **facts)

    async def aclose(self) -> None:
        await self._wire.aclose()


# --8<-- [end:backend]


# --8<-- [start:test]
async def test_words() -> None:
    with HttpService() as service:
        events = (b'data: {"word":"Hello"}\n\n', b'data: {"word":" there"}\n\n', b"data: [DONE]\n\n")
        service.reply(HttpReply(body=events), HttpReply(body=events[:1]), HttpReply(status=500, body=b"Oh no"))
        async with chatport.Session(WordsBackend(base_url=service.url), "any", retry=None) as session:
            assert (await session.ask("Hi")).text == "Hello there"
            for error in (StreamInterruptedError, ServiceError):
                try:
                    await session.ask("Hi again")
                except error:
                    continue
                raise AssertionError("what was cut was taken for an answer")
        asked = json.loads(service.requests[0].body)
        assert asked == {"model": "any", "words": ["Hi"]}
        print(len(service.requests), "requests over", len(service.connections), "connections")


# --8<-- [end:test]


if __name__ == "__main__":
    anyio.run(test_words)
