"""Requests over HTTP and their answers, for backends: limits on every wait, and every failure as an error of ours."""

from __future__ import annotations

import platform
import warnings
from dataclasses import replace
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

import anyio

from chatport._errors import ConfigurationError, ProtocolError
from chatport._http_failures import (
    ConnectionFailedError,
    Exchange,
    TimedOutError,
    body_failure,
    closed_failure,
    request_failure,
    without_frames,
)
from chatport._http_headers import request_id_of
from chatport._http_patience import Patience
from chatport._http_pool import HttpPool
from chatport._http_slots import ConnectionsClosedError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType
    from typing import Self

    from chatport._http_answer import HttpAnswer
    from chatport._http_options import HttpOptions
    from chatport._http_pool import Place
    from chatport._http_request import HttpRequest
    from chatport._http_slots import Slots
    from chatport._load import Load
    from chatport._timeouts import Timeouts

MAX_BODY_BYTES: Final = 256 * 1024 * 1024
_MAX_ERROR_BYTES: Final = 64 * 1024
# The status says what has failed; its words are worth a moment, not the ten minutes that a model may think.
_ERROR_SECONDS: Final = 5.0
_END_SECONDS: Final = 1.0
_MAX_END_BYTES: Final = 64 * 1024
_USER_AGENT: Final = f"chatport/{version('chatport')} python/{platform.python_version()}"


class HttpWire:
    """Sends requests; one for each backend. It may be used from several event loops, each of which has connections."""

    def __init__(self, options: HttpOptions, *, backend: str, request_id_headers: Sequence[str] = ()) -> None:
        """Open nothing yet.

        Args:
            options: How to speak HTTP.
            backend: The name of the backend, for errors.
            request_id_headers: Where the service says its id of a request, if it is in none of the usual headers, such
                as `x-request-id`; the first that an answer has counts.
        """
        self._options = options
        self._backend = backend
        self._request_id_headers = tuple(name.lower() for name in request_id_headers)
        self._pool = HttpPool(options)
        self._own_names = frozenset(name.lower() for name in options.headers)

    async def send(
        self, request: HttpRequest, timeouts: Timeouts | None = None, *, model: str | None = None
    ) -> HttpResponse:
        """Send one request, once, and return its answer when the head of it is there, whatever its status.

        No redirect is followed: it would take keys along. No cookie is kept, and nothing that the environment says of
        proxies is read. The answer is to be used in `async with`.

        Args:
            request: What to send.
            timeouts: How long to wait, laid over the options' own.
            model: The model that is asked, for errors.

        Raises:
            ConfigurationError: Something needed to send is missing or wrong; nothing was sent.
            TransportError: The service could not be reached, or the connection broke before it answered.
            StreamTimeoutError: A limit is over; its `timeout` says which.
        """
        exchange = Exchange(self._backend, model)
        patience = Patience(self._options.timeouts.merged(timeouts))
        place = await self._place(request, exchange)
        slots = place.slots
        try:
            await slots.acquire(patience.seconds_for_place())
        except TimeoutError:
            raise patience.place_error(exchange, places=slots.limit) from None
        except ConnectionsClosedError:
            raise closed_failure(exchange) from None
        try:
            answer = await self._sent(request, place, patience, exchange)
            request_id = request_id_of(answer.headers, first=self._request_id_headers)
            known = replace(exchange, status=answer.status, request_id=request_id)
            return HttpResponse(answer, patience, known, slots, is_unary=request.unary)
        except BaseException:
            slots.release()
            raise

    def load(self) -> Load:
        """Return how busy it is, on all event loops."""
        return self._pool.load()

    async def aclose(self) -> None:
        """Close the connections of the running event loop; those of others close when their loop ends.

        May be called more than once, and the wire may be used again afterwards.
        """
        await self._pool.aclose()

    async def _place(self, request: HttpRequest, exchange: Exchange) -> Place:
        try:
            return await self._pool.place(request.url)
        except ConnectionsClosedError:
            raise closed_failure(exchange) from None
        except ValueError:  # whose words would show the address
            raise ConfigurationError("the address of the request is not one of http or https, in ASCII") from None

    async def _sent(self, request: HttpRequest, place: Place, patience: Patience, exchange: Exchange) -> HttpAnswer:
        headers = self._headers(request, place.host)
        patience.start_waiting_for_answer()
        try:
            with anyio.move_on_after(patience.seconds()):
                return await place.connections.send(request, place.url, headers, patience.timeouts.connect)
        except ConnectionFailedError as error:
            if error.kind == "connect-timeout":
                raise patience.connect_error(exchange) from None
            raise request_failure(error, exchange) from without_frames(error)
        raise patience.error(exchange, "request")

    def _headers(self, request: HttpRequest, host: str) -> _Headers:
        own = self._own_names
        headers = _Headers()
        if "host" not in own:
            headers.append(("Host", host))
        headers += [pair for pair in request.headers if pair[0].lower() not in own]
        headers += self._options.headers.items()
        # What is counted has to be what is kept: a compressed body may grow a thousandfold.
        headers.append(("Accept-Encoding", "identity"))
        if not any(name.lower() == "user-agent" for name, _ in headers):
            headers.append(("User-Agent", _USER_AGENT))
        if request.body is not None:
            headers.append(("Content-Length", str(len(request.body))))
        return headers


