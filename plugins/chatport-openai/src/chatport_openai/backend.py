"""The OpenAI backend: translate → wire → decode."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Any

from chatport.backend import BackendError, ChatRequest, Document, EventStream, Image, Preview, refuse_losses
from chatport.backend.http import HttpRequest, HttpWire, encode_json, plain_json, retry_after
from chatport_openai._decode import Asked, decode_response
from chatport_openai._description import describe_server
from chatport_openai._errors import error_from_other_answer, error_from_response, request_id_of
from chatport_openai._model_list import models_in
from chatport_openai._options import Server, check_options
from chatport_openai._stream_reader import StreamReader, looks_whole
from chatport_openai._translate import Translation, translate

if TYPE_CHECKING:
    from chatport.backend import BackendEvent, Load, Media, ModelInfo
    from chatport.backend.http import HttpResponse

_OK = range(200, 300)
_HEAD_BYTES = 2048


class OpenAIBackend:
    """Chat Completions, of OpenAI and of every server that speaks them.

    Attributes:
        name: `"openai"`.
    """

    name = "openai"

    def __init__(self, **options: Any) -> None:
        """Make a backend; nothing is opened before the first request.

        Args:
            **options: See `ServerOptions` and `chatport.backend.http.HttpOptions`.

        Raises:
            ConfigurationError: An option is unknown, or is nothing that can be used.
        """
        self._options, self._http = check_options(options)
        self._server = Server(self._options)
        self._wire = HttpWire(self._http, backend=self.name)

    def stream(self, request: ChatRequest) -> AsyncGenerator[BackendEvent, None]:
        """Send one request and yield its events. Use it in `contextlib.aclosing`, which closes the connection.

        Raises:
            UnsupportedError: The server cannot be told the request, or not without loss and the request is strict.
            ConfigurationError: There is no key.
            BackendError: The exchange failed.
        """
        ready: deque[BackendEvent] = deque()
        return EventStream(self._events(request, ready), ready, backend=self.name)

    async def _events(self, request: ChatRequest, ready: deque[BackendEvent]) -> AsyncGenerator[BackendEvent, None]:
        """Yield the events of one request by way of `ready`, from which the reader may take them as well."""
        streams = self._streams(request)
        translation = self._translated(request, streams=streams)
        call = await self._call(translation, streams=streams)
        async with await self._wire.send(call, request.timeouts, model=translation.model) as response:
            if response.status not in _OK:
                raise await self._refusal(response, translation.model)
            asked = self._asked(translation, response, whole=not streams)
            beginning, is_whole = await _beginning(response, streams=streams)
            if is_whole:
                body = beginning + await response.read_all()
                ready.extend(decode_response(body, asked))
                while ready:
                    yield ready.popleft()
                return
            reader = StreamReader(asked, ready)
            chunk = beginning
            while chunk:
                failure = reader.feed(chunk)
                while ready:
                    yield ready.popleft()
                if failure is not None:
                    raise failure
                if reader.is_complete:
                    await response.read_end()
                    return
                chunk = await response.read(has_begun=reader.has_begun)
            failure = reader.finish()
            while ready:
                yield ready.popleft()
            # Comments are a sign of life while a request waits: what ends behind them is a stream that was cut.
            if failure is not None and not reader.has_events and beginning.strip() and beginning.lstrip()[:1] != b":":
                raise error_from_other_answer(
                    response.status, response.headers, beginning[:_HEAD_BYTES], model=translation.model
                )
            if failure is not None:
                raise failure

    async def preview(self, request: ChatRequest) -> Preview:
        """Return the body that would be sent, as JSON values, and what cannot be said as asked. Nothing is sent.

        Raises:
            UnsupportedError: As for `stream`.
        """
        translation = self._translated(request, streams=self._streams(request))
        reported = tuple(item for item in translation.adjustments if item.kind != "lossless")
        return Preview(plain_json(translation.body), reported)

    async def models(
        self,
        *,
        output: str | None = None,
        input: str | None = None,  # noqa: A002 - the name of `ModelInfo`'s member
        status: str | None = None,
        provider: str | None = None,
    ) -> tuple[ModelInfo, ...]:
        """Return what the server lists under `/models`, in its order.

        Most servers say no more than ids and owners: a filter on what they do not say leaves nothing.

        Args:
            output: What they have to write, such as `"text"`.
            input: What they have to read, such as `"image"`.
            status: `"active"` or `"legacy"`.
            provider: Who has to own them, as the server writes it, in any case.

        Raises:
            ConfigurationError: There is no key.
            BackendError: The exchange failed, or the answer is no list.
        """
        headers = await self._server.headers(accept="application/json")
        call = HttpRequest("GET", self._server.url("models"), headers, unary=True)
        async with await self._wire.send(call) as response:
            if response.status not in _OK:
                raise await self._refusal(response, None)
            body = await response.read_all()
            try:
                listed: object = json.loads(body)
            except ValueError:
                raise error_from_other_answer(response.status, response.headers, body, model=None) from None
            found = models_in(listed, request_id=request_id_of(response.headers))
        wanted = {"output": output, "input": input, "status": status, "provider": provider}
        return tuple(model for model in found if model.matches(**wanted))

    async def describe(self) -> dict[str, str]:
        """Return server, address, the source of the key and versions, in words; no secret."""
        return describe_server(self._server, self._http)

    def native_urls(self, medium: Media, model: str) -> bool:  # noqa: ARG002 - servers take them for all models or none
        """Whether the server fetches a medium itself, so that its address is sent as it is."""
        dialect = self._server.dialect
        if isinstance(medium, Image):
            return dialect.image_urls
        return isinstance(medium, Document) and dialect.document_urls and dialect.documents is not None

    def load(self) -> Load:
        """Return how many requests hold a connection and how many wait for one; it costs nothing to ask often."""
        return self._wire.load()

    async def aclose(self) -> None:
        """Close the connections of the running event loop."""
        await self._wire.aclose()

    def _streams(self, request: ChatRequest) -> bool:
        mode = self._options.streaming
        return request.streaming if mode == "auto" else mode == "always"

    def _translated(self, request: ChatRequest, *, streams: bool) -> Translation:
        server = self._server
        translation = translate(request, dialect=server.dialect, server=server.name, streaming=streams)
        if request.strict:
            refuse_losses(translation.adjustments)
        return translation

    async def _call(self, translation: Translation, *, streams: bool) -> HttpRequest:
        url = self._server.url("chat/completions", model=translation.model)
        headers = await self._server.headers(accept="text/event-stream" if streams else "application/json")
        return HttpRequest("POST", url, headers, await encode_json(translation.body), unary=not streams)

    def _asked(self, translation: Translation, response: HttpResponse, *, whole: bool) -> Asked:
        return Asked(
            model=translation.model,
            request_id=request_id_of(response.headers),
            adjustments=translation.adjustments,
            server=self._server.name,
            family=translation.family,
            names=translation.tool_names,
            call_id=self._server.dialect.call_id,
            reasoning_beside=self._server.dialect.usage_beside,
            service_seconds=_seconds(response.headers.get("openai-processing-ms")) if whole else None,
        )

    async def _refusal(self, response: HttpResponse, model: str | None) -> BackendError:
        source = self._server.key_source()
        remedy = "No key was sent." if source.startswith("none: ") else f"The key came from {source}."
        return error_from_response(
            response.status,
            response.headers,
            await response.read_error(),
            model=model,
            retry_after=retry_after(response.headers),
            remedy=remedy,
        )


async def _beginning(response: HttpResponse, *, streams: bool) -> tuple[bytes, bool]:
    """Return the first bytes of an answer, and whether it comes in one piece; some servers know one way only."""
    content_type = response.headers.get("content-type", "")
    beginning = b""
    while True:
        is_whole = looks_whole(content_type, beginning, streams=streams)
        if is_whole or (beginning and is_whole is False) or len(beginning) > _HEAD_BYTES:
            return beginning, bool(is_whole)
        piece = await response.read(has_begun=False)
        if not piece:
            return beginning, not streams
        beginning += piece


def _seconds(milliseconds: str | None) -> float | None:
    return int(milliseconds) / 1000 if milliseconds is not None and milliseconds.isdecimal() else None
