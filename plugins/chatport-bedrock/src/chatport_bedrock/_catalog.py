"""Looking things up: which models there are, and how many tokens a request has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from chatport.backend import InvalidRequestError, ProtocolError, UnsupportedError
from chatport_bedrock._body import cut_body
from chatport_bedrock._calls import catalog_call, count_call
from chatport_bedrock._counting import count_body, counted_model, is_not_counted
from chatport_bedrock._model_list import merge_models, read_count, read_page

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chatport.backend import ModelInfo, Timeouts
    from chatport_bedrock._calls import Call
    from chatport_bedrock._translate import Translation
    from chatport_bedrock._wire import Wire

MAX_PAGES: Final = 50
_PAGE_SIZE: Final = "1000"  # the most that the service takes


async def list_models(wire: Wire) -> tuple[ModelInfo, ...]:
    """Return everything that the region offers and that can be asked by its id.

    Raises:
        ConfigurationError: No region, or a configuration that cannot be used.
        BackendError: The exchange failed, or the list does not end.
    """
    models, _ = read_page(await _read(wire, catalog_call("/foundation-models")), "modelSummaries")
    return merge_models(models, await _profiles(wire))


async def _profiles(wire: Wire) -> list[Mapping[str, Any]]:
    """All pages of the list of inference profiles."""
    found: list[Mapping[str, Any]] = []
    parameters = {"maxResults": _PAGE_SIZE}
    for _ in range(MAX_PAGES):
        content = await _read(wire, catalog_call("/inference-profiles", parameters))
        entries, token = read_page(content, "inferenceProfileSummaries")
        found += entries
        if token is None:
            return found
        parameters["nextToken"] = token
    message = f"the list of inference profiles does not end after {MAX_PAGES} pages"
    raise ProtocolError(message, backend="bedrock", status=200, phase="request")


async def count_tokens(
    wire: Wire, translation: Translation, *, base: str | None = None, timeouts: Timeouts | None = None
) -> int:
    """Return how many input tokens a request has.

    Args:
        wire: Where to ask.
        translation: The request.
        base: The base model behind an id that hides it, where that is known.
        timeouts: How long to wait, laid over the backend's own.

    Raises:
        UnsupportedError: The service does not count for this model.
        ConfigurationError: No region, or a configuration that cannot be used.
        BackendError: The exchange failed.
    """
    model = translation.model
    body = cut_body(count_body(translation))
    try:
        content = await _read(wire, count_call(base or counted_model(model), body, model=model), timeouts)
    except InvalidRequestError as error:
        if is_not_counted(str(error)):
            message = f"Bedrock does not count tokens for the model {model!r}"
            raise UnsupportedError(message) from error
        raise
    return read_count(content, model=model)


async def _read(wire: Wire, call: Call, timeouts: Timeouts | None = None) -> bytes:
    async with await wire.send(call, timeouts) as response:
        return await response.read_all()
