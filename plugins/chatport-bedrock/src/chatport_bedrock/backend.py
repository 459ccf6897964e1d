"""The Bedrock backend: translate → wire → decode."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Any

from chatport.backend import BackendError, ChatRequest, EventStream, Preview
from chatport_bedrock._body import cut_body, plain_body
from chatport_bedrock._calls import chat_call
from chatport_bedrock._catalog import count_tokens, list_models
from chatport_bedrock._decode import decode_response
from chatport_bedrock._description import describe_identity
from chatport_bedrock._options import check_options
from chatport_bedrock._plan import Planner
from chatport_bedrock._profile_models import ProfileModels
from chatport_bedrock._stream_reader import StreamReader
from chatport_bedrock._wire import Wire

if TYPE_CHECKING:
    from chatport.backend import BackendEvent, Load, ModelInfo


class BedrockBackend:
    """Amazon Bedrock's Converse and ConverseStream operations.

    Attributes:
        name: `"bedrock"`.
    """

    name = "bedrock"

    def __init__(self, **options: Any) -> None:
        """Make a backend; nothing is opened or read before the first request.

        Args:
            **options: See `ConnectionOptions`.

        Raises:
            ConfigurationError: An option is unknown or contradicts another.
        """
        self._options = check_options(options)
        self._wire = Wire(self._options)
        self._profiles = ProfileModels(self._wire)
        self._planner = Planner(streaming=self._options.streaming, check_limits=self._options.check_limits)

    def stream(self, request: ChatRequest) -> AsyncGenerator[BackendEvent, None]:
        """Send one request and yield its events. Use it in `contextlib.aclosing`, which closes the connection.

        Raises:
            UnsupportedError: Converse cannot say the request, or not without loss and the request is strict.
            ConfigurationError: No region, or a configuration that cannot be used.
            BackendError: The exchange failed.
        """
        ready: deque[BackendEvent] = deque()
        return EventStream(self._events(request, ready), ready, backend=self.name)

    async def _events(self, request: ChatRequest, ready: deque[BackendEvent]) -> AsyncGenerator[BackendEvent, None]:
        """Yield the events of one request by way of `ready`, from which the reader may take them as well."""
        plan = self._planner.plan(request, base=await self._base_model(request))
        translation = plan.translation
        call = chat_call(plan.operation, translation.model, cut_body(translation.body))
        try:
            response = await self._wire.send(call, request.timeouts)
            if plan.operation == "converse-stream":
                async with response:
                    reader = StreamReader(response.request_id, translation, ready)
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
            else:
                async with response:
                    content = await response.read_all()
                restorer = translation.restorer()
                for event in decode_response(
                    content,
                    model=translation.model,
                    request_id=response.request_id,
                    adjustments=translation.adjustments,
                ):
                    for restored in restorer.feed(event):
                        yield restored
        except BackendError as error:
            self._planner.learn(error, request, plan)
            raise

    async def preview(self, request: ChatRequest) -> Preview:
        """Return the body that would be sent, as JSON values, and what cannot be said as asked.

        No model is asked. With `resolve_profiles` the service may be asked which model is behind a profile.

        Raises:
            UnsupportedError: As for `stream`.
            ConfigurationError: With `resolve_profiles`, as for `stream`.
            BackendError: With `resolve_profiles`, as for `stream`.
        """
        translation = self._planner.plan(request, base=await self._base_model(request)).translation
        reported = tuple(item for item in translation.adjustments if item.kind != "lossless")
        return Preview(plain_body(translation.body), reported)

    async def models(
        self,
        *,
        output: str | None = None,
        input: str | None = None,  # noqa: A002 - the name of `ModelInfo`'s member
        status: str | None = None,
        provider: str | None = None,
    ) -> tuple[ModelInfo, ...]:
        """Return what the region offers and can be asked by its id: base models, then inference profiles.

        Base models that answer through an inference profile only are left out; their profiles are there. The service's
        own facts stand in `metadata["bedrock"]`.

        Args:
            output: What they have to write: `"text"`, `"image"`, `"embedding"`.
            input: What they have to read: `"text"`, `"image"`.
            status: `"active"` or `"legacy"`.
            provider: Who has to have made them, as the service writes it, in any case.

        Raises:
            ConfigurationError: No region, or a configuration that cannot be used.
            BackendError: The exchange failed, or the answer is no list.
        """
        found = await list_models(self._wire)
        wanted = {"output": output, "input": input, "status": status, "provider": provider}
        return tuple(model for model in found if model.matches(**wanted))

    async def count_tokens(self, request: ChatRequest) -> int:
        """Return how many input tokens a request has, by the service's own count. Nothing is asked of the model.

        Tokens are counted for base models: an inference profile stands for its model.

        Raises:
            UnsupportedError: As for `stream`, or the service does not count for this model.
            ConfigurationError: No region, or a configuration that cannot be used.
            BackendError: The exchange failed.
        """
        base = await self._base_model(request)
        translation = self._planner.plan(request, base=base).translation
        return await count_tokens(self._wire, translation, base=base, timeouts=request.timeouts)

    async def describe(self) -> dict[str, str]:
        """Return region, endpoints, the source of the credentials and versions, in words; no secret."""
        return await describe_identity(self._wire.identity)

    def load(self) -> Load:
        """Return how many requests hold a connection and how many wait for one; it costs nothing to ask often."""
        return self._wire.load()

    async def aclose(self) -> None:
        """Close the connections of the running event loop."""
        await self._wire.aclose()

    async def _base_model(self, request: ChatRequest) -> str | None:
        """The model behind an id that hides it, where that is to be found out."""
        return await self._profiles.base_model(request.model) if self._options.resolve_profiles else None
