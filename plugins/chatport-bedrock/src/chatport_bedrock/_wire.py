"""Bytes to Amazon Bedrock and back: signed requests over aiobotocore's HTTP sessions.

The HTTP session of aiobotocore carries the bytes: aiohttp on asyncio, httpx2 on trio. The service model's serializer,
parser and retries are left out on purpose: they drop what they do not know, and cost more than everything else
together.
"""

from __future__ import annotations

import platform
from datetime import UTC, datetime
from functools import lru_cache, partial
from importlib.metadata import version
from math import inf
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from urllib.parse import urlsplit

import anyio
from aiobotocore import __version__ as aiobotocore_version
from botocore.exceptions import BotoCoreError

from chatport.backend import AuthenticationError, ProtocolError
from chatport.backend.http import (
    ConnectionsClosedError,
    Exchange,
    Patience,
    TimedOutError,
    closed_failure,
    without_frames,
)
from chatport_bedrock._bodies import body_of
from chatport_bedrock._calls import HttpRequest
from chatport_bedrock._connect_limit import CONNECT_SECONDS
from chatport_bedrock._cut_body import CutBody
from chatport_bedrock._errors import error_from_other_answer, error_from_response, is_other_type
from chatport_bedrock._failures import (
    BACKEND,
    body_failure,
    configuration_failure,
    forget_headers,
    is_connect_timeout,
    is_transport_error,
    request_failure,
)
from chatport_bedrock._identity import Identity
from chatport_bedrock._media_work import run_media_work
from chatport_bedrock._pool import ConnectionPool
from chatport_bedrock._signature import Keys, sign

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType
    from typing import Self

    from chatport.backend import BackendError, Load, Timeouts
    from chatport.backend.http import Slots
    from chatport_bedrock._calls import Call
    from chatport_bedrock._endpoints import Endpoint
    from chatport_bedrock._options import ConnectionOptions
    from chatport_bedrock._pool import Connections

    # What sends, what is sent, the keys that it is signed with, and the region that it goes to.
    _Prepared: TypeAlias = tuple[Connections, HttpRequest, Keys | None, str]

# aiobotocore has no common type for the answers of its two kinds of session.
HttpAnswer: TypeAlias = Any

MAX_BODY_BYTES = 64 * 1024 * 1024
_MAX_ERROR_BYTES: Final = 64 * 1024
# About half a millisecond of work.
_LONG_MEDIA_BYTES: Final = 2**18
LAST_BYTES_SECONDS = 1.0
# The status says what has failed; its words are worth a moment, not the ten minutes that a model may think.
ERROR_BODY_SECONDS = 5.0
_FIRST_ERROR_STATUS: Final = 300
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_USER_AGENT: Final = (
    f"chatport-bedrock/{version('chatport-bedrock')} aiobotocore/{aiobotocore_version} "
    f"python/{platform.python_version()}"
)


