"""The Anthropic backend: translate → wire → decode."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Any, Final

from pydantic_core import from_json

from chatport.backend import (
    BackendEvent,
    ChatRequest,
    EventStream,
    Media,
    Preview,
    ProtocolError,
    refuse_losses,
)
from chatport.backend.http import HttpRequest, HttpResponse, HttpWire, encode_json, plain_json, retry_after
from chatport.backend.translation import is_object
from chatport_anthropic._calls import count_body, models_request, post_request
from chatport_anthropic._decode import decode_response
from chatport_anthropic._description import describe_options
from chatport_anthropic._errors import REQUEST_ID_HEADERS, error_from_other_answer, error_from_response
from chatport_anthropic._media_blocks import is_native_url
from chatport_anthropic._model_list import models_page
from chatport_anthropic._models import capabilities
from chatport_anthropic._options import base_url, check_options, credential
from chatport_anthropic._settings import MAX_WHOLE_TOKENS
from chatport_anthropic._stream_reader import StreamReader
from chatport_anthropic._translate import Translation, translate

if TYPE_CHECKING:
    from chatport.backend import Load, ModelInfo, Timeouts

_OK: Final = 200
_MESSAGES: Final = "/v1/messages"
_COUNT: Final = "/v1/messages/count_tokens"
_MODELS: Final = "/v1/models"
_MAX_PAGES: Final = 100


class AnthropicBackend:
    """Anthropic's Messages API, and others that speak it.

    Attributes:
        name: `"anthropic"`.
    """

    name = "anthropic"

    def __init__(self, **options: Any) -> None:
        """Make a backend; nothing is opened or read before the first request.

        Args:
            **options: See `AnthropicOptions` and `HttpOptions`.

        Raises:
            ConfigurationError: An option is unknown, or two contradict each other.
        """
        self._options = check_options(options)
        self._wire = HttpWire(self._options.http, backend=self.name, request_id_headers=REQUEST_ID_HEADERS)

    def native_urls(self, medium: Media, model: str) -> bool:
        """Whether the service fetches a medium itself: images and PDF documents over TLS, for models of Anthropic."""
        return capabilities(model).media_urls and is_native_url(medium)

    def stream(self, request: ChatRequest) -> AsyncGenerator[BackendEvent, None]:
        """Send one request and yield its events. Use it in `contextlib.aclosing`, which closes the connection.

        Raises:
            UnsupportedError: The Messages API cannot say the request, or not without loss and the request is strict.
            ConfigurationError: There is no key, or a configuration that cannot be used.
            BackendError: The exchange failed.
        """
        ready: deque[BackendEvent] = deque()
        return EventStream(self._events(request, ready), ready, backend=self.name)

    async def _events(self, request: ChatRequest, ready: deque[BackendEvent]) -> AsyncGenerator[BackendEvent, None]:
        """Yield the events of one request by way of `ready`, from which the reader may take them as well."""
        translation, streams = self._translated(request)
        body = await encode_json({**translation.body, "stream": True} if streams else translation.body)
        call = await self._post(_MESSAGES, body, translation, streams=streams)
        async with await self._wire.send(call, request.timeouts, model=request.model) as response:
            await _check_answer(response, request.model)
            request_id = response.request_id
            # What came counts, not what was asked for: a server that does not stream answers with a whole message.
            if _is_stream(response, asked=streams):
                reader = StreamReader(request_id, translation, ready)
                while not reader.is_complete and (chunk := await response.read(has_begun=reader.has_begun)):
                    failure = reader.feed(chunk)
                    while ready:
                        yield ready.popleft()
                    if failure is not None:
                        raise failure
                failure = reader.feed(await response.read_end()) if reader.is_complete else reader.finish()
                while ready:
                    yield ready.popleft()
                if failure is not None:
                    raise failure
                return
            content = await response.read_all()
        restorer = translation.restorer()
        for event in decode_response(
            content, model=request.model, request_id=request_id, adjustments=translation.adjustments
        ):
            for restored in restorer.feed(event):
                yield restored

    async def preview(self, request: ChatRequest) -> Preview:
        """Return the body that would be sent, as JSON values, and what cannot be said as asked. Nothing is sent.

        Raises:
            UnsupportedError: As for `stream`.
        """
        translation, streams = self._translated(request)
        shown = plain_json({**translation.body, "stream": True} if streams else translation.body)
        return Preview(shown, tuple(item for item in translation.adjustments if item.kind != "lossless"))

    async def models(
        self,
        *,
        output: str | None = None,
        input: str | None = None,  # noqa: A002 - the name of `ModelInfo`'s member
        status: str | None = None,
        provider: str | None = None,
    ) -> tuple[ModelInfo, ...]:
        """Return the models that the service lists, the newest first. Its own facts stand in the metadata.

        Args:
            output: What they have to write: `"text"`.
            input: What they have to read: `"text"`, `"image"`, `"document"`.
            status: `"active"`, `"legacy"` or `"retired"`, where the service says it.
            provider: Who has to have made them.

        Raises:
            ConfigurationError: There is no key, or a configuration that cannot be used.
            BackendError: The exchange failed, or the answer is no list.
        """
        found: list[ModelInfo] = []
        after: str | None = None
        for _ in range(_MAX_PAGES):
            address, headers = await self._address_and_headers(_MODELS)
            call = models_request(address, headers, betas=self._options.betas, after=after)
            content, request_id = await self._read(call)
            page, after = models_page(content, request_id=request_id)
            found += page
            if after is None:
                break
        wanted = {"output": output, "input": input, "status": status, "provider": provider}
        return tuple(model for model in found if model.matches(**wanted))

    async def count_tokens(self, request: ChatRequest) -> int:
        """Return how many input tokens a request has, by the service's own count. Nothing is asked of the model.

        Raises:
            UnsupportedError: As for `stream`.
            ConfigurationError: There is no key, or a configuration that cannot be used.
            BackendError: The exchange failed, or the answer is no count.
        """
        translation, _ = self._translated(request)
        body = await encode_json(count_body(translation.body))
        call = await self._post(_COUNT, body, translation, streams=False)
        content, request_id = await self._read(call, request.timeouts, model=request.model)
        count = _count_in(content)
        if count is None:
            message = "the answer says no number of tokens"
            raise ProtocolError(
                message, backend=self.name, model=request.model, status=_OK, request_id=request_id, phase="request"
            )
        return count

    async def describe(self) -> dict[str, str]:
        """Return address, source of the key and versions, in words; no secret."""
        return describe_options(self._options, os.environ)

    def load(self) -> Load:
        """Return how many requests hold a connection and how many wait for one; it costs nothing to ask often."""
        return self._wire.load()

    async def aclose(self) -> None:
        """Close the connections of the running event loop."""
        await self._wire.aclose()

    # --- requests ----------------------------------------------------------------------------------------------------

    def _translated(self, request: ChatRequest) -> tuple[Translation, bool]:
        """Return a request in the service's words, and whether its answer streams.

        One that may become longer than the service gives as a whole is streamed, whoever reads it.
        """
        mode = self._options.streaming
        streams = mode == "always" or (mode == "auto" and request.streaming)
        translation = translate(request, whole=not streams)
        if request.strict:
            refuse_losses(translation.adjustments)
        limit = translation.body.get("max_tokens")
        is_long = isinstance(limit, int) and limit > MAX_WHOLE_TOKENS
        return translation, streams or (mode == "auto" and is_long)

    async def _post(self, path: str, body: bytes, translation: Translation, *, streams: bool) -> HttpRequest:
        address, headers = await self._address_and_headers(path)
        betas = (*self._options.betas, *translation.betas)
        return post_request(address, headers, body, betas=betas, streams=streams)

    async def _address_and_headers(self, path: str) -> tuple[str, tuple[tuple[str, str], ...]]:
        address, _ = base_url(self._options, os.environ)
        secret = await credential(self._options, os.environ).headers()
        return f"{address}{path}", (*secret, ("anthropic-version", self._options.version))

    async def _read(
        self, call: HttpRequest, timeouts: Timeouts | None = None, *, model: str | None = None
    ) -> tuple[bytes, str | None]:
        """Send a request whose answer is JSON; return its body, and the service's id of the request."""
        async with await self._wire.send(call, timeouts, model=model) as response:
            await _check_answer(response, model)
            return await response.read_all(), response.request_id


async def _check_answer(response: HttpResponse, model: str | None) -> None:
    """Raise where an answer is none of a model: an error, or a page of something in between."""
    if response.status != _OK:
        body = await response.read_error()
        raise error_from_response(
            response.status, response.headers, body, model=model, retry_after=retry_after(response.headers)
        )
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind.startswith("text/") and kind != "text/event-stream":
        raise error_from_other_answer(response.status, response.headers, await response.read_error(), model=model)


def _is_stream(response: HttpResponse, *, asked: bool) -> bool:
    """Whether an answer streams: by its type, and where that says nothing by what was asked for."""
    kind = response.headers.get("content-type", "").lower()
    return kind.startswith("text/event-stream") or (asked and "json" not in kind)


def _count_in(content: bytes) -> int | None:
    try:
        value = from_json(content)
    except ValueError:
        return None
    count = value.get("input_tokens") if is_object(value) else None
    return count if type(count) is int else None