class _Headers(list[tuple[str, str]]):
    """Headers that do not show what they hold: tools that report errors print the local variables of every frame."""

    def __repr__(self) -> str:
        return f"<headers {', '.join(name for name, _ in self)}>"


class HttpResponse:
    """An answer whose body is still on the wire. Use it in `async with`.

    Leaving closes the connection at once, also in a cancelled task; one whose body was read to its end is kept for the
    next request.

    Attributes:
        status: The HTTP status.
        headers: The headers by name in lower case; of one that came twice, all values, with commas between them.
        request_id: The service's id of the request, where one of the usual headers has it, or one that the wire was
            told of.
    """

    __slots__ = ("_answer", "_exchange", "_is_unary", "_patience", "_slots", "headers", "request_id", "status")

    def __init__(
        self, answer: HttpAnswer, patience: Patience, exchange: Exchange, slots: Slots, *, is_unary: bool = False
    ) -> None:
        """Take over an answer, and the place that its request has."""
        self.status: int = answer.status
        self.headers: Mapping[str, str] = answer.headers
        self.request_id = exchange.request_id
        self._answer = answer
        self._patience = patience
        self._slots: Slots | None = slots
        self._exchange = exchange
        self._is_unary = is_unary

    async def __aenter__(self) -> Self:
        """Return itself."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connection or give it back, also in a cancelled task."""
        await self.aclose()

    async def aclose(self) -> None:
        """Do what leaving does. May be called more than once."""
        try:
            await self._answer.aclose()
        finally:
            slots, self._slots = self._slots, None
            if slots is not None:
                slots.release()

    def __del__(self) -> None:
        """Warn of an answer that nobody closes: it keeps its connection, and its place, for ever."""
        if getattr(self, "_slots", None) is not None:
            message = f"an answer for the backend {self._exchange.backend!r} was dropped: use it in `async with`"
            warnings.warn(message, ResourceWarning, stacklevel=1)

    async def read(self, *, has_begun: bool) -> bytes:
        """Return the next bytes of the body; none at its end.

        Args:
            has_begun: Whether an event of the answer has been read. Until then `Timeouts.first_event` counts, from then
                on each silence for itself, with `Timeouts.idle`. A unary answer has begun when it is there.

        Raises:
            StreamInterruptedError: The connection broke, or the body is cut off, once an event has been read.
            TransportError: The same, before that.
            StreamTimeoutError: Nothing came for too long.
            ProtocolError: The body is compressed, though nobody asked for that.
        """
        has_begun = has_begun and not self._is_unary
        patience = self._patience
        patience.has_begun = has_begun
        try:
            data = await self._answer.read(patience.seconds())
        except TimedOutError:
            raise patience.error(self._exchange, "stream" if has_begun else "request") from None
        except ConnectionFailedError as error:
            raise body_failure(error, self._exchange, has_begun=has_begun) from without_frames(error)
        if "content-encoding" in self.headers:
            self._refuse_encoding()
        return data

    async def read_all(self, *, limit: int = MAX_BODY_BYTES) -> bytes:
        """Return the whole body.

        Args:
            limit: The most bytes that it may have.

        Raises:
            ProtocolError: It is longer, or compressed.
            TransportError: The connection broke, or the body is cut off.
            StreamTimeoutError: Nothing came for too long.
        """
        pieces: list[bytes] = []
        size = 0
        while piece := await self.read(has_begun=False):
            size += len(piece)
            if size > limit:
                message = f"the answer is longer than {limit} bytes"
                raise ProtocolError(message, **self._exchange.facts("request"))
            pieces.append(piece)
        return b"".join(pieces)

    async def read_error(self, *, limit: int = _MAX_ERROR_BYTES) -> bytes:
        """Return what there is of an error's body: its status says enough where more is too long, late or missing.

        Args:
            limit: The most bytes to return.
        """
        return await self._read_what_comes(min(_ERROR_SECONDS, self._patience.seconds()), limit)

    async def read_end(self) -> bytes:
        """Return what follows the last event of a stream, so that the connection can be used again.

        It gives up after a second, after 64 KiB, or where the connection breaks: the message is complete, and all that
        is lost is a connection.
        """
        return await self._read_what_comes(_END_SECONDS, _MAX_END_BYTES)

    async def _read_what_comes(self, seconds: float, limit: int) -> bytes:
        pieces: list[bytes] = []
        size = 0
        with anyio.move_on_after(seconds):
            try:
                while size < limit and (piece := await self._answer.read(seconds)):
                    pieces.append(piece)
                    size += len(piece)
            except (ConnectionFailedError, TimedOutError):
                return b"".join(pieces)[:limit]
        return b"".join(pieces)[:limit]

    def _refuse_encoding(self) -> None:
        encoding = self.headers["content-encoding"].strip().lower()
        if encoding not in {"", "identity"}:
            message = f"the answer is compressed ({encoding[:40]!r}), though it was asked not to be"
            raise ProtocolError(message, **self._exchange.facts("request"))
