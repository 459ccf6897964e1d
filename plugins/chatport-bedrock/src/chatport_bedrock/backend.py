"""The Bedrock backend: translate → wire → decode."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json

from chatport.backend import ChatRequest, Preview, ProtocolError, refuse_losses
from chatport_bedrock._body import encode_body, plain_body
from chatport_bedrock._decode import StreamDecoder, decode_response
from chatport_bedrock._errors import error_from_frame_error
from chatport_bedrock._frames import FrameError, FrameReader
from chatport_bedrock._options import check_options
from chatport_bedrock._translate import Translation, translate
from chatport_bedrock._wire import Wire, WireResponse

if TYPE_CHECKING:
    from chatport.backend import BackendEvent


class BedrockBackend:
    """Amazon Bedrock's Converse and ConverseStream operations.

    Attributes:
        name: `"bedrock"`.
    """

    name = "bedrock"

    def __init__(self, **options: Any) -> None:  # noqa: ANN401 - checked one by one
        """Make a backend; nothing is opened or read before the first request.

        Args:
            **options: See `ConnectionOptions`.

        Raises:
            ConfigurationError: An option is unknown or contradicts another.
        """
        self._options = check_options(options)
        self._wire = Wire(self._options)

    async def stream(self, request: ChatRequest) -> AsyncGenerator[BackendEvent, None]:
        """Send one request and yield its events.

        Raises:
            UnsupportedError: Converse cannot say the request, or not without loss and the request is strict.
            ConfigurationError: No region, or a configuration that cannot be used.
            BackendError: The exchange failed.
        """
        translation = _checked(request)
        body = encode_body(translation.body)
        if self._streams(request):
            response = await self._wire.send("converse-stream", translation.model, body)
            async with response:
                decoder = StreamDecoder(
                    model=translation.model, request_id=response.request_id, adjustments=translation.adjustments
                )
                reader = FrameReader()
                while chunk := await (response.read_end() if decoder.complete else response.read()):
                    for event in _decoded(reader, decoder, chunk, response, translation.model):
                        yield event
                for event in _ended(reader, decoder, response, translation.model):
                    yield event
        else:
            response = await self._wire.send("converse", translation.model, body)
            async with response:
                content = await response.read_all()
            for event in _unary_events(content, response, translation):
                yield event

    async def preview(self, request: ChatRequest) -> Preview:
        """Return the body that would be sent, as JSON values, and what cannot be said as asked.

        Raises:
            UnsupportedError: As for `stream`.
        """
        translation = _checked(request)
        reported = tuple(item for item in translation.adjustments if item.kind != "lossless")
        return Preview(plain_body(translation.body), reported)

    async def aclose(self) -> None:
        """Close the connections of the running event loop."""
        await self._wire.aclose()

    def _streams(self, request: ChatRequest) -> bool:
        mode = self._options.streaming
        return mode == "always" or (mode == "auto" and request.streaming)


def _checked(request: ChatRequest) -> Translation:
    translation = translate(request)
    if request.strict:
        refuse_losses(translation.adjustments)
    return translation


def _decoded(
    reader: FrameReader, decoder: StreamDecoder, chunk: bytes, response: WireResponse, model: str
) -> Iterator[BackendEvent]:
    try:
        for frame in reader.feed(chunk):
            yield from decoder.feed(frame)
    except FrameError as error:
        raise error_from_frame_error(error, model=model, request_id=response.request_id) from error


def _ended(
    reader: FrameReader, decoder: StreamDecoder, response: WireResponse, model: str
) -> Iterator[BackendEvent]:
    try:
        reader.finish()
    except FrameError as error:
        raise error_from_frame_error(error, model=model, request_id=response.request_id) from error
    yield from decoder.finish()


def _unary_events(content: bytes, response: WireResponse, translation: Translation) -> Iterator[BackendEvent]:
    try:
        body = from_json(content)
    except ValueError as error:
        message = f"the answer is no JSON: {error}"
        raise ProtocolError(
            message,
            backend="bedrock",
            model=translation.model,
            status=response.status,
            request_id=response.request_id,
            phase="request",
        ) from error
    yield from decode_response(
        body, model=translation.model, request_id=response.request_id, adjustments=translation.adjustments
    )