class Wire:
    """Sends requests; one for each backend."""

    def __init__(self, options: ConnectionOptions) -> None:
        """Open nothing yet.

        Raises:
            ConfigurationError: `session` is not a session of aiobotocore.
        """
        self._identity = Identity(options)
        self._pool = ConnectionPool(max_connections=options.max_connections)
        self._timeouts = options.timeouts

    @property
    def identity(self) -> Identity:
        """Where it sends to, and as whom."""
        return self._identity

    def load(self) -> Load:
        """Return how busy it is, on all event loops."""
        return self._pool.load()

    async def send(self, call: Call, timeouts: Timeouts | None = None) -> WireResponse:
        """Send one request and return its answer, whose body is still to be read and which must be closed.

        Args:
            call: The request.
            timeouts: How long to wait, laid over the backend's own.

        Raises:
            ConfigurationError: No region, or a configuration that cannot be used; nothing was sent.
            AuthenticationError: No credentials; nothing was sent.
            BackendError: The service could not be reached, or not in time, or answered with an error.
        """
        patience = Patience(self._timeouts.merged(timeouts))
        if patience.timeouts.total is None:
            prepared = await self._prepared(call)
        else:
            prepared = await self._prepared_in_time(call, patience)
        connections, request, keys, region = prepared
        response = await _answered(connections, request, call.model, patience)
        if response.status < _FIRST_ERROR_STATUS:
            if is_other_type(response.headers.get("content-type", ""), call.accept):
                raise await _other_answer(response, call.accept)
            if keys is not None:
                self._identity.accepted(keys)
            return response
        async with response:
            content = await response.read_error()
        raise self._failure(response, content, region, keys)

    async def _prepared_in_time(self, call: Call, patience: Patience) -> _Prepared:
        # Only what this request waits for ends: a look-up that others wait for, too, is theirs from then on.
        with anyio.move_on_after(patience.seconds_in_total()):
            return await self._prepared(call)
        raise patience.total_error(Exchange(BACKEND, call.model))

    async def _prepared(self, call: Call) -> _Prepared:
        """Find out where it goes and as whom, and make what is sent."""
        endpoint = await self._identity.endpoint(call.model, service=call.service)
        url = f"{endpoint.url}{call.path}"
        pieces = await _pieces(call.body)
        headers, keys = await self._headers(call, endpoint, url, pieces)
        try:
            connections = await self._pool.connections(endpoint)
        except BotoCoreError as error:
            raise configuration_failure(error) from error
        except ConnectionsClosedError:
            raise closed_failure(Exchange(BACKEND, call.model)) from None
        request = HttpRequest(call.method, url, headers, pieces[0] if len(pieces) == 1 else pieces)
        return connections, request, keys, endpoint.region

    def _failure(self, response: WireResponse, content: bytes, region: str, keys: Keys | None) -> BackendError:
        failure = error_from_response(
            response.status,
            response.headers,
            content,
            model=response.model,
            region=region,
            remedy="" if keys is None else self._identity.remedy(),
        )
        if keys is not None and isinstance(failure, AuthenticationError):
            self._identity.refused(keys, failure)
        elif keys is not None:
            self._identity.accepted(keys)
        return failure

    async def aclose(self) -> None:
        """Close the connections of the running event loop."""
        await self._pool.aclose()

    async def _headers(
        self, call: Call, endpoint: Endpoint, url: str, pieces: tuple[bytes, ...]
    ) -> tuple[dict[str, str], Keys | None]:
        headers = _Headers(Host=_host(url))
        if call.method == "POST":
            headers["Content-Type"] = "application/json"
        token = self._identity.bearer_token()
        keys: Keys | None = None
        if token is None:
            keys = await self._identity.keys()
            # What stands in `headers` by now is signed.
            now = datetime.now(UTC)
            signed = partial(sign, url, headers, pieces, keys=keys, region=endpoint.region, now=now, method=call.method)
            headers.update(await run_media_work(signed) if _takes_long(call.body) else signed())
        else:
            headers["Authorization"] = f"Bearer {token}"
        headers["Accept"] = call.accept
        headers["Accept-Encoding"] = "identity"  # httpx2 asks for gzip unless told otherwise, and leaves it as it comes
        headers["User-Agent"] = _USER_AGENT
        return headers, keys


async def _other_answer(response: WireResponse, asked: str) -> ProtocolError:
    """Read an answer of another type, and return the error that says what it is."""
    async with response:
        content = await response.read_error()
    return error_from_other_answer(response.status, response.headers, content, asked=asked, model=response.model)


async def _answered(
    connections: Connections, request: HttpRequest, model: str | None, patience: Patience
) -> WireResponse:
    """Send a request when there is a place for it, and return the answer, which has the place until it is closed."""
    slots = connections.slots
    try:
        await slots.acquire(patience.seconds_for_place())
    except TimeoutError:
        raise patience.place_error(Exchange(BACKEND, model), places=slots.limit) from None
    except ConnectionsClosedError:
        raise closed_failure(Exchange(BACKEND, model)) from None
    try:
        return WireResponse(await _sent(connections, request, model, patience), model, patience, slots)
    except BaseException:
        slots.release()
        raise


async def _sent(connections: Connections, request: HttpRequest, model: str | None, patience: Patience) -> HttpAnswer:
    patience.start_waiting_for_answer()
    connect_seconds = CONNECT_SECONDS.set(patience.timeouts.connect)
    try:
        return await connections.session.send(request, patience.seconds())
    except TimedOutError:
        raise patience.error(Exchange(BACKEND, model), "request") from None
    except Exception as error:  # noqa: BLE001 - raised again as ours
        exchange = Exchange(BACKEND, model)
        is_late = is_connect_timeout(error)
        failure = patience.connect_error(exchange) if is_late else request_failure(error, exchange)
        raise failure from without_frames(error, forget=forget_headers)
    finally:
        CONNECT_SECONDS.reset(connect_seconds)


