"""The emulator: a server in a thread of its own, with a loop of its own, for callers of every kind."""

import threading
from collections import deque
from collections.abc import Iterable
from concurrent.futures import Future
from types import TracebackType
from typing import Final, Self

import anyio
import anyio.to_thread
from aiohttp import web
from anyio.from_thread import BlockingPortal

from chatport.backend import Backend
from chatport_bedrock.emulator._auth import Access, Credentials
from chatport_bedrock.emulator._exchange import Policy
from chatport_bedrock.emulator._guest import Guest
from chatport_bedrock.emulator._handler import Handler
from chatport_bedrock.emulator._journal import Disconnect, Journal, RecordedRequest
from chatport_bedrock.emulator._operations import LOOK_UPS
from chatport_bedrock.emulator._refusal import HttpError
from chatport_bedrock.emulator._script import Scripted
from chatport_bedrock.emulator._shapes import service_model

_MEBIBYTE: Final = 1024 * 1024
_MAX_REQUEST_BYTES: Final = 128 * _MEBIBYTE
_MAX_JOURNAL_BYTES: Final = 64 * _MEBIBYTE
_WAIT: Final = 10.0
# Nothing waits for this in practice: answers in progress are ended before.
_SHUTDOWN_TIMEOUT: Final = 2.0


class Emulator:
    """Bedrock on loopback that speaks the real wire: Converse, ConverseStream, CountTokens, and what lists models.

    Use it as a context manager, from synchronous code, asyncio or trio. It runs in a thread with an event loop of its
    own, so it answers even a caller that blocks. Requests are checked as the service checks them, and answered by a
    scripted brain: deterministic, without knowledge, but able to describe media, call tools and read their results.

        with Emulator() as emulator:
            client = boto3.client("bedrock-runtime", endpoint_url=emulator.url, region_name="us-east-1", ...)

    Args:
        script: What to answer to the first requests, instead of the brain; see `enqueue`.
        host: The address to listen on.
        port: The port to listen on; 0 for a free one.
        api_key: The bearer key to accept. Without `api_key` and `credentials` every key and every signature will do.
        credentials: The keys to accept of signed requests, whose signatures are then verified.
        check_requests: Whether to refuse what the service would refuse; without, any JSON object is answered, as far as
            the script or the brain can.
        pace: How long to wait before each event of a stream, in seconds: none is as fast as it goes.
        max_requests: How many requests to remember; their bodies may take 64 MiB together.
        backend: A backend that answers in the brain's place, whatever model the address names; see `model`. It is asked
            in the emulator's own event loop, and closed by whoever made it. Requests are checked as ever, and the
            script still comes first.
        model: The model id to ask that backend for.
    """

    def __init__(  # noqa: PLR0913 - options, by name only
        self,
        script: Iterable[Scripted] = (),
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        api_key: str | None = None,
        credentials: Credentials | None = None,
        check_requests: bool = True,
        pace: float = 0.0,
        max_requests: int = 256,
        backend: Backend | None = None,
        model: str = "",
    ) -> None:
        if model and backend is None:
            raise ValueError("a model is asked of a backend: say which one")
        self._guest = None if backend is None else Guest(backend, model)
        self._script: deque[Scripted] = deque(script)
        self._errors: dict[str, deque[HttpError]] = {name: deque() for name in LOOK_UPS}
        self._host = host
        self._port = port
        self._policy = Policy(Access(api_key, credentials), check_requests)
        self._pace = pace
        self._journal = Journal(max_requests=max_requests, max_bytes=_MAX_JOURNAL_BYTES)
        self._lock = threading.Lock()  # of the three below
        self._thread: threading.Thread | None = None
        self._portal: BlockingPortal | None = None
        self._handler: Handler | None = None
        self._url: str | None = None

    # --- what happened ------------------------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """Where it listens: what `endpoint_url` has to be. It stays known after the end.

        Raises:
            RuntimeError: It was never started.
        """
        if self._url is None:
            raise RuntimeError("the emulator was not started: use it in a with block")
        return self._url

    @property
    def requests(self) -> tuple[RecordedRequest, ...]:
        """What was received, oldest first, refused requests included. Old ones are forgotten; see `request_count`."""
        return self._journal.requests

    @property
    def request_count(self) -> int:
        """How many requests have been received in all."""
        return self._journal.request_count

    @property
    def disconnects(self) -> tuple[Disconnect, ...]:
        """The clients that left before their answer was complete, oldest first."""
        return self._journal.disconnects

    @property
    def pending(self) -> int:
        """How many enqueued answers have not been asked for."""
        return len(self._script)

    def wait_for_requests(self, count: int = 1, *, timeout: float = _WAIT) -> None:
        """Wait until `request_count` is at least this; from a coroutine, through `anyio.to_thread.run_sync`.

        Raises:
            TimeoutError: That took longer than `timeout` seconds.
        """
        self._journal.wait_for_requests(count, timeout)

    def wait_for_disconnects(self, count: int = 1, *, timeout: float = _WAIT) -> None:
        """Wait until so many clients have left early; as `wait_for_requests`."""
        self._journal.wait_for_disconnects(count, timeout)

    def wait_for_holds(self, count: int = 1, *, timeout: float = _WAIT) -> None:
        """Wait until so many answers have come to a `Hold`; as `wait_for_requests`."""
        self._journal.wait_for_holds(count, timeout)

    # --- what is to happen --------------------------------------------------------------------------------------------

    def enqueue(self, *answers: Scripted) -> None:
        """Say what to answer to the next requests, in this order; after these the brain answers again.

        A request that is refused takes nothing from the queue.
        """
        self._script.extend(answers)

    def enqueue_error(self, operation: str, *errors: HttpError) -> None:
        """Say what the next requests of an operation are refused with that asks no model for an answer.

        Args:
            operation: Such as `"ListFoundationModels"` or `"CountTokens"`; for the others there is `enqueue`.
            *errors: The errors, in order.

        Raises:
            ValueError: The operation is none of these.
        """
        if operation not in self._errors:
            raise ValueError(f"{operation!r} is none of {', '.join(sorted(self._errors))}")
        self._errors[operation].extend(errors)

    def release(self, count: int = 1) -> None:
        """Let answers go on that wait at a `Hold`: so many, either of those that wait now or of those that will.

        Raises:
            RuntimeError: The emulator is not running.
        """
        with self._lock:
            if self._portal is None or self._handler is None:
                raise RuntimeError("the emulator is not running")
            self._portal.start_task_soon(self._handler.release, count)

    # --- its life -----------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the server; a context manager does that by itself.

        Raises:
            OSError: The port is taken, or the address is none of this machine.
            RuntimeError: It is running already.
        """
        with self._lock:
            if self._thread is not None:
                raise RuntimeError("the emulator is running already")
            started: Future[tuple[str, BlockingPortal, Handler]] = Future()
            # A daemon: a program that forgets to close its emulator still ends.
            thread = threading.Thread(target=self._run, args=(started,), name="bedrock-emulator", daemon=True)
            thread.start()
            try:
                self._url, self._portal, self._handler = started.result()
            except BaseException:
                thread.join()
                raise
            self._thread = thread

    def close(self) -> None:
        """Stop the server, end what is in progress, wait until the thread has ended. May be called more than once."""
        with self._lock:
            if self._thread is None or self._portal is None:
                return
            self._portal.start_task_soon(self._portal.stop)
            self._thread.join()
            self._thread = self._portal = self._handler = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        try:
            await anyio.to_thread.run_sync(self.start)
        except BaseException:
            await self._close_shielded()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._close_shielded()

    async def _close_shielded(self) -> None:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(self.close)

    def _run(self, started: Future[tuple[str, BlockingPortal, Handler]]) -> None:
        """The thread."""
        try:
            anyio.run(self._serve, started, backend="asyncio")
        except BaseException as error:
            if started.done():
                raise
            started.set_exception(error)

    async def _serve(self, started: Future[tuple[str, BlockingPortal, Handler]]) -> None:
        service_model()  # read before the first request, which would have to wait for it; the control plane's is not
        handler = Handler(
            self._policy, self._script, self._journal, pace=self._pace, errors=self._errors, guest=self._guest
        )
        application = web.Application(client_max_size=_MAX_REQUEST_BYTES)
        application.router.add_route("*", "/{path:.*}", handler.__call__)
        runner = web.AppRunner(
            application, access_log=None, handler_cancellation=True, shutdown_timeout=_SHUTDOWN_TIMEOUT
        )
        await runner.setup()
        try:
            await web.TCPSite(runner, self._host, self._port).start()
            host, port = runner.addresses[0][:2]
            async with BlockingPortal() as portal:
                started.set_result(
                    (f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}", portal, handler)
                )
                await portal.sleep_until_stopped()
        finally:
            handler.cancel_running()
            with anyio.CancelScope(shield=True):
                await runner.cleanup()