async def _pieces(body: bytes | CutBody) -> tuple[bytes, ...]:
    if isinstance(body, bytes):
        return (body,)
    return await run_media_work(body.pieces) if _takes_long(body) else body.pieces()


def _takes_long(body: bytes | CutBody) -> bool:
    """Whether to encode it, or to hash it, holds up the event loop for longer than a thread costs."""
    return isinstance(body, CutBody) and bool(body.media) and body.media_size > _LONG_MEDIA_BYTES


class _Headers(dict[str, str]):
    """Headers that do not show what they hold: tools that report errors print the local variables of every frame."""

    def __repr__(self) -> str:
        return f"<headers {', '.join(self)}>"


@lru_cache(maxsize=256)
def _host(url: str) -> str:
    parts = urlsplit(url)
    host = parts.netloc.lower()
    default = f":{_DEFAULT_PORTS[parts.scheme]}"
    return host.removesuffix(default) if parts.port is not None else host


class WireResponse:
    """An answer whose body is still on the wire. Use it in `async with`: leaving closes it."""

    def __init__(self, answer: HttpAnswer, model: str | None, patience: Patience, slots: Slots) -> None:
        """Take over an answer of aiobotocore's HTTP session, and the place that its request has."""
        self.model = model
        self._patience = patience
        self._slots: Slots | None = slots
        self.status: int = answer.status_code
        self.headers: Mapping[str, str] = answer.headers  # in any case
        self.request_id: str | None = self.headers.get("x-amzn-requestid")
        self._body = body_of(answer.raw)

    @property
    def _exchange(self) -> Exchange:
        return Exchange(BACKEND, self.model, self.status, self.request_id)

    async def __aenter__(self) -> Self:
        """Return itself."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the body and give the place back, also in a cancelled task."""
        try:
            await self._body.close()
        finally:
            slots, self._slots = self._slots, None
            if slots is not None:
                slots.release()

    async def read(self, *, has_begun: bool) -> bytes:
        """Return the next bytes of a stream, or none at its end.

        Args:
            has_begun: Whether an event of the answer has been read; from then on each silence counts for itself.

        Raises:
            StreamInterruptedError: The connection broke.
            StreamTimeoutError: Nothing came for too long.
        """
        patience = self._patience
        patience.has_begun = has_begun
        try:
            return await self._body.read(patience.seconds())
        except TimedOutError:
            raise patience.error(self._exchange, "stream" if has_begun else "request") from None
        except Exception as error:
            if not is_transport_error(error):
                raise
            raise body_failure(error, self._exchange, "stream") from error

    async def read_all(self) -> bytes:
        """Return the whole body.

        Raises:
            ProtocolError: It is longer than anything that Bedrock answers.
            TransportError: The connection broke.
            StreamTimeoutError: Nothing came for too long.
        """
        pieces: list[bytes] = []
        size = 0
        try:
            while piece := await self._body.read(self._patience.seconds()):
                size += len(piece)
                if size > MAX_BODY_BYTES:
                    break
                pieces.append(piece)
        except TimedOutError:
            raise self._patience.error(self._exchange, "request") from None
        except Exception as error:
            if not is_transport_error(error):
                raise
            raise body_failure(error, self._exchange, "request") from error
        if size > MAX_BODY_BYTES:
            message = f"the answer is longer than {MAX_BODY_BYTES} bytes"
            raise ProtocolError(message, **self._exchange.facts("request"))
        return b"".join(pieces)

    async def read_error(self) -> bytes:
        """Return what there is of an error's body: its status says enough where more is too long, late or missing."""
        pieces: list[bytes] = []
        size = 0
        with anyio.move_on_after(min(ERROR_BODY_SECONDS, self._patience.seconds())):
            try:
                while size < _MAX_ERROR_BYTES and (piece := await self._body.read()):
                    pieces.append(piece)
                    size += len(piece)
            except Exception as error:
                if not is_transport_error(error):
                    raise
        return b"".join(pieces)

    async def read_end(self) -> bytes:
        """Return what follows the last event, so that the connection can be used again.

        That is nothing but the end of the body. It gives up after a second, or where the connection breaks: the
        message is complete, and all that is lost is a connection.
        """
        pieces: list[bytes] = []
        with anyio.move_on_after(LAST_BYTES_SECONDS):
            try:
                while piece := await self._body.read(inf):
                    pieces.append(piece)
            except Exception as error:
                if not is_transport_error(error):
                    raise
        return b"".join(pieces)
